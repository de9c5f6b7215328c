//! What an import keeps of records that speak of one id, and its limits.

use std::fs;

use super::*;
use crate::advisory::{End, Snapshot};

/// Imports each text as a file of its own, in that order.
fn import(texts: &[&str]) -> (Merged, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let mut import = Import::new(&memory);
    for text in texts {
        let path = folder.path().join("a.json");
        fs::write(&path, text).unwrap();
        import.add(&path, read(&path, NonZeroUsize::MIN, &memory, &|_| ()).unwrap(), None).unwrap();
    }
    let mut compiler = Compiler::default();
    (import.compile(&mut compiler), compiler.to_bytes().unwrap())
}

fn record(fields: &str, ecosystem: &str, fixed: &str) -> String {
    format!(
        r#"{{"id":"A",{fields}"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}},
        "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}]}}"#
    )
}

/// What is known of `a` in npm after importing in this order and the other.
fn fixes(texts: &[&str]) -> (Vec<String>, Merged) {
    let (merged, bytes) = import(texts);
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    assert_eq!(import(&reversed), (merged, bytes.clone()), "the order of files changes the import");
    let found = Snapshot::from_bytes(bytes).unwrap().lookup("npm", "a").unwrap();
    let fix = |end: &End| match end {
        End::Fixed(fix) => fix.clone(),
        other => format!("{other:?}"),
    };
    let ends = found.iter().flat_map(|advisory| &advisory.ranges).map(|range| fix(&range.end));
    (ends.collect(), merged)
}

#[test]
fn the_newest_word_of_an_id_counts() {
    let npm = |fields: &str, fixed| record(fields, "npm", fixed);
    let old = npm(r#""modified":"2024-01-01T00:00:00Z","#, "1.0.0");
    let new = npm(r#""modified":"2024-01-01T00:00:00.5Z","#, "2.0.0");
    let published = npm(r#""published":"2023-01-01T00:00:00Z","#, "3.0.0");
    let (undated, same) = (npm("", "4.0.0"), npm(r#""modified":"2024-01-01T00:00:00Z","#, "0.1.0"));
    assert_eq!(fixes(&[&old, &new]).0, ["2.0.0"]);
    assert_eq!(fixes(&[&published, &old]).0, ["1.0.0"]);
    assert_eq!(fixes(&[&undated, &published]).0, ["3.0.0"]);
    assert_eq!(fixes(&[&same, &old]).0, ["1.0.0"], "at one time the content decides");
    let (all, merged) = fixes(&[&old, &undated, &new, &published, &new]);
    assert_eq!((all, merged), (vec!["2.0.0".into()], Merged { kept: 1, replaced: 4, ..Merged::default() }));
}

#[test]
fn a_withdrawn_record_is_gone() {
    let npm = |fields: &str| record(fields, "npm", "1.0.0");
    let january = npm(r#""modified":"2024-01-01T00:00:00Z","#);
    let june = npm(r#""modified":"2024-06-01T00:00:00Z","#);
    let withdrawn = r#"{"id":"A","modified":"2024-03-01T00:00:00Z","withdrawn":"2024-03-01T00:00:00Z"}"#;
    let undated = r#"{"id":"A","withdrawn":"2024-01-01T00:00:00Z"}"#;
    assert_eq!(fixes(&[&january, withdrawn]), (vec![], Merged { withdrawn: 1, ..Merged::default() }));
    assert_eq!(fixes(&[&january, undated]).0, Vec::<String>::new(), "at one time it is the later word");
    assert_eq!(fixes(&[&june, withdrawn]).0, ["1.0.0"], "it was brought back");
}

#[test]
fn a_record_that_mirrors_split_by_family_stays_whole() {
    let january = r#""modified":"2024-01-01T00:00:00Z","#;
    let parts = [("npm", "1.0.0"), ("PyPI", "1.0"), ("Debian:11", "1-1"), ("Debian:12", "1-2")]
        .map(|(ecosystem, fixed)| record(january, ecosystem, fixed));
    let june = record(r#""modified":"2024-06-01T00:00:00Z","#, "Debian:12", "1-3");
    let (merged, bytes) = import(&[&parts[0], &parts[1], &parts[2], &june]);
    assert_eq!(merged, Merged { kept: 3, replaced: 1, ..Merged::default() });
    let feeds = Snapshot::from_bytes(bytes).unwrap().feeds();
    let names: Vec<_> = feeds.iter().map(|feed| feed.name.as_str()).collect();
    assert_eq!(names, ["Debian:12", "PyPI", "npm"], "the newer one speaks of Debian as a whole");
}

#[test]
fn limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let one = record("", "npm", "1.0.0");
    fs::write(&path, format!("[{one},{one},0,0,0]")).unwrap();
    let read = |limits| {
        let budget = Budget { limits, ..Budget::default() };
        let part = read_within(&path, NonZeroUsize::MIN, &budget, &|_| ());
        part.map(|mut part| part.outcomes.remove("osv").unwrap())
    };
    let limits = Limits::default();
    assert_eq!(read(limits).unwrap().read, 5);
    let over = |limits| match read(limits) {
        Err(Error::Limit { limit, .. }) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(over(Limits { records: 4, ..limits }), "feed records");
    assert_eq!(over(Limits { held_bytes: 100, ..limits }), "feed path memory");
    assert_eq!(over(Limits { ecosystems: 0, ..limits }), "feed ecosystems");
    let short = read(Limits { record_bytes: 100, ..limits }).unwrap();
    assert_eq!((short.read, short.kept, short.skipped), (5, 0, 5));
    let few = read(Limits { record_advisories: 0, ..limits }).unwrap();
    assert_eq!(few.reasons["over the limit `feed record advisories`"], 2);
}

#[test]
fn a_part_is_kept_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("feed")).unwrap();
    let withdrawn = r#"{"id":"B","modified":"2024-03-01T00:00:00Z","withdrawn":"2024-03-01T00:00:00Z"}"#;
    fs::write(at("feed/a.json"), record(r#""modified":"2024-01-01T00:00:00.5Z","#, "npm", "1.0.0")).unwrap();
    fs::write(at("feed/b.json"), withdrawn).unwrap();
    let memory = Memory::default();
    let part = read(&at("feed"), NonZeroUsize::MIN, &memory, &|_| ()).unwrap();
    let bytes = part.to_bytes().unwrap();
    let again = Part::from_bytes(&bytes, &memory).unwrap();
    assert_eq!((again.to_bytes().unwrap(), &again.outcomes), (bytes.clone(), &part.outcomes));
    let compiled = |part| {
        let (mut import, mut compiler) = (Import::new(&memory), Compiler::default());
        import.add(folder.path(), part, None).unwrap();
        import.compile(&mut compiler);
        compiler.to_bytes().unwrap()
    };
    assert_eq!(compiled(part), compiled(again));
    for index in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[index] ^= 0x41;
        let cut = &bytes[..index];
        assert!(Part::from_bytes(&bad, &memory).is_none() && Part::from_bytes(cut, &memory).is_none());
    }
    let key = Part::key(&at("feed")).unwrap();
    assert_eq!(Part::key(&at("feed")).unwrap(), key);
    fs::rename(at("feed/b.json"), at("feed/c.json")).unwrap();
    assert_ne!(Part::key(&at("feed")).unwrap(), key, "names count: messages have them");
    fs::rename(at("feed/c.json"), at("feed/b.json")).unwrap();
    fs::write(at("feed/b.json"), withdrawn.replace('B', "C")).unwrap();
    assert_ne!(Part::key(&at("feed")).unwrap(), key);
}

#[test]
fn all_paths_together_have_one_memory() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> =
        (0..200).map(|id| record("", "npm", "1.0.0").replacen('A', &format!("A-{id}"), 1)).collect();
    let path = folder.path().join("a.json");
    fs::write(&path, format!("[{}]", texts.join(","))).unwrap();
    let one = |memory: &Memory| read(&path, NonZeroUsize::new(2).unwrap(), memory, &|_| ());
    let all = Memory::default();
    let held_bytes = one(&all).unwrap().held_bytes;
    assert_eq!(all.held(), held_bytes, "what was in flight is given back");
    // Three of them at a time, none of which is too large by itself.
    let memory = Memory::of(held_bytes * 5 / 2);
    let [first, second] = [one(&memory).unwrap(), one(&memory).unwrap()];
    let third = one(&memory).err().unwrap();
    assert!(matches!(third, Error::Memory { .. }) && third.to_string().contains("a.json"), "{third}");
    assert_eq!(memory.held(), 2 * held_bytes, "what failed holds nothing");
    // Whoever stopped for it has not read everything, whatever is given back.
    first.let_go(&memory);
    second.let_go(&memory);
    assert!(matches!(one(&memory), Err(Error::Memory { .. })));
    let memory = Memory::of(held_bytes * 5 / 2);
    let mut import = Import::new(&memory);
    for _ in 0..4 {
        import.add(&path, one(&memory).unwrap(), None).unwrap();
        assert_eq!(memory.held(), held_bytes, "one replaces the other");
    }
    // One path alone has half of it.
    assert!(matches!(
        one(&Memory::of(held_bytes * 3 / 2)),
        Err(Error::Limit { limit: "feed path memory", .. })
    ));
}

#[test]
fn of_each_feed_the_records_are_counted_that_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let npm = record(r#""modified":"2024-01-01T00:00:00Z","#, "npm", "1.0.0");
    let newer = record(r#""modified":"2024-06-01T00:00:00Z","#, "npm", "2.0.0");
    let pypi = record("", "PyPI", "1.0").replacen('A', "B", 1);
    for order in [[&npm, &newer, &pypi, &npm], [&pypi, &newer, &npm, &newer]] {
        fs::write(&path, format!("[{}]", order.map(String::as_str).join(","))).unwrap();
        let part = read(&path, NonZeroUsize::MIN, &Memory::default(), &|_| ()).unwrap();
        assert_eq!(part.feeds(), BTreeMap::from([("PyPI".to_owned(), 1), ("npm".to_owned(), 1)]));
    }
}

#[test]
fn more_ecosystems_than_a_report_can_name_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let many = |from: usize, count: usize| {
        let record =
            |id: usize| record("", &format!("Debian:{id}"), "1.0.0").replacen('A', &format!("A-{id}"), 1);
        fs::write(&path, format!("[{}]", (from..from + count).map(record).collect::<Vec<_>>().join(",")))
            .unwrap();
        read(&path, NonZeroUsize::MIN, &Memory::default(), &|_| ())
    };
    let most = Limits::default().ecosystems;
    let mut import = Import::new(&Memory::default());
    import.add(&path, many(0, most).unwrap(), None).unwrap();
    import.add(&path, many(0, 2).unwrap(), None).unwrap();
    let more = import.add(&path, many(most, 1).unwrap(), None).err();
    assert!(matches!(more, Some(Error::Limit { limit: "feed ecosystems", .. })));
    assert!(matches!(many(0, most + 1), Err(Error::Limit { limit: "feed ecosystems", .. })));
}

//! What an import keeps of records that speak of one id, and its limits.

use std::fs;

use super::*;
use crate::advisory::{End, Snapshot};

/// Imports each text as a file of its own, in that order.
fn import(texts: &[&str]) -> (Merged, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut import = Import::default();
    for text in texts {
        let path = folder.path().join("a.json");
        fs::write(&path, text).unwrap();
        import.add(&path, read(&path, NonZeroUsize::MIN, &|_| ()).unwrap(), None).unwrap();
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
        let part = read_within(&path, NonZeroUsize::MIN, limits, &|_| ());
        part.map(|mut part| part.outcomes.remove("osv").unwrap())
    };
    let limits = Limits::default();
    assert_eq!(read(limits).unwrap().read, 5);
    let over = |limits| match read(limits) {
        Err(Error::Limit { limit, .. }) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(over(Limits { records: 4, ..limits }), "feed records");
    assert_eq!(over(Limits { held_bytes: 100, ..limits }), "feed memory");
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
    let part = read(&at("feed"), NonZeroUsize::MIN, &|_| ()).unwrap();
    let bytes = part.to_bytes().unwrap();
    let again = Part::from_bytes(&bytes).unwrap();
    assert_eq!((again.to_bytes().unwrap(), &again.outcomes), (bytes.clone(), &part.outcomes));
    let compiled = |part| {
        let (mut import, mut compiler) = (Import::default(), Compiler::default());
        import.add(folder.path(), part, None).unwrap();
        import.compile(&mut compiler);
        compiler.to_bytes().unwrap()
    };
    assert_eq!(compiled(part), compiled(again));
    for index in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[index] ^= 0x41;
        assert!(Part::from_bytes(&bad).is_none() && Part::from_bytes(&bytes[..index]).is_none());
    }
    let key = Part::key(&at("feed")).unwrap();
    assert_eq!(Part::key(&at("feed")).unwrap(), key);
    fs::rename(at("feed/b.json"), at("feed/c.json")).unwrap();
    assert_ne!(Part::key(&at("feed")).unwrap(), key, "names count: messages have them");
    fs::rename(at("feed/c.json"), at("feed/b.json")).unwrap();
    fs::write(at("feed/b.json"), withdrawn.replace('B', "C")).unwrap();
    assert_ne!(Part::key(&at("feed")).unwrap(), key);
}

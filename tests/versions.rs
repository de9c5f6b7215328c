//! Walks the published version comparisons, lines such as `1.0 < 1.1`, where the suite is at hand: unpacked as
//! `suites/version-osv-scalibr.tar.zst` of the folder named by `STELLA_SHARED`, or `../shared` beside the checkout.

use std::{cmp::Ordering, io::Read as _, path::PathBuf};

use stella::version::Scheme;

/// File, order, and how many comparisons it has at least.
const SUITES: [(&str, Scheme, usize); 12] = [
    ("alpine", Scheme::Apk, 778),
    ("cran", Scheme::Cran, 21),
    ("debian", Scheme::Deb, 30),
    ("hackage", Scheme::Hackage, 11),
    ("maven", Scheme::Maven, 102),
    ("nuget", Scheme::Nuget, 35),
    ("packagist", Scheme::Composer, 95),
    ("pub", Scheme::Pub, 100),
    ("pypi", Scheme::Pypi, 37),
    ("redhat", Scheme::Rpm, 165),
    ("rubygems", Scheme::Rubygems, 25),
    ("semver", Scheme::Npm, 86),
];

#[test]
fn published_comparisons() {
    let Some(files) = suite() else {
        println!(
            "versions: suite skipped: set STELLA_SHARED to the folder that holds suites/version-osv-scalibr.tar.zst"
        );
        return;
    };
    let mut failed = Vec::new();
    for (name, scheme, at_least) in SUITES {
        let file = format!("{name}-versions.txt");
        let (_, text) = files.iter().find(|(path, _)| path.ends_with(&file)).expect("the suite has the file");
        let before = failed.len();
        let (mut passed, mut skipped) = (0, 0);
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let want = match words[..] {
                [] | ["#" | "//", ..] => continue,
                [_, "<", _] => Ordering::Less,
                [_, "=", _] => Ordering::Equal,
                [_, ">", _] => Ordering::Greater,
                _ => {
                    println!("{name}: not a comparison: {line}");
                    skipped += 1;
                    continue;
                }
            };
            if scheme.compare(words[0], words[2]) == want
                && scheme.compare(words[2], words[0]) == want.reverse()
            {
                passed += 1;
            } else {
                failed.push(format!("{name}: {line}"));
            }
        }
        println!("versions {name}: {passed} passed, {} failed, {skipped} skipped", failed.len() - before);
        assert!(passed + failed.len() - before >= at_least, "{name}: the suite is shorter than known");
    }
    assert!(failed.is_empty(), "{} comparisons failed:\n{}", failed.len(), failed.join("\n"));
}

/// Every file of the suite, as path and text.
#[expect(clippy::expect_used, reason = "a suite that cannot be read must fail the test")]
fn suite() -> Option<Vec<(String, String)>> {
    let shared = std::env::var_os("STELLA_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let packed = std::fs::File::open(shared.join("suites/version-osv-scalibr.tar.zst")).ok()?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed).expect("zstd"));
    let entries = archive.entries().expect("tar").map(|entry| {
        let mut entry = entry.expect("tar entry");
        let path = entry.path().expect("path").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (path, text)
    });
    Some(entries.collect())
}

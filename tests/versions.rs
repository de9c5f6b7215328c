//! Walks the published version comparisons, lines such as `1.0 < 1.1`, where the suite is at hand.

mod suite;

use std::cmp::Ordering;

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
    let Some(files) = suite::files("version-osv-scalibr") else { return };
    let mut failed = Vec::new();
    for (name, scheme, at_least) in SUITES {
        let text = &files[&format!("version-osv-scalibr/{name}-versions.txt")];
        let text = str::from_utf8(text).unwrap();
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

//! Ruby's `Gemfile.lock` (`gems.locked`); Bundler's documentation and its `lockfile_parser.rb`.

use super::{super::Ecosystem, Error, Package, Packages, text};

/// Headings under which gems are listed, by where they come from.
const SOURCES: [&str; 4] = ["GEM", "GIT", "PATH", "PLUGIN SOURCE"];

/// Every gem, once for each platform's build of it.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let text = text::decode(bytes)?;
    let mut packages = Packages::default();
    // None before the first heading; then whether it heads gems.
    let mut gems = None;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim_end();
        let unindented = line.trim_start();
        let wrong = |why: &str| Error::Line { line: number, why: why.to_owned() };
        match (line.len() - unindented.len(), gems) {
            _ if line.is_empty() => {}
            // Not so the marks of a merge's conflict, which Bundler refuses too.
            (0, _) if line.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ') => {
                gems = Some(SOURCES.contains(&line));
            }
            (0, _) => return Err(wrong("not a section")),
            (_, None) => return Err(wrong("outside every section")),
            // Four deep are the gems, deeper what each needs.
            (4, Some(true)) => {
                packages.push(gem(unindented).ok_or_else(|| wrong("not a gem and its version"))?)?;
            }
            _ => {}
        }
    }
    Ok(packages.into_vec())
}

/// Reads `NAME (VERSION)` or `NAME (VERSION-PLATFORM)`.
pub(super) fn gem(line: &str) -> Option<Package> {
    let (name, rest) = line.split_once(" (")?;
    // An exclamation mark pins the gem to its source.
    let version = rest.strip_suffix('!').unwrap_or(rest).strip_suffix(')')?;
    let version = version.split('-').next()?;
    (!name.is_empty() && !version.is_empty()).then(|| Package::new(Ecosystem::Gem, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_platforms() {
        let lock = "GIT\r\n  remote: https://x\r\n  revision: 0a\r\n  specs:\r\n    a (1.0.rc1)\r\n      z (= 9)\r\n\r\n
PATH\n  remote: .\n  specs:\n    b (0.1)\n\nPLUGIN SOURCE\n  remote: y\n  type: t\n  specs:\n    c (2)!\n
GEM\n  specs:\n    d (3.1-x86_64-linux-gnu)\n    d (3.1-java)\n\nPLATFORMS\n  ruby\n
DEPENDENCIES\n  a!\n  d (~> 3)\n\nCHECKSUMS\n  d (3.1) sha256=00\n\nRUBY VERSION\n   ruby 3.2.0p0\n\nBUNDLED WITH\n   2.4\n";
        let want = [("a", "1.0.rc1"), ("b", "0.1"), ("c", "2"), ("d", "3.1"), ("d", "3.1")];
        assert_eq!(read(lock.as_bytes()).unwrap(), want.map(|(n, v)| Package::new(Ecosystem::Gem, n, v)));
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn malformed() {
        for (text, line) in [
            ("  remote: x\n", 1),
            ("GEM\n<<<<<<< HEAD\n", 2),
            ("GEM\n  specs:\n    a\n", 3),
            ("GEM\n  specs:\n    a (1\n", 3),
            ("GEM\n  specs:\n    a (-x)\n", 3),
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(Error::Line { line: at, .. }) if at == line),
                "{text}"
            );
        }
    }
}

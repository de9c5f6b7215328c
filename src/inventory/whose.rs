//! Whose a file is, as its path tells: the project's own, an installed package's, that of its tests, of a copy within it.

use crate::package::Package;

/// Directories of packages that are installed: lock files in them are those packages' own, as is the `pom.xml` of a jar that
/// was unpacked.
const INSTALLED: [&str; 5] = ["node_modules", "site-packages", "dist-packages", "vendor", "META-INF"];

/// Whether a lock file is the project's own, not one that came with an installed package.
pub(super) fn is_own(path: &str) -> bool {
    !path.split('/').any(|part| INSTALLED.contains(&part))
}

/// Whether a `package.json` within another package is that of a copy, as bundlers leave it: in a directory of its own name,
/// such as `next/dist/compiled/@babel/runtime`, and with a version. Others say how to load a directory, or are examples.
pub(super) fn is_copy(path: &str, package: &Package) -> bool {
    let directory = path.strip_suffix("/package.json").unwrap_or_default();
    let before = directory.strip_suffix(package.name.as_str());
    before.is_some_and(|before| before.ends_with('/')) && !package.version.is_empty() && !is_of_tests(path)
}

/// Directories of a package that hold what its tests look at, broken on purpose now and then.
const TESTS: [&str; 6] = ["test", "tests", "__tests__", "fixtures", "__fixtures__", "testdata"];

/// Whether a path leads through tests of an installed package: no program finds packages there, and the broken ones hide
/// none. What does tell its name is believed all the same.
pub(super) fn is_of_tests(path: &str) -> bool {
    let mut before = "";
    let mut installed = false;
    path.split('/').any(|part| {
        // A package may be called so itself.
        let is_package = before == "node_modules" || before.starts_with('@');
        let is_of_tests = installed && !is_package && TESTS.contains(&part);
        installed |= ["node_modules", "site-packages", "dist-packages"].contains(&part);
        before = part;
        is_of_tests
    })
}

/// Whether a path leads through what a project's own tests look at, which is none of its software: Go's `testdata`, the
/// fixtures and tests of Jest. In `test` and `tests` there are programs of their own.
pub(super) fn is_test_data(path: &str) -> bool {
    let mut parts = path.rsplit('/').skip(1);
    parts.any(|part| ["__tests__", "fixtures", "__fixtures__", "testdata"].contains(&part))
}

/// Whether a path leads into a gem, where RubyGems keeps it: `gems/NAME-VERSION`.
pub(super) fn is_gem(path: &str) -> bool {
    let mut parts = path.split('/').skip_while(|part| *part != "gems").skip(1);
    let version = parts.next().and_then(|name| name.rsplit_once('-')).map(|(_, version)| version);
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_packages() {
        for (path, want) in [
            ("app/node_modules/resolve/test/a/node_modules/b/package.json", true),
            ("app/node_modules/@s/x/__tests__/node_modules/b/package.json", true),
            ("site-packages/x/tests/a.dist-info", true),
            ("app/node_modules/test/node_modules/b/package.json", false),
            ("app/node_modules/@s/test/node_modules/b/package.json", false),
            ("app/test/node_modules/b/package.json", false),
        ] {
            assert_eq!(is_of_tests(path), want, "{path}");
        }
    }

    #[test]
    fn data_of_tests() {
        for path in ["a/testdata/go.mod", "fixtures/a/package.json", "__fixtures__/a", "a/__tests__/b/c"] {
            assert!(is_test_data(path), "{path}");
        }
        for path in ["go.mod", "a/testdata", "tests/requirements.txt", "a/fixtures.d/Gemfile"] {
            assert!(!is_test_data(path), "{path}");
        }
    }

    #[test]
    fn copies_of_packages() {
        let is_copy = |path: &str, name: &str, version: &str| {
            is_copy(path, &Package::new(crate::package::Ecosystem::Npm, name, version))
        };
        let path = "node_modules/next/dist/compiled/@babel/runtime/package.json";
        assert!(is_copy(path, "@babel/runtime", "7.15.4") && is_copy(path, "runtime", "1"));
        assert!(
            !is_copy(path, "@babel/runtime", "")
                && !is_copy(path, "time", "1")
                && !is_copy(path, "next", "1")
        );
        assert!(!is_copy("node_modules/resolve/test/mylib/package.json", "mylib", "1"));
    }

    #[test]
    fn files_of_gems() {
        assert!(is_gem("usr/local/bundle/gems/rack-2.2.1/Gemfile"));
        assert!(!is_gem("gems/own/Gemfile") && !is_gem("app/Gemfile"));
    }
}

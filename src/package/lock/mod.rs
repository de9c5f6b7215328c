//! Lock files and manifests: what a project asks for. In an image they are reported and not counted, since nothing says
//! that what they name was installed.
//!
//! They are told by their names alone, as their own tools tell them. A reader takes the whole file and gives the packages
//! that the project is made of and made with:
//! - those for development too, and those for some platforms only. Left out are what Conan needs to build, and what pnpm
//!   before version 9 marks as for development;
//! - not the project itself, but the members of its workspace where the file gives them names as packages of their own
//!   (npm and Bun do; Yarn and pnpm do not);
//! - by their own names, whatever the project calls them;
//! - with no version where the file says none, as of what is from a repository.
//!
//! A version of a form that is not known is an error: what it would say is not guessed. Adding a form is a new file here
//! and a line in [`FORMS`].

use super::{Error, Fact, Package};

mod bun;
mod cocoapods;
mod composer;
mod conan;
mod deno;
mod entries;
mod json;
mod mix;
mod npm;
mod pnpm;
mod pub_dev;
mod renv;
mod swift;
mod yaml;
mod yarn;

/// Reads one lock file.
type Read = fn(bytes: &[u8]) -> Result<Vec<Package>, Error>;

/// Every form, by file name.
const FORMS: &[(&str, Read)] = &[
    ("Package.resolved", swift::read),
    ("Podfile.lock", cocoapods::read),
    ("bun.lock", bun::read),
    ("bun.lockb", bun::read_binary),
    ("composer.lock", composer::read),
    ("conan.lock", conan::read),
    ("deno.lock", deno::read),
    ("mix.lock", mix::read),
    ("npm-shrinkwrap.json", npm::read),
    ("package-lock.json", npm::read),
    ("pnpm-lock.yaml", pnpm::read),
    ("pubspec.lock", pub_dev::read),
    ("renv.lock", renv::read),
    ("yarn.lock", yarn::read),
];

/// The reader for a file of this name.
fn form(path: &str) -> Option<Read> {
    let name = path.rsplit('/').next().unwrap_or_default();
    FORMS.iter().find(|(known, _)| *known == name).map(|(_, read)| *read)
}

/// By name.
pub(super) fn recognise(path: &str, _head: &[u8]) -> bool {
    form(path).is_some()
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let Some(read) = form(path) else { return Ok(None) };
    let mut packages = read(bytes)?;
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Locked { packages }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Good files, by name.
    const SAMPLES: &[(&str, &[&str])] = &[
        ("Package.resolved", &swift::SAMPLES),
        ("Podfile.lock", &[cocoapods::SAMPLE]),
        ("bun.lock", &[bun::SAMPLE]),
        ("composer.lock", &[composer::SAMPLE]),
        ("conan.lock", &conan::SAMPLES),
        ("deno.lock", &deno::SAMPLES),
        ("mix.lock", &[mix::SAMPLE]),
        ("package-lock.json", &[npm::SAMPLE]),
        ("pnpm-lock.yaml", &pnpm::SAMPLES),
        ("pubspec.lock", &[pub_dev::SAMPLE]),
        ("renv.lock", &[renv::SAMPLE]),
        ("yarn.lock", &yarn::SAMPLES),
    ];

    /// A reader may err, and what it gives is sorted; that it returns at all is the test.
    fn holds(path: &str, bytes: &[u8]) {
        if let Ok(fact) = read(path, bytes) {
            let Some(Fact::Locked { packages }) = fact else { panic!("{path} is not known") };
            assert!(packages.is_sorted());
        }
    }

    #[test]
    fn by_name_in_any_directory() {
        assert!(recognise("yarn.lock", b"") && recognise("a/b/yarn.lock", b""));
        assert!(!recognise("a/my-yarn.lock", b"") && !recognise("node_modules/.package-lock.json", b"{"));
    }

    #[test]
    fn samples_are_good() {
        for (path, text) in
            SAMPLES.iter().flat_map(|(path, texts)| texts.iter().map(move |text| (path, text)))
        {
            let Ok(Some(Fact::Locked { packages })) = read(path, text.as_bytes()) else { panic!("{path}") };
            assert!(!packages.is_empty(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,100}") {
            for (path, _) in FORMS {
                holds(path, &bytes);
                holds(path, text.as_bytes());
            }
        }

        #[test]
        fn mutated_samples(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
            punctuation in "[-{}\\[\\]:,\"'@/ \n%&*?|>#]{1,4}",
        ) {
            for (path, text) in SAMPLES.iter().flat_map(|(path, texts)| texts.iter().map(move |text| (path, text))) {
                let mut bytes = text.as_bytes().to_vec();
                for (index, byte, kind) in &changes {
                    if bytes.is_empty() {
                        break;
                    }
                    let at = index.index(bytes.len());
                    match kind {
                        0 => bytes[at] = *byte,
                        1 => bytes.truncate(at),
                        2 => { bytes.splice(at..at, punctuation.bytes()); }
                        _ => { bytes.drain(at..(at + usize::from(*byte % 16)).min(bytes.len())); }
                    }
                }
                holds(path, &bytes);
            }
        }
    }
}

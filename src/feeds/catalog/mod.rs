//! The sources that are known by name: where each is published, and what it is split into.

mod sources;

use std::fmt;

pub use sources::SOURCES;

/// Somebody who publishes advisories.
#[derive(Debug)]
pub struct Source {
    /// As people name it, and the folder of its downloads.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Where it is published: the publisher's own address first, then others of the same content. Each ends with `/`.
    pub addresses: &'static [&'static str],
    /// What lies below each address; `{}` is the part.
    path: &'static str,
    /// The download's name in the cache; `{}` is the part. Its end tells the form.
    file: &'static str,
    parts: Parts,
    /// What is published about the file beside it.
    pub published: Published,
    /// Whether it is fetched by default. What is off is in another source too, or is of interest in one region.
    pub default: bool,
}

/// What a source is split into, a file each.
#[derive(Debug)]
enum Parts {
    Whole,
    Each(&'static [&'static str]),
    /// A file for each year from the first to the present one, and others.
    Years(i16, &'static [&'static str]),
}

/// What is published about a file beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Nothing.
    Nothing,
    /// NVD: `NAME.meta` beside `NAME.json.gz`, with a line `sha256:HEX` of the file unpacked.
    Meta,
    /// JVN: a list of all files, JSON, with `filename` and `sha256`; its path below the address.
    List(&'static str),
    /// The path leads to a text that names the file beside it: Red Hat's `archive_latest.txt`.
    Latest,
    /// No file, but an interface that answers page by page.
    Pages(Interface),
    /// The path leads to the mirrors of a repository of packages, whose `repodata/repomd.xml` names the file and its SHA-256.
    Repository,
}

/// An interface that answers page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// NVD's, version 2.0.
    Nvd,
    /// GitHub's GraphQL.
    GitHub,
}

/// One download.
#[derive(Debug, Clone)]
pub struct File {
    pub source: &'static Source,
    /// Empty where the source is one file.
    pub part: String,
    /// Below each address.
    pub path: String,
    /// In the source's folder.
    pub name: String,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&named(self.source.name, &self.part))
    }
}

/// A file as people name it: `osv:npm`, `kev`.
pub fn named(source: &str, part: &str) -> String {
    if part.is_empty() { source.to_owned() } else { format!("{source}:{part}") }
}

impl Source {
    /// The source of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SOURCES.iter().find(|source| source.name == name)
    }

    /// Its files, as of this year.
    pub fn files(&'static self, year: i16) -> Vec<File> {
        let parts = match self.parts {
            Parts::Whole => vec![String::new()],
            Parts::Each(parts) => parts.iter().map(|&part| part.to_owned()).collect(),
            Parts::Years(first, others) => {
                let years = (first..=year).map(|year| year.to_string());
                years.chain(others.iter().map(|&other| other.to_owned())).collect()
            }
        };
        let file = |part: String| {
            let name = self.file.replace("{}", &part.replace(['/', ' '], "-"));
            self.file(part, name)
        };
        parts.into_iter().map(file).collect()
    }

    /// A file of that name in the cache, which is of that part.
    pub fn file(&'static self, part: String, name: String) -> File {
        File { source: self, path: self.path.replace("{}", &part), part, name }
    }
}

/// What `SOURCE` or `SOURCE:PART` means; a part may be the beginning of others, up to a `/`. `None` for what is not known.
pub fn chosen(word: &str, year: i16) -> Option<Vec<File>> {
    let (name, wanted) = word.split_once(':').unwrap_or((word, ""));
    let mut files = Source::named(name)?.files(year);
    let fits =
        |part: &str| part.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    files.retain(|file| wanted.is_empty() || fits(&file.part));
    (!files.is_empty()).then_some(files)
}

/// All of them, for the help.
pub fn help() -> String {
    let line = |source: &Source| {
        let on = if source.default { "on" } else { "off" };
        format!("  {:<13} {on:<4} {}\n", source.name, source.what)
    };
    format!(
        "Sources, and whether they are fetched by default\n{}\
         Two answer page by page: nvd-api, faster with a key in STELLA_NVD_API_KEY, and ghsa-api, which takes a token in \
         STELLA_GITHUB_TOKEN or GITHUB_TOKEN. It is sent to the source's address, or that of its --mirror, alone\n",
        SOURCES.iter().map(line).collect::<String>()
    )
}

/// Every name, for messages.
pub fn names() -> String {
    SOURCES.iter().map(|source| source.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_has_an_address_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for source in SOURCES {
            for address in source.addresses {
                assert!(address.starts_with("https://") && address.ends_with('/'), "{address}");
            }
            for file in source.files(2026) {
                assert!(!file.path.contains("{}") && !file.name.contains(['/', ' ', '{']), "{file:?}");
                assert!(names.insert((source.name, file.name.clone())), "{file:?}");
            }
        }
    }

    #[test]
    fn nothing_is_fetched_that_is_left_whole() {
        for name in sources::ECOSYSTEMS {
            let is_read = |name: &str| crate::advisory::scheme(name).is_some();
            assert!(is_read(name) || is_read(&format!("{name}:1")), "{name}");
        }
    }

    #[test]
    fn parts_are_chosen_by_their_beginning() {
        let of =
            |word| chosen(word, 2026).map(|files| files.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of("kev").unwrap(), ["kev"]);
        assert_eq!(of("osv:npm").unwrap(), ["osv:npm"]);
        assert_eq!(of("alpine:v3.20").unwrap(), ["alpine:v3.20/main", "alpine:v3.20/community"]);
        assert_eq!(of("nvd:2026").unwrap(), ["nvd:2026"]);
        for unknown in ["", "npm", "osv:np", "alpine:v3.2", "nvd:2027", "kev:x"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        let npm = &chosen("osv:npm", 2026).unwrap()[0];
        assert_eq!((npm.path.as_str(), npm.name.as_str()), ("npm/all.zip", "npm.zip"));
    }
}

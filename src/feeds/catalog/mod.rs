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
    /// A file for each release and each of its repositories. Of releases those that images are still built on: another of the
    /// form `v3.24` has the same repositories.
    Releases(&'static [&'static str], &'static [&'static str]),
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
            Parts::Releases(releases, repositories) => {
                releases.iter().flat_map(|release| of_release(release, repositories)).collect()
            }
            Parts::Years(first, others) => {
                let years = (first..=year).map(|year| year.to_string());
                years.chain(others.iter().map(|&other| other.to_owned())).collect()
            }
        };
        parts.into_iter().map(|part| self.file_of(part)).collect()
    }

    /// The files of the release that `part` begins with, if it looks like one and is not listed.
    fn files_of_other_release(&'static self, part: &str) -> Vec<File> {
        let release = part.split('/').next().unwrap_or_default();
        match self.parts {
            Parts::Releases(listed, repositories) if is_release(release) && !listed.contains(&release) => {
                of_release(release, repositories).map(|part| self.file_of(part)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn file_of(&'static self, part: String) -> File {
        let name = self.file.replace("{}", &part.replace(['/', ' '], "-"));
        self.file(part, name)
    }

    /// A file of that name in the cache, which is of that part.
    pub fn file(&'static self, part: String, name: String) -> File {
        File { source: self, path: self.path.replace("{}", &part), part, name }
    }
}

fn of_release(release: &str, repositories: &[&str]) -> impl Iterator<Item = String> {
    repositories.iter().map(move |repository| format!("{release}/{repository}"))
}

/// Whether it has the form `v3.24`.
fn is_release(text: &str) -> bool {
    release(text).is_some()
}

/// The numbers of `v3.24`, in their order.
fn release(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let fits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| fits)
    };
    let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
    Some((number(major)?, number(minor)?))
}

/// Files of releases of Alpine that are newer than those listed, if `ecosystem` is one: OSV has a release at once.
pub fn newer(ecosystem: &str) -> Vec<File> {
    let Some((source, named)) =
        ecosystem.strip_prefix("Alpine:").and_then(|named| Some((Source::named("alpine")?, named)))
    else {
        return Vec::new();
    };
    match source.parts {
        Parts::Releases(listed, _)
            if release(named) > listed.iter().filter_map(|listed| release(listed)).max() =>
        {
            source.files_of_other_release(named)
        }
        _ => Vec::new(),
    }
}

/// What `SOURCE` or `SOURCE:PART` means; a part may be the beginning of others, up to a `/`. `None` for what is not known.
pub fn chosen(word: &str, year: i16) -> Option<Vec<File>> {
    let (name, wanted) = word.split_once(':').unwrap_or((word, ""));
    let source = Source::named(name)?;
    let fits = |file: &File| {
        wanted.is_empty()
            || file.part.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut files = source.files(year);
    files.extend(source.files_of_other_release(wanted));
    files.retain(fits);
    (!files.is_empty()).then_some(files)
}

/// Parts that a message names.
const MOST_NAMED: usize = 40;

/// What could be meant instead of a word that is not known: parts of the source that it names, else the sources.
pub fn others(word: &str, year: i16) -> String {
    let name = word.split_once(':').map_or(word, |(name, _)| name);
    let Some(source) = Source::named(name) else {
        return format!("one of: {}; a part is such as osv:npm", names());
    };
    let parts: Vec<String> = source.files(year).into_iter().map(|file| file.part).collect();
    let named = parts.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match parts.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match source.parts {
        Parts::Whole => format!("{name} is one file, without parts"),
        Parts::Releases(..) => format!("parts of {name}: {named}{more}; or another release, such as v3.24"),
        Parts::Each(_) | Parts::Years(..) => format!("parts of {name}: {named}{more}"),
    }
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
        for unknown in ["", "npm", "osv:np", "alpine:v3.20/mai", "nvd:2027", "kev:x"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        let npm = &chosen("osv:npm", 2026).unwrap()[0];
        assert_eq!((npm.path.as_str(), npm.name.as_str()), ("npm/all.zip", "npm.zip"));
    }

    #[test]
    fn a_release_that_is_not_listed_has_the_same_repositories() {
        let of = |word| {
            let name = |file: File| format!("{file} {} {}", file.path, file.name);
            chosen(word, 2026).map(|files| files.into_iter().map(name).collect::<Vec<_>>())
        };
        let main = "alpine:v3.99/main v3.99/main.json v3.99-main.json";
        let community = "alpine:v3.99/community v3.99/community.json v3.99-community.json";
        assert_eq!(of("alpine:v3.99").unwrap(), [main, community]);
        assert_eq!(of("alpine:v3.99/community").unwrap(), [community]);
        for unknown in [
            "alpine:v9",
            "alpine:3.99",
            "alpine:v3.99/",
            "alpine:v3.99/x",
            "alpine:v3.9999",
            "alpine:v3.x",
            "osv:v3.99",
        ] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_release_that_is_newer_is_fetched_once_it_is_known_of() {
        let of = |ecosystem| newer(ecosystem).iter().map(File::to_string).collect::<Vec<_>>();
        assert_eq!(of("Alpine:v3.99"), ["alpine:v3.99/main", "alpine:v3.99/community"]);
        assert_eq!(of("Alpine:v4.0").len(), 2);
        for other in
            ["Alpine:v3.23", "Alpine:v3.2", "Alpine:edge", "Alpine:v3.9/../x", "Alpine", "Debian:99", "npm"]
        {
            assert_eq!(of(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn of_a_source_that_is_known_its_parts_are_named() {
        assert!(others("alpine:v9", 2026).starts_with("parts of alpine: v3.15/main, v3.15/community, "));
        assert!(others("alpine:v9", 2026).ends_with("edge/community; or another release, such as v3.24"));
        assert!(others("nvd:1", 2026).starts_with("parts of nvd: 2002, 2003, "));
        assert!(others("nvd:1", 2060).ends_with(", 2041 and 20 more"));
        assert_eq!(others("kev:x", 2026), "kev is one file, without parts");
        assert!(others("npm", 2026).starts_with("one of: osv, nvd, "));
    }
}

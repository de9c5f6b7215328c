//! Advisories: one vulnerability for one package of one ecosystem, and the compiled file they are looked up in.
//!
//! ```text
//! feed parsers -> Compiler -> one file -> Snapshot -> lookup(ecosystem, package)
//! ```

mod alias;
mod compiler;
mod fact;
mod feed;
mod format;
mod map;
mod snapshot;
mod whole;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{finding::Severity, package::normal_python_name, version::Scheme};

pub(crate) use compiler::Affected;
pub use compiler::Compiler;
pub use fact::{Exploited, Fact, Forecast};
pub use feed::{Feed, is_far};
pub use format::Error;
pub use snapshot::{Glance, Known, Snapshot};
pub use whole::{Aside, replace, write_whole};

/// One advisory for one package, as a feed's parser hands it to the [`Compiler`] and a [`Snapshot`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Advisory {
    /// The source's own id, such as `DSA-5417-1` or `PYSEC-2018-28`.
    pub id: String,
    /// The database whose word it is, such as `debian` or `github`.
    pub source: String,
    /// Other names of the same vulnerability, sorted.
    pub aliases: Vec<String>,
    /// One line.
    pub summary: String,
    /// How bad, in the source's word.
    pub severity: Severity,
    /// Where the source stands with it.
    pub state: State,
    /// Which versions are affected. Any of these hits.
    pub ranges: Vec<Range>,
    /// Versions affected one by one, beside the ranges.
    pub versions: Vec<String>,
}

/// Where a source stands with a vulnerability of a package of its own. The order is from the least telling to the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Affected where the ranges say so.
    #[default]
    Affected,
    /// Not known yet whether it is affected.
    Undetermined,
    /// An update is put off to a later one. Debian's `postponed`, Red Hat's "Fix deferred".
    Postponed,
    /// Too minor for an update of its own: Debian's `no-dsa`.
    NoDsa,
    /// There will be no update: Debian's `ignored`, Red Hat's "Will not fix".
    Ignored,
    /// There will be no update, for the package is not supported any more.
    EndOfLife,
    /// Looked at and found not to be affected, whichever version. It has no ranges, and hits nothing: it stands against the
    /// word of those who know the package less.
    NotAffected,
}

/// A range of affected versions, OSV's `events` made flat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// First affected version; `None` means from the beginning.
    pub introduced: Option<String>,
    /// Where it ends.
    pub end: End,
}

/// The end of a [`Range`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// The first version that is not affected any more.
    Fixed(String),
    /// The last version that is affected; no fix is named.
    LastAffected(String),
    /// The first version that the advisory does not speak of; no fix is named.
    Limit(String),
    /// Still affected.
    Open,
}

impl Range {
    /// Whether `version` lies in the range, in the order of `scheme`.
    pub fn contains(&self, scheme: Scheme, version: &str) -> bool {
        let from = self.introduced.as_deref().is_none_or(|first| scheme.compare(version, first).is_ge());
        from && match &self.end {
            End::Fixed(end) | End::Limit(end) => scheme.compare(version, end).is_lt(),
            End::LastAffected(last) => scheme.compare_with_named(version, last).is_le(),
            End::Open => true,
        }
    }

    /// The versions that the range is written with.
    pub fn bounds(&self) -> impl Iterator<Item = &str> {
        let end = match &self.end {
            End::Fixed(end) | End::Limit(end) | End::LastAffected(end) => Some(end.as_str()),
            End::Open => None,
        };
        self.introduced.as_deref().into_iter().chain(end)
    }
}

/// Longest name of an ecosystem.
const MOST_NAME_BYTES: usize = 64;

/// The version order of a feed's ecosystem, such as `Debian:12`; `None` where it is not supported yet.
pub fn scheme(ecosystem: &str) -> Option<Scheme> {
    // Names come from feeds, and go to terminals and into reports.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" .:_-".contains(&byte);
    if ecosystem.len() > MOST_NAME_BYTES || !ecosystem.bytes().all(is_plain) {
        return None;
    }
    match ecosystem.split_once(':') {
        Some((_, "")) => None,
        Some(("Debian" | "Ubuntu", _)) => Some(Scheme::Deb),
        Some(("Alpine", _)) => Some(Scheme::Apk),
        Some(("Amazon Linux", _)) => Some(Scheme::Rpm),
        // A release as os-release numbers it. OSV's records for these are of repositories and modules, which no image tells:
        // `Red Hat:enterprise_linux:9::baseos`, `SUSE:Linux Enterprise Module for Basesystem 15 SP5`. SUSE's are read as of
        // the release.
        Some(("Red Hat" | "SUSE" | "openSUSE", release)) if is_number(release) => Some(Scheme::Rpm),
        Some(("openSUSE", "tumbleweed")) => Some(Scheme::Rpm),
        None => unnumbered_scheme(ecosystem),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The version order of the packages of a language, or of a distribution that has no releases, by OSV's name of the
/// ecosystem.
fn unnumbered_scheme(ecosystem: &str) -> Option<Scheme> {
    Some(match ecosystem {
        "Wolfi" | "Chainguard" => Scheme::Apk,
        "PyPI" => Scheme::Pypi,
        "npm" => Scheme::Npm,
        "Maven" => Scheme::Maven,
        "Go" | "crates.io" | "Hex" | "SwiftURL" | "Julia" | "ConanCenter" | "Bitnami" => Scheme::Semver,
        "RubyGems" => Scheme::Rubygems,
        "Packagist" => Scheme::Composer,
        "NuGet" => Scheme::Nuget,
        "Pub" => Scheme::Pub,
        "CRAN" => Scheme::Cran,
        _ => return None,
    })
}

/// A package's name as it is looked up: the one that all its spellings share, where an ecosystem has more than one.
fn lookup_name<'a>(ecosystem: &str, package: &'a str) -> Cow<'a, str> {
    match ecosystem {
        "PyPI" => Cow::Owned(normal_python_name(package)),
        "NuGet" | "Packagist" => Cow::Owned(package.to_lowercase()),
        _ => Cow::Borrowed(package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_ranges() {
        let range = |end| Range { introduced: Some("1.0".into()), end };
        let hits =
            |range: &Range| ["0.9", "1.0", "1.9", "2.0", "2.1"].map(|v| range.contains(Scheme::Pypi, v));
        assert_eq!(hits(&range(End::Fixed("2".into()))), [false, true, true, false, false]);
        assert_eq!(hits(&range(End::Limit("2".into()))), [false, true, true, false, false]);
        assert_eq!(hits(&range(End::LastAffected("2".into()))), [false, true, true, true, false]);
        assert_eq!(hits(&range(End::Open)), [false, true, true, true, true]);
        assert!(Range { introduced: None, end: End::Open }.contains(Scheme::Pypi, "0.dev1"));
    }

    #[test]
    fn a_local_build_is_the_version_it_was_built_from() {
        let hits = |end| Range { introduced: Some("1.0".into()), end }.contains(Scheme::Pypi, "2.0.0+cpu");
        assert!(hits(End::LastAffected("2.0.0".into())) && hits(End::LastAffected("2.0".into())));
        assert!(hits(End::LastAffected("2.0.0+cpu".into())) && !hits(End::LastAffected("2.0.0+a".into())));
        assert!(!hits(End::Fixed("2.0.0".into())), "the fix is in the build too");
        assert!(!hits(End::Limit("2.0.0".into())) && hits(End::Fixed("2.0.1".into())));
    }

    #[test]
    fn orders_of_distributions() {
        for (ecosystem, want) in [
            ("Debian:12", Some(Scheme::Deb)),
            ("Ubuntu:22.04:LTS", Some(Scheme::Deb)),
            ("Ubuntu:Pro:18.04:LTS", Some(Scheme::Deb)),
            ("Alpine:edge", Some(Scheme::Apk)),
            ("Wolfi", Some(Scheme::Apk)),
            ("Chainguard", Some(Scheme::Apk)),
            ("Amazon Linux:2", Some(Scheme::Rpm)),
            ("Red Hat:9", Some(Scheme::Rpm)),
            ("Red Hat:enterprise_linux:9::baseos", None),
            ("SUSE:15.5", Some(Scheme::Rpm)),
            ("SUSE:Linux Enterprise Server 15 SP5", None),
            ("openSUSE:15.6", Some(Scheme::Rpm)),
            ("openSUSE:tumbleweed", Some(Scheme::Rpm)),
            ("openSUSE:Leap 15.6", None),
            ("Ubuntu:", None),
            ("Debian:12\u{1b}[2J", None),
            ("Ubuntu", None),
            ("Wolfi:1", None),
        ] {
            assert_eq!(scheme(ecosystem), want, "{ecosystem}");
        }
    }

    #[test]
    fn names_with_many_spellings() {
        assert_eq!(lookup_name("NuGet", "Newtonsoft.Json"), "newtonsoft.json");
        assert_eq!(lookup_name("PyPI", "Foo._-Bar.baz"), "foo-bar-baz");
        assert_eq!(lookup_name("npm", "Foo_Bar"), "Foo_Bar");
    }
}

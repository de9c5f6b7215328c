//! Which feed speaks of a package, and how its versions are ordered.

use crate::{
    advisory::{self, Snapshot},
    package::{Ecosystem, OsRelease},
    version::Scheme,
};

pub(super) fn covered(snapshot: &Snapshot, ecosystem: &Option<String>) -> bool {
    ecosystem.as_deref().is_some_and(|ecosystem| snapshot.covers(ecosystem))
}

/// The feed that speaks of packages of `ecosystem` under `os`; `None` for system packages without a system.
pub(super) fn feed_of(ecosystem: Ecosystem, os: Option<&OsRelease>) -> Option<String> {
    if !ecosystem.is_system() {
        return Some(language_feed(ecosystem).into());
    }
    let os = os.filter(|os| !os.id.is_empty())?;
    let release = os.release();
    Some(match (ecosystem, os.id.as_str()) {
        (Ecosystem::Deb, "debian") => format!("Debian:{}", release.split('.').next().unwrap_or_default()),
        (Ecosystem::Deb, "ubuntu") if !release.is_empty() => format!("Ubuntu:{}", ubuntu(release)),
        // A version such as 3.21.0_alpha20240807 is a snapshot of the rolling branch.
        (Ecosystem::Apk, "alpine") if release.contains("_alpha") => "Alpine:edge".into(),
        (Ecosystem::Apk, "alpine") => {
            format!("Alpine:v{}", two_numbers(release))
        }
        // Both roll, and their VERSION_ID is a date on which nothing changed.
        (Ecosystem::Apk, "wolfi") => "Wolfi".into(),
        (Ecosystem::Apk, "chainguard") => "Chainguard".into(),
        (Ecosystem::Rpm, "amzn") if !release.is_empty() => format!("Amazon Linux:{}", amazon(release)),
        // Kin of a distribution patch and number on their own: their parent's feed would be wrong in both directions.
        (_, id) if release.is_empty() => id.to_owned(),
        (_, id) => format!("{id}:{release}"),
    })
}

/// The first two numbers of a release: `3.19` of `3.19.1`.
fn two_numbers(release: &str) -> String {
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// An Ubuntu release as OSV has it, which marks those with long support: April's of each even year. What Ubuntu Pro fixes
/// is in feeds of other names, such as `Ubuntu:Pro:22.04:LTS`, and no image is held against those: nothing in it says that
/// somebody has a subscription. They stand among a snapshot's feeds, and that a release is past its support without one is
/// part of what was looked at.
fn ubuntu(release: &str) -> String {
    let number = two_numbers(release);
    let long = number.strip_suffix(".04").is_some_and(|year| year.ends_with(['0', '2', '4', '6', '8']));
    if long { format!("{number}:LTS") } else { number }
}

/// The generation of an Amazon Linux release. The first had a release of its own for each half year, `2011.09` to `2018.03`.
fn amazon(release: &str) -> &str {
    let generation = release.split('.').next().unwrap_or_default();
    if ("2010".."2019").contains(&generation) { "1" } else { generation }
}

/// Whether the advisories of `feed` are written against the packages as they are installed, where others name what those
/// were built from: Amazon lists the files of an update.
pub(super) fn names_installed(feed: &str) -> bool {
    feed.starts_with("Amazon Linux:")
}

/// The version order of an ecosystem's packages; `None` where it is not supported.
pub fn scheme(ecosystem: Ecosystem) -> Option<Scheme> {
    match ecosystem {
        Ecosystem::Deb => Some(Scheme::Deb),
        Ecosystem::Apk => Some(Scheme::Apk),
        Ecosystem::Rpm => Some(Scheme::Rpm),
        Ecosystem::Alpm => Some(Scheme::Alpm),
        language => advisory::scheme(language_feed(language)),
    }
}

/// The feed of a language's packages, as OSV names ecosystems; the purl type where it has none.
pub(super) fn language_feed(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Pypi => "PyPI",
        Ecosystem::Maven => "Maven",
        Ecosystem::Golang => "Go",
        Ecosystem::Cargo => "crates.io",
        Ecosystem::Gem => "RubyGems",
        Ecosystem::Composer => "Packagist",
        Ecosystem::Nuget => "NuGet",
        Ecosystem::Pub => "Pub",
        Ecosystem::Hex => "Hex",
        Ecosystem::Cran => "CRAN",
        Ecosystem::Conan => "ConanCenter",
        Ecosystem::Swift => "SwiftURL",
        Ecosystem::Julia => "Julia",
        Ecosystem::Bitnami => "Bitnami",
        other => other.as_str(),
    }
}

/// The name and reason of a skip for want of a feed.
pub(super) fn no_feed(ecosystem: Ecosystem, feed: Option<String>) -> (String, String) {
    match feed {
        Some(feed) => {
            let why = format!("the advisory snapshot has no feed {feed}");
            (format!("advisories:{feed}"), why)
        }
        None => (
            format!("advisories:{}", ecosystem.as_str()),
            "no os-release in the image says which distribution's advisories to use".into(),
        ),
    }
}

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
        // A version such as 3.21.0_alpha20240807 is a snapshot of the rolling branch.
        (Ecosystem::Apk, "alpine") if release.contains("_alpha") => "Alpine:edge".into(),
        (Ecosystem::Apk, "alpine") => {
            format!("Alpine:v{}", release.splitn(3, '.').take(2).collect::<Vec<_>>().join("."))
        }
        // Kin of a distribution patch and number on their own: their parent's feed would be wrong in both directions.
        (_, id) if release.is_empty() => id.to_owned(),
        (_, id) => format!("{id}:{release}"),
    })
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

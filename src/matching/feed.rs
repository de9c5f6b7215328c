//! Which feed speaks of a package, and how its versions are ordered.

use std::borrow::Cow;

use crate::{
    advisory::{self, Snapshot},
    package::{Ecosystem, OsRelease, Package, module_stream},
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
        // Red Hat speaks of its own builds: those of CentOS, Rocky Linux and other kin have other releases and other days.
        (Ecosystem::Rpm, "rhel") => format!("Red Hat:{}", release.split('.').next().unwrap_or_default()),
        (Ecosystem::Rpm, "sles") => format!("SUSE:{release}"),
        (Ecosystem::Rpm, "opensuse-leap") => format!("openSUSE:{release}"),
        // It rolls, and its VERSION_ID is a date.
        (Ecosystem::Rpm, "opensuse-tumbleweed") => "openSUSE:tumbleweed".into(),
        // Kin of a distribution patch and number on their own: their parent's feed would be wrong in both directions.
        (_, id) if release.is_empty() => id.to_owned(),
        (_, id) => format!("{id}:{release}"),
    })
}

/// The first two numbers of a release: `3.19` of `3.19.1`.
fn two_numbers(release: &str) -> String {
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// The feed of what those get who pay for a release's extended support. Once the support for everybody has ended, a new
/// vulnerability stands there alone: without it the release would look cleaner the older it gets.
pub(super) fn extended(feed: &str) -> Option<String> {
    let release = feed.strip_prefix("Ubuntu:").filter(|release| release.ends_with(":LTS"))?;
    Some(format!("Ubuntu:Pro:{release}"))
}

/// An Ubuntu release as OSV has it, which marks those with long support: April's of each even year.
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

/// What the advisories of a feed know a package by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: &'a str,
    /// Another name, under which only what holds for every version is said of it.
    pub(super) whole: Option<Cow<'a, str>>,
    /// Whether that is the package as it is installed, and not what it was built from.
    pub(super) is_installed: bool,
}

/// What the advisories of `feed` know `package` by: most by the source that it is built from. Amazon lists the files of an
/// update; Red Hat and SUSE speak of each rpm, for those of one source may have versions and epochs of their own; what Red Hat has no fix for, it names by source.
/// A package of one of Red Hat's modules is another than the plain one of its name, and stands behind its module.
pub(super) fn subject<'a>(feed: &str, package: &'a Package) -> Subject<'a> {
    let (source, source_version) = package.source();
    let is_red_hat = feed.starts_with("Red Hat:");
    let of_rpms = ["Amazon Linux:", "Red Hat:", "SUSE:", "openSUSE:"];
    if !of_rpms.iter().any(|family| feed.starts_with(family)) {
        return Subject { name: source.into(), version: source_version, whole: None, is_installed: false };
    }
    let module = package.module.as_deref().filter(|_| is_red_hat).and_then(module_stream);
    let within = |name: &'a str| match &module {
        Some(module) => Cow::Owned(format!("{module}/{name}")),
        None => Cow::Borrowed(name),
    };
    let whole = (is_red_hat && source != package.name).then(|| within(source));
    Subject { name: within(&package.name), version: &package.version, whole, is_installed: true }
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

/// The name and reason of a skip where the feed lacks a repository that a package may be of which it never spoke. A demo lacks
/// most of everything, and says so itself.
pub(super) fn in_part(feed: &str, snapshot: &Snapshot) -> Option<(String, String)> {
    let missing = if snapshot.demo() { &[] } else { snapshot.missing(feed) };
    let what = match missing {
        [] => return None,
        [one] => format!("the repository {one}"),
        more => format!("the repositories {}", more.join(", ")),
    };
    let why = format!("the advisory snapshot has nothing of {what} of {feed}, which they may be of");
    Some((format!("advisories:{feed}"), why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Source;

    #[test]
    fn releases_of_rpm() {
        for (id, version, want) in [
            ("rhel", "9.4", "Red Hat:9"),
            ("rhel", "7", "Red Hat:7"),
            ("centos", "7", "centos:7"),
            ("rocky", "9.4", "rocky:9.4"),
            ("sles", "15.5", "SUSE:15.5"),
            ("opensuse-leap", "15.6", "openSUSE:15.6"),
            ("opensuse-tumbleweed", "20240801", "openSUSE:tumbleweed"),
        ] {
            let os = OsRelease { id: id.into(), version: version.into(), ..OsRelease::default() };
            assert_eq!(feed_of(Ecosystem::Rpm, Some(&os)).as_deref(), Some(want));
        }
    }

    #[test]
    fn an_rpm_is_known_by_its_own_name() {
        let source = Some(Source { name: "perl".into(), version: "5.32.1-481.el9".into() });
        let package = Package { source, ..Package::new(Ecosystem::Rpm, "perl-Errno", "1.30-481.el9") };
        let known = |feed: &str, package: &Package| {
            let Subject { name, version, whole, .. } = subject(feed, package);
            (name.into_owned(), version.to_owned(), whole.map(Cow::into_owned).unwrap_or_default())
        };
        let all =
            |name: &str, version: &str, whole: &str| (name.to_owned(), version.to_owned(), whole.to_owned());
        assert_eq!(known("Red Hat:9", &package), all("perl-Errno", "1.30-481.el9", "perl"));
        assert_eq!(known("SUSE:15.5", &package), all("perl-Errno", "1.30-481.el9", ""));
        assert_eq!(known("Debian:12", &package), all("perl", "5.32.1-481.el9", ""));
        let module = Some("perl:5.32:8060020220315191626:9edba152".into());
        let package = Package { module, ..package };
        assert_eq!(
            known("Red Hat:8", &package),
            all("perl:5.32/perl-Errno", "1.30-481.el9", "perl:5.32/perl")
        );
        assert_eq!(known("openSUSE:15.6", &package).0, "perl-Errno");
    }
}

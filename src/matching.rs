//! Matching: which advisories hit which packages.
//!
//! Distribution packages are matched by source package on the release that os-release names; language packages by name.
//! Whatever cannot be judged is in [`Matched::skipped`]: no feed for it, or a version that has no place in the order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use crate::{
    advisory::{self, Advisory, End, Range, Snapshot},
    finding::{Finding, FindingLayer, FindingPackage, Severity, Status},
    image::Image,
    inventory::{Installed, Inventory, Skipped},
    package::{Ecosystem, OsRelease, Package, purl},
    version::Scheme,
};

/// What matching found, and what it could not judge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    /// Sorted by severity (worst first), id, package, layer.
    pub findings: Vec<Finding>,
    /// Sorted.
    pub skipped: Vec<Skipped>,
}

/// Why packages could not be matched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The advisories cannot be read.
    #[error(transparent)]
    Advisories(#[from] advisory::Error),
    /// The inventory is not of this image.
    #[error("package {package} is said to be in layer {layer}, but the image has {layers} layers")]
    Layer {
        /// The package's name.
        package: String,
        /// Where it is said to be.
        layer: usize,
        /// Layers of the image.
        layers: usize,
    },
}

/// Looks every package of `inventory` up in `snapshot`; `image` gives each finding its layer.
pub fn findings(inventory: &Inventory, image: &Image, snapshot: &Snapshot) -> Result<Matched, Error> {
    let os = inventory.os.as_ref();
    let mut matched = Matched::default();
    let mut uncovered: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut unnamed = Vec::new();
    let others = by_others(inventory, snapshot)?;
    for installed in inventory.packages.iter().chain(&others) {
        let ecosystem = feed_of(installed.package.ecosystem, os);
        let scheme = ecosystem.as_deref().and_then(advisory::scheme);
        let (Some(ecosystem), Some(scheme)) = (&ecosystem, scheme.filter(|_| covered(snapshot, &ecosystem)))
        else {
            let (name, why) = no_feed(installed.package.ecosystem, ecosystem);
            *uncovered.entry((name, why)).or_default() += 1;
            continue;
        };
        let (name, version) = installed.package.source();
        if installed.package.ecosystem == Ecosystem::Maven && !name.contains(':') {
            unnamed.push(&installed.package);
            continue;
        }
        let certain = scheme.check(version).is_ok();
        let wanted = |ranges: &[Range], versions: &[String]| {
            affects(scheme, version, certain, ranges, versions) || !judgeable(scheme, certain, ranges)
        };
        let found = snapshot.lookup_where(ecosystem, name, wanted)?;
        let (hits, unjudged): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|found| affects(scheme, version, certain, &found.ranges, &found.versions));
        if !unjudged.is_empty() {
            matched.skipped.push(Skipped {
                name: "unknown-version-order".into(),
                what: purl(&installed.package, os),
                why: why_unjudged(scheme, version, &unjudged),
            });
        }
        if !hits.is_empty() {
            let layer = layer_of(installed, image)?;
            let groups = group(hits);
            matched.findings.extend(groups.iter().map(|group| finding(group, installed, scheme, &layer, os)));
        }
    }
    matched.skipped.extend(without_group(&unnamed, snapshot)?);
    for ((name, why), count) in uncovered {
        let what = if count == 1 { "1 package".to_owned() } else { format!("{count} packages") };
        matched.skipped.push(Skipped { name, what, why });
    }
    matched.skipped.sort();
    matched.findings.sort_by(|a, b| {
        let key = |finding: &Finding| (Reverse(finding.severity), finding.layer.index);
        let ((severity_a, layer_a), (severity_b, layer_b)) = (key(a), key(b));
        (severity_a, &a.id, &a.package, layer_a, &a.paths)
            .cmp(&(severity_b, &b.id, &b.package, layer_b, &b.paths))
    });
    Ok(matched)
}

/// What the files of a system's package are in their own languages, where the system's advisories have never spoken of
/// that package: it came from somebody else, and nobody would speak of what is inside it.
fn by_others(inventory: &Inventory, snapshot: &Snapshot) -> Result<Vec<Installed>, Error> {
    let mut others = Vec::new();
    for installed in inventory.packages.iter().filter(|installed| !installed.identities.is_empty()) {
        let feed = feed_of(installed.package.ecosystem, inventory.os.as_ref());
        let Some(feed) = feed.filter(|feed| snapshot.covers(feed)) else { continue };
        if snapshot.lookup_where(&feed, installed.package.source().0, |_, _| true)?.is_empty() {
            let covered = |package: &&Package| {
                feed_of(package.ecosystem, None).is_some_and(|feed| snapshot.covers(&feed))
            };
            let identities = installed.identities.iter().filter(covered).cloned();
            others.extend(identities.map(|package| Installed {
                package,
                layer: installed.layer,
                paths: installed.paths.clone(),
                identities: Vec::new(),
                built_using: Vec::new(),
            }));
        }
    }
    Ok(others)
}

/// Java packages whose group no file tells: advisories are of a group and an artifact, and one of these could be meant.
/// Said only where an artifact of that name, of whatever group, is hit.
fn without_group(unnamed: &[&Package], snapshot: &Snapshot) -> Result<Vec<Skipped>, Error> {
    let (feed, scheme) = (language_feed(Ecosystem::Maven), Scheme::Maven);
    let names = if unnamed.is_empty() { Vec::new() } else { snapshot.names(feed)? };
    let mut by_artifact: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &names {
        by_artifact.entry(name.rsplit(':').next().unwrap_or_default()).or_default().push(name);
    }
    let mut skipped = Vec::new();
    for package in unnamed {
        let version = package.version.as_str();
        let certain = scheme.check(version).is_ok();
        for name in by_artifact.get(package.name.as_str()).into_iter().flatten() {
            let hits = snapshot.lookup_where(feed, name, |ranges, versions| {
                affects(scheme, version, certain, ranges, versions) || !judgeable(scheme, certain, ranges)
            })?;
            if let Some(first) = hits.first() {
                let (count, id) = (hits.len(), &first.id);
                let advisories = if count == 1 { "advisory" } else { "advisories" };
                let why = format!(
                    "no file tells its group; as {name} it would be met by {count} {advisories}, such as {id}"
                );
                skipped.push(Skipped { name: "unnamed-package".into(), what: purl(package, None), why });
            }
        }
    }
    Ok(skipped)
}

fn covered(snapshot: &Snapshot, ecosystem: &Option<String>) -> bool {
    ecosystem.as_deref().is_some_and(|ecosystem| snapshot.covers(ecosystem))
}

/// The feed that speaks of packages of `ecosystem` under `os`; `None` for system packages without a system.
fn feed_of(ecosystem: Ecosystem, os: Option<&OsRelease>) -> Option<String> {
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
fn language_feed(ecosystem: Ecosystem) -> &'static str {
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
fn no_feed(ecosystem: Ecosystem, feed: Option<String>) -> (String, String) {
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

/// Whether `version` is affected; one that has no certain place in the order only if it is named, or all are.
fn affects(scheme: Scheme, version: &str, certain: bool, ranges: &[Range], versions: &[String]) -> bool {
    let listed = |listed: &String| {
        listed == version || (certain && scheme.compare_with_named(version, listed).is_eq())
    };
    let inside = |range: &Range| {
        if certain { range.contains(scheme, version) } else { range.bounds().next().is_none() }
    };
    ranges.iter().any(inside) || versions.iter().any(listed)
}

/// Whether a "not affected" can be believed: the version and all ends of the ranges have a certain place in the order.
fn judgeable(scheme: Scheme, certain: bool, ranges: &[Range]) -> bool {
    certain && ranges.iter().flat_map(Range::bounds).all(|bound| scheme.check(bound).is_ok())
}

fn why_unjudged(scheme: Scheme, version: &str, unjudged: &[Advisory]) -> String {
    let ids: BTreeSet<&str> = unjudged.iter().map(|advisory| advisory.id.as_str()).collect();
    let named = ids.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > 3 { format!(" and {} more", ids.len() - 3) } else { String::new() };
    match scheme.check(version) {
        Err(error) => format!("{error}, so it cannot be compared with {named}{more}"),
        Ok(()) => format!("the versions of {named}{more} are not as {} writes them", scheme.as_str()),
    }
}

fn layer_of(installed: &Installed, image: &Image) -> Result<FindingLayer, Error> {
    let layer = image.layers.get(installed.layer).ok_or_else(|| Error::Layer {
        package: installed.package.name.clone(),
        layer: installed.layer,
        layers: image.layers.len(),
    })?;
    let (index, diff_id, instruction) = (installed.layer, layer.diff_id, layer.instruction.clone());
    let base = image.base.as_ref().map(|base| index < base.layers);
    Ok(FindingLayer { index, diff_id, instruction, base })
}

/// Advisories of one package that speak of one vulnerability.
#[derive(Default)]
struct Group {
    advisories: Vec<Advisory>,
    names: BTreeSet<String>,
}

impl Group {
    fn of(advisory: Advisory) -> Self {
        let names = advisory.aliases.iter().chain([&advisory.id]).cloned().collect();
        Self { advisories: vec![advisory], names }
    }

    fn extend(&mut self, other: Self) {
        self.advisories.extend(other.advisories);
        self.names.extend(other.names);
    }

    fn cves(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.starts_with("CVE-"))
    }
}

/// Joins advisories that share a CVE; those without one by any name that they share. A bulletin's own number joins
/// nothing while there is a CVE: it stands for several vulnerabilities.
fn group(hits: Vec<Advisory>) -> Vec<Group> {
    let is_cve = |name: &&String| name.starts_with("CVE-");
    let (with_cve, without): (Vec<_>, Vec<_>) =
        hits.into_iter().map(Group::of).partition(|group| group.cves().next().is_some());
    let mut groups: Vec<Group> = Vec::new();
    // Which group a name leads to. A group that was merged into another is left empty, and no name leads to it.
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for single in with_cve {
        // One advisory may name two CVEs that were apart until now.
        let joins: BTreeSet<usize> = single.cves().filter_map(|cve| by_name.get(cve).copied()).collect();
        let target = joins.first().copied().unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        let merged =
            joins.into_iter().skip(1).map(|index| std::mem::take(&mut groups[index])).collect::<Vec<_>>();
        for part in merged.into_iter().chain([single]) {
            by_name.extend(part.cves().map(|cve| (cve.clone(), target)));
            groups[target].extend(part);
        }
    }
    for (index, group) in groups.iter().enumerate() {
        for name in group.names.iter().filter(|name| !is_cve(name)) {
            by_name.entry(name.clone()).or_insert(index);
        }
    }
    for single in without {
        let target = single.names.iter().find_map(|name| by_name.get(name).copied()).unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        for name in &single.names {
            by_name.entry(name.clone()).or_insert(target);
        }
        groups[target].extend(single);
    }
    groups.retain(|group| !group.advisories.is_empty());
    groups.iter_mut().for_each(|group| group.advisories.sort());
    groups
}

fn finding(
    group: &Group,
    installed: &Installed,
    scheme: Scheme,
    layer: &FindingLayer,
    os: Option<&OsRelease>,
) -> Finding {
    let (_, version) = installed.package.source();
    let own_ids = group.advisories.iter().map(|advisory| &advisory.id);
    let id = group.cves().next().or_else(|| own_ids.min()).cloned().unwrap_or_default();
    let fixed_in = fix(group, scheme, version);
    Finding {
        aliases: group.names.iter().filter(|name| **name != id).cloned().collect(),
        id,
        severity: group
            .advisories
            .iter()
            .map(|advisory| advisory.severity)
            .max()
            .unwrap_or(Severity::Unknown),
        summary: group
            .advisories
            .iter()
            .map(|advisory| advisory.summary.as_str())
            .find(|summary| !summary.is_empty())
            .unwrap_or_default()
            .to_owned(),
        package: FindingPackage {
            name: installed.package.name.clone(),
            version: installed.package.version.clone(),
            ecosystem: installed.package.ecosystem,
            purl: purl(&installed.package, os),
        },
        status: if fixed_in.is_some() { Status::Fixed } else { Status::Affected },
        fixed_in,
        layer: layer.clone(),
        paths: installed.paths.clone(),
    }
}

/// The lowest fix above `version` that no advisory of the group still hits. Where sources disagree, so that each fix is
/// hit by another source, the highest: a fix that a source names is better news than none.
fn fix(group: &Group, scheme: Scheme, version: &str) -> Option<String> {
    let ranges = group.advisories.iter().flat_map(|advisory| &advisory.ranges);
    let mut fixes: Vec<&String> = ranges
        .filter_map(|range| match &range.end {
            End::Fixed(fix) if scheme.compare(fix, version).is_gt() => Some(fix),
            _ => None,
        })
        .collect();
    fixes.sort_by(|a, b| scheme.compare(a, b).then_with(|| a.cmp(b)));
    let clean = |fix: &&&String| {
        !group.advisories.iter().any(|hit| affects(scheme, fix, true, &hit.ranges, &hit.versions))
    };
    fixes.iter().find(clean).or(fixes.last()).map(|fix| (*fix).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::Compiler,
        digest::Digest,
        image::Platform,
        package::{Package, Source},
    };

    fn advisory(id: &str, aliases: &[&str], severity: Severity, ends: &[(&str, &str)]) -> Advisory {
        let range = |(from, fixed): &(&str, &str)| Range {
            introduced: (*from != "0").then(|| from.to_string()),
            end: if fixed.is_empty() { End::Open } else { End::Fixed(fixed.to_string()) },
        };
        Advisory {
            id: id.into(),
            aliases: aliases.iter().map(|alias| alias.to_string()).collect(),
            summary: String::new(),
            severity,
            ranges: ends.iter().map(range).collect(),
            versions: Vec::new(),
        }
    }

    fn snapshot(advisories: &[(&str, &str, Advisory)]) -> Snapshot {
        let mut compiler = Compiler::default();
        for (ecosystem, package, advisory) in advisories {
            compiler.add(ecosystem, package, "", advisory.clone());
        }
        Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap()
    }

    fn installed(ecosystem: Ecosystem, name: &str, version: &str, source: Option<(&str, &str)>) -> Installed {
        let source = source.map(|(name, version)| Source { name: name.into(), version: version.into() });
        let package = Package { source, ..Package::new(ecosystem, name, version) };
        let paths = vec!["var/lib/dpkg/status".into()];
        Installed { package, layer: 0, paths, identities: Vec::new(), built_using: Vec::new() }
    }

    fn run(os: Option<(&str, &str)>, packages: Vec<Installed>, snapshot: &Snapshot) -> Matched {
        let os = os.map(|(id, version)| OsRelease {
            id: id.into(),
            version: version.into(),
            ..OsRelease::default()
        });
        let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
        let image = Image::new(Digest::of(b"config"), platform, vec![Digest::of(b"layer")], &[]).unwrap();
        findings(&Inventory { os, packages, ..Inventory::default() }, &image, snapshot).unwrap()
    }

    fn told(matched: &Matched) -> Vec<(&str, &str, Severity, Option<&str>)> {
        matched
            .findings
            .iter()
            .map(|f| (f.id.as_str(), f.package.name.as_str(), f.severity, f.fixed_in.as_deref()))
            .collect()
    }

    #[test]
    fn a_release_without_its_number() {
        for (id, version, codename, want) in [
            ("debian", "", "trixie", "Debian:13"),
            ("debian", "", "buster", "Debian:10"),
            ("debian", "12", "bookworm", "Debian:12"),
            ("debian", "", "unheard", "Debian:unheard"),
            ("kali", "", "trixie", "kali:trixie"),
        ] {
            let (version, codename) = (version.to_owned(), codename.to_owned());
            let os = OsRelease { id: id.to_owned(), version, codename, ..OsRelease::default() };
            assert_eq!(feed_of(Ecosystem::Deb, Some(&os)).as_deref(), Some(want));
        }
    }

    #[test]
    fn system_packages_match_by_source_and_release() {
        let snapshot = snapshot(&[
            ("Debian:12", "openssl", advisory("CVE-1", &[], Severity::High, &[("0", "3.0.9-1")])),
            ("Debian:13", "openssl", advisory("CVE-2", &[], Severity::High, &[("0", "")])),
            ("Alpine:v3.19", "openssl", advisory("CVE-3", &[], Severity::Low, &[("0", "3.1.4-r6")])),
        ]);
        let libssl = installed(Ecosystem::Deb, "libssl3", "3.0.8-1+b1", Some(("openssl", "3.0.8-1")));
        let matched = run(Some(("debian", "12")), vec![libssl.clone()], &snapshot);
        assert_eq!(told(&matched), [("CVE-1", "libssl3", Severity::High, Some("3.0.9-1"))]);
        assert_eq!(matched.skipped, []);
        let alpine = installed(Ecosystem::Apk, "libcrypto3", "3.1.4-r5", Some(("openssl", "3.1.4-r5")));
        let matched = run(Some(("alpine", "3.19.1")), vec![alpine], &snapshot);
        assert_eq!(told(&matched), [("CVE-3", "libcrypto3", Severity::Low, Some("3.1.4-r6"))]);
    }

    #[test]
    fn names_and_versions_as_each_language_writes_them() {
        let high = |id, fixed| advisory(id, &[], Severity::High, &[("0", fixed)]);
        let snapshot = snapshot(&[
            ("Go", "golang.org/x/net", high("GO-1", "0.17.0")),
            ("Go", "stdlib", high("GO-2", "1.21.3")),
            ("crates.io", "time", high("RUSTSEC-1", "0.2.23")),
            ("Maven", "org.apache.logging.log4j:log4j-core", high("CVE-1", "2.15.0")),
            ("NuGet", "Newtonsoft.Json", high("GHSA-1", "13.0.1")),
        ]);
        let ids = |ecosystem, name: &str, version: &str| {
            let matched = run(None, vec![installed(ecosystem, name, version, None)], &snapshot);
            let skipped = matched.skipped.iter().map(|skipped| skipped.name.clone());
            matched.findings.iter().map(|finding| finding.id.clone()).chain(skipped).collect::<Vec<_>>()
        };
        assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "v0.7.0"), ["GO-1"]);
        assert_eq!(
            ids(Ecosystem::Golang, "golang.org/x/net", "v0.0.0-20220722155237-a158d28d115b"),
            ["GO-1"]
        );
        assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "v0.17.0"), [""; 0]);
        assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "(devel)"), ["unknown-version-order"]);
        assert_eq!(ids(Ecosystem::Golang, "stdlib", "1.21.0-rc.2"), ["GO-2"]);
        assert_eq!(ids(Ecosystem::Cargo, "time", "0.1.43"), ["RUSTSEC-1"]);
        assert_eq!(ids(Ecosystem::Nuget, "newtonsoft.json", "12.0.3"), ["GHSA-1"]);
        assert_eq!(ids(Ecosystem::Maven, "org.apache.logging.log4j:log4j-core", "2.14.1"), ["CVE-1"]);
        // Without a group it may be the one that is hit.
        assert_eq!(ids(Ecosystem::Maven, "log4j-core", "2.14.1"), ["unnamed-package"]);
        assert_eq!(ids(Ecosystem::Maven, "log4j-core", "2.17.0"), [""; 0]);
        assert_eq!(ids(Ecosystem::Maven, "log4j-core", ""), ["unnamed-package"]);
        assert_eq!(ids(Ecosystem::Maven, "app", "1.0"), [""; 0]);
    }

    #[test]
    fn what_others_packed_is_judged_by_what_it_is() {
        let snapshot = snapshot(&[
            ("Debian:12", "python-django", advisory("CVE-1", &[], Severity::High, &[("0", "3.2")])),
            ("PyPI", "django", advisory("CVE-2", &[], Severity::High, &[("0", "99")])),
        ]);
        let with_django = |name: &str| {
            let identities = vec![Package::new(Ecosystem::Pypi, "django", "3.2")];
            Installed { identities, ..installed(Ecosystem::Deb, name, "3.2", Some((name, "3.2"))) }
        };
        let ids = |name| told(&run(Some(("debian", "12")), vec![with_django(name)], &snapshot)).len();
        assert_eq!(ids("python-django"), 0, "the distribution speaks of it");
        assert_eq!(ids("somebodys-agent"), 1);
    }

    #[test]
    fn what_no_feed_covers_is_never_clean() {
        let snapshot =
            snapshot(&[("Debian:12", "zlib", advisory("CVE-1", &[], Severity::High, &[("0", "")]))]);
        let deb = || installed(Ecosystem::Deb, "zlib1g", "1.3", Some(("zlib", "1.3")));
        let names = |os, packages| {
            let matched = run(os, packages, &snapshot);
            assert_eq!(matched.findings, []);
            matched.skipped.into_iter().map(|skipped| (skipped.name, skipped.what)).collect::<Vec<_>>()
        };
        let skip = |name: &str, what: &str| vec![(name.to_owned(), what.to_owned())];
        assert_eq!(
            names(Some(("debian", "14")), vec![deb(), deb()]),
            skip("advisories:Debian:14", "2 packages")
        );
        assert_eq!(
            names(Some(("ubuntu", "24.04")), vec![deb()]),
            skip("advisories:ubuntu:24.04", "1 package")
        );
        assert_eq!(names(None, vec![deb()]), skip("advisories:deb", "1 package"));
        let npm = installed(Ecosystem::Npm, "ws", "1.0.0", None);
        assert_eq!(names(None, vec![npm]), skip("advisories:npm", "1 package"));
        let edge = installed(Ecosystem::Apk, "musl", "1.2.5-r1", None);
        assert_eq!(
            names(Some(("alpine", "3.21.0_alpha20240807")), vec![edge]),
            skip("advisories:Alpine:edge", "1 package")
        );
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let mut listed = advisory("CVE-2", &[], Severity::High, &[]);
        listed.versions = vec!["latest".into()];
        let snapshot = snapshot(&[
            ("npm", "a", advisory("CVE-1", &[], Severity::High, &[("0", "2.0.0")])),
            ("npm", "a", listed),
            ("npm", "a", advisory("CVE-3", &[], Severity::High, &[("0", "")])),
            ("npm", "b", advisory("CVE-4", &[], Severity::High, &[("0", "soon")])),
        ]);
        let packages = vec![
            installed(Ecosystem::Npm, "a", "latest", None),
            installed(Ecosystem::Npm, "b", "1.0.0", None),
        ];
        let matched = run(None, packages, &snapshot);
        assert_eq!(matched.findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["CVE-2", "CVE-3"]);
        let what: Vec<_> = matched.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(what, ["pkg:npm/a@latest", "pkg:npm/b@1.0.0"]);
        assert!(matched.skipped[0].why.contains("CVE-1") && !matched.skipped[0].why.contains("CVE-2"));
    }

    #[test]
    fn a_listed_version_is_all_its_builds() {
        let mut listed = advisory("CVE-1", &[], Severity::High, &[]);
        listed.versions = vec!["2.0.0".into(), "2.1.0+cpu".into()];
        let snapshot = snapshot(&[("PyPI", "torch", listed)]);
        for (version, hits) in
            [("2.0.0+cpu", 1), ("2.0+cu117", 1), ("2.1.0+cpu", 1), ("2.1.0", 0), ("2.1.0+a", 0)]
        {
            let matched = run(None, vec![installed(Ecosystem::Pypi, "torch", version, None)], &snapshot);
            assert_eq!(matched.findings.len(), hits, "{version}");
        }
    }

    #[test]
    fn one_vulnerability_is_one_finding() {
        let snapshot = snapshot(&[
            ("Debian:12", "p", advisory("CVE-2024-2", &["GHSA-2"], Severity::Low, &[("0", "")])),
            ("Debian:12", "p", advisory("DSA-1", &["CVE-2024-2"], Severity::High, &[("0", "1.5")])),
            ("Debian:12", "p", advisory("DSA-1", &["CVE-2024-3"], Severity::Unknown, &[("0", "1.5")])),
            ("Debian:12", "p", advisory("OTHER-1", &["GHSA-2"], Severity::Critical, &[("0", "1.2")])),
            ("Debian:12", "p", advisory("X-2", &["Y"], Severity::Low, &[("0", "")])),
            ("Debian:12", "p", advisory("X-1", &["Y"], Severity::Low, &[("0", "")])),
        ]);
        let matched =
            run(Some(("debian", "12")), vec![installed(Ecosystem::Deb, "p", "1.0", None)], &snapshot);
        let told = told(&matched);
        assert_eq!(told[0], ("CVE-2024-2", "p", Severity::Critical, Some("1.5")));
        assert_eq!(told[1], ("X-1", "p", Severity::Low, None));
        assert_eq!(told[2], ("CVE-2024-3", "p", Severity::Unknown, Some("1.5")));
        assert_eq!(matched.findings[0].aliases, ["DSA-1", "GHSA-2", "OTHER-1"]);
        assert_eq!((told.len(), matched.findings[1].status), (3, Status::Affected));
    }

    #[test]
    fn the_fix_is_the_lowest_that_helps() {
        let snapshot = snapshot(&[
            (
                "PyPI",
                "p",
                advisory("PYSEC-1", &["CVE-1"], Severity::Low, &[("0", "2.2.5"), ("2.3.0", "2.3.2")]),
            ),
            ("PyPI", "p", advisory("GHSA-1", &["CVE-1"], Severity::Low, &[("0", "2.3.1")])),
        ]);
        let fix = |version| {
            let matched = run(None, vec![installed(Ecosystem::Pypi, "p", version, None)], &snapshot);
            matched.findings.first().and_then(|finding| finding.fixed_in.clone())
        };
        assert_eq!(fix("2.0").as_deref(), Some("2.3.2"), "2.2.5 and 2.3.1 are still hit by the other source");
        assert_eq!(fix("2.3.1").as_deref(), Some("2.3.2"));
        assert_eq!(fix("2.3.2"), None);
    }
}

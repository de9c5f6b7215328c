//! Matching: which advisories hit which packages.
//!
//! Distribution packages are matched on the release that os-release names, by source package where the distribution does
//! not name those that are installed; language packages by name.
//! What no feed of its own speaks of is matched by CPE where that is asked for, which is a guess.
//! Whatever cannot be judged is in [`Matched::skipped`]: no feed for it, or a version that has no place in the order.

mod cpe;
mod feed;
mod group;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

pub use feed::scheme;
use feed::{Subject, covered, extended, feed_of, in_part, language_feed, no_feed, subject};
use group::{Group, Said, fix};

use crate::{
    advisory::{self, Advisory, Fact, Forecast, Glance, Range, Snapshot},
    finding::{
        Confidence, Epss, Exploited, Finding, FindingLayer, FindingPackage, MAX_INSTRUCTION, Rating,
        Severity, Status,
    },
    image::Image,
    inventory::{Installed, Inventory, Skipped},
    package::{Ecosystem, OsRelease, Package, Purl, purl},
    version::Scheme,
};

/// What matching found, and what it could not judge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    /// Sorted by severity (worst first), id, package, layer.
    pub findings: Vec<Finding>,
    /// Sorted.
    pub skipped: Vec<Skipped>,
    /// Names of the feeds that were asked: on them the findings rest, and that there are no others.
    pub feeds: BTreeSet<String>,
}

impl Matched {
    fn asked(&mut self, feed: &str) {
        if !self.feeds.contains(feed) {
            self.feeds.insert(feed.to_owned());
        }
    }
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

/// Looks every package of `inventory` up in `snapshot`; `image` gives each finding its layer. `by_cpe`: those that no feed of
/// their own speaks of are looked up among what NVD says of products, too.
pub fn findings(
    inventory: &Inventory,
    image: &Image,
    snapshot: &Snapshot,
    by_cpe: bool,
) -> Result<Matched, Error> {
    let os = inventory.os.as_ref();
    let mut matched = Matched::default();
    let mut uncovered: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut unnamed, mut unspoken) = (Vec::new(), Vec::new());
    let others = by_others(inventory, snapshot)?;
    for installed in inventory.packages.iter().chain(&others) {
        let ecosystem = feed_of(installed.package.ecosystem, os);
        let scheme = ecosystem.as_deref().and_then(advisory::scheme);
        let (Some(ecosystem), Some(scheme)) = (&ecosystem, scheme.filter(|_| covered(snapshot, &ecosystem)))
        else {
            let (name, why) = no_feed(installed.package.ecosystem, ecosystem);
            *uncovered.entry((name, why)).or_default() += 1;
            unspoken.push(installed);
            continue;
        };
        matched.asked(ecosystem);
        let subject = subject(ecosystem, &installed.package);
        if installed.package.ecosystem == Ecosystem::Maven && !subject.name.contains(':') {
            unnamed.push(&installed.package);
            continue;
        }
        let Said { groups, mut unjudged, is_known } = Said::of(snapshot, ecosystem, &subject, scheme)?;
        let extended = match extended(ecosystem).filter(|feed| snapshot.covers(feed)) {
            Some(extended) => {
                matched.asked(&extended);
                Said::beyond(snapshot, &extended, ecosystem, &subject, scheme)?
            }
            None => Said::default(),
        };
        unjudged.extend(extended.unjudged);
        if !is_known && !extended.is_known && installed.package.ecosystem.is_system() {
            unspoken.push(installed);
            if let Some(gap) = in_part(ecosystem, snapshot) {
                *uncovered.entry(gap).or_default() += 1;
            }
        }
        if !unjudged.is_empty() {
            matched.skipped.push(Skipped {
                name: "unknown-version-order".into(),
                what: purl(&installed.package, os),
                why: why_unjudged(scheme, subject.version, &unjudged),
            });
        }
        if !groups.is_empty() || !extended.groups.is_empty() {
            let layer = layer_of(installed, image)?;
            let all = groups.into_iter().map(|group| (group, false));
            for (group, is_extended) in all.chain(extended.groups.into_iter().map(|group| (group, true))) {
                let mut found = finding(&group, installed, &subject, scheme, &layer, os);
                if is_extended {
                    by_subscription(&mut found);
                }
                of_the_vulnerability(&mut found, snapshot)?;
                matched.findings.push(found);
            }
        }
    }
    matched.skipped.extend(without_group(&unnamed, snapshot)?);
    matched.skipped.extend(uncovered.into_iter().map(|((name, why), count)| Skipped {
        name,
        what: packages(count),
        why,
    }));
    if by_cpe {
        let Matched { findings, skipped, feeds } = cpe::findings(&unspoken, image, os, snapshot)?;
        matched.feeds.extend(feeds);
        matched.findings.extend(findings);
        matched.skipped.extend(skipped);
    }
    matched.skipped.sort_unstable();
    matched.findings.sort_by(Finding::order);
    Ok(matched)
}

fn packages(count: usize) -> String {
    if count == 1 { "1 package".to_owned() } else { format!("{count} packages") }
}

/// Most times that [`free_of_known`] gives a version up for a later one.
const MAX_STEPS: usize = 20;

/// The version to update a package to, from `fix` on: the first that no advisory hits which itself has a fix. An advisory
/// without one is no reason to stay below. Where [MAX_STEPS] do not get there, the last one tried.
pub fn free_of_known(
    package: &FindingPackage,
    os: Option<&OsRelease>,
    snapshot: &Snapshot,
    fix: &str,
) -> Result<String, Error> {
    let mut version = fix.to_owned();
    let feed = feed_of(package.ecosystem, os);
    let Some((feed, scheme)) = feed.and_then(|feed| advisory::scheme(&feed).map(|scheme| (feed, scheme)))
    else {
        return Ok(version);
    };
    // The purl alone still tells the module of an rpm.
    let named = package.purl.parse::<Purl>().ok().and_then(|purl| purl.package());
    let module = named.and_then(|named| named.module);
    let plain = Package::new(package.ecosystem, &package.name, &package.version);
    let installed = Package { source: package.source.clone(), module, ..plain };
    let subject = subject(&feed, &installed);
    for _ in 0..MAX_STEPS {
        let subject = Subject { version: &version, ..subject.clone() };
        let said = Said::of(snapshot, &feed, &subject, scheme)?;
        let fixes = said.groups.iter().filter_map(|group| self::fix(group, scheme, &version));
        let Some(later) = fixes.max_by(|a, b| scheme.compare(a, b).then_with(|| a.cmp(b))) else { break };
        version = later;
    }
    Ok(version)
}

/// What the files of a system's package are in their own languages, where the system's advisories have never spoken of
/// that package: it came from somebody else, and nobody would speak of what is inside it.
fn by_others(inventory: &Inventory, snapshot: &Snapshot) -> Result<Vec<Installed>, Error> {
    let mut others = Vec::new();
    for installed in inventory.packages.iter().filter(|installed| !installed.identities.is_empty()) {
        let feed = feed_of(installed.package.ecosystem, inventory.os.as_ref());
        let Some(feed) = feed.filter(|feed| snapshot.covers(feed)) else { continue };
        let Subject { name, whole, .. } = subject(&feed, &installed.package);
        let is_unknown = |name: &str| Ok::<_, Error>(snapshot.known(&feed, name)?.is_empty());
        if is_unknown(&name)? && whole.as_deref().map_or(Ok(true), is_unknown)? {
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
            let hits = snapshot.lookup_where(feed, name, |glance| {
                let Glance { ranges, versions, .. } = *glance;
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
    let (index, diff_id) = (installed.layer, layer.diff_id);
    let whole = &layer.instruction;
    let end = whole.char_indices().nth(MAX_INSTRUCTION).map_or(whole.len(), |(end, _)| end);
    let instruction = whole[..end].to_owned();
    let base = image.base.as_ref().map(|base| index < base.layers);
    Ok(FindingLayer { index, diff_id, instruction, base })
}

fn finding(
    group: &Group,
    installed: &Installed,
    subject: &Subject<'_>,
    scheme: Scheme,
    layer: &FindingLayer,
    os: Option<&OsRelease>,
) -> Finding {
    let version = subject.version;
    let deciding = || group.deciding();
    let id = group.cves().next().or_else(|| deciding().map(|advisory| &advisory.id).min());
    let id = id.cloned().unwrap_or_default();
    let fixed_in = fix(group, scheme, version);
    let (severity, severity_source) = group.severity();
    let mut summaries = deciding().map(|advisory| advisory.summary.as_str());
    Finding {
        aliases: group.names.iter().filter(|name| **name != id).cloned().collect(),
        id,
        severity,
        severity_source: severity_source.to_owned(),
        confidence: Confidence::High,
        summary: summaries.find(|summary| !summary.is_empty()).unwrap_or_default().to_owned(),
        package: FindingPackage {
            name: installed.package.name.clone(),
            version: installed.package.version.clone(),
            ecosystem: installed.package.ecosystem,
            purl: purl(&installed.package, os),
            // Where advisories are of the rpm itself, its source's versions play no part.
            source: installed.package.source.clone().filter(|_| !subject.is_installed),
        },
        status: if fixed_in.is_some() { Status::Fixed } else { group.status() },
        fixed_in,
        claims: group.claims(scheme, version),
        ratings: Vec::new(),
        exploited: None,
        epss: None,
        layer: layer.clone(),
        paths: installed.paths.clone(),
    }
}

/// Says that a fix is only for those who pay: nothing in an image tells that somebody does, so it is none for the policy. The
/// claims still name its version.
fn by_subscription(finding: &mut Finding) {
    finding.fixed_in = None;
    let claims = finding.claims.iter_mut().map(|claim| &mut claim.status);
    for status in claims.chain([&mut finding.status]).filter(|status| **status == Status::Fixed) {
        *status = Status::Subscription;
    }
}

/// Adds what databases say of the vulnerability itself, under each CVE that the finding has: the worst of it counts. One that
/// nobody who knows the package has rated is as bad as they say: NVD first, then who named it, then the others.
fn of_the_vulnerability(finding: &mut Finding, snapshot: &Snapshot) -> Result<(), advisory::Error> {
    let cves = finding.aliases.iter().filter(|name| name.starts_with("CVE-"));
    let mut facts = Vec::new();
    for name in std::iter::once(&finding.id).chain(cves) {
        facts.extend(snapshot.facts(name)?);
    }
    for (source, fact) in facts {
        let Fact { severity, vector, rejected, exploited, forecast } = fact;
        if let Some(advisory::Exploited { since, ransomware }) = exploited {
            // Of several the first to say so.
            let earlier = finding.exploited.as_ref().is_some_and(|known| known.since <= since);
            if !earlier {
                finding.exploited = Some(Exploited { source: source.clone(), since, ransomware });
            }
        }
        if let Some(Forecast { probability, percentile }) = forecast {
            let epss = Epss { probability, percentile };
            if finding.epss.as_ref().is_none_or(|known| known.probability < probability) {
                finding.epss = Some(epss);
            }
        }
        if severity != Severity::Unknown || !vector.is_empty() || rejected {
            finding.ratings.push(Rating { source, severity, vector, rejected });
        }
    }
    // Stable: of one database the finding's own name comes first.
    finding.ratings.sort_by(|one, other| one.source.cmp(&other.source));
    finding.ratings.dedup();
    if finding.severity == Severity::Unknown {
        let order = |rating: &&Rating| match rating.source.as_str() {
            "nvd" => 0,
            "cve" => 1,
            "cisa-adp" => 2,
            _ => 3,
        };
        let rated = finding.ratings.iter().filter(|rating| rating.severity != Severity::Unknown);
        let key = |rating: &&Rating| (order(rating), Reverse(rating.severity));
        if let Some(Rating { source, severity, .. }) = rated.min_by_key(key) {
            finding.severity = *severity;
            finding.severity_source.clone_from(source);
        }
    }
    Ok(())
}

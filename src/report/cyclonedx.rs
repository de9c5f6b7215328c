//! CycloneDX 1.5 and 1.6 in JSON: the inventory of an image. <https://cyclonedx.org/docs/1.6/json/>
//!
//! The model is of just the fields that are written: the crates for the standard model all of it, each version apart.

use std::{borrow::Cow, collections::HashMap, io};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Judged, ScanResult,
    fix::{Ways, way},
    json::{List, Named},
    words,
};
use crate::{
    digest::Digest,
    finding::{Confidence, Finding, Severity},
    inventory::Installed,
    package::{Ecosystem, OsRelease, purl},
    policy::Action,
    sbom::{Property, Sbom, for_gitlab, of_image, of_os, of_package, of_skipped},
};

/// A version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.5, for readers that do not know 1.6 yet.
    V1_5,
    /// 1.6.
    V1_6,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a, C, V, N> {
    #[serde(rename = "$schema")]
    schema: String,
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata<'a>,
    components: C,
    dependencies: [Dependency<'a>; 1],
    compositions: [Composition; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerabilities: Option<V>,
    /// Last, because it is made of all that stands before it.
    serial_number: N,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools,
    component: Component<'a>,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Component<'a> {
    #[serde(rename = "bom-ref")]
    reference: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: Cow<'a, str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    purl: String,
    properties: Vec<Property>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    #[serde(rename = "ref")]
    reference: &'static str,
    depends_on: Vec<&'a str>,
}

/// How complete the list of components is.
#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    assemblies: [&'static str; 1],
}

/// An advisory, and every component that it hits.
#[derive(Serialize)]
struct Vulnerability<'a> {
    #[serde(rename = "bom-ref")]
    reference: String,
    id: &'a str,
    ratings: Vec<Rating<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    recommendation: String,
    affects: Vec<Affected<'a>>,
    properties: Vec<Property>,
}

/// How bad, in the word of one source. The first of several is the one that counts.
#[derive(Serialize)]
struct Rating<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<RatedBy<'a>>,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    vector: &'a str,
}

#[derive(Serialize)]
struct RatedBy<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Affected<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
}

const IMAGE: &str = "image";
const OS: &str = "operating-system";
/// Longest version that the standard takes, in characters. A property has all of it.
const MAX_VERSION: usize = 1_024;

/// Writes the SBOM as of `now`, and what was found in the image where a result is given; each package and each advisory on a
/// line of its own.
///
/// The serial number is made from the document's own content.
pub fn write(
    sbom: &Sbom,
    result: Option<&ScanResult>,
    version: Version,
    now: Timestamp,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let out = Named::new(out);
    let (os, packages) = (sbom.inventory.os.as_ref(), &sbom.inventory.packages);
    let references: Vec<String> = packages.iter().map(reference).collect();
    let of_packages =
        || packages.iter().zip(&references).map(|(installed, reference)| (installed, &**reference));
    let components = || {
        let of_packages = of_packages().map(|(installed, reference)| component(installed, reference, sbom));
        os.map(operating_system).into_iter().chain(of_packages)
    };
    let advisories = result.map(advisories).unwrap_or_default();
    let by_package = by_package(of_packages());
    let vulnerabilities = |result| {
        let (advisories, by_package) = (&advisories, &by_package);
        List(move || {
            let numbered = advisories.iter().enumerate();
            numbered.map(move |(number, advisory)| vulnerability(number, advisory, result, by_package))
        })
    };
    let is_complete = sbom.inventory.skipped.is_empty();
    let bom = Bom {
        schema: format!("http://cyclonedx.org/schema/bom-{}.schema.json", version.as_str()),
        bom_format: "CycloneDX",
        spec_version: version.as_str(),
        version: 1,
        metadata: Metadata {
            timestamp: now.to_string(),
            tools: Tools {
                components: [Tool {
                    kind: "application",
                    name: "stella",
                    version: env!("CARGO_PKG_VERSION"),
                }],
            },
            component: Component {
                reference: IMAGE,
                kind: "container",
                group: "",
                name: &sbom.reference,
                version: sbom.image.digest().to_string().into(),
                purl: String::new(),
                properties: of_image(sbom),
            },
            properties: for_gitlab(sbom).into_iter().chain(of_skipped(sbom)).collect(),
        },
        dependencies: [Dependency {
            reference: IMAGE,
            depends_on: os.map(|_| OS).into_iter().chain(references.iter().map(String::as_str)).collect(),
        }],
        components: List(components),
        compositions: [Composition {
            aggregate: if is_complete { "complete" } else { "incomplete" },
            assemblies: [IMAGE],
        }],
        vulnerabilities: result.filter(|_| !advisories.is_empty()).map(vulnerabilities),
        serial_number: &out,
    };
    out.pretty(&bom, 1)
}

/// The components of each package as a finding names it: ecosystem, layer, name, version.
type Components<'a> = HashMap<(Ecosystem, usize, &'a str, &'a str), Vec<&'a str>>;

fn by_package<'a>(packages: impl Iterator<Item = (&'a Installed, &'a str)>) -> Components<'a> {
    let mut components = Components::new();
    for (Installed { package, layer, .. }, reference) in packages {
        let named = (package.ecosystem, *layer, package.name.as_str(), package.version.as_str());
        components.entry(named).or_default().push(reference);
    }
    components
}

/// The findings of each advisory and what the policy does about it, in the order of the first of each.
fn advisories(result: &ScanResult) -> Vec<Vec<&Judged>> {
    let mut places: HashMap<(&str, Severity, &str, Confidence, Option<Action>), usize> = HashMap::new();
    let mut advisories: Vec<Vec<&Judged>> = Vec::new();
    for judged in &result.findings {
        let Judged { finding, decision, .. } = judged;
        let Finding { id, severity, severity_source, confidence, .. } = finding;
        let key = (id.as_str(), *severity, severity_source.as_str(), *confidence, decision.action);
        let place = places.entry(key).or_insert(advisories.len());
        match advisories.get_mut(*place) {
            Some(advisory) => advisory.push(judged),
            None => advisories.push(vec![judged]),
        }
    }
    advisories
}

/// One for an [advisory](advisories), whose findings differ in packages and layers only.
fn vulnerability<'a>(
    number: usize,
    advisory: &[&'a Judged],
    result: &'a ScanResult,
    components: &Components<'a>,
) -> Vulnerability<'a> {
    let Judged { finding, decision, .. } = advisory[0];
    let said = [
        ("stella:action", Some(words::action(decision.action))),
        ("stella:confidence", (finding.confidence == Confidence::Low).then_some("low")),
        ("stella:rule", decision.rule.as_deref()),
    ];
    let property = |(name, value): (&'static str, Option<&str>)| {
        Some(Property { name: name.into(), value: value?.to_owned() })
    };
    let mut hit: Vec<&str> = Vec::new();
    let mut ways = Ways::default();
    for judged in advisory {
        let Finding { package, layer, fixed_in, .. } = &judged.finding;
        let named = (package.ecosystem, layer.index, package.name.as_str(), package.version.as_str());
        hit.extend(components.get(&named).into_iter().flatten());
        if fixed_in.is_some() {
            ways.add(way(result, judged), usize::MAX);
        }
    }
    hit.sort_unstable();
    hit.dedup();
    Vulnerability {
        reference: format!("vulnerability-{number}"),
        id: &finding.id,
        ratings: ratings(finding),
        description: &finding.summary,
        recommendation: ways.text(),
        affects: hit.into_iter().map(|reference| Affected { reference }).collect(),
        properties: said.into_iter().filter_map(property).collect(),
    }
}

/// All that databases say of how bad the vulnerability is, the one that counts first.
fn ratings(finding: &Finding) -> Vec<Rating<'_>> {
    let (severity, source) = (finding.severity, finding.severity_source.as_str());
    let (that, others): (Vec<_>, Vec<_>) = finding
        .ratings
        .iter()
        .filter(|rating| !rating.rejected)
        .partition(|rating| rating.source == source && rating.severity == severity);
    let first = rating(source, severity, that.first().map_or("", |rating| &rating.vector));
    let others = others.into_iter().map(|other| rating(&other.source, other.severity, &other.vector));
    [first].into_iter().chain(others).collect()
}

fn rating<'a>(source: &'a str, severity: Severity, vector: &'a str) -> Rating<'a> {
    Rating {
        source: Some(RatedBy { name: source }).filter(|by| !by.name.is_empty()),
        severity: match severity {
            Severity::Negligible => "info",
            other => other.as_str(),
        },
        method: (!vector.is_empty()).then(|| method(vector)),
        vector,
    }
}

/// How the form calls what a vector is of. Those of version 2 have no prefix.
fn method(vector: &str) -> &'static str {
    match vector.split('/').next() {
        Some("CVSS:3.0") => "CVSSv3",
        Some("CVSS:3.1") => "CVSSv31",
        Some("CVSS:4.0") => "CVSSv4",
        _ => "CVSSv2",
    }
}

fn operating_system(os: &OsRelease) -> Component<'_> {
    Component {
        reference: OS,
        kind: OS,
        group: "",
        name: if os.id.is_empty() { "unknown" } else { &os.id },
        version: version(if os.version.is_empty() { &os.codename } else { &os.version }),
        purl: String::new(),
        properties: of_os(os),
    }
}

fn component<'a>(installed: &'a Installed, reference: &'a str, sbom: &Sbom) -> Component<'a> {
    let package = &installed.package;
    let (group, name) = match package.ecosystem {
        Ecosystem::Npm if package.name.starts_with('@') => package.name.split_once('/'),
        Ecosystem::Maven => package.name.rsplit_once(':'),
        _ => None,
    }
    .unwrap_or(("", &package.name));
    Component {
        reference,
        kind: "library",
        group,
        name,
        version: version(&package.version),
        purl: purl(package, sbom.inventory.os.as_ref()),
        properties: of_package(installed, sbom),
    }
}

fn version(text: &str) -> Cow<'_, str> {
    text.char_indices().nth(MAX_VERSION).map_or(text, |(end, _)| &text[..end]).into()
}

/// A name of its own for each package of each layer, the same in every SBOM of the image.
pub(super) fn reference(installed: &Installed) -> String {
    let said = serde_json::to_vec(&(&installed.package, installed.layer)).unwrap_or_default();
    ["package-", &Digest::of(&said).hex()[..32]].concat()
}

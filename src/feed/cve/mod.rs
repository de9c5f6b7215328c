//! Records of the CVE list in JSON 5 (schema 5.0 to 5.2): one file for each, as <https://github.com/CVEProject/cvelistV5> and
//! its releases have them and <https://github.com/cisagov/vulnrichment> too, or arrays of them.
//!
//! What the CNA says is a fact of the database `cve`, what CISA adds in its container (`adp`) one of `cisa-adp`; other
//! containers say nothing that is used here. Packages of a known collection become claims of `cve`, see [`affected`].

mod affected;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::affected::{Affected, Left};
use super::{
    Source, cvss,
    json::Text,
    kev,
    sink::{Claim, Sink, summary_line},
    walk::Document,
};
use crate::advisory::{Exploited, Fact};

/// Facts of the databases `cve` and `cisa-adp`, and claims of packages.
pub(super) struct CveList;

/// How CISA signs its container, and its metrics in NVD.
pub(super) const CISA_ADP: &str = "134c704f-9b21-4f2e-91b3-4a467353bcc0";

impl Source for CveList {
    fn name(&self) -> &'static str {
        "cve"
    }

    /// Some writers sort the members by name: then the containers come first, and take more than the beginning.
    fn knows(&self, document: &Document) -> bool {
        let says = |text| document.mentions(text);
        let record = says("\"CVE_RECORD\"") || says("\"containers\"") && (says("\"cna\"") || says("\"adp\""));
        document.is_named(".json") && (record || is_log(document))
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Document { name, bytes, .. } = document;
        if is_log(document) {
            return sink.skip(name.clone(), "a list of changes, without the records", "");
        }
        if !document.head().starts_with(b"[") {
            return take(&|| name.clone(), bytes, sink);
        }
        sink.each(name, bytes, take);
    }
}

/// Whether it only names what changed: `delta.json` and `deltaLog.json` beside the records.
fn is_log(document: &Document) -> bool {
    (document.is_named("delta.json") || document.is_named("deltalog.json"))
        && document.mentions("\"fetchTime\"")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    cve_metadata: Metadata<'a>,
    #[serde(borrow)]
    containers: Containers<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    cve_id: Text<'a>,
    /// `PUBLISHED` or `REJECTED`.
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    date_updated: Option<Text<'a>>,
    #[serde(borrow)]
    date_published: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Containers<'a> {
    #[serde(borrow)]
    cna: Container<'a>,
    #[serde(borrow)]
    adp: Option<Vec<Container<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    provider_metadata: Option<Provider<'a>>,
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    descriptions: Option<Vec<Description<'a>>>,
    #[serde(borrow)]
    metrics: Option<Vec<Metric<'a>>>,
    #[serde(borrow)]
    affected: Option<Vec<Affected<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow)]
    date_updated: Option<Text<'a>>,
}

/// A text in one language.
#[derive(Deserialize)]
pub(super) struct Description<'a> {
    #[serde(borrow)]
    lang: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow, rename = "cvssV3_1")]
    v3_1: Option<cvss::Metric<'a>>,
    #[serde(borrow, rename = "cvssV3_0")]
    v3_0: Option<cvss::Metric<'a>>,
    #[serde(borrow, rename = "cvssV4_0")]
    v4: Option<cvss::Metric<'a>>,
    #[serde(borrow, rename = "cvssV2_0")]
    v2: Option<cvss::Metric<'a>>,
    #[serde(borrow)]
    other: Option<Other<'a>>,
}

/// A metric that the schema does not know.
#[derive(Deserialize)]
struct Other<'a> {
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// The content of a metric of the type `kev`.
#[derive(Deserialize)]
struct KevContent<'a> {
    #[serde(borrow, rename = "dateAdded")]
    added: Text<'a>,
}

impl Container<'_> {
    /// The worst metric of the first version in this order that it has: there may be one for each scenario.
    fn fact(&self) -> Fact {
        let metrics = self.metrics.as_deref().unwrap_or_default();
        let worst = |version: for<'m> fn(&'m Metric<'_>) -> &'m Option<cvss::Metric<'m>>| {
            let scores = metrics.iter().filter_map(|metric| version(metric).as_ref());
            scores.map(|score| (score.severity(), score.vector())).max()
        };
        let said = worst(|metric| &metric.v3_1)
            .or_else(|| worst(|metric| &metric.v3_0))
            .or_else(|| worst(|metric| &metric.v4))
            .or_else(|| worst(|metric| &metric.v2));
        let (severity, vector) = said.unwrap_or_default();
        Fact { severity, vector, ..Fact::default() }
    }

    /// What it repeats of CISA's catalogue of exploited vulnerabilities; an error where it is not understood.
    fn exploited(&self) -> Result<Option<Exploited>, &'static str> {
        let others = self.metrics.iter().flatten().filter_map(|metric| metric.other.as_ref());
        let Some(other) = others.into_iter().find(|other| other.r#type.as_deref() == Some("kev")) else {
            return Ok(None);
        };
        let content =
            other.content.and_then(|content| serde_json::from_str::<KevContent<'_>>(content.get()).ok());
        let since =
            content.and_then(|content| kev::since(&content.added)).ok_or("a metric kev without a day")?;
        Ok(Some(Exploited { since, ransomware: false }))
    }
}

fn take(place: &dyn Fn() -> String, text: &[u8], sink: &mut Sink<'_>) {
    let Some(record) = sink.json::<Record<'_>>(place, text) else { return };
    let Record { cve_metadata: metadata, containers: Containers { cna, adp } } = record;
    if !is_id(&metadata.cve_id) {
        return sink.skip(place(), "malformed", "no CVE id");
    }
    let id = || metadata.cve_id.to_string();
    let rejected = match &*metadata.state {
        "PUBLISHED" => false,
        "REJECTED" => true,
        state => return sink.skip(id(), "malformed", &format!("unknown state {state:?}")),
    };
    sink.kept();
    let updated = metadata.date_updated.as_deref().and_then(time);
    let updated = updated.or_else(|| metadata.date_published.as_deref().and_then(time));
    let fact = Fact { rejected, ..cna.fact() };
    let severity = fact.severity;
    sink.fact(id(), "cve", updated, fact);
    for container in adp.iter().flatten() {
        let Some(provider) = container.provider_metadata.as_ref().filter(|of| *of.org_id == *CISA_ADP) else {
            continue;
        };
        let exploited = container.exploited().unwrap_or_else(|why| {
            sink.skip(id(), "malformed", why);
            None
        });
        let said = provider.date_updated.as_deref().and_then(time).or(updated);
        sink.fact(id(), "cisa-adp", said, Fact { exploited, ..container.fact() });
    }
    let mut claim =
        Claim { database: "cve", id: id(), time: updated, names: vec![vec![]], ..Claim::default() };
    let mut left = BTreeMap::new(); // one of each reason: some records list hundreds of products
    for product in cna.affected.iter().flatten().filter(|_| !rejected) {
        match product.package(severity) {
            Ok(package) => claim.packages.push(package),
            Err(Left { reason, detail, ecosystem }) => {
                claim.not_understood.extend(ecosystem.map(str::to_owned));
                left.entry(reason).or_insert(detail);
            }
        }
    }
    for (reason, detail) in left {
        sink.skip(id(), reason, &detail);
    }
    if !claim.not_understood.is_empty() {
        sink.not_understood();
    }
    if claim.packages.is_empty() && claim.not_understood.is_empty() {
        return sink.withdraw(claim.id, updated); // what an older record of the id claims is over
    }
    let described = || in_english(cna.descriptions.as_deref().unwrap_or_default());
    claim.summary = summary_line(cna.title.as_deref().unwrap_or_else(described));
    sink.claim("cna", claim);
}

/// Whether it is an id of the CVE list: `CVE-`, a year, and a number of at least four digits.
pub(super) fn is_id(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(year, number)| {
        year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number)
    })
}

/// A time as the feeds of vulnerabilities write it: RFC 3339, or without a zone, which is UTC then.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

/// The text in English, or else the first.
pub(super) fn in_english<'a>(texts: &'a [Description<'_>]) -> &'a str {
    let english = texts.iter().find(|text| text.lang.starts_with("en"));
    english.or(texts.first()).map_or("", |text| &text.value)
}

#[cfg(test)]
mod tests;

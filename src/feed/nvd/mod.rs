//! NVD's vulnerabilities, in the form of its API 2.0 (schema `cve_api_json_2.0`): pages of
//! <https://services.nvd.nist.gov/rest/json/cves/2.0>, and the files for each year and `modified` of
//! <https://nvd.nist.gov/vuln/data-feeds>.
//!
//! A page repeats the metrics of others beside NVD's own, each with its `source`. NVD's are facts of the database `nvd`, with
//! the record's `lastModified`. Those of CISA's container are the word of `cisa-adp`, all others that of a CNA: `cve`. When
//! they were said is not written, so they have no time, and give way to the CVE record itself where that is imported; of two
//! without a time the worse stands. The same holds for `cisaExploitAdd`, which repeats the catalogue `cisa-kev`.
//!
//! `configurations` become claims of the ecosystem `cpe`, see [`configuration`].

mod configuration;

use serde::Deserialize;

use self::configuration::Configuration;
use super::{
    Cut, Source, cve, cvss, json,
    json::Text,
    kev,
    sink::{Claim, Sink, summary_line},
    walk::Document,
};
use crate::advisory::{Exploited, Fact};

/// Facts of the database `nvd`, and claims of what it configures.
pub(super) struct Nvd;

/// The member that lists the records; nothing comes after it.
const LIST: &str = "vulnerabilities";

impl Source for Nvd {
    fn name(&self) -> &'static str {
        "nvd"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json") && document.mentions("\"NVD_CVE\"")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Document { name, bytes, offset } = document;
        let after = if *offset > 0 { format!(" after {offset} bytes") } else { String::new() };
        let mut index = 0u64;
        let read = json::elements_of(bytes, LIST, &mut |record| {
            index += 1;
            take(&|| format!("{name}, record {index}{after}"), record.get().as_bytes(), sink);
            !sink.over()
        });
        if let Err(error) = read
            && !sink.over()
        {
            sink.broken(format!("{name}, after record {index}{after}"), &error.to_string());
        }
    }

    /// The file of a year has up to 200 MB.
    fn cut(&self, document: &Document) -> Option<Cut> {
        // As the API writes a record's beginning, and as the files do; in a text the quote would have a backslash.
        let record = ["{\"cve\"", "{\n    \"cve\""].into_iter().find(|start| document.mentions(start))?;
        Some(Cut { record, close: "]}" })
    }
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    cve: Cve<'a>,
}

/// A record, the fields that are used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cve<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    last_modified: Option<Text<'a>>,
    #[serde(borrow)]
    vuln_status: Option<Text<'a>>,
    #[serde(borrow)]
    descriptions: Option<Vec<cve::Description<'a>>>,
    #[serde(borrow)]
    metrics: Option<Metrics<'a>>,
    #[serde(borrow)]
    configurations: Option<Vec<Configuration<'a>>>,
    #[serde(borrow)]
    cisa_exploit_add: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct Metrics<'a> {
    #[serde(borrow, rename = "cvssMetricV31")]
    v3_1: Option<Vec<Metric<'a>>>,
    #[serde(borrow, rename = "cvssMetricV30")]
    v3_0: Option<Vec<Metric<'a>>>,
    #[serde(borrow, rename = "cvssMetricV40")]
    v4: Option<Vec<Metric<'a>>>,
    #[serde(borrow, rename = "cvssMetricV2")]
    v2: Option<Vec<Metric<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric<'a> {
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    cvss_data: cvss::Metric<'a>,
    /// Of version 2, which has it here.
    #[serde(borrow)]
    base_severity: Option<Text<'a>>,
}

impl Metric<'_> {
    /// Whose word it is.
    fn database(&self) -> &'static str {
        match &*self.source {
            "nvd@nist.gov" => "nvd",
            cve::CISA_ADP => "cisa-adp",
            _ => "cve",
        }
    }

    fn fact(&self) -> Fact {
        let said = self.base_severity.as_deref().and_then(cvss::word);
        let severity = said.unwrap_or_else(|| self.cvss_data.severity());
        Fact { severity, vector: self.cvss_data.vector(), ..Fact::default() }
    }
}

impl Metrics<'_> {
    /// What `database` says: the primary of its metrics, or the worst, of the first version in this order that it has.
    fn of(&self, database: &str) -> Option<Fact> {
        [&self.v3_1, &self.v3_0, &self.v4, &self.v2].into_iter().flatten().find_map(|metrics| {
            let said = metrics.iter().filter(|metric| metric.database() == database);
            let ranked = said.map(|metric| (metric.r#type.as_deref() == Some("Primary"), metric.fact()));
            ranked.max().map(|(_, fact)| fact)
        })
    }
}

fn take(place: &dyn Fn() -> String, text: &[u8], sink: &mut Sink<'_>) {
    let Some(Item { cve }) = sink.json::<Item<'_>>(place, text) else { return };
    if !cve::is_id(&cve.id) {
        return sink.skip(place(), "malformed", "no CVE id");
    }
    sink.kept();
    let id = || cve.id.to_string();
    let time = cve.last_modified.as_deref().and_then(cve::time);
    let rejected = cve.vuln_status.as_deref() == Some("Rejected");
    let metrics = cve.metrics.unwrap_or_default();
    // Also where it says nothing: an older record of the id may have said more.
    sink.fact(id(), "nvd", time, Fact { rejected, ..metrics.of("nvd").unwrap_or_default() });
    for database in ["cve", "cisa-adp"] {
        if let Some(fact) = metrics.of(database) {
            sink.fact(id(), database, None, fact);
        }
    }
    match cve.cisa_exploit_add.as_deref().map(|day| (day, kev::since(day))) {
        Some((_, Some(since))) => {
            let exploited = Some(Exploited { since, ransomware: false });
            sink.fact(id(), "cisa-kev", None, Fact { exploited, ..Fact::default() });
        }
        Some((day, None)) => {
            let why = format!("cisaExploitAdd {day:?} of {} is no day", id());
            sink.skip(place(), "malformed", &why);
        }
        None => {}
    }
    let (packages, left) = configuration::packages(cve.configurations.as_deref().unwrap_or_default());
    for (reason, criteria) in left {
        sink.skip(id(), reason, criteria);
    }
    if packages.is_empty() || rejected {
        return sink.withdraw(id(), time); // what an older record of the id claims is over
    }
    let summary = summary_line(cve::in_english(cve.descriptions.as_deref().unwrap_or_default()));
    let claim =
        Claim { database: "nvd", id: id(), time, summary, names: vec![vec![]], packages, ..Claim::default() };
    sink.claim("cpe", claim);
}

#[cfg(test)]
mod tests;

//! CSAF 2.0 of the distributions that publish in it, as the OASIS standard has it and they fill it.
//!
//! - Red Hat: VEX, a file a CVE, at `security.access.redhat.com/data/csaf/v2/vex`, all of them as one `.tar.zst`; security
//!   advisories beside it. What is fixed is named by rpm, what is not by source rpm. Read as Red Hat's guide to its files
//!   describes them.
//! - SUSE: VEX at `ftp.suse.com/pub/projects/security/csaf-vex`, security advisories at `…/csaf`. All is named by rpm; what is
//!   fixed is `recommended`.
//!
//! ```text
//! product id -> relationship: component (purl: name, version, module) of product (CPE: the feed of a release)
//! ```

mod document;
mod product;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use document::{Head, Note, Remediation, Text, Threat, Vulnerability};
use product::{Found, Left, Products};

use super::{
    Source, cvss,
    sink::{Claim, Package, Sink, summary_line},
    walk::Document,
};
use crate::{
    advisory::{End, Fact, Range, State},
    finding::Severity,
    version::Scheme,
};

/// CSAF of Red Hat and SUSE.
pub(super) struct Csaf;

/// Longest document. Those of vulnerabilities that many products share have tens of megabytes.
const MOST_BYTES: usize = 64 << 20;

impl Source for Csaf {
    fn name(&self) -> &'static str {
        "csaf"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json") && document.mentions("\"csaf_version\"")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        sink.count();
        let Document { name, bytes, .. } = document;
        if bytes.len() > MOST_BYTES {
            let why = format!("more than {MOST_BYTES} bytes");
            return sink.skip(name.clone(), "over the limit `feed CSAF bytes`", &why);
        }
        match serde_json::from_slice::<document::Csaf<'_>>(bytes) {
            Ok(csaf) => take(&csaf, sink),
            Err(error) => sink.skip(name.clone(), "malformed", &error.to_string()),
        }
    }
}

/// Whose word a document is, by its publisher's address; of others nothing is known of their products.
fn database(namespace: &str) -> Option<&'static str> {
    match namespace.trim_end_matches('/') {
        "https://www.redhat.com" => Some("redhat"),
        "https://www.suse.com" => Some("suse"),
        _ => None,
    }
}

fn take(csaf: &document::Csaf<'_>, sink: &mut Sink<'_>) {
    let Head { category, publisher, tracking, .. } = &csaf.document;
    let id = &*tracking.id;
    let time = tracking.current_release_date.as_ref().and_then(|date| date.parse().ok());
    let Some(database) = database(&publisher.namespace) else {
        return sink.skip(
            id.to_owned(),
            "CSAF of another publisher than Red Hat and SUSE",
            &publisher.namespace,
        );
    };
    if !matches!(&**category, "csaf_vex" | "csaf_security_advisory") {
        return sink.skip(
            id.to_owned(),
            "CSAF of another category than VEX and security advisories",
            category,
        );
    }
    if tracking.status.as_deref() == Some("deleted") {
        sink.skip(id.to_owned(), "withdrawn", "");
        return sink.withdraw(id.to_owned(), time);
    }
    let products = Products::new(&csaf.product_tree);
    let (mut left, mut kept, mut not_understood) = (BTreeMap::new(), false, false);
    for vulnerability in csaf.vulnerabilities.iter().flatten() {
        if sink.over() {
            return;
        }
        let cve = vulnerability.cve.as_deref();
        let vector = vector(vulnerability);
        let severity = Impacts::new(&csaf.document, vulnerability, vector);
        if let Some(cve) = cve.filter(|_| severity.worst != Severity::Unknown) {
            kept = true;
            let fact = Fact { severity: severity.worst, vector: vector.into(), ..Fact::default() };
            sink.fact(cve.into(), database, time, fact);
        }
        let mut words = Words { packages: BTreeMap::new(), not_understood: BTreeSet::new(), left: &mut left };
        words.take(vulnerability, &products, &severity);
        let Words { packages, not_understood: feeds, .. } = words;
        if packages.is_empty() && feeds.is_empty() {
            continue;
        }
        kept |= !packages.is_empty();
        not_understood |= !feeds.is_empty();
        // A VEX document is what is known of one CVE; an advisory speaks of several.
        let is_vex = &**category == "csaf_vex";
        let cve = cve.unwrap_or(id);
        let claim = Claim {
            database,
            id: if is_vex { cve } else { id }.to_owned(),
            time,
            summary: summary(&csaf.document, vulnerability),
            names: vec![if is_vex { Vec::new() } else { vec![cve.to_owned()] }],
            packages: packages.into_iter().map(|((feed, name), word)| word.package(feed, name)).collect(),
            not_understood: feeds,
        };
        let scope = if is_vex { database.to_owned() } else { format!("{database} {cve}") };
        sink.claim(&scope, claim);
    }
    if csaf.vulnerabilities.iter().flatten().next().is_none() {
        sink.skip(id.to_owned(), "names no vulnerability", "");
    }
    for (reason, count) in left {
        sink.skip(id.to_owned(), reason, &format!("{count} of its products"));
    }
    if kept {
        sink.kept();
    }
    if not_understood {
        sink.not_understood();
    }
}

/// What is said of packages in one vulnerability, by feed and name.
struct Words<'l> {
    packages: BTreeMap<(String, String), Word>,
    /// Feeds of which a product was not understood.
    not_understood: BTreeSet<String>,
    left: &'l mut BTreeMap<&'static str, usize>,
}

/// What is said of one package. The products of a release are many, and one may lag behind another.
#[derive(Default)]
struct Word {
    severity: Severity,
    /// The highest version with the fix.
    fixed: Option<String>,
    /// Affected or not known, without a fix.
    open: Option<State>,
}

impl Word {
    /// A fix in one repository of the release is the fix; and what is affected in one of them is affected.
    fn package(self, ecosystem: String, name: String) -> Package {
        let range = |end| vec![Range { introduced: None, end }];
        let (state, ranges) = match (self.fixed, self.open) {
            (Some(version), _) => (State::Affected, range(End::Fixed(version))),
            (None, Some(state)) => (state, range(End::Open)),
            (None, None) => (State::NotAffected, Vec::new()),
        };
        Package { ecosystem, name, severity: self.severity, state, ranges, versions: Vec::new() }
    }
}

impl Words<'_> {
    fn take(&mut self, vulnerability: &Vulnerability<'_>, products: &Products<'_>, severity: &Impacts<'_>) {
        let statuses = &vulnerability.product_status;
        for id in
            [&statuses.fixed, &statuses.first_fixed, &statuses.recommended].into_iter().flatten().flatten()
        {
            let Some(found) = self.find(id, products) else { continue };
            // The source of rpms that are named too; and what holds nothing that runs.
            if found.is_source || is_debug(&found.name) {
                continue;
            }
            let scheme = Scheme::Rpm;
            let Some(version) = found.version.clone().filter(|version| scheme.check(version).is_ok()) else {
                self.leave(Left::NotUnderstood(found.feed));
                continue;
            };
            let word = self.word(found, severity.of(id));
            let newer = |known: &String| scheme.compare(known, &version).is_ge();
            word.fixed = word.fixed.take().filter(newer).or(Some(version));
        }
        let states = states(vulnerability.remediations.as_deref().unwrap_or_default());
        let affected = statuses.known_affected.iter().flatten();
        let affected = affected.map(|id| (id, states.get(&**id).copied().unwrap_or(State::Affected)));
        let unknown = statuses.under_investigation.iter().flatten().map(|id| (id, State::Undetermined));
        for (id, state) in affected.chain(unknown) {
            if let Some(found) = self.find(id, products) {
                let word = self.word(found, severity.of(id));
                // "Not known" gives way to whatever is known.
                word.open = Some(match word.open {
                    None | Some(State::Undetermined) => state,
                    Some(known) if state == State::Undetermined => known,
                    Some(known) => known.max(state),
                });
            }
        }
        for id in statuses.known_not_affected.iter().flatten() {
            if let Some(found) = self.find(id, products) {
                self.word(found, Severity::Unknown);
            }
        }
    }

    fn find(&mut self, id: &str, products: &Products<'_>) -> Option<Found> {
        products.find(id).map_err(|left| self.leave(left)).ok()
    }

    fn leave(&mut self, left: Left) {
        *self.left.entry(left.reason()).or_default() += 1;
        if let Left::NotUnderstood(feed) = left {
            self.not_understood.insert(feed);
        }
    }

    fn word(&mut self, found: Found, severity: Severity) -> &mut Word {
        let word = self.packages.entry((found.feed, found.name)).or_default();
        word.severity = word.severity.max(severity);
        word
    }
}

/// An rpm of debug symbols and sources, which every build has beside the others.
fn is_debug(name: &str) -> bool {
    name.ends_with("-debuginfo") || name.ends_with("-debugsource") || name.contains("-debuginfo-")
}

/// Where the publisher stands with what has no fix, by the id of the product; Red Hat says so in these words.
fn states<'a>(remediations: &'a [Remediation<'a>]) -> HashMap<&'a str, State> {
    let mut states = HashMap::new();
    for Remediation { category, details, product_ids } in remediations {
        let state = match (&**category, details.as_deref().unwrap_or_default()) {
            ("no_fix_planned", "Out of support scope") => State::EndOfLife,
            ("no_fix_planned", _) => State::Ignored,
            ("none_available", "Fix deferred" | "Deferred") => State::Postponed,
            _ => continue,
        };
        states.extend(product_ids.iter().flatten().map(|id| (&**id, state)));
    }
    states
}

/// How bad, in the publisher's words; by the vector where it has none.
struct Impacts<'a> {
    worst: Severity,
    /// Where it differs between products.
    by_product: HashMap<&'a str, Severity>,
}

impl<'a> Impacts<'a> {
    fn new(head: &Head<'_>, vulnerability: &'a Vulnerability<'a>, vector: &str) -> Self {
        let threats =
            || vulnerability.threats.iter().flatten().filter(|threat| &*threat.category == "impact");
        let words: BTreeSet<Severity> = threats().map(|threat| word(&threat.details)).collect();
        let mut by_product = HashMap::new();
        if words.len() > 1 {
            for Threat { details, product_ids, .. } in threats() {
                by_product.extend(product_ids.iter().flatten().map(|id| (&**id, word(details))));
            }
        }
        let known = |severity: &Severity| *severity != Severity::Unknown;
        let worst = words.last().copied().filter(known);
        let worst = worst.or_else(|| Some(word(&head.aggregate_severity.as_ref()?.text)).filter(known));
        Self { worst: worst.or_else(|| cvss::severity(vector)).unwrap_or_default(), by_product }
    }

    fn of(&self, id: &str) -> Severity {
        self.by_product.get(id).copied().unwrap_or(self.worst)
    }
}

/// Red Hat's and SUSE's four ratings.
fn word(text: &str) -> Severity {
    match text.to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "important" => Severity::High,
        "moderate" => Severity::Medium,
        "low" => Severity::Low,
        _ => Severity::Unknown,
    }
}

/// The vector of the worst score, of the newest version that there is; empty where there is none.
fn vector<'a>(vulnerability: &'a Vulnerability<'a>) -> &'a str {
    let scores = || vulnerability.scores.iter().flatten();
    let worst = |vectors: &mut dyn Iterator<Item = &'a Text<'a>>| {
        vectors.map(|vector| (cvss::severity(vector), &**vector)).max().map(|(_, vector)| vector)
    };
    worst(&mut scores().filter_map(|score| score.cvss_v3.as_ref()?.vector.as_ref()))
        .or_else(|| worst(&mut scores().filter_map(|score| score.cvss_v2.as_ref()?.vector.as_ref())))
        .unwrap_or_default()
}

/// The title, where it is more than the CVE; else what the first note tells.
fn summary(head: &Head<'_>, vulnerability: &Vulnerability<'_>) -> String {
    let cve = vulnerability.cve.as_deref().unwrap_or("CVE");
    let note = |notes: &Option<Vec<Note<'_>>>| {
        let mut notes = notes.iter().flatten();
        let told = notes
            .find(|note| matches!(&*note.category, "description" | "general") && !note.text.ends_with(cve));
        told.map(|note| summary_line(&note.text))
    };
    let title = vulnerability.title.as_ref().or(head.title.as_ref()).filter(|title| !title.ends_with(cve));
    title
        .map(|title| summary_line(title))
        .or_else(|| note(&vulnerability.notes))
        .or_else(|| note(&head.notes))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;

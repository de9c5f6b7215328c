//! CISA's catalogue of known exploited vulnerabilities, as JSON or CSV from
//! <https://www.cisa.gov/known-exploited-vulnerabilities-catalog>; its schema of 2025 was read. Facts of the database
//! `cisa-kev`: exploited since the day on which it took the vulnerability up, and whether in campaigns of ransomware.

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;

use super::{Source, csv, cve, json, json::Text, sink::Sink, walk::Document};
use crate::advisory::{Exploited, Fact};

/// Facts of the database `cisa-kev`.
pub(super) struct Kev;

impl Source for Kev {
    fn name(&self) -> &'static str {
        "kev"
    }

    fn knows(&self, document: &Document) -> bool {
        match document.is_named(".csv") {
            true => document.head().starts_with(b"cveID,"),
            false => document.is_named(".json") && document.mentions("\"catalogVersion\""),
        }
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let read =
            if document.is_named(".csv") { read_csv(document, sink) } else { read_json(document, sink) };
        if let Err(error) = read
            && !sink.over()
        {
            sink.broken(document.name.clone(), &error);
        }
    }
}

/// An entry of the catalogue, the fields that are used here.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, rename = "cveID")]
    id: Text<'a>,
    #[serde(borrow, rename = "dateAdded")]
    added: Text<'a>,
    /// "Known" or "Unknown".
    #[serde(borrow, rename = "knownRansomwareCampaignUse")]
    ransomware: Option<Text<'a>>,
}

/// The catalogue's own date is when each entry was last looked at: one that is learned to be used by ransomware keeps its day.
fn read_json(document: &Document, sink: &mut Sink<'_>) -> Result<(), String> {
    let Document { name, bytes, .. } = document;
    let mut released = None;
    // What is malformed is said below, at the entry.
    let _ = json::members(bytes, &mut |key, value| {
        if key == "dateReleased" {
            released = serde_json::from_str::<Text<'_>>(value.get()).ok().and_then(|text| cve::time(&text));
        }
        true
    });
    let mut index = 0u64;
    let read = json::elements_of(bytes, "vulnerabilities", &mut |entry| {
        index += 1;
        let place = || format!("{name}, entry {index}");
        if let Some(entry) = sink.json::<Entry<'_>>(&place, entry.get().as_bytes()) {
            take(&place, &entry.id, &entry.added, entry.ransomware.as_deref(), released, sink);
        }
        !sink.over()
    });
    read.map_err(|error| error.to_string())
}

/// The CSV has no date of its own, so it gives way to the JSON.
fn read_csv(document: &Document, sink: &mut Sink<'_>) -> Result<(), String> {
    const COLUMNS: [&str; 3] = ["cveID", "dateAdded", "knownRansomwareCampaignUse"];
    let Document { name, bytes, .. } = document;
    let mut columns: Option<[usize; 3]> = None;
    let mut missing = Ok(());
    let read = csv::rows(bytes, &mut |line, fields| {
        let Some([id, added, ransomware]) = columns else {
            let found = COLUMNS
                .map(|column| fields.iter().position(|field| field.trim_start_matches('\u{feff}') == column));
            let [Some(id), Some(added), ransomware] = found else {
                missing = Err(format!("want the columns {}", COLUMNS.join(", ")));
                return false;
            };
            columns = Some([id, added, ransomware.unwrap_or(usize::MAX)]);
            return true;
        };
        sink.count();
        let field = |column: usize| fields.get(column).map(|field| &**field);
        let place = || format!("{name}:{line}");
        let (id, added) = (field(id).unwrap_or_default(), field(added).unwrap_or_default());
        take(&place, id, added, field(ransomware), None, sink);
        !sink.over()
    });
    missing.and(read)
}

fn take(
    place: &dyn Fn() -> String,
    id: &str,
    added: &str,
    ransomware: Option<&str>,
    time: Option<Timestamp>,
    sink: &mut Sink<'_>,
) {
    match since(added) {
        _ if !cve::is_id(id) => sink.skip(place(), "malformed", "no CVE id"),
        None => sink.skip(place(), "malformed", &format!("dateAdded of {id} is no day")),
        Some(since) => {
            sink.kept();
            let ransomware = ransomware.is_some_and(|used| used.eq_ignore_ascii_case("known"));
            let exploited = Some(Exploited { since, ransomware });
            sink.fact(id.to_owned(), "cisa-kev", time, Fact { exploited, ..Fact::default() });
        }
    }
}

/// A day as [`Exploited::since`] has it.
pub(super) fn since(text: &str) -> Option<String> {
    text.parse::<Date>().ok().map(|day| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::{Outcome, import::import_document},
    };

    fn read(name: &str, text: &str) -> (Outcome, Vec<(String, Fact)>) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, text.as_bytes(), &mut compiler);
        let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
        (outcome, snapshot.facts("CVE-2024-0001").unwrap())
    }

    fn known(ransomware: bool) -> [(String, Fact); 1] {
        let exploited = Some(Exploited { since: "2024-05-01".into(), ransomware });
        [("cisa-kev".into(), Fact { exploited, ..Fact::default() })]
    }

    #[test]
    fn its_schema_is_no_catalogue() {
        let schema = br#"{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "CISA Catalog of Known Exploited Vulnerabilities",
  "properties": {"catalogVersion": {"type": "string"}, "vulnerabilities": {"type": "array"}}
}"#;
        let outcome = import_document("schema.json", schema, &mut Compiler::default());
        assert_eq!((outcome.read, outcome.skipped), (0, 1));
        assert_eq!(outcome.named().first().unwrap().why, "no form of advisories that is known");
    }

    #[test]
    fn the_catalogue_as_json() {
        let (outcome, facts) = read(
            "known_exploited_vulnerabilities.json",
            r#"{"title":"T","catalogVersion":"2025.08.25","dateReleased":"2025-08-25T17:04:19.9796Z","count":3,
            "vulnerabilities":[
            {"cveID":"CVE-2024-0001","dateAdded":"2024-05-01","knownRansomwareCampaignUse":"Known","notes":"a \/ b"},
            {"cveID":"CVE-2024-0002","dateAdded":"soon"},{"cveID":7,"dateAdded":"2024-05-01"},
            {"cveID":"X","dateAdded":"2024-05-01"}], "more"}"#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (5, 1, 4), "{outcome:?}");
        assert_eq!(facts, known(true));
    }

    #[test]
    fn the_catalogue_as_csv() {
        let (outcome, facts) = read(
            "known_exploited_vulnerabilities.csv",
            "cveID,vendorProject,dateAdded,shortDescription,knownRansomwareCampaignUse\r\n\
            CVE-2024-0001,A,2024-05-01,\"One, \"\"two\"\"\nthree\",Unknown\r\nCVE-2024-0002,A\r\n",
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 1, 1), "{outcome:?}");
        assert_eq!(facts, known(false));
        let (outcome, _) = read("a.csv", "cveID,added\nCVE-2024-0001,2024-05-01\n");
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 0, 1), "{outcome:?}");
    }
}

//! Advisories of RustSec in their native form: Markdown with TOML at the front, `crates/NAME/ID.md`, version 3 of the form as
//! the README of github.com/rustsec/advisory-db describes it, where they are published. Its branch `osv` has the same
//! advisories as OSV records.
//!
//! A record lists the versions that are *not* affected: `patched` and `unaffected`. All others are.

use serde::Deserialize;

use super::{
    Source, cvss,
    requirement::{Stretch, outside},
    sink::{Claim, Package, Sink, day, summary_line},
    walk::Document,
};
use crate::{advisory::State, version::Scheme};

/// Advisories of RustSec.
pub(super) struct Rustsec;

/// Before and after the TOML.
const FENCE: (&str, &str) = ("```toml\n", "\n```");
/// Longest TOML, for a parsed table takes a hundred times its text; the longest real ones have some 5 kB.
const MOST_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
struct Record {
    advisory: Advisory,
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    date: String,
    #[serde(default)]
    aliases: Vec<String>,
    /// `unmaintained`, `notice` or `unsound`, where it is no plain vulnerability.
    informational: Option<String>,
    withdrawn: Option<String>,
    /// A vector.
    cvss: Option<String>,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

impl Source for Rustsec {
    fn name(&self) -> &'static str {
        "rustsec"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".md") && document.head().starts_with(b"```toml")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        sink.count();
        let place = document.name.clone();
        match parse(&document.bytes) {
            Err((reason, detail)) => sink.skip(place, reason, &detail),
            // `rust/std/…`: advisories of what comes with the compiler.
            Ok((record, _)) if place.split(['/', '\\']).rev().nth(2) == Some("rust") => {
                sink.skip(
                    record.advisory.id,
                    "of Rust itself, which no package is",
                    &record.advisory.package,
                );
            }
            Ok((record, title)) => take(record, title, sink),
        }
    }
}

/// The record at the front, and the title of the text.
fn parse(bytes: &[u8]) -> Result<(Record, String), (&'static str, String)> {
    let malformed = |why: &str| ("malformed", why.to_owned());
    let text = str::from_utf8(bytes).map_err(|error| malformed(&error.to_string()))?;
    let text = text.trim_start().replace("\r\n", "\n");
    let front = text.strip_prefix(FENCE.0).and_then(|text| text.split_once(FENCE.1));
    let (front, text) = front.ok_or_else(|| malformed("no end of the TOML at its front"))?;
    if front.len() > MOST_BYTES {
        return Err(("over the limit `feed TOML bytes`", format!("more than {MOST_BYTES} bytes")));
    }
    let record = toml::from_str(front).map_err(|error| {
        let line = 2 + front[..error.span().map_or(0, |span| span.start)].matches('\n').count();
        malformed(&format!("line {line}: {}", error.message()))
    })?;
    let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    Ok((record, summary_line(title)))
}

fn take(record: Record, summary: String, sink: &mut Sink<'_>) {
    let Record { advisory, versions } = record;
    let Advisory { id, package, date, aliases, informational, withdrawn, cvss } = advisory;
    if let Some(date) = withdrawn {
        sink.skip(id.clone(), "withdrawn", "");
        return sink.withdraw(id, day(&date));
    }
    if let Some(kind) = informational.filter(|kind| is_no_vulnerability(kind)) {
        return sink.skip(id, "information, no vulnerability", &kind);
    }
    let (scheme, ecosystem) = (Scheme::Semver, "crates.io".to_owned());
    let requirements = versions.patched.iter().chain(&versions.unaffected);
    let stretches = requirements.map(|text| Stretch::of(scheme, text)).collect::<Result<Vec<_>, _>>();
    let (time, names) = (day(&date), vec![aliases]);
    let mut claim = Claim { database: "rustsec", id, time, summary, names, ..Claim::default() };
    match stretches {
        Ok(stretches) => {
            let ranges = outside(scheme, stretches);
            if ranges.is_empty() {
                return sink.skip(claim.id, "affects no version", "");
            }
            let severity = cvss.as_deref().and_then(cvss::severity).unwrap_or_default();
            let (state, versions) = (State::Affected, Vec::new());
            claim.packages.push(Package { ecosystem, name: package, severity, state, ranges, versions });
            sink.kept();
        }
        Err(what) => {
            sink.skip(claim.id.clone(), "not understood", &what);
            sink.not_understood();
            claim.not_understood.insert(ecosystem);
        }
    }
    sink.claim("", claim);
}

/// Nobody works on it any more, or something else is worth a word. What is unsound may be one: safe code can break memory.
pub(super) fn is_no_vulnerability(informational: &str) -> bool {
    matches!(informational, "unmaintained" | "notice")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, End, Range, Snapshot},
        feed::{Outcome, import::import_document},
        finding::Severity,
    };

    fn read(name: &str, text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    fn record(advisory: &str, versions: &str) -> String {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2024-0001\"\npackage = \"a\"\ndate = \"2024-02-03\"\n{advisory}\n\n\
             [affected.functions]\n\"a::b\" = [\"< 1.0.0\"]\n\n[versions]\n{versions}\n```\n\n# Title of `it`\n\nWords.\n\
             ```toml\na = 1\n```\n"
        )
    }

    #[test]
    fn what_is_not_listed_is_affected() {
        let fields = "aliases = [\"CVE-2024-1\"] # first\nreferences = [\"https://a.example\"]\n\
             cvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H\"\ninformational = \"unsound\"";
        let lists = "patched = [\"^1.2.3\", \">= 2.0.1\"]\nunaffected = [\"< 1.0.0\"]";
        for text in [record(fields, lists), record(fields, lists).replace('\n', "\r\n")] {
            let (outcome, snapshot) = read("crates/a/RUSTSEC-2024-0001.md", &text);
            assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0), "{:?}", outcome.named());
            let found = &snapshot.lookup("crates.io", "a").unwrap()[0];
            assert_eq!((found.id.as_str(), found.source.as_str()), ("RUSTSEC-2024-0001", "rustsec"));
            assert_eq!((found.severity, found.summary.as_str()), (Severity::High, "Title of `it`"));
            assert_eq!(found.aliases, ["CVE-2024-1"]);
            let range =
                |from: &str, to: &str| Range { introduced: Some(from.into()), end: End::Fixed(to.into()) };
            assert_eq!(found.ranges, [range("1.0.0", "1.2.3"), range("2.0.0-0", "2.0.1")]);
            assert_eq!(snapshot.feeds()[0].as_of, "2024-02-03T00:00:00Z");
        }
    }

    #[test]
    fn what_is_left_has_its_reason() {
        let why = |name: &str, text: &str| {
            let (outcome, _) = read(name, text);
            assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 0, 1));
            outcome.named().first().unwrap().why.clone()
        };
        let name = "db/crates/a/RUSTSEC-2024-0001.md";
        let unmaintained = record("informational = \"unmaintained\"", "patched = []");
        assert_eq!(why(name, &unmaintained), "information, no vulnerability: unmaintained");
        assert_eq!(why(name, &record("withdrawn = \"2024-03-01\"", "patched = []")), "withdrawn");
        assert_eq!(
            why(name, &record("", "patched = [\">= 0\"]\nunaffected = [\"< 0\"]")),
            "affects no version"
        );
        assert_eq!(why(name, &record("", "patched = [\"1.*\"]")), "not understood: the requirement \"1.*\"");
        assert_eq!(
            why("rust/std/CVE-1.md", &record("", "patched = []")),
            "of Rust itself, which no package is: a"
        );
        assert!(why(name, &record("id = 1", "patched = []")).starts_with("malformed: line 6: "));
        assert!(why(name, "```toml\n[advisory]\n").starts_with("malformed: no end"));
        assert!(why(name, &record(&"#".repeat(MOST_BYTES), "")).starts_with("over the limit"));
        let (outcome, _) = read("README.md", "# Advisories\n");
        assert_eq!((outcome.read, outcome.skipped), (0, 1), "another file of the repository");
    }
}

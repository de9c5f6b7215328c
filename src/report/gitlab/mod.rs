//! GitLab's container-scanning report: its vulnerability report and the security widget of a merge request.
//!
//! The form is `container-scanning-report-format.json` of gitlab-org/security-products/security-report-schemas; what is
//! written here is the same in the three versions. GitLab refuses a whole report that breaks it, so every text is cut to
//! its length. What the schema does not say, GitLab's parser does:
//!
//! - A vulnerability is known from build to build by its first identifier, the package's name and the image's name. So
//!   findings that have those in common are one, of all platforms, versions and places.
//! - Of several in one package that share any identifier only one is kept. A bulletin's number, which stands for several
//!   vulnerabilities, is therefore no identifier where several of them are in the report.
//! - The image's name is what stands before the last colon, and a tag that looks like a version belongs to it: each release
//!   would have all vulnerabilities anew. So the image is named by its digest, and the caller's words stand in the details.
//! - Waived findings are left out: GitLab would show them as open. A message counts them.
//! - Name, description and solution may be taken for Markdown; the details are not.

mod document;

use std::{borrow::Cow, cell::Cell, collections::HashMap, io};

use document::{
    Dependency, Detail, Details, Document, Identifier, Link, Location, Message, Package, Scan, Tool, Vendor,
    Vulnerability,
};
use jiff::Timestamp;

use super::{
    Report,
    alert::{Group, groups, is_ignored},
    gap::{Weight, gaps},
    json::{Counted, Later, List, pretty},
    place::{Place, place},
    publisher::Publisher,
    text::{cut, inert},
    words::count,
};
use crate::{digest::Digest, finding::Severity};

/// Most vulnerabilities: as many results as GitLab takes of SARIF.
const MAX_VULNERABILITIES: usize = 5_000;
/// Bytes after which no more of them are written: GitLab does not load a merge request's comparison above 20 MB
/// (`doc/administration/instance_limits.md`), and one may hold two reports.
const MAX_BYTES: usize = 10_000_000;
/// Longest name, in characters, by the schema; and of what it has no limit for.
const MAX_NAME: usize = 255;
/// Longest text, in characters, before Markdown's signs are escaped: the schema lets a solution have 7,000.
const MAX_TEXT: usize = 3_000;
/// Most notes of a run that are messages each.
const MAX_NOTES: usize = 100;
/// Most identifiers that GitLab keeps of a vulnerability.
const MAX_IDENTIFIERS: usize = 20;

/// A version of the report's schema: the patch that every server which knows the minor knows. An unknown patch is a
/// warning, an unknown minor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 15.0.7.
    V15_0,
    /// 15.1.0: what every server since GitLab 17.0 takes.
    V15_1,
    /// 15.2.0.
    V15_2,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V15_0 => "15.0.7",
            Self::V15_1 => "15.1.0",
            Self::V15_2 => "15.2.0",
        }
    }
}

/// Writes the report.
pub fn write(report: &Report, version: Version, out: &mut dyn io::Write) -> io::Result<()> {
    let groups = groups(&report.results, false, |_, judged| {
        let finding = &judged.finding;
        [(filled(&finding.package.name, MAX_NAME), filled(&finding.id, MAX_NAME))]
    });
    let mut bearers: HashMap<(&str, &str), usize> = HashMap::with_capacity(2 * groups.len());
    for ((package, _), group) in &groups {
        for name in names(group) {
            *bearers.entry((&**package, name)).or_default() += 1;
        }
    }
    let mut order: Vec<_> = groups.iter().collect();
    // Stable: package and id keep their order.
    order.sort_by_cached_key(|(_, group)| group.rank());
    let (written, listed) = (Cell::new(0), Cell::new(0));
    let vulnerabilities = || {
        let first = order.iter().take(MAX_VULNERABILITIES).take_while(|_| written.get() < MAX_BYTES);
        first.inspect(|_| listed.set(listed.get() + 1)).map(|((package, id), group)| {
            let is_shared = |name: &str| bearers.get(&(&**package, name)).is_some_and(|bearers| *bearers > 1);
            vulnerability(package, id, group, is_shared)
        })
    };
    let document = Document {
        version: version.as_str(),
        vulnerabilities: List(vulnerabilities),
        scan: Later(|| scan(report, groups.len(), listed.get())),
    };
    pretty(&document, 1, &mut Counted { out, bytes: &written })
}

fn scan<'a>(report: &'a Report, found: usize, listed: usize) -> Scan<'a> {
    let gaps = gaps(report);
    let unlooked = gaps.iter().any(|gap| gap.weight == Weight::Unlooked);
    let mut messages: Vec<Message<'_>> = Vec::new();
    let mut say = |level, text: Cow<'a, str>| messages.push(Message { level, value: filled(text, MAX_TEXT) });
    for gap in gaps {
        let level = match gap.weight {
            Weight::Unlooked if report.results.is_empty() => "fatal",
            Weight::Unlooked | Weight::Doubtful => "warn",
            Weight::Allowed => "info",
        };
        say(level, gap.text.into());
    }
    if listed < found {
        say("warn", format!("only {listed} of {found} vulnerabilities are listed, the most severe").into());
    }
    let waived =
        report.results.iter().flat_map(|result| &result.findings).filter(|judged| is_ignored(judged));
    let waived = waived.count();
    if waived > 0 {
        say("info", format!("{} left out: the policy ignores them", count(waived, "finding")).into());
    }
    let notes = &report.run.notes;
    notes.iter().take(MAX_NOTES).for_each(|note| say("info", note.into()));
    if notes.len() > MAX_NOTES {
        say("info", count(notes.len() - MAX_NOTES, "more note").into());
    }
    let first = report.results.first();
    let engine = first.map_or(env!("CARGO_PKG_VERSION"), |result| result.engine.as_str());
    let tool = Tool {
        id: "stella",
        name: "Stella",
        version: filled(engine, MAX_NAME),
        vendor: Vendor { name: "Stella" },
    };
    let now = moment(report.now());
    Scan {
        analyzer: tool.clone(),
        scanner: tool,
        kind: "container_scanning",
        start_time: now.clone(),
        end_time: now,
        status: if unlooked { "failure" } else { "success" },
        messages,
    }
}

/// `YYYY-MM-DDTHH:MM:SS` in UTC, without saying so; the epoch where the text is no moment.
fn moment(text: &str) -> String {
    let moment = text.parse::<Timestamp>().unwrap_or_default().max(Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// All names of what a group is about.
fn names<'a>(group: &Group<'a>) -> Vec<&'a str> {
    let names = group.findings().flat_map(|finding| finding.aliases.iter().chain([&finding.id]));
    sorted(names.map(String::as_str))
}

/// Each once.
fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn vulnerability<'a>(
    package: &'a str,
    id: &str,
    group: &Group<'a>,
    is_shared: impl Fn(&str) -> bool,
) -> Vulnerability<'a> {
    let (result, judged) = group.first();
    let finding = &judged.finding;
    let image = cut(result.image.name(), MAX_NAME);
    let (shared, own): (Vec<&str>, Vec<&str>) =
        names(group).into_iter().filter(|name| *name != finding.id).partition(|name| is_shared(name));
    let others = own.iter().take(MAX_IDENTIFIERS - 1).map(|name| Identifier::new(name));
    let identifiers: Vec<_> = [Identifier::new(&finding.id)].into_iter().chain(others).collect();
    let links = identifiers.iter().filter_map(|identifier| Some(Link { url: identifier.url.clone()? }));
    let more: Vec<&str> = own.iter().skip(MAX_IDENTIFIERS - 1).copied().chain(shared).collect();

    let tell = |name, text: Cow<'a, str>| {
        (!text.trim().is_empty()).then(|| Detail::Text { name, value: cut(text, MAX_TEXT) })
    };
    let platforms = sorted(group.iter().map(|(result, _)| result.image.platform.as_str())).join(", ");
    let named = [&result.image.reference, " (", &platforms, ")"].concat();
    let place = Some(place(result, judged)).filter(Place::is_in_checkout);
    let details = Details {
        also: tell("Also part of", more.join(", ").into()),
        decision: tell("Policy", group.decision().unwrap_or_default().into()),
        files: tell("Found in", group.paths()),
        image: tell("Image as named", named.into()),
        instruction: tell("Layer made by", group.instructions()),
        severity: Some(group.severity_words())
            .filter(|words| *words != group.severity().as_str())
            .and_then(|words| tell("Severity", words)),
        line: place.map(|place| {
            let file_name = filled(place.file, MAX_TEXT);
            Detail::FileLocation { name: "Comes in by", file_name, line_start: place.line }
        }),
    };

    let summary = group.findings().map(|finding| finding.summary.trim()).find(|summary| !summary.is_empty());
    Vulnerability {
        id: Digest::of([&*image, package, id].join("\0").as_bytes()).uuid(),
        name: inert([id, " in ", package].concat(), MAX_NAME),
        description: markdown(&cut(summary.unwrap_or("No description is known."), MAX_TEXT)),
        severity: severity(group.severity()),
        solution: markdown(&cut(group.fix(), MAX_TEXT)),
        links: links.collect(),
        identifiers,
        location: Location {
            dependency: Dependency {
                package: Package { name: package },
                version: cut(group.versions(), MAX_NAME),
            },
            operating_system: result.looked_at.os.as_ref().map_or_else(
                || "unknown".into(),
                |os| filled([&*os.id, " ", &os.version].concat(), MAX_NAME),
            ),
            image: [&image, "@", &result.image.digest.to_string()].concat(),
        },
        details,
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Negligible => "Info",
        Severity::Unknown => "Unknown",
    }
}

/// The text [cut], and never empty, because the schema asks for a character.
fn filled<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = cut(text, limit);
    if text.trim().is_empty() { "-".into() } else { text }
}

/// One line that Markdown shows as it is. Any ASCII punctuation may be escaped (CommonMark, section 2.4), and is but for
/// what means nothing within a sentence; the first word might be the mark of a list.
fn markdown(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + line.len() / 8);
    let bytes = line.as_bytes();
    let first_word = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_punctuation()) {
        let means_nothing =
            matches!(byte, b'.' | b',' | b';' | b'-' | b'+' | b'=' | b'/' | b'(' | b')' | b'\'' | b'?');
        // `www.` begins a link.
        let is_link = *byte == b'.' && at > 0 && bytes[at - 1].eq_ignore_ascii_case(&b'w');
        if !means_nothing || at < first_word || is_link {
            out.extend([&line[written..at], "\\"]);
            written = at;
        }
    }
    out.push_str(&line[written..]);
    out
}

impl<'a> Identifier<'a> {
    /// GitLab takes two for the same by type and value.
    fn new(id: &'a str) -> Self {
        let value = filled(id, MAX_NAME);
        let publisher = Publisher::of(&value);
        Self {
            kind: publisher.map_or("stella".to_owned(), |publisher| publisher.prefix.to_ascii_lowercase()),
            name: inert(value.clone(), MAX_NAME),
            url: publisher.map(|publisher| publisher.page(&value)),
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_what_was_meant() {
        for (text, want) in [
            ("Update zlib to 1.2-1 in web/a.lock:3.", "Update zlib to 1.2-1 in web/a.lock\\:3."),
            ("See www.a.example", "See www\\.a.example"),
            ("1. <b>*x*</b>", "1\\. \\<b\\>\\*x\\*\\</b\\>"),
            (
                "- @all see #1 ![a](b) `c` $d$ ~e | f",
                "\\- \\@all see \\#1 \\!\\[a\\](b) \\`c\\` \\$d\\$ \\~e \\| f",
            ),
        ] {
            assert_eq!(markdown(text), want);
        }
    }

    #[test]
    fn moments_have_no_zone() {
        for (text, want) in [
            ("2026-06-15T12:00:00Z", "2026-06-15T12:00:00"),
            ("2026-06-15T12:00:00.9+02:00", "2026-06-15T10:00:00"),
            ("-009999-01-02T00:00:00Z", "1970-01-01T00:00:00"),
            ("soon", "1970-01-01T00:00:00"),
        ] {
            assert_eq!(moment(text), want);
        }
    }

    #[test]
    fn only_plain_names_are_known() {
        let kind = |id| Identifier::new(id).kind;
        assert_eq!(kind("CVE-2024-1"), "cve");
        assert_eq!(kind("RHSA-2020:0111"), "rhsa");
        for id in ["CVE-", "CVE-2024-1/../x", "OWN-1", "", " "] {
            let identifier = Identifier::new(id);
            assert_eq!((identifier.kind.as_str(), identifier.url), ("stella", None), "{id:?}");
        }
    }
}

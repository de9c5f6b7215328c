//! Debian's records: one per vulnerability, and the bulletins of its security team.

use super::{
    package::{self, DEBIAN, DEBIAN_LARGE},
    prose,
    record::{
        Affected, CHANGED, Event, Package, Range, Record, Reference, Score, Source, Urgency, cve, cvss3,
        moment, year,
    },
};
use crate::random::Random;

/// Releases that the records speak of.
const RELEASES: [usize; 3] = [11, 12, 13];
/// How many source packages have invented names.
const INVENTED: usize = 3000;

/// Where a release of Debian stands with a flaw.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fix {
    /// Nobody has mended it.
    Open,
    /// A version that came before the release.
    Before,
    /// An update of the release.
    Update,
}

/// A source package, and what Debian 12 has of it where images have it too.
struct Subject {
    name: String,
    installed: Option<&'static str>,
}

fn subject(random: &mut Random) -> Subject {
    let large = |name: &str| Subject { name: name.to_owned(), installed: None };
    match random.below(1000) {
        0..25 => {
            let known = &DEBIAN[random.skewed(DEBIAN.len())];
            Subject { name: known.name.to_owned(), installed: Some(known.latest) }
        }
        25..205 => large("linux"),
        205..260 => large("chromium"),
        260..285 => large("firefox-esr"),
        285..600 => large(DEBIAN_LARGE[random.skewed(DEBIAN_LARGE.len())]),
        _ => large(&package::invented("Debian", random.skewed(INVENTED))),
    }
}

/// The record of vulnerability `index`.
pub fn vulnerability(index: usize) -> Record {
    let mut random = Random::of(&format!("Debian {index}"));
    let random = &mut random;
    let Subject { name, installed } = subject(random);
    let year = year(random);
    let cve = cve(year, index);
    let id = format!("DEBIAN-{cve}");
    // What is in every image is better looked after.
    let (open, update) = if installed.is_some() { (8, 24) } else { (10, 30) };
    let fix = match random.below(100) {
        place if place < open => Fix::Open,
        place if place < update => Fix::Update,
        _ => Fix::Before,
    };
    let size = random.spread(&[80, 138, 186, 257, 374, 699, 3655, 3998]);
    let details = prose::details(random, size);
    let severity: Vec<Score> = if random.chance(690) { vec![cvss3(random)] } else { Vec::new() };
    let urgency = urgency(random);
    let listed = if random.chance(300) { random.spread(&[1, 4, 10, 35, 80, 140, 300, 700]) } else { 0 };
    let mut affected = Vec::new();
    for release in RELEASES {
        // One release at least.
        if release == 12 || random.chance(950) {
            affected.push(entry(&id, &name, installed, release, fix, urgency, listed));
        }
    }
    Record {
        schema_version: "1.7.3",
        modified: moment(random, CHANGED),
        published: moment(random, year),
        upstream: vec![cve],
        related: related(random),
        details: Some(details),
        severity,
        affected,
        references: references(random, &name),
        id,
        ..Record::default()
    }
}

fn entry(
    id: &str,
    name: &str,
    installed: Option<&str>,
    release: usize,
    fix: Fix,
    urgency: &'static str,
    listed: usize,
) -> Affected {
    let mut versions = package::history(name, 1 + name.len() % 7, listed + 1);
    let last = versions.pop().unwrap_or_default();
    let fixed = match (fix, installed) {
        (Fix::Open, _) => None,
        (Fix::Before, Some(installed)) => Some(earlier(installed)),
        (Fix::Before, None) => Some(format!("{last}-1")),
        (Fix::Update, Some(installed)) => Some(update(installed, release)),
        (Fix::Update, None) => Some(format!("{last}-1+deb{release}u1")),
    };
    let events = std::iter::once(Event::Introduced("0".to_owned())).chain(fixed.map(Event::Fixed));
    let versions = versions.into_iter().map(|version| format!("{version}-1")).collect();
    Affected {
        package: Package {
            ecosystem: format!("Debian:{release}"),
            name: name.to_owned(),
            purl: format!("pkg:deb/debian/{name}?arch=source"),
        },
        ranges: vec![Range { kind: "ECOSYSTEM", repo: None, events: events.collect() }],
        versions,
        ecosystem_specific: Some(Urgency { urgency }),
        database_specific: Some(Source {
            source: format!("https://advisories.example.org/debian-osv/debian-cve-osv/{id}.json"),
        }),
    }
}

/// A version before the installed one.
fn earlier(installed: &str) -> String {
    let upstream = installed.rsplit_once('-').map_or(installed, |(upstream, _)| upstream);
    format!("{upstream}~rc2-1")
}

/// The next update of a release after the installed version.
pub fn update(installed: &str, release: usize) -> String {
    let (stem, number) = installed.rsplit_once("deb12u").unwrap_or((installed, "0"));
    let stem = stem.trim_end_matches(['+', '~']);
    format!("{stem}+deb{release}u{}", number.parse::<usize>().unwrap_or(0) + 1)
}

fn urgency(random: &mut Random) -> &'static str {
    match random.below(1000) {
        0..795 => "not yet assigned",
        795..893 => "unimportant",
        893..973 => "low",
        973..992 => "medium",
        992..996 => "high",
        _ => "end-of-life",
    }
}

fn related(random: &mut Random) -> Vec<String> {
    let count = random.spread(&[0, 1, 1, 3, 5, 9, 20, 30]);
    (0..count).map(|_| format!("{}-SU-2024:{:04}-1", prose::name(random), random.below(10_000))).collect()
}

fn references(random: &mut Random, name: &str) -> Vec<Reference> {
    let count = random.spread(&[1, 3, 4, 6, 9, 15, 45, 120]);
    let kind = |random: &mut Random| *random.pick(&["WEB", "WEB", "ADVISORY", "FIX", "REPORT"]);
    (0..count).map(|_| Reference { kind: kind(random), url: prose::url(random, name) }).collect()
}

/// The bulletin number `index`, which stands for one of the first `vulnerabilities`, and for some that have no record.
pub fn bulletin(index: usize, vulnerabilities: usize) -> Record {
    let mut random = Random::of(&format!("DSA {index}"));
    let random = &mut random;
    let Record { affected, upstream: mut named, .. } = vulnerability(random.below(vulnerabilities));
    let id = format!("DSA-{}-1", 70_000 + index);
    let year = year(random);
    for _ in 0..random.skewed(8) {
        named.push(cve(year, vulnerabilities + random.below(100_000)));
    }
    let affected: Vec<Affected> = affected
        .into_iter()
        .take(2)
        .map(|entry| Affected {
            ecosystem_specific: None,
            database_specific: Some(Source {
                source: format!("https://advisories.example.org/debian-osv/dsa-osv/{id}.json"),
            }),
            ..entry
        })
        .collect();
    let name = affected.first().map(|entry| entry.package.name.as_str()).unwrap_or_default();
    Record {
        schema_version: "1.7.3",
        modified: moment(random, CHANGED),
        published: moment(random, year),
        summary: Some(format!("{name} - security update")),
        upstream: named,
        id,
        affected,
        ..Record::default()
    }
}

//! A flaw of a language's package, before a database writes it down.

use super::{
    package::{self, Known},
    prose,
    record::{Event, Reference, Score, cve, cvss3, year},
};
use crate::random::Random;

/// What is known of an ecosystem's packages.
pub struct Ecosystem {
    /// OSV's name.
    pub name: &'static str,
    /// Common packages.
    pub known: &'static [Known],
    /// How many flaws of 1,000 are theirs.
    pub known_per_mille: usize,
    /// How many packages have invented names.
    pub invented: usize,
    /// Where its CVE numbers begin: no two ecosystems share one.
    pub first_cve: usize,
}

/// One flaw.
pub struct Flaw {
    /// The package's name.
    pub package: String,
    /// The year it became known.
    pub year: usize,
    /// Its CVE.
    pub cve: String,
    /// Its name in GitHub's database.
    pub ghsa: String,
    /// How bad.
    pub score: Score,
    /// Where it is.
    pub events: Vec<Event>,
    /// Every version that has it, ascending.
    pub versions: Vec<String>,
}

impl Flaw {
    /// Flaw number `index`, with as many affected versions as `listed` spreads.
    pub fn of(ecosystem: &Ecosystem, index: usize, listed: &[usize; 8]) -> Self {
        let mut random = Random::of(&format!("{} {index}", ecosystem.name));
        let random = &mut random;
        let year = year(random);
        let count = random.spread(listed);
        let known = random.chance(ecosystem.known_per_mille).then(|| {
            let known = ecosystem.known;
            &known[random.skewed(known.len())]
        });
        let (package, below) = match known {
            Some(known) => (known.name.to_owned(), package::major(known.latest)),
            None => {
                (package::invented(ecosystem.name, random.skewed(ecosystem.invented)), 1 + random.below(9))
            }
        };
        let mut versions = package::history(&package, below, count + 1);
        let before_fix = versions.pop().unwrap_or_default();
        // Old images have what the newest version of a common package mended.
        let fixed = match known {
            Some(known) if random.chance(700) => known.latest.to_owned(),
            _ => before_fix,
        };
        let begin = if random.chance(250) { random.below(versions.len().max(1)) } else { 0 };
        let introduced =
            versions.get(begin).filter(|_| begin > 0).map_or_else(|| "0".to_owned(), String::clone);
        versions.drain(..begin.min(versions.len()));
        let end = match versions.last() {
            Some(last) if random.chance(60) => Event::LastAffected(last.clone()),
            _ => Event::Fixed(fixed),
        };
        let score = cvss3(random);
        Self {
            cve: cve(year, ecosystem.first_cve + index),
            ghsa: super::record::ghsa(&format!("GHSA {} {index}", ecosystem.name)),
            package,
            year,
            score,
            events: vec![Event::Introduced(introduced), end],
            versions,
        }
    }

    /// Links that advisories give.
    pub fn references(&self, random: &mut Random, count: usize) -> Vec<Reference> {
        let kind = |random: &mut Random| *random.pick(&["WEB", "WEB", "ADVISORY", "FIX", "PACKAGE"]);
        (0..count).map(|_| Reference { kind: kind(random), url: prose::url(random, &self.package) }).collect()
    }
}

//! The records of PyPI and npm.

use super::{
    flaw::{Ecosystem, Flaw},
    github,
    package::{NPM, PYPI},
    prose,
    record::{Affected, CHANGED, Event, Package, Range, Record, moment},
};
use crate::random::Random;

const PYPI_PACKAGES: Ecosystem =
    Ecosystem { name: "PyPI", known: PYPI, known_per_mille: 130, invented: 640, first_cve: 200_000 };
const NPM_PACKAGES: Ecosystem =
    Ecosystem { name: "npm", known: NPM, known_per_mille: 100, invented: 2600, first_cve: 400_000 };

/// How many affected versions a record of PyPI lists.
const PYPI_VERSIONS: [usize; 8] = [1, 5, 10, 32, 70, 119, 327, 1100];
/// npm's ranges stand alone.
const NPM_VERSIONS: [usize; 8] = [1, 2, 4, 8, 20, 40, 60, 80];

/// Record number `index` of PyPA's database.
pub fn pysec(index: usize) -> Record {
    let flaw = Flaw::of(&PYPI_PACKAGES, index, &PYPI_VERSIONS);
    let mut random = Random::of(&format!("PYSEC {index}"));
    let random = &mut random;
    let withdrawn = random.chance(4).then(|| moment(random, CHANGED));
    let size = random.spread(&[40, 130, 206, 375, 662, 886, 1469, 3241]);
    let details = prose::details(random, size);
    let count = random.spread(&[1, 2, 2, 3, 4, 7, 14, 21]);
    let references = flaw.references(random, count);
    let commits = random.chance(520).then(|| Range {
        kind: "GIT",
        repo: Some(format!("https://git.example.org/{0}/{0}", flaw.package)),
        events: vec![Event::Introduced("0".to_owned()), Event::Fixed(random.hex(40))],
    });
    let releases = Range { kind: "ECOSYSTEM", repo: None, events: flaw.events };
    Record {
        schema_version: "1.6.0",
        id: format!("PYSEC-{}-{}", flaw.year, 100_000 + index),
        modified: moment(random, CHANGED),
        published: moment(random, flaw.year),
        withdrawn,
        aliases: vec![flaw.cve, flaw.ghsa],
        details: Some(details),
        severity: if random.chance(75) { vec![flaw.score] } else { Vec::new() },
        affected: vec![Affected {
            package: Package {
                ecosystem: PYPI_PACKAGES.name.to_owned(),
                purl: format!("pkg:pypi/{}", flaw.package),
                name: flaw.package,
            },
            ranges: commits.into_iter().chain([releases]).collect(),
            versions: flaw.versions,
            ecosystem_specific: None,
            database_specific: None,
        }],
        references,
        ..Record::default()
    }
}

/// GitHub's record of PyPI's flaw `index`: the same flaw that [`pysec`] has under that number.
pub fn pypi(index: usize) -> Record {
    github::record(Flaw::of(&PYPI_PACKAGES, index, &PYPI_VERSIONS), PYPI_PACKAGES.name, "ECOSYSTEM", 4)
}

/// GitHub's record of npm's flaw `index`.
pub fn npm(index: usize) -> Record {
    github::record(Flaw::of(&NPM_PACKAGES, index, &NPM_VERSIONS), NPM_PACKAGES.name, "SEMVER", 10)
}

//! Records as GitHub's advisory database writes them, of any language.

use super::{
    flaw::Flaw,
    prose,
    record::{Affected, CHANGED, Credit, Package, Range, Record, Reviewed, Score, moment},
};
use crate::random::Random;

/// The record of `flaw`, a package of `ecosystem`. `withdrawn_per_mille` of 1,000 were taken back.
pub fn record(flaw: Flaw, ecosystem: &str, kind: &'static str, withdrawn_per_mille: usize) -> Record {
    let mut random = Random::of(&flaw.ghsa);
    let random = &mut random;
    let year = flaw.year;
    let withdrawn = random.chance(withdrawn_per_mille).then(|| moment(random, CHANGED));
    let size = random.spread(&[60, 141, 225, 393, 692, 1270, 4372, 12_000]);
    let details =
        if random.chance(400) { prose::markdown(random, size) } else { prose::details(random, size) };
    let count = random.spread(&[1, 2, 3, 4, 6, 7, 15, 40]);
    let references = flaw.references(random, count);
    let mut severity = Vec::new();
    if random.chance(64) {
        let score = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:N/SC:N/SI:N/SA:N".to_owned();
        severity.push(Score { kind: "CVSS_V4", score });
    }
    if random.chance(800) {
        severity.insert(0, flaw.score);
    }
    Record {
        schema_version: "1.4.0",
        modified: moment(random, CHANGED),
        published: moment(random, year),
        withdrawn,
        aliases: if random.chance(760) { vec![flaw.cve] } else { Vec::new() },
        summary: Some(headline(random)),
        details: Some(details),
        severity,
        affected: vec![Affected {
            package: Package {
                ecosystem: ecosystem.to_owned(),
                purl: format!("pkg:{}/{}", ecosystem.to_lowercase(), flaw.package),
                name: flaw.package,
            },
            ranges: vec![Range { kind, repo: None, events: flaw.events }],
            versions: if kind == "ECOSYSTEM" { flaw.versions } else { Vec::new() },
            ecosystem_specific: None,
            database_specific: None,
        }],
        references,
        credits: credits(random),
        database_specific: Some(reviewed(random, year)),
        id: flaw.ghsa,
        ..Record::default()
    }
}

fn headline(random: &mut Random) -> String {
    let size = random.spread(&[12, 28, 32, 41, 56, 73, 107, 167]);
    prose::summary(random, size)
}

fn credits(random: &mut Random) -> Vec<Credit> {
    let count = if random.chance(150) { 1 + random.below(3) } else { 0 };
    (0..count)
        .map(|_| {
            let name = prose::name(random);
            let contact = vec![format!("https://www.example.com/people/{name}")];
            Credit { name: name.to_owned(), contact, kind: "FINDER" }
        })
        .collect()
}

fn reviewed(random: &mut Random, year: usize) -> Reviewed {
    Reviewed {
        cwe_ids: (0..1 + random.below(2)).map(|_| format!("CWE-{}", 20 + random.below(1300))).collect(),
        github_reviewed: true,
        github_reviewed_at: moment(random, year),
        nvd_published_at: random.chance(700).then(|| moment(random, year)),
        severity: random.pick::<&str>(&["LOW", "MODERATE", "MODERATE", "HIGH", "HIGH", "CRITICAL"]),
    }
}

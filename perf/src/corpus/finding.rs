//! Findings of one image, as many as the workbook's policy is applied to.

use std::cmp::Reverse;

use stella::{
    digest::Digest,
    finding::{Confidence, Finding, FindingLayer, FindingPackage, Severity, Status},
    package::Ecosystem,
};

use super::{
    debian,
    package::{DEBIAN, Known, NPM, PYPI, major},
    prose,
    record::{cve, ghsa, year},
};
use crate::random::Random;

/// How many.
pub const COUNT: usize = 1026;
/// As many as a report ever has to hold; the first [`COUNT`] are the same.
pub const MANY: usize = 30_000;

/// The image's layers, bottom to top: what brought them.
pub const INSTRUCTIONS: [&str; 7] = [
    "ADD rootfs.tar.xz /",
    "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates netbase tzdata",
    "RUN apt-get install -y python3 python3-distutils",
    "WORKDIR /srv/app",
    "RUN pip install --no-cache-dir -r requirements.txt",
    "RUN npm ci --omit=dev",
    "COPY . /srv/app",
];

/// The name of layer `index`.
pub fn diff_id(index: usize) -> Digest {
    Digest::of(format!("layer {index}").as_bytes())
}

/// So many findings, in a report's order.
pub fn findings(count: usize) -> Vec<Finding> {
    let mut findings: Vec<Finding> = (0..count).map(finding).collect();
    findings.sort_by(|a, b| {
        (Reverse(a.severity), &a.id, &a.package, &a.layer).cmp(&(
            Reverse(b.severity),
            &b.id,
            &b.package,
            &b.layer,
        ))
    });
    findings
}

fn finding(index: usize) -> Finding {
    let mut random = Random::of(&format!("finding {index}"));
    let random = &mut random;
    let (ecosystem, known, layer) = match random.below(100) {
        0..66 => (Ecosystem::Deb, DEBIAN, random.below(3)),
        66..86 => (Ecosystem::Pypi, PYPI, 4),
        _ => (Ecosystem::Npm, NPM, 5),
    };
    let Known { name, latest } = known[random.skewed(known.len())];
    let version = match ecosystem {
        Ecosystem::Deb => latest.to_owned(),
        // An old one.
        _ => format!("{}.{}.{}", random.below(major(latest).max(1)), random.below(12), random.below(20)),
    };
    let severity = severity(random);
    let fixable = random.chance(if ecosystem == Ecosystem::Deb { 300 } else { 900 });
    let size = random.spread(&[20, 60, 90, 120, 150, 159, 160, 160]);
    let (id, aliases) = names(ecosystem, index, random);
    Finding {
        id,
        aliases,
        severity,
        severity_source: String::new(),
        confidence: Confidence::High,
        summary: prose::summary(random, size),
        fixed_in: fixable.then(|| match ecosystem {
            Ecosystem::Deb => debian::update(latest, 12),
            _ => latest.to_owned(),
        }),
        status: if fixable { Status::Fixed } else { Status::Affected },
        claims: Vec::new(),
        ratings: Vec::new(),
        exploited: None,
        epss: None,
        layer: FindingLayer {
            index: layer,
            diff_id: diff_id(layer),
            instruction: INSTRUCTIONS[layer].to_owned(),
            base: Some(layer == 0),
        },
        paths: paths(ecosystem, name, &version),
        package: FindingPackage {
            purl: purl(ecosystem, name, &version),
            name: name.to_owned(),
            version,
            ecosystem,
            source: None,
        },
    }
}

fn severity(random: &mut Random) -> Severity {
    match random.below(1000) {
        0..50 => Severity::Critical,
        50..310 => Severity::High,
        310..740 => Severity::Medium,
        740..850 => Severity::Low,
        850..940 => Severity::Negligible,
        _ => Severity::Unknown,
    }
}

/// Best-known name first.
fn names(ecosystem: Ecosystem, index: usize, random: &mut Random) -> (String, Vec<String>) {
    let (cve, ghsa) = (cve(year(random), 600_000 + index), ghsa(&format!("finding {index}")));
    match ecosystem {
        Ecosystem::Deb => (cve.clone(), vec![format!("DEBIAN-{cve}")]),
        // Some have no CVE.
        _ if random.chance(150) => (ghsa, Vec::new()),
        Ecosystem::Pypi => (cve, vec![ghsa, format!("PYSEC-2024-{}", 100_000 + index)]),
        _ => (cve, vec![ghsa]),
    }
}

fn purl(ecosystem: Ecosystem, name: &str, version: &str) -> String {
    match ecosystem {
        Ecosystem::Deb => {
            let version = version.replace(':', "%3A").replace('+', "%2B");
            format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12")
        }
        _ => format!("pkg:{}/{name}@{version}", ecosystem.as_str()),
    }
}

fn paths(ecosystem: Ecosystem, name: &str, version: &str) -> Vec<String> {
    vec![match ecosystem {
        Ecosystem::Pypi => {
            format!("usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info/METADATA")
        }
        Ecosystem::Npm => format!("srv/app/node_modules/{name}/package.json"),
        _ => "var/lib/dpkg/status".to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_findings_are_those_of_every_machine() {
        let findings = findings(COUNT);
        let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!((findings.len(), ids.len()), (COUNT, COUNT));
        let digest = Digest::of(&serde_json::to_vec(&findings).unwrap()).to_string();
        assert_eq!(digest, "sha256:78729f789c7c70a5f27b9a1c892fa3014bd55818531ba2ecfbec2768d7c2401e");
    }
}

//! The small databases, in the forms that the program imports.
//!
//! A file is a list of buckets, one for each source and ecosystem (`npm::GitHub Security Advisory Npm`, `alpine 3.10`). In it
//! is one for each package, and there each vulnerability with its versions. `vulnerability.yaml` has what is said of a
//! vulnerability itself, severities by source among it as numbers from 1, and `data-source.yaml` the name of each source there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// OSV's name of a bucket's ecosystem. One that it has no name for keeps its own, and the import says that it skips it: those
/// of rpm, whose images are not in the suites, among them.
fn ecosystem(bucket: &str) -> String {
    let name = match bucket.split("::").next().unwrap() {
        "cargo" => "crates.io",
        "composer" => "Packagist",
        "conan" => "ConanCenter",
        "erlang" => "Hex",
        "go" => "Go",
        "maven" => "Maven",
        "nuget" => "NuGet",
        "pip" => "PyPI",
        "pub" => "Pub",
        "rubygems" => "RubyGems",
        "swift" => "SwiftURL",
        other => other,
    };
    match name.split_once(' ') {
        Some(("alpine", "edge")) => "Alpine:edge".into(),
        Some(("alpine", release)) => format!("Alpine:v{release}"),
        Some(("debian", release)) => format!("Debian:{release}"),
        Some(("ubuntu", release)) => format!("Ubuntu:{release}:LTS"),
        _ => name.to_owned(),
    }
}

/// `>=`, `<`, `<=` or none, and the version; an interval's brackets are signs, too.
pub fn bound(text: &str) -> (&str, &str) {
    let text = text.trim();
    if let Some(version) = text.strip_prefix('[') {
        return (">=", version);
    }
    if let Some(version) = text.strip_suffix(')') {
        return ("<", version);
    }
    let (sign, version) = text.split_at(text.find(|c| !"<>=".contains(c)).unwrap());
    (sign, version.trim())
}

/// The events of each range.
fn ranges(advisory: &Value) -> Vec<Vec<Value>> {
    let list = |key: &str| -> Vec<&str> {
        advisory[key].as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
    };
    let (vulnerable, patched) = (list("VulnerableVersions"), list("PatchedVersions"));
    let mut whole = vec![json!({"introduced": "0"})];
    if let Some(fix) = advisory["FixedVersion"].as_str() {
        whole.push(json!({"fixed": fix}));
    }
    if vulnerable.is_empty() {
        // RustSec names what is mended and nothing else.
        for (sign, version) in patched.iter().flat_map(|range| range.split(',')).map(bound) {
            whole.push(if sign == ">=" { json!({"fixed": version}) } else { json!({"introduced": version}) });
        }
        return vec![whole];
    }
    let range = |(index, range): (usize, &&str)| {
        let (mut first, mut end) = ("0", None);
        for (sign, version) in range.split(',').map(bound) {
            match sign {
                ">=" => first = version,
                "<" => end = Some(json!({"fixed": version})),
                _ => {
                    assert_eq!(sign, "<=", "{range}");
                    end = Some(json!({"last_affected": version}));
                }
            }
        }
        // GitHub names the fix of each range beside it, and ends the range with it in its records of OSV.
        if patched.len() == vulnerable.len() {
            end = Some(json!({"fixed": patched[index]}));
        }
        [json!({"introduced": first})].into_iter().chain(end).collect()
    };
    vulnerable.iter().enumerate().map(range).collect()
}

/// The word for a number of the databases; none for 0 and what is no number.
fn word(severity: &Value) -> Option<&'static str> {
    let words = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
    words
        .into_iter()
        .zip(1..)
        .find(|(_, number)| severity.as_f64() == Some(f64::from(*number)))
        .map(|(word, _)| word)
}

/// The databases as records of OSV, and what NVD says of their vulnerabilities.
pub fn advisories(databases: &BTreeMap<&str, Value>) -> (Value, Value) {
    let pairs = |value: &Value| value["pairs"].as_array().cloned().unwrap_or_default();
    let keyed = |file: &str| -> BTreeMap<String, Value> {
        let pairs = pairs(&databases[file][0]);
        pairs
            .into_iter()
            .map(|mut pair| (pair["key"].as_str().unwrap().to_owned(), pair["value"].take()))
            .collect()
    };
    let (sources, vulnerabilities) = (keyed("data-source"), keyed("vulnerability"));
    let mut affected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let of_packages =
        databases.iter().filter(|(file, _)| !["data-source", "vulnerability", "cpe"].contains(file));
    for bucket in of_packages.flat_map(|(_, file)| file.as_array().unwrap()) {
        let name = bucket["bucket"].as_str().unwrap();
        let source = sources.get(name).and_then(|source| source["ID"].as_str()).unwrap_or_default();
        for package in pairs(bucket) {
            for pair in pairs(&package) {
                let (id, advisory) = (pair["key"].as_str().unwrap().trim(), &pair["value"]);
                let vulnerability = vulnerabilities.get(id).unwrap_or(&Value::Null);
                let said = &vulnerability["VendorSeverity"];
                // Where neither the source nor NVD says how bad, the vulnerability itself has a word.
                let unsaid =
                    word(&said["nvd"]).is_none().then(|| vulnerability["Severity"].as_str()).flatten();
                let severity = word(&advisory["Severity"]).or_else(|| word(&said[source])).or(unsaid);
                let events = ranges(advisory);
                let ranges = events.iter().map(|events| json!({"type": "ECOSYSTEM", "events": events}));
                affected.entry(id.to_owned()).or_default().push(json!({
                    "package": {"ecosystem": ecosystem(name), "name": package["bucket"]},
                    "ranges": ranges.collect::<Vec<_>>(),
                    "database_specific": {"severity": severity},
                }));
            }
        }
    }
    let records = affected.iter().map(|(id, affected)| {
        let summary = vulnerabilities.get(id).map(|known| &known["Title"]);
        json!({"id": id, "modified": "2024-01-01T00:00:00Z", "summary": summary, "affected": affected})
    });
    let ratings = vulnerabilities.iter().filter_map(|(id, vulnerability)| {
        let severity = word(&vulnerability["VendorSeverity"]["nvd"])?;
        let data = json!({"version": "3.1", "baseSeverity": severity});
        let metric = json!({"source": "nvd@nist.gov", "type": "Primary", "cvssData": data});
        Some(json!({"cve": {
            "id": id,
            "vulnStatus": "Analyzed",
            "lastModified": "2024-01-01T00:00:00.000",
            "metrics": {"cvssMetricV31": [metric]},
        }}))
    });
    let ratings = ratings.collect::<Vec<_>>();
    (records.collect(), json!({"format": "NVD_CVE", "version": "2.0", "vulnerabilities": ratings}))
}

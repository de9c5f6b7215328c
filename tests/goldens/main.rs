//! Findings of another project's end-to-end tests: each golden report of `e2e-trivy-integration` of `../shared/suites` whose
//! input is there (of Alpine's images in `image-trivy`). Skipped, and said so, where the suites are not there.
//!
//! The small databases beside the reports become records as OSV has them, and what NVD says of a vulnerability a page of its
//! API. The built program imports them and looks at each input. What it finds, which packages it names, and what it says it
//! did not look at are lines, as the golden's are; [`table::DIFFERENT`] gives each line that only one of them has, and why.

#![expect(clippy::unwrap_used, reason = "a suite that cannot be read fails the test")]

mod advisories;
#[path = "../suite/mod.rs"]
mod suite;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

use advisories::{advisories, bound};
use table::{CASES, DIFFERENT, OUT};

/// What a report says, in lines.
#[derive(Default)]
struct Said {
    /// Each finding of each file, with the fixes that it names.
    findings: BTreeMap<String, BTreeSet<String>>,
    /// None where the report has none.
    packages: Option<BTreeSet<String>>,
    /// Names of what was not looked at.
    skipped: BTreeSet<String>,
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A purl without what it says beside name and version: that differs from one to the other.
fn plain(purl: &str) -> String {
    purl.split(['?', '#']).next().unwrap().to_owned()
}

fn finding(id: &str, name: &str, version: &str, severity: &str, file: &str) -> String {
    let severity = severity.to_lowercase();
    format!("{id} {name} {version} {severity} {file}").trim_end().to_owned()
}

/// A finding of a report that is a bill of materials.
fn finding_of(id: &str, purl: &str) -> String {
    format!("{id} {}", plain(purl))
}

/// Packages of a bill of materials by their purls.
fn purls(document: &Value) -> BTreeSet<String> {
    let components = list(document, "components").map(|component| text(component, "purl"));
    let references = list(document, "packages").flat_map(|package| list(package, "externalRefs"));
    let references = references.map(|reference| text(reference, "referenceLocator"));
    components.chain(references).filter(|purl| purl.starts_with("pkg:")).map(plain).collect()
}

/// Whether a golden is a bill of materials: CycloneDX or SPDX.
fn is_bill(golden: &Value) -> bool {
    golden["ArtifactName"].is_null()
}

fn golden_says(golden: &Value) -> Said {
    let mut said = Said::default();
    if is_bill(golden) {
        let pairs = list(golden, "vulnerabilities").flat_map(|found| {
            list(found, "affects").map(|of| finding_of(text(found, "id"), text(of, "ref")))
        });
        said.findings = pairs.map(|line| (line, BTreeSet::new())).collect();
        said.packages = Some(purls(golden));
        return said;
    }
    let mut packages = BTreeSet::new();
    for result in list(golden, "Results") {
        packages.extend(list(result, "Packages").map(|package| plain(text(&package["Identifier"], "PURL"))));
        for found in list(result, "Vulnerabilities") {
            // A system's packages are of the whole image.
            let file = match (text(result, "Class"), text(found, "PkgPath")) {
                ("os-pkgs", _) => "",
                (_, "") => text(result, "Target"),
                (_, path) => path,
            };
            let field = |key| text(found, key);
            let line = finding(
                field("VulnerabilityID"),
                field("PkgName"),
                field("InstalledVersion"),
                field("Severity"),
                file,
            );
            // Those of RustSec are what a version must be; the other end of a range is no fix.
            let fixes = field("FixedVersion").split(',').filter(|fix| !fix.trim().is_empty());
            let fixes = fixes.map(bound).filter(|(sign, _)| *sign != "<").map(|(_, fix)| fix.to_owned());
            said.findings.insert(line, fixes.collect());
        }
    }
    said.packages = Some(packages).filter(|packages| !packages.is_empty());
    said
}

/// What the program says of `input`, in the golden's form.
fn stella_says(input: &str, folder: &Path, golden: &Value) -> Said {
    let bill = folder.join("bill.json");
    let output = Command::new(env!("CARGO_BIN_EXE_stella"))
        // No CI's variables.
        .env_clear()
        .current_dir(folder)
        .args(["gate", input, "--no-cache", "--advisories", "advisories.db", "-o", "json", "-o"])
        .arg(format!("cyclonedx={}", bill.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let result = &report["results"][0];
    assert!(result.is_object(), "{input}: {errors}");
    let mut said = Said::default();
    for found in list(result, "findings") {
        let package = &found["package"];
        let is_system = ["apk", "deb", "rpm"].contains(&text(package, "ecosystem"));
        let files: Vec<&str> = if is_system || is_bill(golden) {
            vec![""]
        } else {
            list(found, "paths").map(|path| path.as_str().unwrap()).collect()
        };
        for file in files {
            let id = text(found, "id");
            let line = if is_bill(golden) {
                finding_of(id, text(package, "purl"))
            } else {
                let severity = text(found, "severity");
                finding(id, text(package, "name"), text(package, "version"), severity, file)
            };
            said.findings.insert(line, found["fixed_in"].as_str().into_iter().map(str::to_owned).collect());
        }
    }
    said.packages = Some(purls(&serde_json::from_slice(&std::fs::read(bill).unwrap()).unwrap()));
    said.skipped =
        list(&result["looked_at"], "skipped").map(|skipped| text(skipped, "name").to_owned()).collect();
    said
}

/// Lines that one of the two has alone.
fn differences(golden: &Said, stella: &Said, with_fixes: bool) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (line, fixes) in &golden.findings {
        match stella.findings.get(line) {
            None => drop(lines.insert(format!("- {line}"))),
            // A golden names the fixes of all branches, Stella the next one.
            Some(fix) if with_fixes && (!fix.is_subset(fixes) || fix.is_empty() != fixes.is_empty()) => {
                lines.insert(format!("- {line}: fixed in {fixes:?}, and not {fix:?}"));
            }
            Some(_) => {}
        }
    }
    let more = stella.findings.keys().filter(|line| !golden.findings.contains_key(*line));
    lines.extend(more.map(|line| format!("+ {line}")));
    if let (Some(golden), Some(stella)) = (&golden.packages, &stella.packages) {
        lines.extend(golden.difference(stella).map(|purl| format!("- {purl}")));
        lines.extend(stella.difference(golden).map(|purl| format!("+ {purl}")));
    }
    lines.extend(stella.skipped.iter().map(|name| format!("? {name}")));
    lines
}

/// Writes the inputs and the advisories into `folder`, and has the program compile these.
fn prepare(files: &BTreeMap<String, Vec<u8>>, images: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for (path, bytes) in files {
        let path = path.strip_prefix("e2e-trivy-integration/fixtures/").unwrap_or_default();
        if path.starts_with("repo/") || path.starts_with("sbom/") {
            // Where Composer writes it; a file of that name elsewhere is anybody's.
            write(&path.replace("vendor/installed.json", "vendor/vendor/composer/installed.json"), bytes);
        }
    }
    // The image at hand is of 3.10.4, and the golden of 3.10.2: the files of the one, with OpenSSL as it was in the other.
    let packed = images["image-trivy/alpine-310.tar.gz"].as_slice();
    let image = suite::unpack(flate2::read::GzDecoder::new(packed));
    let (_, layer) = image.iter().find(|(path, _)| path.ends_with("layer.tar")).unwrap();
    for (path, mut bytes) in suite::unpack(layer.as_slice()) {
        if path == "lib/apk/db/installed" {
            bytes = String::from_utf8(bytes).unwrap().replace("V:1.1.1d-r2", "V:1.1.1c-r0").into_bytes();
        }
        write(&format!("system/alpine-310/{path}"), &bytes);
    }
    let databases = files.iter().filter_map(|(path, bytes)| {
        let name = path.strip_prefix("e2e-trivy-integration/fixtures/db/")?.strip_suffix(".yaml")?;
        Some((name, serde_saphyr::from_str(str::from_utf8(bytes).unwrap()).unwrap()))
    });
    let (osv, nvd) = advisories(&databases.collect());
    write("feeds/osv.json", osv.to_string().as_bytes());
    write("feeds/nvd.json", nvd.to_string().as_bytes());
    let imported = Command::new(env!("CARGO_BIN_EXE_stella"))
        .env_clear()
        .current_dir(folder)
        .args(["feeds", "import", "feeds", "--advisories", "advisories.db"])
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

#[test]
fn golden_findings() {
    let name = "e2e-trivy-integration";
    let (Some(files), Some(images)) = (suite::files(name), suite::files("image-trivy")) else { return };
    let folder = tempfile::tempdir().unwrap();
    prepare(&files, &images, folder.path());
    let (mut passed, mut same, mut failed) = (0, 0, Vec::new());
    let mut met = BTreeSet::new();
    for (case, input) in CASES {
        let golden: Value = serde_json::from_slice(&files[&format!("{name}/{case}.json.golden")]).unwrap();
        let kind = if input.starts_with("sbom/") { "sbom" } else { "dir" };
        let golden_said = golden_says(&golden);
        let stella_said = stella_says(&format!("{kind}:{input}"), folder.path(), &golden);
        let lines = differences(&golden_said, &stella_said, !is_bill(&golden));
        same += golden_said.findings.keys().filter(|line| stella_said.findings.contains_key(*line)).count();
        let before = failed.len();
        for line in lines {
            match DIFFERENT.iter().position(|(cases, known, _)| cases.contains(case) && *known == line) {
                Some(row) => drop(met.insert((row, *case))),
                None => failed.push(format!("{case}, {input}: {line}")),
            }
        }
        passed += usize::from(failed.len() == before);
    }
    for (row, (cases, line, why)) in DIFFERENT.iter().enumerate() {
        println!("different {}: {line}: {why}", cases.join(", "));
        let gone = cases.iter().filter(|case| !met.contains(&(row, case)));
        failed.extend(gone.map(|case| format!("{case}: no difference any more: {line}")));
    }
    let out: BTreeSet<&str> = OUT.iter().flat_map(|(_, names)| *names).copied().collect();
    println!(
        "{name}: {passed} passed, {} failed, {} skipped; {same} findings the same",
        failed.len(),
        out.len()
    );
    for (why, names) in OUT {
        println!("skipped {}: {why}", names.join(", "));
    }
    // Every golden and every folder of the suite has its place.
    let goldens =
        files.keys().filter_map(|path| path.strip_suffix(".golden")?.strip_prefix("e2e-trivy-integration/"));
    let is_case = |golden: &str| CASES.iter().any(|(case, _)| golden.strip_suffix(".json") == Some(case));
    let known = |golden: &str| is_case(golden) != out.contains(golden.trim_start_matches("fixtures/"));
    failed.extend(
        goldens.filter(|golden| !known(golden)).map(|golden| format!("{golden}: neither held nor out")),
    );
    let folders = files.keys().filter_map(|path| path.split_once("/fixtures/repo/")?.1.split('/').next());
    let unread =
        folders.filter(|name| !CASES.iter().any(|(_, input)| input.strip_prefix("repo/") == Some(name)));
    failed.extend(
        unread.collect::<BTreeSet<_>>().iter().map(|name| format!("fixtures/repo/{name}: not looked at")),
    );
    assert!(failed.is_empty(), "{} differences without a reason:\n{}", failed.len(), failed.join("\n"));
}

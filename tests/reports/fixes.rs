//! Ways out of findings, as SARIF has them.

use stella::{
    base::{Base, By},
    finding::Severity,
    package::{Ecosystem, Source},
    report::{Asked, BaseArgument, ScanResult, Written},
};

use crate::{
    gitlab::gitlab,
    sample::{POLICY, finding, report, result},
    sarif::sarif,
};

fn written(file: &str, line: usize) -> Option<Written> {
    Some(Written { file: file.to_owned(), line, last_line: line, line_hash: "1:1".to_owned() })
}

/// The way out of the first finding, over all results.
fn fix(results: Vec<ScanResult>) -> String {
    let log = sarif(&report(results));
    log["runs"][0]["tool"]["driver"]["rules"][0]["help"]["text"].as_str().unwrap().to_owned()
}

/// A finding in a layer of the image's own, or of the base image, where it is at 0.
fn one(ecosystem: Ecosystem, name: &str, version: &str, layer: usize, fixed_in: &str) -> ScanResult {
    let mut finding = finding("CVE-2024-1", Severity::High, name, layer, Some(fixed_in));
    finding.package.ecosystem = ecosystem;
    finding.package.version = version.to_owned();
    let mut result = result(POLICY, vec![finding]);
    result.image.layers[0].written = written("Dockerfile", 2);
    result.image.layers[1].written = written("Dockerfile", 3);
    result
}

#[test]
fn versions_of_go_are_written_as_go_does() {
    let asked = |pin: Option<&str>| {
        Some(Asked { written: written("go.mod", 7).unwrap(), pin: pin.map(str::to_owned) })
    };
    let module = |asked| {
        let mut result = one(Ecosystem::Golang, "golang.org/x/text", "v0.3.7", 1, "0.3.8");
        result.findings[0].asked = asked;
        fix(vec![result])
    };
    assert_eq!(module(None), "Update golang.org/x/text to v0.3.8, which Dockerfile:3 brings.");
    assert_eq!(module(asked(None)), "Update golang.org/x/text to v0.3.8 in go.mod:7.");
    let pin = module(asked(Some("golang.org/x/text@v0.3.7")));
    assert_eq!(pin, "Change golang.org/x/text@v0.3.7 to golang.org/x/text@v0.3.8 in go.mod:7.");

    let mut toolchain = one(Ecosystem::Golang, "stdlib", "v1.98.0", 1, "1.99.0");
    assert_eq!(fix(vec![toolchain.clone()]), "Update Go to 1.99.0, which Dockerfile:3 brings.");
    toolchain.findings[0].update_to = Some("1.99.1".to_owned());
    for (pin, want) in [
        (None, "Update Go to 1.99.1"),
        (Some("go 1.98"), "Change go 1.98 to go 1.99.1"),
        (Some("toolchain go1.98.0"), "Change toolchain go1.98.0 to toolchain go1.99.1"),
    ] {
        toolchain.findings[0].asked = asked(pin);
        let said = fix(vec![toolchain.clone()]);
        assert_eq!(said, format!("{want} in go.mod:7 (this is fixed in 1.99.0)."));
    }
    let golang = one(Ecosystem::Golang, "stdlib", "1.98.0", 0, "1.99.0");
    assert_eq!(fix(vec![golang]), "Build on a newer base image (Dockerfile:2), with Go 1.99.0.");
}

#[test]
fn a_base_image_may_be_named_by_an_argument() {
    let base = |name: &str, argument: Option<&str>, line| {
        let mut result = one(Ecosystem::Deb, "libc6", "1", 0, "2");
        result.image.base = Some(Base { layers: 1, by: By::Dockerfile, name: Some(name.to_owned()) });
        result.image.base_argument =
            argument.map(|name| BaseArgument { name: name.to_owned(), written: line });
        fix(vec![result])
    };
    let argument = || written("Dockerfile", 1);
    for (said, want) in [
        (
            base("debian:12.4", None, None),
            "Take a newer tag of the base image debian than 12.4 (Dockerfile:2), with libc6 2.",
        ),
        (
            base("debian:12.4", Some("TAG"), argument()),
            "Take a newer tag of the base image debian than 12.4, the default of TAG (Dockerfile:1), with libc6 2.",
        ),
        // Its line is of no checkout.
        (
            base("debian:12.4", Some("TAG"), None),
            "Take a newer tag of the base image debian than 12.4, the default of TAG (Dockerfile:2), with libc6 2.",
        ),
        (
            base("debian:12", Some("TAG"), argument()),
            "Build on a newer pull of the base image debian:12, by the default of TAG (Dockerfile:1), with libc6 2.",
        ),
        // What was found is of another system than the tag says: it was not built with that.
        (
            base("debian:11.4", Some("TAG"), argument()),
            "Build on a newer base image than the build was given as TAG (Dockerfile:1), with libc6 2.",
        ),
        (base("alpine:3.18", None, None), "Build on a newer base image (Dockerfile:2), with libc6 2."),
    ] {
        assert_eq!(said, want);
    }
}

#[test]
fn one_step_over_several_platforms_is_said_once() {
    let update = |platform: &str, fixed_in: &str, update_to: &str| {
        let mut result = one(Ecosystem::Npm, "a", "1.0.0", 1, fixed_in);
        result.image.platform = platform.to_owned();
        result.findings[0].update_to = (update_to != fixed_in).then(|| update_to.to_owned());
        result
    };
    let both = |arm| fix(vec![update("linux/amd64", "1.0.1", "1.0.3"), arm]);
    let arm = |fixed_in, update_to| update("linux/arm64", fixed_in, update_to);
    let (way, other) =
        ("Update a to 1.0.3, which Dockerfile:3 brings", "Update a to 1.0.4, which Dockerfile:3 brings");
    assert_eq!(both(arm("1.0.1", "1.0.3")), format!("{way} (this is fixed in 1.0.1)."));
    assert_eq!(both(arm("1.0.2", "1.0.3")), format!("{way}."));
    assert_eq!(both(arm("1.0.3", "1.0.3")), format!("{way}."));
    assert_eq!(both(arm("1.0.4", "1.0.4")), format!("{way} (this is fixed in 1.0.1). {other}."));
}

#[test]
fn a_version_of_the_source_is_not_taken_for_the_package_s() {
    let built = |layer, version: &str, pin: Option<&str>| {
        let mut result = one(Ecosystem::Deb, "bsdutils", "1:2.38.1-5+b1", layer, "2.38.1-5+deb12u1");
        let source = Source { name: "util-linux".to_owned(), version: version.to_owned() };
        result.findings[0].finding.package.source = Some(source);
        result.findings[0].asked =
            pin.map(|pin| Asked { written: written("Dockerfile", 3).unwrap(), pin: Some(pin.to_owned()) });
        fix(vec![result])
    };
    let (other, pin) = ("2.38.1-5", "bsdutils=1:2.38.1-5+b1");
    let update = "Update bsdutils to its build of util-linux 2.38.1-5+deb12u1";
    assert_eq!(built(1, other, None), format!("{update}, which Dockerfile:3 brings."));
    assert_eq!(built(1, other, Some(pin)), format!("{update} in Dockerfile:3."));
    assert_eq!(
        built(0, other, None),
        "Build on a newer base image (Dockerfile:2), with bsdutils of util-linux 2.38.1-5+deb12u1."
    );
    // Where the two have one version, they have the next one too.
    let same = built(1, "1:2.38.1-5+b1", Some(pin));
    assert_eq!(same, "Change bsdutils=1:2.38.1-5+b1 to bsdutils=2.38.1-5+deb12u1 in Dockerfile:3.");
}

#[test]
fn one_step_over_several_lines_is_said_once() {
    let layer = |line| {
        let mut result = one(Ecosystem::Npm, "a", "1.0.0", 1, "1.0.1");
        result.image.layers[1].written = written("Dockerfile", line);
        result
    };
    // A vulnerability of GitLab's is of all places.
    let fix = |results| {
        let report = gitlab(&report(results));
        report["vulnerabilities"][0]["solution"].as_str().unwrap().replace('\\', "")
    };
    let said = |lines: &[usize]| fix(lines.iter().map(|line| layer(*line)).collect());
    assert_eq!(said(&[13, 13]), "Update a to 1.0.1, which Dockerfile:13 brings.");
    assert_eq!(said(&[13, 16]), "Update a to 1.0.1, which Dockerfile:13, Dockerfile:16 bring.");
    assert_eq!(
        said(&[3, 4, 5, 6, 7, 8, 9, 3]),
        "Update a to 1.0.1, which Dockerfile:3, Dockerfile:4, Dockerfile:5, Dockerfile:6, Dockerfile:7 and 2 more lines bring."
    );
    let pinned = |line| {
        let mut result = layer(line);
        let pin = Some("a@1.0.0".to_owned());
        result.findings[0].asked = Some(Asked { written: written("Dockerfile", line).unwrap(), pin });
        result
    };
    // A layer whose line nobody knows is to be mended too.
    let mut unknown = layer(1);
    unknown.image.layers[1].written = None;
    assert_eq!(
        fix(vec![pinned(13), unknown, pinned(16), layer(17)]),
        "Change a@1.0.0 to a@1.0.1 in Dockerfile:13, Dockerfile:16. \
         Update a to 1.0.1. Update a to 1.0.1, which Dockerfile:17 brings."
    );
}

//! An SBOM instead of an image, as a client sends it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use server::{Server, engine, start};
use stella::{
    advisory::{Advisory, Compiler, End, Range, State},
    api::PackedSbom,
    finding::Severity,
    sbom,
};

const DOCUMENT: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
    {"type":"library","name":"left-pad","purl":"pkg:npm/left-pad@1"},{"type":"library","name":"unknown"}]}"#;

/// One advisory, for what [`DOCUMENT`] holds.
fn compile(path: &Path) {
    let mut compiler = Compiler::default();
    let advisory = Advisory {
        id: "A".into(),
        source: "test".into(),
        aliases: Vec::new(),
        summary: String::new(),
        severity: Severity::High,
        state: State::Affected,
        ranges: vec![Range { introduced: None, end: End::Fixed("2".into()) }],
        versions: Vec::new(),
    };
    compiler.add("npm", "left-pad", "2024-01-01T00:00:00Z", advisory);
    compiler.write(path).unwrap();
}

fn start_with_advisories(config: &str) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("advisories");
    compile(&path);
    let variables: [(&str, &OsStr); 1] = [("STELLA_SERVER_ADVISORIES", path.as_os_str())];
    let server = Server::start_with(dir.path(), config, &variables);
    (dir, server)
}

/// As short as a caller may be.
fn request(document: &[u8]) -> Value {
    json!({ "reference": "sbom:b.json", "sbom": BASE64_STANDARD.encode(document) })
}

#[test]
fn an_sbom_is_one_round_trip_and_its_result_is_kept() {
    let (_dir, server) = start_with_advisories("{}");
    let (status, plain) = server.post("/v1/scan", &request(DOCUMENT.as_bytes()));
    assert_eq!((status, &plain["state"]), (200, &json!("done")), "{plain}");
    let result = &plain["result"];
    assert_eq!(result["image"]["reference"], "sbom:b.json");
    assert_eq!(result["looked_at"]["inventory"], "given by the caller: sbom:b.json, CycloneDX 1.6");
    assert_eq!(result["looked_at"]["packages"], json!({ "npm": 1 }));
    assert_eq!(result["looked_at"]["skipped"][0]["name"], "sbom:no-purl");
    assert_eq!((&result["findings"][0]["id"], &result["verdict"]["outcome"]), (&json!("A"), &json!("fail")));

    let mut packed = request(b"");
    packed["sbom"] = json!(PackedSbom::pack(DOCUMENT.as_bytes()).unwrap());
    packed["now"] = json!(1_700_000_000);
    packed["allow_skipped"] = json!(["sbom:no-purl"]);
    let policy = "version: 1\nrules: [{ name: w, when: { package: left-pad }, action: warn }]\n";
    packed["policies"] = json!([{ "origin": "p", "text": policy }]);
    let (status, packed) = server.post("/v1/scan", &packed);
    assert_eq!((status, &packed["result"]["verdict"]["outcome"]), (200, &json!("warn")), "{packed}");
    assert_eq!(packed["result"]["now"], "2023-11-14T22:13:20Z");
    assert_eq!(packed["result"]["looked_at"], result["looked_at"]);

    for answer in [plain, packed] {
        let scan = answer["scan"].as_str().unwrap();
        assert_eq!(server.kept(scan), answer);
        let path =
            format!("PUT /v1/scan/{scan}/layers/{}?schema=1&analyzer=a", stella::digest::Digest::of(b""));
        let head = format!("{path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: zstd");
        assert_eq!(server.send(&head, b"").2["type"], "urn:stella:problem:no-such-scan", "it takes no layer");
    }
    let (_, metrics, _) = server.get("/metrics");
    assert!(metrics.contains("stella_scans_total{outcome=\"sbom\"} 2\n"), "{metrics}");
    assert!(!metrics.contains("stella_layers_total{outcome=\"hit\"}"), "{metrics}");
}

#[test]
fn every_wrong_sbom_is_a_problem_that_names_it() {
    let (_dir, server) = start_with_advisories("limits: { sbom_bytes: 1000, request_bytes: 4000 }\n");
    let with = |key: &str, value: Value| {
        let mut request = request(DOCUMENT.as_bytes());
        request[key] = value;
        request
    };
    let long = [DOCUMENT.as_bytes(), &[b' '; 1000]].concat();
    let cases = [
        (with("image", engine(&["a"])["image"].clone()), 400, "invalid-request", "both `image` and `sbom`"),
        (with("sbom", Value::Null), 400, "invalid-request", "neither `image` nor `sbom`"),
        (with("sbom", json!({ "bomFormat": "CycloneDX" })), 400, "invalid-request", "`sbom` is the base64"),
        (with("sbom", json!("{}")), 400, "invalid-request", "`sbom`: it is not base64"),
        (with("sbom", json!("KLUv/QA=")), 400, "invalid-request", "`sbom`: it cannot be decompressed"),
        (request(b"<bom/>"), 422, "unprocessable", "`sbom`: it is XML"),
        (request(b"{\"bomFormat\":\"CycloneDX\""), 422, "unprocessable", "`sbom`: EOF"),
        (request(&long), 413, "too-large", "`sbom_bytes` is 1000"),
        (with("sbom", json!(PackedSbom::pack(&long).unwrap())), 413, "too-large", "`sbom_bytes` is 1000"),
        (request(&[b' '; 4000]), 413, "too-large", "`request_bytes` is 4000"),
        (with("reference", json!("x".repeat(9000))), 413, "too-large", "`request_bytes`"),
        (
            with("policies", json!([{ "origin": "p", "text": "version: 2" }])),
            422,
            "unprocessable",
            "policy: ",
        ),
        (with("skipped", json!([{ "name": "x" }])), 400, "invalid-request", "missing field"),
    ];
    for (request, status, kind, words) in cases {
        let (found, problem) = server.post("/v1/scan", &request);
        assert_eq!(
            (found, &problem["type"]),
            (status, &json!(format!("urn:stella:problem:{kind}"))),
            "{problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(words), "{words}: {problem}");
    }
}

#[test]
fn without_advisories_an_sbom_is_no_pass() {
    let (_dir, server) = start("{}");
    let (status, problem) = server.post("/v1/scan", &request(DOCUMENT.as_bytes()));
    assert_eq!((status, &problem["type"]), (503, &json!("urn:stella:problem:no-advisories")));
}

#[test]
fn as_many_objects_as_there_may_be_take_nobodys_turn() {
    let (_dir, server) = start_with_advisories("limits: { work: 1 }\n");
    let component = |at: usize| {
        format!(r#"{{"type":"library","name":"a{at}","purl":"pkg:npm/a{at}@1?x={}"}}"#, "y".repeat(100))
    };
    let components: Vec<String> = (1..sbom::MOST_OBJECTS - 1).map(component).collect();
    let document =
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{}]}}"#, components.join(","));
    let mut body = request(b"");
    body["sbom"] = json!(PackedSbom::pack(document.as_bytes()).unwrap());
    let server = &server;
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.post("/v1/scan", &body));
        let mut slowest = Duration::ZERO;
        while !asked.is_finished() {
            let began = Instant::now();
            assert_eq!(server.get("/healthz").0, 200);
            slowest = slowest.max(began.elapsed());
        }
        let (status, answer) = asked.join().unwrap();
        assert_eq!(
            (status, &answer["result"]["looked_at"]["packages"]["npm"]),
            (200, &json!(components.len()))
        );
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
}

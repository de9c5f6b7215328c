//! What a new database is tried on: images of stored scans, however many others were begun and left.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use server::{Server, engine, fragment, missing, name};
use stella::{
    advisory::{Advisory, Compiler, End, Range, State},
    finding::Severity,
};

fn compile(path: &Path, id: &str) -> String {
    let advisory = Advisory {
        id: id.into(),
        source: "test".into(),
        aliases: Vec::new(),
        summary: String::new(),
        severity: Severity::High,
        state: State::Affected,
        ranges: vec![Range { introduced: None, end: End::Fixed("2".into()) }],
        versions: Vec::new(),
    };
    let mut compiler = Compiler::default();
    compiler.add("npm", "left-pad", "2024-01-01T00:00:00Z", advisory);
    compiler.write(path).unwrap().to_string()
}

/// The report on a new database.
fn tried(data_dir: &Path, id: &str) -> Value {
    let new = compile(&data_dir.join("advisories.db.candidate"), id);
    let began = Instant::now();
    loop {
        let text = std::fs::read(data_dir.join("advisories.db.canary.json")).unwrap_or_default();
        let report: Value = serde_json::from_slice(&text).unwrap_or_default();
        if report["new"] == new {
            return report;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{report}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn scans_that_were_left_hide_no_image() {
    let dir = tempfile::tempdir().unwrap();
    compile(&dir.path().join("advisories.db"), "A");
    let server = Server::start(dir.path(), "feeds: { schedule: off, canary: { scans: 2 } }\n");
    let images = |matched: u64, incomplete: u64| json!({ "matched": matched, "incomplete": incomplete, "is_cut": false, "failed": 0, "opened": 0, "closed": 0 });
    let report = tried(dir.path(), "B");
    assert_eq!(report["images"], images(0, 0));
    assert!(report["warnings"][0].as_str().unwrap().contains("none is stored"), "{report}");

    missing(&server.post("/v1/scan", &engine(&["left"])));
    let report = tried(dir.path(), "C");
    assert_eq!((&report["images"], &report["outcome"]), (&images(0, 1), &json!("taken")));
    assert!(report["warnings"][0].as_str().unwrap().contains("of 1 that are stored"), "{report}");

    let scan = name(&server.post("/v1/scan", &engine(&["whole"])));
    assert_eq!(server.put(&scan, &fragment("whole", "a"), None).1["state"], "done");
    for layer in ["b", "c", "d", "d"] {
        missing(&server.post("/v1/scan", &engine(&["whole", layer])));
    }
    let report = tried(dir.path(), "D");
    assert_eq!((&report["images"], &report["warnings"]), (&images(1, 4), &json!([])));
}

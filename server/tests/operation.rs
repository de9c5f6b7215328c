//! What an operator does with a running server: stops it, gives it new advisories, looks at its metrics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::{
    ffi::OsStr,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use server::{Server, answer, engine, fragment, missing, name, start};
use stella::{
    advisory::{Advisory, Compiler, End, Range, State},
    digest::Digest,
    finding::Severity,
};
use stella_server::{Config, Schedule, Settings};

/// A compiled file with one advisory, put in place by renaming; its id.
fn compile(path: &Path, id: &str, modified: &str) -> Digest {
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
    compiler.add("npm", "left-pad", modified, advisory);
    compiler.write(path).unwrap()
}

/// What the next scan after the server's pause is matched against.
fn matched(server: &Server) -> Value {
    // The server looks at the file once a second at most.
    std::thread::sleep(Duration::from_millis(1100));
    let (status, body) = server.post("/v1/scan", &engine(&["a"]));
    assert_eq!((status, body["state"].as_str()), (200, Some("done")), "{body}");
    body["result"]["snapshot"]["id"].clone()
}

#[test]
fn new_advisories_are_for_the_next_scan() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("advisories");
    let first = compile(&path, "A", "2024-01-01T00:00:00Z");
    let advisories = ("STELLA_SERVER_ADVISORIES", path.as_os_str());
    let server = Server::start_with(dir.path(), "{}", &[advisories]);
    let scan = name(&server.post("/v1/scan", &engine(&["a"])));
    assert_eq!(server.put(&scan, &fragment("a", "a"), None).1["state"], "done");
    assert_eq!(matched(&server), first.to_string());

    let second = compile(&path, "B", "2024-01-02T00:00:00Z");
    assert_eq!(matched(&server), second.to_string());
    let expect = |lines: &[&str]| {
        let (_, metrics, _) = server.get("/metrics");
        for line in lines {
            assert!(metrics.contains(&format!("\n{line}")), "{line}\n{metrics}");
        }
        assert!(!metrics.contains(&first.to_string()), "{metrics}");
    };
    let info = format!("stella_snapshot_info{{id=\"{second}\"}} 1\n");
    expect(&[
        &info,
        "stella_feed_as_of_seconds{feed=\"npm\"} 1704153600\n",
        "stella_snapshot_errors_total 0\n",
    ]);
    expect(&["stella_build_info{version=\""]);

    // Neither a file that is none nor a missing one takes away what is open.
    let other = dir.path().join("other");
    std::fs::write(&other, "not advisories").unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(matched(&server), second.to_string());
    expect(&[&info, "stella_snapshot_errors_total 1\n"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(matched(&server), second.to_string());
    expect(&[&info, "stella_snapshot_errors_total 2\n"]);
    assert_eq!(server.get("/readyz").0, 200);
    let third = compile(&path, "C", "");
    assert_eq!(matched(&server), third.to_string());
}

/// A name that nothing will ever make a file of is a mistake; one that is of another release is not.
#[test]
fn a_server_starts_unless_it_would_wait_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("advisories");
    let open = |schedule| {
        let mut settings = Settings::default();
        settings.feeds.schedule = schedule;
        let (data_dir, advisories) = (dir.path().to_owned(), Some(path.clone()));
        let config = Config { data_dir, advisories, program: Vec::new(), settings };
        stella_server::Server::open(config).map(drop).map_err(|error| error.to_string())
    };
    let error = open(Schedule::Off).unwrap_err();
    assert!(error.contains("no such file; `stella-server feeds update`"), "{error}");
    open(Schedule::Daily { hour: 1, minute: 0 }).unwrap();
    std::fs::write(&path, "of another release").unwrap();
    open(Schedule::Off).unwrap();
    std::fs::remove_file(&path).unwrap();
    compile(&dir.path().join("advisories.candidate"), "A", "2024-01-01T00:00:00Z");
    open(Schedule::Off).unwrap();
    assert!(path.exists());
}

#[test]
fn a_result_comes_compressed_to_who_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("advisories");
    compile(&path, "A", "2024-01-01T00:00:00Z");
    let server = Server::start_with(dir.path(), "{}", &[("STELLA_SERVER_ADVISORIES", path.as_os_str())]);
    let scan = name(&server.post("/v1/scan", &engine(&["a"])));
    let plain = server.put(&scan, &fragment("a", "a"), None).1;
    let ask = |accepts: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let body = engine(&["a"]).to_string();
        write!(
            stream,
            "POST /v1/scan HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept-Encoding: {accepts}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        (head.contains("content-encoding: zstd"), bytes.split_off(end + 4))
    };
    for accepts in ["zstd", "gzip;q=0.5, ZSTD ;q=1"] {
        let (packed, body) = ask(accepts);
        assert!(packed, "{accepts}");
        let answer: Value = serde_json::from_slice(&zstd::decode_all(body.as_slice()).unwrap()).unwrap();
        assert_eq!(answer["result"]["inventory"], plain["result"]["inventory"]);
    }
    for accepts in ["gzip", "zstd;q=0", "zstd;q=0.0, gzip", ""] {
        let (packed, body) = ask(accepts);
        assert!(!packed, "{accepts}");
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["state"], "done", "{accepts}");
        // What is kept of it reads the same, compressed before or not.
        let kept = server.kept(answer["scan"].as_str().unwrap());
        assert_eq!(kept["state"], "done", "{accepts}: {kept}");
    }
}

#[test]
fn sigterm_cuts_off_what_is_not_here_in_full() {
    let (_dir, mut server) = start("{}");
    let mut half = TcpStream::connect(server.address).unwrap();
    let head = "POST /v1/scan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    write!(half, "{head}\r\nContent-Length: 9\r\n\r\n{{").unwrap();
    let _silent = TcpStream::connect(server.address).unwrap();
    while !server.get("/metrics").1.contains("/healthz") {
        server.get("/healthz"); // the server has had time to see the connections
    }
    let id = server.process.id().to_string();
    let started = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let (status, text, problem) = answer(half);
    assert_eq!((status, problem["type"].as_str()), (503, Some("urn:stella:problem:stopping")), "{text}");
    assert!(server.process.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let empty = ["ADVISORIES", "LOG", "LOG_FORMAT", "LISTEN", "CONFIG", "DATA_DIR"]
        .map(|name| format!("STELLA_SERVER_{name}"));
    let variables: Vec<(&str, &OsStr)> = empty.iter().map(|name| (name.as_str(), OsStr::new(""))).collect();
    let server = Server::start_with(dir.path(), "{}", &variables);
    assert_eq!(missing(&server.post("/v1/scan", &engine(&["a"]))), [Digest::of(b"a")]);
}

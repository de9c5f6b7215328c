//! The HTTP API as a client meets it, over a real socket.

mod server;

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use server::{Server, answer, engine, fragment, missing, name, request, start};
use stella::{
    digest::Digest,
    layer::{ANALYZER, Directory, SCHEMA},
};

/// An image with a manifest, so that each layer has a blob.
fn content(layers: &[(&str, &str)]) -> Value {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let of = |text: &str| Digest::of(text.as_bytes());
    let diff_ids: Vec<Digest> = layers.iter().map(|(layer, _)| of(layer)).collect();
    let config = json!({ "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": diff_ids } })
    .to_string();
    let blobs: Vec<Value> = layers
        .iter()
        .map(|(_, blob)| {
            json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": of(blob) })
        })
        .collect();
    let manifest = json!({ "layers": blobs, "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": of(&config) } });
    request(json!({ "content": {
        "manifest": BASE64_STANDARD.encode(manifest.to_string()), "config": BASE64_STANDARD.encode(config) } }))
}

/// All layers are known; without advisories there is nothing to match them against, and that is no pass.
fn assert_complete(answer: &(u16, Value)) {
    assert_eq!(
        (answer.0, &answer.1["type"]),
        (503, &json!("urn:stella:problem:no-advisories")),
        "{answer:?}"
    );
}

#[test]
fn a_scan_misses_what_nobody_sent() {
    let (_dir, server) = start("{}");
    let [a, b] = ["a", "b"].map(|layer| fragment(layer, layer));
    let opened = server.post("/v1/scan", &engine(&["a", "b", "a"]));
    assert_eq!(missing(&opened), [a.diff_id, b.diff_id]);
    let scan = name(&opened);
    assert_eq!(missing(&server.put(&scan, &b, None)), [a.diff_id]);
    assert_eq!(missing(&server.put(&scan, &b, None)), [a.diff_id], "again changes nothing");
    let (status, _, body) = server.get(&format!("/v1/scan/{scan}"));
    assert_eq!(missing(&(status, body)), [a.diff_id]);
    assert_complete(&server.put(&scan, &a, None));
    assert_complete(&server.post("/v1/scan", &engine(&["a", "b", "a"])));
    // The next image misses only what is new.
    let next = server.post("/v1/scan", &engine(&["a", "b", "c"]));
    assert_eq!(missing(&next), [Digest::of(b"c")]);

    let ask = json!({ "schema": SCHEMA, "analyzer": ANALYZER,
        "diff_ids": [Digest::of(b"d"), a.diff_id, Digest::of(b"c")] });
    let answer = server.post("/v1/layers/missing", &ask);
    assert_eq!(answer, (200, json!({ "missing": [Digest::of(b"d"), Digest::of(b"c")] })));
    // Another analyzer's facts are no hit.
    let ask = json!({ "schema": SCHEMA, "analyzer": "other", "diff_ids": [a.diff_id] });
    assert_eq!(server.post("/v1/layers/missing", &ask).1, json!({ "missing": [a.diff_id] }));

    let (_, metrics, _) = server.get("/metrics");
    for line in [
        "stella_layers_total{outcome=\"hit\"} 4\n",
        "stella_layers_total{outcome=\"miss\"} 3\n",
        "stella_fragments_total{outcome=\"new\"} 2\n",
        "stella_fragments_total{outcome=\"same\"} 1\n",
        "stella_scans_total{outcome=\"known\"} 1\n",
        "stella_http_requests_total{method=\"POST\",route=\"/v1/layers/missing\",status=\"200\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn what_was_acknowledged_outlives_sigkill() {
    let (dir, mut server) = start("{}");
    let opened = server.post("/v1/scan", &engine(&["a", "b"]));
    let scan = name(&opened);
    let [a, b] = ["a", "b"].map(|layer| fragment(layer, layer));
    assert_eq!(missing(&server.put(&scan, &a, None)), [b.diff_id]);
    server.process.kill().unwrap();
    drop(server);
    let server = Server::start(dir.path(), "{}");
    assert_eq!(missing(&server.post("/v1/scan", &engine(&["a", "b"]))), [b.diff_id]);
    assert_complete(&server.put(&scan, &b, None));
}

#[test]
fn a_known_layer_in_an_unknown_blob_is_read_again() {
    let (_dir, server) = start("{}");
    let a = fragment("a", "a");
    let blob = |text: &str| Digest::of(text.as_bytes());
    let opened = server.post("/v1/scan", &content(&[("a", "blob 1")]));
    assert_eq!(missing(&opened), [a.diff_id]);
    let (status, body) = server.put(&name(&opened), &a, Some(blob("blob 2")));
    assert_eq!((status, &body["type"]), (409, &json!("urn:stella:problem:conflict")));
    assert_eq!(server.put(&name(&opened), &a, None).0, 409, "an image with blobs wants the blob named");
    assert_complete(&server.put(&name(&opened), &a, Some(blob("blob 1"))));
    assert_complete(&server.post("/v1/scan", &content(&[("a", "blob 1")])));
    // A manifest that puts the known layer's name on other bytes.
    let forged = content(&[("a", "blob 3")]);
    assert_eq!(missing(&server.post("/v1/scan", &forged)), [a.diff_id]);
    // A caller that read the blob earlier says so, and the next one need not.
    let mut verified = content(&[("a", "blob 4")]);
    verified["pairs"] = json!([{ "blob": blob("blob 4"), "diff_id": a.diff_id }]);
    assert_complete(&server.post("/v1/scan", &verified));
    assert_complete(&server.post("/v1/scan", &content(&[("a", "blob 4")])));
    // An uncompressed blob is the layer: its name is its proof.
    assert_complete(&server.post("/v1/scan", &content(&[("a", "a")])));
}

#[test]
fn a_disputed_layer_is_missing_again_and_fails_nobody() {
    let (_dir, server) = start("{}");
    let [forged, honest] = ["nothing", "etc"].map(|path| fragment("a", path));
    let [first, second] = [(); 2].map(|()| name(&server.post("/v1/scan", &engine(&["a"]))));
    assert_complete(&server.put(&first, &forged, None));
    assert_complete(&server.put(&second, &honest, None));
    assert_eq!(missing(&server.post("/v1/scan", &engine(&["a"]))), [honest.diff_id]);
    let third = name(&server.post("/v1/scan", &engine(&["a"])));
    assert_complete(&server.put(&third, &honest, None));
}

#[test]
fn a_skipped_layer_is_neither_hit_nor_miss() {
    let (_dir, server) = start("{}");
    let mut request = engine(&["a", "b"]);
    request["skipped"] =
        json!([{ "name": "foreign-layer", "what": Digest::of(b"a"), "why": "foreign layer" }]);
    assert_eq!(missing(&server.post("/v1/scan", &request)), [Digest::of(b"b")]);
}

#[test]
fn fragments_that_lie_are_refused() {
    let (_dir, server) = start("{}");
    let scan = name(&server.post("/v1/scan", &engine(&["a"])));
    assert_eq!(server.put(&scan, &fragment("b", "x"), None).0, 409, "not of this image");
    let put = |query: &str, body: &[u8]| {
        let layer = Digest::of(b"a");
        let head = format!(
            "PUT /v1/scan/{scan}/layers/{layer}?{query} HTTP/1.1\r\nContent-Type: application/json\r\n\
             Content-Encoding: zstd"
        );
        server.send(&head, body).0
    };
    let query = format!("schema={SCHEMA}&analyzer={ANALYZER}");
    assert_eq!(put(&query, &fragment("b", "x").encode().unwrap()), 409, "the body is of another layer");
    assert_eq!(put(&query, b"not zstd"), 422);
    assert_eq!(
        put(&query, &fragment("a", "../..").encode().unwrap()),
        422,
        "no image could be merged with it"
    );
    assert_eq!(put("schema=1&analyzer=other", &fragment("a", "x").encode().unwrap()), 409);
    assert_eq!(put("schema=x", b""), 400);
}

#[test]
fn a_hard_link_to_another_layer_is_for_the_merge_to_follow() {
    let (_dir, server) = start("{}");
    let scan = name(&server.post("/v1/scan", &engine(&["a", "b"])));
    let mut linking = fragment("b", "etc");
    linking.directories[0].hard_links.insert("x".to_owned(), "etc/y".to_owned());
    assert_eq!(missing(&server.put(&scan, &linking, None)), [Digest::of(b"a")]);
    let scan = name(&server.post("/v1/scan", &engine(&["c"])));
    let group = |change: fn(&mut Directory)| {
        let mut bad = fragment("c", "etc");
        change(&mut bad.directories[0]);
        bad
    };
    for bad in [
        group(|group| group.files = vec!["b".into(), "a".into()]),
        group(|group| group.files = vec!["a/b".into()]),
        group(|group| group.whiteouts = vec!["..".into()]),
        group(|group| group.devices = vec![String::new()]),
        group(|group| drop(group.links.insert("x".into(), "\\q".into()))),
        group(|group| drop(group.hard_links.insert(".".into(), "y".into()))),
    ] {
        let (status, problem) = server.put(&scan, &bad, None);
        assert_eq!((status, &problem["type"]), (422, &json!("urn:stella:problem:unprocessable")), "{bad:?}");
    }
}

#[test]
fn a_request_is_bounded_by_more_than_its_bytes() {
    let (_dir, server) = start("{}");
    let text = |bytes: usize| "x".repeat(bytes);
    let skip = json!({ "name": "platform", "what": "linux/arm64", "why": "not read" });
    let policy = |size: usize| json!({ "origin": "p", "text": text(size) });
    let pair = json!({ "blob": Digest::of(b"blob"), "diff_id": Digest::of(b"a") });
    for (key, value, limit) in [
        ("reference", json!(text(9000)), "text length"),
        ("skipped", json!(vec![&skip; 5000]), "skipped"),
        ("allow_skipped", json!(vec!["platform"; 5000]), "allowed skips"),
        ("policies", json!(vec![policy(1); 17]), "policies"),
        ("policies", json!([policy((1 << 20) + 1)]), "policy size"),
        ("pairs", json!(vec![&pair; 600]), "pairs"),
    ] {
        let mut request = engine(&["a"]);
        request[key] = value;
        let (status, problem) = server.post("/v1/scan", &request);
        assert_eq!(status, 422, "{limit}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{limit}`")), "{problem}");
    }
    let mut request = engine(&["a"]);
    request["image"]["engine"]["history"] = json!(vec![json!({ "created_by": "RUN x" }); 5000]);
    assert!(server.post("/v1/scan", &request).1["detail"].as_str().unwrap().contains("`history entries`"));
    request["image"]["engine"]["history"] = json!([]);
    request["skipped"] = json!(vec![&skip; 4096]);
    assert_eq!(missing(&server.post("/v1/scan", &request)), [Digest::of(b"a")]);
}

#[test]
fn every_error_is_a_problem() {
    let (_dir, server) = start("limits: { request_bytes: 100 }\ndeadlines: { body_ms: 200 }\n");
    let json = "Content-Type: application/json";
    let long = vec![b' '; 101];
    let no_scan = format!("PUT /v1/scan/x/layers/{}?schema=1&analyzer=a HTTP/1.1\r\n{json}", Digest::of(b""));
    let cases: &[(&str, &[u8], u16, &str)] = &[
        ("GET /nothing HTTP/1.1", b"", 404, "no-such-path"),
        ("GET /v1/scan HTTP/1.1", b"", 405, "no-such-method"),
        ("DELETE /healthz HTTP/1.1", b"", 405, "no-such-method"),
        ("GET /v1/scan/x HTTP/1.1", b"", 404, "no-such-scan"),
        ("POST /v1/scan HTTP/1.1", b"{}", 415, "media-type"),
        (&format!("POST /v1/scan HTTP/1.1\r\n{json}"), b"{", 400, "invalid-request"),
        (&format!("POST /v1/scan HTTP/1.1\r\n{json}"), b"{}", 400, "invalid-request"),
        (&format!("POST /v1/scan HTTP/1.1\r\n{json}"), &long, 413, "too-large"),
        (&format!("POST /v1/scan HTTP/1.1\r\n{json}\r\nContent-Encoding: gzip"), b"", 415, "media-type"),
        ("PUT /v1/scan/x/layers/sha256:0?schema=1&analyzer=a HTTP/1.1", b"", 400, "invalid-request"),
        (&no_scan, b"", 415, "media-type"),
        (&format!("{no_scan}\r\nContent-Encoding: zstd"), b"", 404, "no-such-scan"),
        ("GET /readyz HTTP/1.1", b"", 503, "not-ready"),
    ];
    for (head, body, status, kind) in cases {
        let (found, text, problem) = server.send(head, body);
        assert_eq!(found, *status, "{head}: {text}");
        assert!(text.contains("content-type: application/problem+json"), "{text}");
        assert_eq!(problem["type"], format!("urn:stella:problem:{kind}"), "{head}");
        assert_eq!(problem["status"], *status, "{head}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{head}");
    }
    assert_eq!(server.get("/healthz").0, 200);

    let mut slow = TcpStream::connect(server.address).unwrap();
    write!(slow, "POST /v1/scan HTTP/1.1\r\nHost: x\r\n{json}\r\nContent-Length: 9\r\n\r\n{{").unwrap();
    assert_eq!(answer(slow).2["type"], "urn:stella:problem:slow-body");
    // A length that is not told is counted.
    let mut endless = TcpStream::connect(server.address).unwrap();
    write!(endless, "POST /v1/scan HTTP/1.1\r\nHost: x\r\n{json}\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    write!(endless, "65\r\n{}\r\n", " ".repeat(0x65)).unwrap();
    assert_eq!(answer(endless).2["type"], "urn:stella:problem:too-large");
}

#[test]
fn nobody_holds_a_connection_or_the_memory_for_ever() {
    let (_dir, server) = start("limits: { bodies_bytes: 4096 }\ndeadlines: { headers_ms: 200 }\n");
    let mut idle = TcpStream::connect(server.address).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(idle, "GET /healthz HTTP/1.1\r\nHost:").unwrap();
    let started = Instant::now();
    answer(idle);
    assert!(started.elapsed() < Duration::from_secs(5));
    let head = "POST /v1/scan HTTP/1.1\r\nContent-Type: application/json";
    let (status, text, problem) = server.send(head, &[b' '; 5000]);
    assert_eq!((status, &problem["type"]), (503, &json!("urn:stella:problem:busy")), "{text}");
    assert!(text.contains("retry-after: 1\r\n"), "{text}");
    assert_eq!(server.send(head, b"{").0, 400, "what was granted is given back");
}

//! Faults alone, of a small server that has them; the whole is tested against a real registry (`tests/registry`).

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use stella::{digest::Digest, layer::Limits};

use super::{
    super::{
        Opened, Options, index, open,
        store::Store,
        tests::{config, layer},
    },
    *,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One request: `GET /path`, its headers in lower case, its body.
#[derive(Debug, Clone)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

type Handler = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

/// Answers each request with raw bytes, and then ends the connection.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (kept, handler): (_, Arc<Handler>) = (Arc::clone(&requests), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, handler) = (Arc::clone(&kept), Arc::clone(&handler));
                thread::spawn(move || serve(stream, &kept, &*handler));
            }
        });
        Self { address, requests }
    }

    /// Those after the first, which asks whether TLS is spoken.
    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap()[1..].to_vec()
    }

    fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line.clone()).collect()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Request>>, handler: &Handler) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let Some(line) = lines.first() else { return };
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut request =
        Request { line: line.trim_end_matches(" HTTP/1.1").to_owned(), headers, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8_lossy(&body).into_owned();
    kept.lock().unwrap().push(request.clone());
    let _ = stream.write_all(&handler(&request));
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body)
}

fn missing() -> Vec<u8> {
    answer("404 Not Found", "", br#"{"errors":[{"code":"UNKNOWN","message":"unknown to us"}]}"#)
}

/// An image of one layer, and what a registry answers for it.
#[derive(Clone)]
struct Sample {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let layer = layer("a", &"content ".repeat(20_000));
        let config = config("amd64", std::slice::from_ref(&layer));
        let kind = "application/vnd.oci.image.";
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": format!("{kind}config.v1+json"), "digest": Digest::of(&config), "size": config.len() },
            "layers": [{ "mediaType": format!("{kind}layer.v1.tar"), "digest": Digest::of(&layer), "size": layer.len() }] });
        Self { layer, config, manifest: manifest.to_string().into_bytes() }
    }

    fn answer(&self, path: &str) -> Vec<u8> {
        let ends = |bytes: &[u8]| path.ends_with(&format!("/{}", Digest::of(bytes)));
        match path {
            "/v2/" => ok(b"{}"),
            path if path.ends_with("/manifests/v1") || ends(&self.manifest) => {
                answer("200 OK", &format!("Content-Type: {MANIFEST}\r\n"), &self.manifest)
            }
            _ if ends(&self.config) => ok(&self.config),
            _ if ends(&self.layer) => ok(&self.layer),
            _ => missing(),
        }
    }
}

fn options(deadline_ms: u64) -> Options {
    let deadline = Duration::from_millis(deadline_ms);
    Options { registry: Access { deadline, ..Access::default() }, ..Options::default() }
}

fn with_config(deadline_ms: u64, config: &serde_json::Value) -> (tempfile::TempDir, Options) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let mut options = options(deadline_ms);
    options.registry.docker_config = Some(directory.path().to_owned());
    (directory, options)
}

fn open_at(address: SocketAddr, name: &str, options: &Options) -> Result<Opened, super::super::Error> {
    open(&format!("registry:{address}/{name}").parse().unwrap(), options)
}

/// Why it could not be opened.
fn why(address: SocketAddr, name: &str, options: &Options) -> Error {
    match open_at(address, name, options) {
        Err(super::super::Error::Registry(error)) => *error,
        other => unreachable!("{other:?}"),
    }
}

/// The diff IDs that are read.
fn read(opened: &Opened) -> Result<Vec<Digest>, super::super::Error> {
    let image = &opened.images[0];
    let wanted: Vec<Digest> = image.image.layers.iter().map(|layer| layer.diff_id).collect();
    let read = opened.analyse(image, &wanted, &Limits::default(), 2, &())?;
    Ok(read.iter().map(|analysed| analysed.fragment.diff_id).collect())
}

#[test]
fn an_image_in_as_few_requests_as_can_be() {
    let sample = Sample::new();
    let server = Server::start({
        let sample = sample.clone();
        move |request| sample.answer(request.path())
    });
    let opened = open_at(server.address, "a/b:v1", &options(5000)).unwrap();
    assert_eq!(opened.taken_for, format!("registry:{}/a/b:v1", server.address));
    assert_eq!(opened.images[0].image.manifest_digest, Some(Digest::of(&sample.manifest)));
    assert_eq!(
        server.paths(),
        ["GET /v2/a/b/manifests/v1", &format!("GET /v2/a/b/blobs/{}", Digest::of(&sample.config))]
    );
    assert_eq!(read(&opened).unwrap(), [Digest::of(&sample.layer)]);
    assert_eq!(server.paths().len(), 3);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn manifests_that_are_not_what_was_named() {
    let sample = Sample::new();
    let (other, digest) = (Digest::of(b"other"), Digest::of(&sample.manifest));
    let manifest = sample.manifest.clone();
    let server = Server::start(move |request| match request.path().rsplit('/').next().unwrap() {
        "said" => answer("200 OK", &format!("Docker-Content-Digest: {other}\r\n"), &manifest),
        "old" => answer(
            "200 OK",
            "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n",
            b"{}",
        ),
        "huge" => b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n{".to_vec(),
        "endless" => {
            let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunk.repeat(5)].concat()
        }
        "page" => answer("200 OK", "Content-Type: text/html\r\n", b"<html>"),
        _ => ok(&manifest),
    });
    let why = |name: &str| why(server.address, name, &options(5000));
    let named = format!("a@{other}");
    for name in [named.as_str(), "a:said"] {
        let error = why(name);
        assert!(
            matches!(&error, Error::Changed { expected, found, .. }
                if *expected == other.to_string() && *found == digest.to_string()),
            "{error}"
        );
    }
    assert!(matches!(why("a:old"), Error::Schema1 { .. }));
    for name in ["a:huge", "a:endless"] {
        assert!(matches!(why(name), Error::Limit { limit: "document size", .. }), "{name}");
    }
    assert!(matches!(
        open_at(server.address, "a:page", &options(5000)),
        Err(super::super::Error::Document { .. })
    ));
}

#[test]
fn a_token_for_a_password_and_for_an_identity_token() {
    for identity in [false, true] {
        let sample = Sample::new();
        let address: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let server = Server::start({
            let address = Arc::clone(&address);
            move |request| {
                let here = address.lock().unwrap().unwrap();
                let path = request.path();
                if path.starts_with("/token") {
                    return ok(if identity {
                        br#"{"access_token":"t1"}"#
                    } else {
                        br#"{"token":"t1","expires_in":60}"#
                    });
                }
                if request.header("authorization") == Some("Bearer t1") {
                    return sample.answer(path);
                }
                let challenge = format!(
                    "WWW-Authenticate: Bearer realm=\"http://{here}/token\",service=\"s\",scope=\"repository:a:pull\"\r\n"
                );
                answer("401 Unauthorized", &challenge, b"")
            }
        });
        *address.lock().unwrap() = Some(server.address);
        let auth = if identity {
            json!({ "identitytoken": "id3ntity" })
        } else {
            json!({ "auth": STANDARD.encode("bob:s3cret") })
        };
        let config = json!({ "auths": { server.address.to_string(): auth } });
        let (_directory, options) = with_config(5000, &config);
        let opened = open_at(server.address, "a:v1", &options).unwrap();
        read(&opened).unwrap();
        let requests = server.requests();
        let tokens: Vec<_> = requests.iter().filter(|request| request.path().starts_with("/token")).collect();
        assert_eq!(tokens.len(), 1);
        if identity {
            assert_eq!(tokens[0].line, "POST /token");
            assert_eq!(
                tokens[0].body,
                "grant_type=refresh_token&refresh_token=id3ntity&client_id=stella&scope=repository%3Aa%3Apull&service=s"
            );
        } else {
            assert!(
                tokens[0].line.contains("account=bob")
                    && tokens[0].line.contains("scope=repository%3Aa%3Apull")
            );
            let basic = format!("Basic {}", STANDARD.encode("bob:s3cret"));
            let sent: BTreeSet<_> =
                requests.iter().filter_map(|request| request.header("authorization")).collect();
            assert_eq!(sent, BTreeSet::from([basic.as_str(), "Bearer t1"]));
        }
    }
}

#[test]
fn a_refusal_names_the_credentials_by_their_place() {
    let server = Server::start(|request| match request.path() {
        path if path.contains("/manifests/forbidden") => answer("403 Forbidden", "", b"no"),
        path if path.contains("/manifests/none") => missing(),
        _ => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", b""),
    });
    let (directory, options) = with_config(
        5000,
        &json!({ "auths": { server.address.to_string(): { "auth": STANDARD.encode("bob:s3cret") } } }),
    );
    let place = directory.path().join("config.json").display().to_string();
    let error = why(server.address, "a:v1", &options);
    let text = error.to_string();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "{text}");
    for part in [place.as_str(), "a:v1", &format!("docker login {}", server.address)] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("s3cret") && !text.contains(&STANDARD.encode("bob:s3cret")), "{text}");
    let anonymous =
        Options { registry: Access { docker_config: None, ..options.registry.clone() }, ..options.clone() };
    assert!(why(server.address, "a:v1", &anonymous).to_string().contains("without credentials"));
    assert!(matches!(why(server.address, "a:forbidden", &options), Error::Refused { status: 403, .. }));
    let error = why(server.address, "a:none", &options).to_string();
    assert!(error.contains("unknown to us") && error.contains("push the image first"), "{error}");
}

#[test]
fn proof_of_who_asks_goes_nowhere_else() {
    let sample = Sample::new();
    let storage = Server::start({
        let sample = sample.clone();
        move |request| sample.answer(request.path())
    });
    let elsewhere = storage.address;
    let server = Server::start({
        let sample = sample.clone();
        move |request| match (request.header("authorization"), request.path()) {
            (_, path) if path.contains("/bad") => answer(
                "401 Unauthorized",
                "WWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\"\r\n",
                b"",
            ),
            (None, _) => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", b""),
            (_, path) if path.contains("/plain") => {
                answer("307 Temporary Redirect", "Location: http://192.0.2.1/x\r\n", b"")
            }
            (_, path) if path.contains("/ring") => answer("302 Found", "Location: /v2/ring\r\n", b""),
            (_, path) if path.contains("/blobs/") => {
                answer("307 Temporary Redirect", &format!("Location: http://{elsewhere}{path}\r\n"), b"")
            }
            (_, path) => sample.answer(path),
        }
    });
    let (_directory, options) = with_config(
        5000,
        &json!({ "auths": { server.address.to_string(): { "auth": STANDARD.encode("bob:s3cret") } } }),
    );
    read(&open_at(server.address, "a:v1", &options).unwrap()).unwrap();
    let requests = storage.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.header("authorization").is_none()));
    assert!(
        matches!(why(server.address, "a:bad", &options), Error::Realm { realm, .. } if realm.contains("192.0.2.1"))
    );
    for name in ["a:plain", "a:ring"] {
        let error = why(server.address, name, &options);
        assert!(matches!(&error, Error::Answer { why, .. } if why.contains("redirect")), "{error}");
    }
}

#[test]
fn what_may_pass_is_tried_again_within_the_deadline() {
    let sample = Sample::new();
    let count: Arc<Mutex<usize>> = Arc::default();
    let server = Server::start(move |request| {
        let path = request.path();
        if path.contains("/manifests/") {
            *count.lock().unwrap() += 1;
        }
        let busy =
            |after: u64| answer("429 Too Many Requests", &format!("Retry-After: {after}\r\n"), b"slow down");
        match (path.rsplit('/').next().unwrap(), *count.lock().unwrap()) {
            ("v1", 1) => answer("503 Service Unavailable", "", b""),
            ("v1", 2) => busy(1),
            // Cut in the middle of a document.
            ("v1", 3) => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec(),
            ("v1", 4) => Vec::new(),
            ("late", _) => busy(3600),
            ("always", _) => answer("502 Bad Gateway", "", b"broken"),
            _ => sample.answer(path),
        }
    });
    let began = Instant::now();
    open_at(server.address, "a:v1", &options(20_000)).unwrap();
    assert!((1000..10_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(server.paths().iter().filter(|line| line.ends_with("/v1")).count(), 5);
    let began = Instant::now();
    let error = why(server.address, "a:late", &options(20_000));
    assert!(matches!(error, Error::Failing { status: 429, attempts: 1, .. }), "{error}");
    assert!(error.to_string().contains("come back after 3600 s") && error.to_string().contains("slow down"));
    let error = why(server.address, "a:always", &options(1000));
    assert!(matches!(error, Error::Failing { status: 502, attempts: 2..=4, .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = why(address, "a", &options(1000));
    assert!(matches!(error, Error::Unreachable { attempts: 2.., .. }), "{error}");
}

/// A blob is cut after some bytes; what the registry makes of the request for the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rest {
    Given,
    Whole,
    Wrong,
    Cut,
    Changed,
}

#[test]
fn a_blob_that_is_cut_goes_on_where_it_ended() {
    for rest in [Rest::Given, Rest::Whole, Rest::Wrong, Rest::Cut, Rest::Changed] {
        let sample = Sample::new();
        let (size, cut) = (sample.layer.len(), 70_000);
        let asked: Mutex<usize> = Mutex::default();
        let server = Server::start({
            let sample = sample.clone();
            move |request| {
                let (path, layer) = (request.path(), &sample.layer);
                if !path.ends_with(&Digest::of(layer).to_string()) {
                    return sample.answer(path);
                }
                *asked.lock().unwrap() += 1;
                let range =
                    request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
                let from: usize = range.map_or(0, |from| from.parse().unwrap());
                let whole = |bytes: &[u8]| {
                    [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), bytes].concat()
                };
                let part = |first: usize, bytes: &[u8]| {
                    let (last, length) = (size - 1, size - first);
                    let head = format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\nContent-Length: {length}\r\n\r\n"
                    );
                    [head.as_bytes(), bytes].concat()
                };
                match (*asked.lock().unwrap(), rest) {
                    (1, _) => whole(&layer[..cut]),
                    (2, Rest::Wrong) => part(0, layer),
                    (_, Rest::Given) => part(from, &layer[from..]),
                    (_, Rest::Changed) => part(from, &vec![b'x'; size - from]),
                    (_, Rest::Cut) => part(from, &layer[from..(from + 10_000).min(size)]),
                    (_, Rest::Whole | Rest::Wrong) => whole(layer),
                }
            }
        });
        let opened = open_at(server.address, "a:v1", &options(5000)).unwrap();
        let found = read(&opened);
        let blobs =
            server.requests().iter().filter(|r| r.path().contains(&Digest::of(&sample.layer).hex())).count();
        if rest == Rest::Changed {
            let error = found.unwrap_err();
            assert!(
                matches!(&error, super::super::Error::Layer { source, .. }
                if matches!(**source, stella::layer::Error::Blob { .. })),
                "{error}"
            );
            continue;
        }
        assert_eq!(found.unwrap(), [Digest::of(&sample.layer)], "{rest:?}");
        let expected = match rest {
            Rest::Wrong => 3,
            Rest::Cut => 1 + (size - cut).div_ceil(10_000),
            _ => 2,
        };
        assert_eq!(blobs, expected, "{rest:?}");
    }
}

#[test]
fn a_foreign_layer_is_read_if_the_registry_has_it_after_all() {
    for copied in [false, true] {
        let mut sample = Sample::new();
        let text = String::from_utf8(sample.manifest).unwrap();
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        sample.manifest = text.replace("application/vnd.oci.image.layer.v1.tar", foreign).into_bytes();
        let server = Server::start({
            let sample = sample.clone();
            move |request| match sample.answer(request.path()) {
                _ if !copied && request.path().ends_with(&Digest::of(&sample.layer).to_string()) => missing(),
                answer => answer,
            }
        });
        let opened = open_at(server.address, "a:v1", &options(5000)).unwrap();
        assert_eq!(opened.images[0].skipped.len(), usize::from(!copied));
        let layers = if copied { vec![Digest::of(&sample.layer)] } else { Vec::new() };
        assert_eq!(read(&opened).unwrap(), layers);
    }
}

#[test]
fn authorities_of_one_registry() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("r.io:5000")).unwrap();
    for name in ["r.io:5000/b.crt", "r.io:5000/a.crt", "r.io:5000/client.key"] {
        fs::write(at(name), "").unwrap();
    }
    let access =
        Access { certificates: vec![at("nosuch"), directory.path().to_owned()], ..Access::default() };
    assert_eq!(access.authorities("r.io:5000"), [at("r.io:5000/a.crt"), at("r.io:5000/b.crt")]);
    assert!(access.authorities("r.io").is_empty());
}

#[test]
fn no_blob_is_sent_where_anybody_can_read_it() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/demo-image");
    let store = Store::Directory(demo.into());
    let root = index::root(&store).unwrap();
    for (place, refused) in [
        // Documentation's own network (RFC 5737): nobody is there.
        ("http://192.0.2.1/upload", true),
        ("ftp://127.0.0.1/upload", true),
        ("/upload", false),
    ] {
        let server = Server::start(move |request| match request.line.split(' ').next() {
            Some("HEAD") => missing(),
            Some("POST") => answer("202 Accepted", &format!("Location: {place}\r\n"), b""),
            Some("PUT") => answer("400 Bad Request", "", b""),
            _ => ok(b""),
        });
        let name = format!("{}/team/app:1", server.address).parse().unwrap();
        let access = Access { deadline: Duration::from_secs(5), ..Access::default() };
        let repository = Repository::new(name, access).unwrap();
        let error = repository.push(&store, &root, &|_| ()).unwrap_err().to_string();
        assert_eq!(error.contains("where anybody can read and change it"), refused, "{error}");
        let put = server.paths().into_iter().any(|line| line.starts_with("PUT"));
        assert_eq!(put, !refused, "{:?}", server.paths());
    }
}

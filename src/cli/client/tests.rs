//! The client against a real server, and against one that misbehaves.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use stella::{
    api::{ImageClaim, Pair},
    image::Platform,
    layer::{ANALYZER, Directory, Fragment},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Mutex,
};

use super::*;

const HANG: &str = "";
const LOG: Log = Log { level: crate::log::Level::Quiet };
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"missing\":[]}";

/// A stand-in that gives each connection the next of its answers, and the last one for ever. It counts requests.
async fn stand_in(answers: &[&str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: VecDeque<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let answers = Arc::new(Mutex::new(answers));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answers, count) = (Arc::clone(&answers), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut seen = [0; 64 << 10];
                let _ = stream.read(&mut seen).await;
                count.fetch_add(1, Ordering::Relaxed);
                let mut answers = answers.lock().await;
                let answer = answers.pop_front().unwrap();
                if answers.is_empty() {
                    answers.push_back(answer.clone());
                }
                drop(answers);
                if answer == HANG {
                    std::future::pending::<()>().await;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, count)
}

fn server(url: &str, deadline_ms: u64) -> Server {
    Server { url: url.to_owned(), deadline: Duration::from_millis(deadline_ms), ..Server::default() }
}

fn client(address: SocketAddr, deadline_ms: u64) -> Client {
    Client::new(&server(&format!("http://{address}/"), deadline_ms), "stella/test", LOG).unwrap()
}

async fn ask(client: &Client) -> Result<MissingAnswer, Error> {
    client.missing(&MissingRequest { schema: 1, analyzer: "a".into(), diff_ids: Vec::new() }).await
}

fn status(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let truncated = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"mis";
    let answers = [
        &status("500 E", "", "oops"),
        &status("429 T", "Retry-After: 0\r\n", ""),
        truncated,
        "garbage",
        DONE,
    ];
    let (address, count) = stand_in(&answers).await;
    let client = client(address, 20_000);
    assert_eq!(ask(&client).await.unwrap().missing, []);
    assert_eq!((client.round_trips(), client.retries(), count.load(Ordering::Relaxed)), (5, 4, 5));
}

#[tokio::test]
async fn a_server_that_always_fails_is_named_with_its_words() {
    let problem =
        r#"{"type":"urn:stella:problem:busy","title":"Busy","status":503,"detail":"Try \u001b[31mlater"}"#;
    let (address, _) = stand_in(&[&status("503 S", "", problem)]).await;
    let error = ask(&client(address, 400)).await.unwrap_err();
    assert!(matches!(error, Error::Failing { status: 503, attempts: 2.., .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("Busy: Try  [31mlater"), "{text}");
    assert!(error.is_outage());
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let (address, count) = stand_in(&[&status("429 T", "Retry-After: 60\r\n", "")]).await;
    let started = Instant::now();
    assert!(matches!(ask(&client(address, 30_000)).await, Err(Error::Failing { status: 429, .. })));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_announced_wait_is_no_outage() {
    let waits =
        [&*status("429 T", "Retry-After: 1\r\n", ""), &*status("429 T", "Retry-After: 1\r\n", ""), DONE];
    // Neither is a deadline shortened by it, nor does a long one make up for patience.
    for (max_wait_s, deadline_ms, done) in
        [(2, 900, true), (1, 900, false), (1, 60_000, false), (0, 60_000, false)]
    {
        let (address, _) = stand_in(&waits).await;
        let patient = Server {
            max_wait: Duration::from_secs(max_wait_s),
            ..server(&format!("http://{address}"), deadline_ms)
        };
        let client = Client::new(&patient, "t", LOG).unwrap();
        let asked = ask(&client).await;
        assert_eq!(asked.is_ok(), done, "{asked:?}");
        assert!(asked.is_ok() || asked.unwrap_err().is_outage());
    }
}

/// A platform and a server that take down what they are told, and answer by the path.
async fn platform(token_status: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = vec![0; 64 << 10];
            let length = stream.read(&mut seen).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&seen[..length]).into_owned();
            let answer = match request.split(' ').nth(1).unwrap_or_default() {
                path if path.starts_with("/word") => status("200 OK", "", r#"{"value":"the-word"}"#),
                "/v1/token" => status(token_status, "", r#"{"token":"short"}"#),
                _ => status("200 OK", "", "{\"missing\":[]}"),
            };
            kept.lock().await.push(request);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, told)
}

#[tokio::test]
async fn who_asks_is_proved_in_order_and_never_in_silence() {
    let asked = |address: SocketAddr| Proof::Asked {
        url: format!("http://{address}/word?v=1"),
        token: "job".to_owned(),
    };
    for (token_status, with_token, must_prove, want) in [
        ("200 OK", true, false, Ok(("oidc", "bearer short"))),
        ("200 OK", false, true, Ok(("oidc", "bearer short"))),
        ("404 N", true, false, Ok(("token", "bearer mine"))),
        ("404 N", false, false, Ok(("anonymous", ""))),
        ("404 N", false, true, Err(())),
        ("403 F", true, false, Err(())),
        ("500 E", true, false, Err(())),
    ] {
        let (address, told) = platform(token_status).await;
        let mut proofs = vec![asked(address)];
        proofs.extend(with_token.then(|| Proof::Token("mine".to_owned())));
        let server = Server { proofs, must_prove, ..server(&format!("http://{address}"), 300) };
        let client = Client::new(&server, "t", LOG).unwrap();
        let answer = ask(&client).await;
        let told = told.lock().await;
        let word = &told[0];
        assert!(
            word.contains("&audience=http%3A%2F%2F")
                && word.to_lowercase().contains("authorization: bearer job"),
            "{word}"
        );
        assert!(told[1].contains("the-word"), "{}", told[1]);
        match want {
            Ok((kind, sent)) => {
                let untaken = client.untaken().map(|why| why.ends_with(&format!("it is asked as {kind}")));
                assert_eq!(
                    (client.identity(), untaken),
                    (kind, (kind != "oidc").then_some(true)),
                    "{answer:?}"
                );
                let call = told.last().unwrap().to_lowercase();
                assert_eq!(call.contains("authorization:"), !sent.is_empty());
                assert!(call.contains(sent), "{call}");
            }
            Err(()) => assert!(
                told.iter().all(|request| !request.contains("/v1/layers")),
                "nobody was asked in another's name"
            ),
        }
    }
}

#[tokio::test]
async fn what_proves_who_asks_is_not_for_everybody_to_read() {
    for proof in [Proof::Token("t".to_owned()), Proof::Word("w".to_owned())] {
        let server = Server { proofs: vec![proof], ..server("http://stella.example", 300) };
        let error = ask(&Client::new(&server, "t", LOG).unwrap()).await.unwrap_err();
        assert!(matches!(error, Error::Identity { .. }) && !error.is_outage(), "{error}");
    }
    assert_eq!(format!("{:?}", Proof::Token("secret".to_owned())), "token");
}

#[tokio::test]
async fn no_wait_is_beyond_what_a_clock_knows() {
    for code in ["429 T", "503 S"] {
        let (address, _) = stand_in(&[&status(code, "Retry-After: 18446744073709551615\r\n", "")]).await;
        let patient = Server { max_wait: Duration::MAX, ..server(&format!("http://{address}"), 500) };
        let asked =
            tokio::time::timeout(Duration::from_secs(2), ask(&Client::new(&patient, "t", LOG).unwrap()))
                .await;
        assert!(asked.is_err() || asked.is_ok_and(|answer| answer.is_err()));
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let no_advisories = r#"{"type":"urn:stella:problem:no-advisories","title":"None","status":503}"#;
    let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ANSWER_BYTES + 1);
    for (answer, expect) in [
        (status("400 B", "", r#"{"type":"t","title":"Bad","status":400,"detail":"Fix it"}"#), "Bad: Fix it"),
        (status("503 S", "", no_advisories), "None"),
        (status("200 OK", "", "<html>hello</html>"), "it begins with \"<html>hello"),
        (status("302 F", "Location: http://127.0.0.1:1/\r\n", ""), "status 302"),
        (status("404 N", "", "no such page"), "404: Not Found: no such page"),
        (format!("{huge}{}", " ".repeat(ANSWER_BYTES + 1)), "`answer size`"),
    ] {
        let (address, count) = stand_in(&[&answer]).await;
        let client = client(address, 20_000);
        let error = ask(&client).await.unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains(&address.to_string()), "{error}");
        assert_eq!((client.round_trips(), count.load(Ordering::Relaxed)), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_and_no_more() {
    let stalls = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{";
    let (address, _) = stand_in(&[HANG]).await;
    let started = Instant::now();
    let error = ask(&client(address, 300)).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    let text = error.to_string();
    for part in [&address.to_string(), "300 ms", "asking which layers are missing"] {
        assert!(text.contains(part), "{text}");
    }
    assert!((300..3000).contains(&started.elapsed().as_millis()));
    // A body that never ends is no different from one that is cut off: the connection is closed by the stand-in.
    let (address, _) = stand_in(&[stalls]).await;
    assert!(ask(&client(address, 300)).await.unwrap_err().is_outage());
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = ask(&client(address, 300)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { attempts: 2.., .. }), "{error}");
    assert!(error.to_string().contains("refused") && error.to_string().contains("--server"), "{error}");
    // A long deadline is for a server that works, not for one that is not there.
    let started = Instant::now();
    let error = ask(&client(address, 60_000)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { attempts: 4..=10, .. }), "{error}");
    assert!((1_000..3_500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_starts_again_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let starts = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(DONE.as_bytes()).await.unwrap();
    };
    let client = client(address, 20_000);
    let (answer, ()) = tokio::join!(ask(&client), starts);
    assert_eq!(answer.unwrap().missing, []);
}

#[test]
fn addresses_that_cannot_be_meant() {
    for (address, never) in [
        ("localhost:8080", "!"),
        ("ftp://host", "!"),
        ("", "!"),
        ("https://user:hunter2@host", "hunter2"),
        ("nonsense user:hunter2@host", "hunter2"),
    ] {
        let error = Client::new(&server(address, 1_000), "t", LOG).err().unwrap();
        assert!(matches!(error, Error::Address { .. }), "{error}");
        assert!(!error.to_string().contains(never), "{error}");
    }
}

#[test]
fn waits_grow_and_differ() {
    let client = Client::new(&server("http://host", 1_000), "t", LOG).unwrap();
    client.jitter.store(7, Ordering::Relaxed);
    let waits: Vec<Duration> = (1..=20).map(|attempt| client.backoff(attempt)).collect();
    for (doublings, wait) in waits.iter().enumerate() {
        let full = BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_MAX);
        assert!((full / 2..=full).contains(wait), "{doublings} {wait:?}");
    }
    assert_ne!(waits[18], waits[19]);
    client.jitter.store(7, Ordering::Relaxed);
    assert_eq!(client.backoff(1), waits[0], "the same seed gives the same waits");
}

#[tokio::test]
async fn a_real_server_takes_what_it_misses() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config =
        stella_server::Config { data_dir: dir.path().to_owned(), ..stella_server::Config::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(stella_server::run(listener, config, async move { drop(stopped.await) }));

    let client = client(address, 10_000);
    let fragment = |layer: &[u8]| Fragment {
        schema: SCHEMA,
        analyzer: ANALYZER.to_owned(),
        diff_id: Digest::of(layer),
        files: 0,
        size_bytes: 0,
        directories: vec![Directory::default()],
        facts: Vec::new(),
        unread: Vec::new(),
    };
    let [a, b] = [fragment(b"a"), fragment(b"b")];
    let request = ScanRequest {
        schema: SCHEMA,
        analyzer: ANALYZER.to_owned(),
        reference: "app:1".to_owned(),
        image: Some(ImageClaim::Engine {
            image_id: Digest::of(b"image"),
            platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() },
            diff_ids: vec![a.diff_id, b.diff_id],
            history: Vec::new(),
        }),
        sbom: None,
        inventory: false,
        base: None,
        pairs: Vec::<Pair>::new(),
        policies: Vec::new(),
        skipped: Vec::new(),
        allow_skipped: Vec::new(),
        now: Some(0),
    };
    let answer = client.scan(&request).await.unwrap();
    let ScanAnswer::Missing { scan, missing } = answer else { unreachable!("{answer:?}") };
    assert_eq!(missing, [a.diff_id, b.diff_id]);
    let answer = client.put_fragment(&scan, ANALYZER, a.diff_id, None, a.encode().unwrap()).await.unwrap();
    assert!(matches!(answer, ScanAnswer::Missing { missing, .. } if missing == [b.diff_id]));
    // Without advisories there is no result, and no use in asking again.
    let error = client.put_fragment(&scan, ANALYZER, b.diff_id, None, b.encode().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("feeds import"), "{error}");
    let diff_ids = vec![a.diff_id, Digest::of(b"c"), b.diff_id];
    let ask = MissingRequest { schema: SCHEMA, analyzer: ANALYZER.to_owned(), diff_ids };
    assert_eq!(client.missing(&ask).await.unwrap().missing, [Digest::of(b"c")]);
    let error =
        client.put_fragment("../x?y", ANALYZER, a.diff_id, None, a.encode().unwrap()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 404, .. }) && !error.is_outage(), "{error}");
    assert_eq!((client.round_trips(), client.retries()), (5, 0));

    drop(client);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[test]
fn a_compressed_answer_is_bounded_like_a_plain_one() {
    let pack = |bytes: &[u8], window_log: u32| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(unpack(&pack(b"{}", 20)).unwrap(), b"{}");
    let bomb = pack(&vec![b' '; ANSWER_BYTES + 100], 20);
    assert!(bomb.len() < ANSWER_BYTES / 1000);
    assert_eq!(unpack(&bomb).unwrap().len(), ANSWER_BYTES + 1);
    let reaches_far = pack(&vec![b' '; 20 << 20], ANSWER_WINDOW_LOG + 1);
    assert!(unpack(&reaches_far).unwrap_err().to_string().contains("memory"));
    assert!(unpack(b"{}").is_err() && unpack(&pack(b"{}", 20)[..5]).is_err());
}

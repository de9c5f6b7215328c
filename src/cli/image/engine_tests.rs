//! A stand-in for the Docker engine on a socket: as honest as each test wants it.

#![expect(clippy::unwrap_used, reason = "a stand-in that fails ends its test")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use stella::{digest::Digest, layer::Limits};

use super::{
    tests::{config, layer, saved},
    *,
};

/// Answers every request whose path holds `images/app:v1` or the image's ID.
struct Engine {
    directory: tempfile::TempDir,
    layers: Vec<Vec<u8>>,
    exported: Arc<Mutex<usize>>,
}

struct Answers {
    inspect: Value,
    history: Value,
    export: Vec<u8>,
    exported: Arc<Mutex<usize>>,
}

impl Engine {
    /// Names `layers` and exports `stored`.
    fn start(layers: &[Vec<u8>], stored: &[Vec<u8>], newer: bool, history: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tar = directory.path().join("export.tar");
        saved(&tar, layers, stored, newer);
        let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let inspect = json!({ "Id": Digest::of(&config("amd64", layers)), "Os": "linux", "Architecture": "amd64",
            "RootFS": { "Type": "layers", "Layers": ids } });
        let exported = Arc::new(Mutex::new(0));
        let export = fs::read(&tar).unwrap();
        let answers = Arc::new(Answers { inspect, history, export, exported: Arc::clone(&exported) });
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answers = Arc::clone(&answers);
                thread::spawn(move || serve(stream, &answers));
            }
        });
        Self { directory, layers: layers.to_vec(), exported }
    }

    fn options(&self) -> Options {
        engine_at(&self.directory.path().join("docker.sock"))
    }

    fn open(&self) -> Opened {
        open(&"docker:app:v1".parse().unwrap(), &self.options()).unwrap()
    }

    fn ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| Digest::of(layer)).collect()
    }
}

fn engine_at(socket: &Path) -> Options {
    let host = Some(format!("unix://{}", socket.display()));
    Options { engine: EngineAddress { host, ..EngineAddress::default() }, ..Options::default() }
}

fn serve(mut stream: UnixStream, answers: &Answers) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let path = request.split(' ').nth(1).unwrap();
        let known = path.contains("/images/app:v1/") || path.contains("/images/sha256:");
        let (status, body) = match path.rsplit('/').next().unwrap() {
            "version" => ("200 OK", json!({ "ApiVersion": "1.41" }).to_string().into_bytes()),
            "json" if known => ("200 OK", answers.inspect.to_string().into_bytes()),
            "history" if known => ("200 OK", answers.history.to_string().into_bytes()),
            "get" if known => {
                *answers.exported.lock().unwrap() += 1;
                ("200 OK", answers.export.clone())
            }
            _ => ("404 Not Found", json!({ "message": "no such image" }).to_string().into_bytes()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}

fn history(entries: &[(&str, i64)]) -> Value {
    let entry = |(created_by, size): &(&str, i64)| json!({ "Id": "<missing>", "Created": 0, "CreatedBy": created_by, "Tags": null, "Size": size, "Comment": "" });
    entries.iter().map(entry).collect()
}

fn read(opened: &Opened, wanted: &[Digest]) -> Result<Vec<Digest>, Error> {
    let read = opened.analyse(&opened.images[0], wanted, &Limits::default(), 2, &())?;
    Ok(read.iter().map(|analysed| analysed.fragment.diff_id).collect())
}

#[test]
fn only_a_missed_layer_is_exported() {
    let layers = [layer("a", "1"), layer("b", &"2".repeat(100_000)), layer("a", "1"), layer("c", "3")];
    for newer in [false, true] {
        let engine = Engine::start(&layers, &layers, newer, history(&[]));
        let (opened, ids) = (engine.open(), engine.ids());
        assert_eq!(opened.taken_for, "docker:app:v1");
        assert!(matches!(&opened.images[0].claim, ImageClaim::Engine { diff_ids, .. } if *diff_ids == ids));
        assert_eq!(read(&opened, &[]).unwrap(), []);
        assert_eq!(read(&opened, &[Digest::of(b"of another image")]).unwrap(), []);
        assert_eq!(*engine.exported.lock().unwrap(), 0);
        assert_eq!(read(&opened, &[ids[3], ids[1]]).unwrap(), [ids[1], ids[3]]);
        assert_eq!(read(&opened, &ids).unwrap(), [ids[0], ids[1], ids[3]]);
        assert_eq!(*engine.exported.lock().unwrap(), 2);
    }
}

#[test]
fn an_engine_that_lies_is_refused_with_both_digests() {
    let layers = [layer("a", "1"), layer("b", "2")];
    let forged = [layer("a", "1"), layer("b", "forged")];
    for newer in [false, true] {
        let engine = Engine::start(&layers, &forged, newer, history(&[]));
        let (opened, ids) = (engine.open(), engine.ids());
        assert_eq!(read(&opened, &ids[..1]).unwrap(), ids[..1]);
        let text = match read(&opened, &ids).unwrap_err() {
            Error::Layer { source, .. } => source.to_string(),
            error => error.to_string(),
        };
        assert!(text.contains(&ids[1].hex()) && text.contains(&Digest::of(&forged[1]).hex()), "{text}");
    }
}

#[test]
fn an_export_that_breaks_off_is_an_error() {
    let layers = [layer("a", "1"), layer("b", "2")];
    let engine = Engine::start(&layers, &layers[..1], false, history(&[]));
    assert!(matches!(
        read(&engine.open(), &engine.ids()),
        Err(Error::EngineLayer { position: 1, found: None, .. })
    ));
}

#[test]
fn instructions_only_where_they_are_certain() {
    let layers = [layer("a", "1"), layer("b", "2")];
    let told = |entries: &[(&str, i64)]| {
        let engine = Engine::start(&layers, &layers, true, history(entries));
        let opened = engine.open();
        let instructions = opened.images[0].image.layers.iter().map(|layer| layer.instruction.clone());
        instructions.collect::<Vec<_>>()
    };
    let nop = "/bin/sh -c #(nop)  CMD [\"x\"]";
    assert_eq!(told(&[(nop, 0), ("COPY b", 2), ("WORKDIR /", 0), ("ADD a", 1)]), ["ADD a", "COPY b"]);
    // An empty layer has no size either: what cannot have made a layer is left out.
    assert_eq!(told(&[(nop, 0), ("WORKDIR /b", 0), ("ENV A=1", 0), ("ADD a", 1)]), ["ADD a", "WORKDIR /b"]);
    assert_eq!(told(&[("WORKDIR /b", 0), ("RUN true", 0), ("ADD a", 1)]), ["", ""]);
}

#[test]
fn engine_errors_name_the_address() {
    let engine = Engine::start(&[layer("a", "1")], &[layer("a", "1")], true, history(&[]));
    let options = engine.options();
    let error = |text: &str, options: &Options| open(&text.parse().unwrap(), options).unwrap_err();
    assert!(
        matches!(error("docker:app:v2", &options), Error::NoImage { reference, .. } if reference == "app:v2")
    );
    assert!(matches!(error("docker:../info", &options), Error::Reference { .. }));
    let nobody = engine.directory.path().join("nobody.sock");
    let unreachable = error("docker:app", &engine_at(&nobody));
    assert!(
        matches!(&unreachable, Error::EngineUnreachable { address, .. } if address.ends_with("nobody.sock"))
    );
    let at = |host: &str, tls_verify| Options {
        engine: EngineAddress { host: Some(host.to_owned()), tls_verify, certificates: None, unknown: None },
        ..Options::default()
    };
    for (host, tls_verify) in [("ssh://a", false), ("nonsense", false), ("tcp://127.0.0.1:1", true)] {
        assert!(matches!(error("app", &at(host, tls_verify)), Error::EngineAddress { .. }), "{host}");
    }
    assert!(matches!(error("docker:app", &at("tcp://127.0.0.1:1", false)), Error::EngineUnreachable { .. }));
    let options = Options { platforms: vec!["linux/s390x".parse().unwrap()], ..options };
    assert!(matches!(error("docker:app:v1", &options), Error::Platform { .. }));
}

#[test]
fn a_bare_word_goes_to_the_engine_and_then_to_the_registry() {
    let engine = Engine::start(&[layer("a", "1")], &[layer("a", "1")], true, history(&[]));
    let options = engine.options();
    let bare = |word: &str, options: &Options| open(&word.parse().unwrap(), options);
    assert_eq!(bare("app:v1", &options).unwrap().taken_for, "docker:app:v1");
    // Nobody listens at port 1. What each of them said is told, and what the word was taken for.
    let nobody = engine_at(&engine.directory.path().join("nobody.sock"));
    for (options, said) in [(&options, "no image"), (&nobody, "nobody.sock")] {
        let error = bare("127.0.0.1:1/app", options).unwrap_err();
        assert!(
            matches!(&error, Error::Nowhere { name, registry, .. }
                if name == "127.0.0.1:1/app:latest" && matches!(**registry, Error::Registry(_))),
            "{error}"
        );
        assert!(error.to_string().contains(said), "{error}");
    }
    // What no registry could have is the engine's alone.
    assert!(matches!(bare("UPPER", &options).unwrap_err(), Error::NoImage { .. }));
}

#[test]
fn an_image_given_by_its_id_has_the_name_of_its_tags() {
    let id = Digest::of(b"config");
    let (whole, short) = (id.to_string(), &id.hex()[..12]);
    let called = |asked: &str, tags: &[&str]| {
        engine::called(asked, id, tags.iter().map(|tag| (*tag).to_owned()).collect())
    };
    for asked in [&*whole, &whole["sha256:".len()..], short] {
        assert_eq!(called(asked, &["b/app:2", "b/app:1", "../x"]).as_deref(), Some("b/app:1"), "{asked}");
        assert_eq!(called(asked, &[]), Some(whole.clone()), "{asked}");
    }
    assert_eq!(called("b/app:1", &["b/app:1"]), None);
    // An image may be called like an ID.
    assert_eq!(called(short, &[&format!("{short}:latest")]), None);
}

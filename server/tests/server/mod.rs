//! The real program in a scrubbed world, and what is asked of it.

#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stella::{
    digest::Digest,
    layer::{ANALYZER, Directory, Fragment, SCHEMA},
};
use tempfile::TempDir;

/// The real program, killed without warning when dropped.
pub struct Server {
    pub process: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(data_dir: &Path, config: &str) -> Self {
        Self::start_with(data_dir, config, &[])
    }

    pub fn start_with(data_dir: &Path, config: &str, variables: &[(&str, &OsStr)]) -> Self {
        let file = data_dir.join("config.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stella-server"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .arg("--config")
            .arg(file);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STELLA_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening on http://")?.parse().unwrap()))
            .expect("the server says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    pub fn send(&self, head: &str, body: &[u8]) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
            .unwrap();
        // A server that refuses at once may close before it has read all.
        let _ = stream.write_all(body);
        answer(stream)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json");
        let (status, _, body) = self.send(&head, body.to_string().as_bytes());
        (status, body)
    }

    pub fn put(&self, scan: &str, fragment: &Fragment, blob: Option<Digest>) -> (u16, Value) {
        let blob = blob.map(|blob| format!("&blob={blob}")).unwrap_or_default();
        let head = format!(
            "PUT /v1/scan/{scan}/layers/{}?schema={SCHEMA}&analyzer={ANALYZER}{blob} HTTP/1.1\r\n\
             Content-Type: application/json\r\nContent-Encoding: zstd",
            fragment.diff_id
        );
        let (status, _, body) = self.send(&head, &fragment.encode().unwrap());
        (status, body)
    }

    /// What is kept of a scan's answer; it is kept after it was sent.
    pub fn kept(&self, scan: &str) -> Value {
        let began = Instant::now();
        loop {
            let (status, text, body) = self.get(&format!("/v1/scan/{scan}"));
            if status == 200 {
                return body;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{text}");
        }
    }

    pub fn get(&self, path: &str) -> (u16, String, Value) {
        self.send(&format!("GET {path} HTTP/1.1"), b"")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Status, everything as text, and the body where it is JSON.
pub fn answer(mut stream: TcpStream) -> (u16, String, Value) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, text.clone(), serde_json::from_str(body).unwrap_or(Value::Null))
}

pub fn start(config: &str) -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), config);
    (dir, server)
}

pub fn fragment(layer: &str, path: &str) -> Fragment {
    Fragment {
        schema: SCHEMA,
        analyzer: ANALYZER.to_owned(),
        diff_id: Digest::of(layer.as_bytes()),
        files: 1,
        size_bytes: 1024,
        directories: vec![Directory { path: path.to_owned(), ..Directory::default() }],
        facts: Vec::new(),
        unread: Vec::new(),
    }
}

pub fn request(image: Value) -> Value {
    json!({ "schema": SCHEMA, "analyzer": ANALYZER, "reference": "app:1", "image": image })
}

pub fn engine(layers: &[&str]) -> Value {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer.as_bytes())).collect();
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    request(json!({ "engine": {
        "image_id": Digest::of(b"image"), "platform": platform, "diff_ids": diff_ids, "history": [] } }))
}

pub fn missing(answer: &(u16, Value)) -> Vec<Digest> {
    assert_eq!((answer.0, &answer.1["state"]), (200, &json!("missing")), "{answer:?}");
    serde_json::from_value(answer.1["missing"].clone()).unwrap()
}

pub fn name(answer: &(u16, Value)) -> String {
    answer.1["scan"].as_str().unwrap().to_owned()
}

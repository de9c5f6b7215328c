//! The work queue: what takes CPU or disk runs off the threads that serve connections, so many at a time, and only so
//! many may wait.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::Limits,
    log::panic_text,
    metrics::Metrics,
    problem::{self, Problem},
};

/// Turns, and places to wait for one.
pub struct Work {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    queue: usize,
    metrics: Arc<Metrics>,
}

impl Work {
    /// Bounds by the limits `work` and `queue`; `threads` is how many processors there are.
    pub fn new(limits: &Limits, threads: usize, metrics: Arc<Metrics>) -> Self {
        let turns = if limits.work == 0 { threads * 2 } else { limits.work };
        Self {
            turns: Arc::new(Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS))),
            places: Arc::new(Semaphore::new(limits.queue.min(Semaphore::MAX_PERMITS))),
            queue: limits.queue,
            metrics,
        }
    }

    /// Does `work` when it is its turn. Who drops the future before that, because the client left, drops the work too;
    /// once begun it goes to its end.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => self.wait().await?,
        };
        self.metrics.work("begun");
        let running = Counted::new(&self.metrics.running);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (turn, running);
            work()
        });
        match done.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => {
                Err(Problem::internal("panic", &panic_text(error.into_panic().as_ref())))
            }
            Err(error) => Err(Problem::internal("work queue", &error)),
        }
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let Ok(_place) = self.places.try_acquire() else {
            self.metrics.work("refused");
            let detail =
                format!("{} requests wait already, the limit `queue`: try again in a second.", self.queue);
            return Err(Problem::new(problem::BUSY, detail));
        };
        let _waiting = Counted::new(&self.metrics.waiting);
        let mut left = Left(Some(&self.metrics));
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        left.0 = None;
        turn.map_err(|error| Problem::internal("work queue", &error))
    }
}

/// One more in a gauge, for as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Dropped before the turn came.
struct Left<'a>(Option<&'a Metrics>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.work("abandoned");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
        sync::Mutex,
        time::{Duration, Instant},
    };

    use stella::{advisory::Compiler, api::Pair, digest::Digest, layer::ANALYZER, layer::SCHEMA};

    use super::*;
    use crate::{
        Server, Settings, advisories, fragments, routes, scan,
        store::{Error, Owner, Scan, Space, Store, Stored, Upload},
        updates::Updates,
    };

    /// A store that answers once the test lets it.
    #[derive(Default)]
    struct Slow {
        ping: Mutex<()>,
        layers: Mutex<()>,
        closing: Mutex<()>,
    }

    impl Store for Slow {
        fn ping(&self) -> Result<(), Error> {
            drop(self.ping.lock().unwrap());
            Ok(())
        }
        fn layers(&self, _: &Space, diff_ids: &[Digest]) -> Result<Vec<Option<Digest>>, Error> {
            drop(self.layers.lock().unwrap());
            Ok(vec![None; diff_ids.len()])
        }
        fn pairs(&self, _: &Owner, pairs: &[Pair]) -> Result<Vec<bool>, Error> {
            Ok(vec![false; pairs.len()])
        }
        fn fragment(&self, _: &Space, _: Digest, _: Digest) -> Result<Option<Vec<u8>>, Error> {
            Ok(None)
        }
        fn put_fragment(&self, _: &Upload<'_>) -> Result<Stored, Error> {
            Ok(Stored::New)
        }
        fn add_pairs(&self, _: &Owner, _: &[Pair]) -> Result<(), Error> {
            Ok(())
        }
        fn open_scan(&self, _: &str, _: &[u8]) -> Result<(), Error> {
            Ok(())
        }
        fn scan(&self, _: &str) -> Result<Option<Scan>, Error> {
            Ok(None)
        }
        fn newest_scans(&self, _: usize) -> Result<Vec<String>, Error> {
            Ok(Vec::new())
        }
        fn close_scan(&self, _: &str, _: &[u8]) -> Result<(), Error> {
            drop(self.closing.lock().unwrap());
            Ok(())
        }
    }

    struct Running {
        address: SocketAddr,
        metrics: Arc<Metrics>,
        stop: tokio::sync::oneshot::Sender<()>,
        running: tokio::task::JoinHandle<()>,
        runtime: tokio::runtime::Runtime,
    }

    /// One turn, one place to wait.
    fn serve(store: Arc<Slow>) -> Running {
        let mut settings = Settings::default();
        (settings.limits.work, settings.limits.queue, settings.deadlines.ready_ms) = (1, 1, 300);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), Compiler::default().to_bytes().unwrap()).unwrap();
        let metrics = Arc::new(Metrics::new());
        let scans = scan::Scans {
            store,
            fragments: fragments::Fragments::new(0),
            advisories: advisories::Advisories::open(file.path(), Arc::clone(&metrics)),
            limits: stella::layer::Limits::default(),
            sbom_bytes: 0,
            metrics: Arc::clone(&metrics),
        };
        let trials = crate::trial::Trials::new(settings.feeds.canary.clone());
        let updates =
            Updates::new(&settings.feeds, Vec::new(), file.path(), file.path(), Arc::clone(&metrics));
        let shared = Arc::new(routes::Shared::new(scans, trials, updates, settings.clone(), 8));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let running =
            runtime.spawn(Server::new(shared, settings).run(listener, async { drop(stopped.await) }));
        Running { address, metrics, stop, running, runtime }
    }

    impl Running {
        fn send(&self, head: &str, body: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).unwrap();
            let length = body.len();
            write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").unwrap();
            write!(stream, "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
                .unwrap();
            stream
        }

        fn ask(&self) -> TcpStream {
            let body = format!(r#"{{"schema":{SCHEMA},"analyzer":"{ANALYZER}","diff_ids":[]}}"#);
            self.send("POST /v1/layers/missing", &body)
        }

        fn get(&self, path: &str) -> String {
            answer(self.send(&format!("GET {path}"), ""))
        }
    }

    fn answer(mut stream: TcpStream) -> String {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn until(gauge: &Gauge, value: i64) {
        let started = Instant::now();
        while gauge.get() != value {
            assert!(started.elapsed() < Duration::from_secs(10), "{} is not {value}", gauge.get());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn the_queue_is_bounded_and_who_left_is_not_worked_for() {
        let store = Arc::new(Slow::default());
        let server = serve(Arc::clone(&store));
        let held = store.layers.lock().unwrap();
        let first = server.ask();
        until(&server.metrics.running, 1);
        let leaving = server.ask();
        until(&server.metrics.waiting, 1);
        let refused = answer(server.ask());
        for words in ["HTTP/1.1 503", "retry-after: 1\r\n", "urn:stella:problem:busy", "`queue`"] {
            assert!(refused.contains(words), "{refused}");
        }
        // Whoever watches over the server is answered all the same.
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert!(server.get(path).starts_with("HTTP/1.1 200"), "{path}");
        }
        drop(leaving);
        until(&server.metrics.waiting, 0);
        let second = server.ask();
        until(&server.metrics.waiting, 1);
        drop(held);
        assert!(answer(first).starts_with("HTTP/1.1 200"));
        assert!(answer(second).starts_with("HTTP/1.1 200"));
        until(&server.metrics.running, 0);
        let metrics = server.get("/metrics");
        for line in ["begun\"} 2", "abandoned\"} 1", "refused\"} 1"] {
            assert!(metrics.contains(&format!("stella_work_total{{outcome=\"{line}\n")), "{line}{metrics}");
        }
    }

    #[test]
    fn a_request_that_is_here_is_answered_before_a_stop() {
        let store = Arc::new(Slow::default());
        let server = serve(Arc::clone(&store));
        let held = store.layers.lock().unwrap();
        let asked = server.ask();
        until(&server.metrics.running, 1);
        server.stop.send(()).unwrap();
        let started = Instant::now();
        while TcpStream::connect(server.address).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(10), "it still listens");
        }
        assert!(!server.running.is_finished(), "it waits for the request");
        drop(held);
        assert!(answer(asked).starts_with("HTTP/1.1 200"));
        server.runtime.block_on(server.running).unwrap();
    }

    #[test]
    fn a_result_can_be_had_before_it_is_written() {
        let store = Arc::new(Slow::default());
        let server = serve(Arc::clone(&store));
        let held = store.closing.lock().unwrap();
        // Nothing is missing of an image without layers.
        let image = r#"{"os":"linux","architecture":"amd64"},"diff_ids":[],"history":[]"#;
        let id = Digest::of(b"image");
        let image = format!(r#"{{"engine":{{"image_id":"{id}","platform":{image}}}}}"#);
        let body =
            format!(r#"{{"schema":{SCHEMA},"analyzer":"{ANALYZER}","reference":"a","image":{image}}}"#);
        let sent = answer(server.send("POST /v1/scan", &body));
        let (_, sent) = sent.split_once("\r\n\r\n").unwrap();
        let name = sent.split_once(r#""scan":""#).and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
        let path = format!("/v1/scan/{name}");
        let kept = server.get(&path);
        assert!(kept.starts_with("HTTP/1.1 200") && kept.ends_with(sent), "{kept}");
        drop(held);
        // This store keeps nothing, and no more does the server.
        let started = Instant::now();
        while !server.get(&path).starts_with("HTTP/1.1 404") {
            assert!(started.elapsed() < Duration::from_secs(10), "it keeps what is written");
        }
    }

    #[test]
    fn a_store_that_hangs_is_not_ready() {
        let store = Arc::new(Slow::default());
        let server = serve(Arc::clone(&store));
        assert!(server.get("/readyz").ends_with("ready\n"));
        let held = store.ping.lock().unwrap();
        // More probes than there are threads for them.
        for _ in 0..6 {
            let found = server.get("/readyz");
            assert!(found.starts_with("HTTP/1.1 503") && found.contains("not-ready"), "{found}");
        }
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
        drop(held);
        assert!(server.get("/readyz").ends_with("ready\n"));
    }
}

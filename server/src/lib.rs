//! Stella's server: HTTP over the engine. Which layers are known, what they hold, what the policy says.
//!
//! ```text
//! connection -> route -> work (its turn) -> scan -> store
//!                                            |-> evaluate (the engine: merge, match, judge)
//! ```
//!
//! A node keeps nothing that the store does not have but a cache of decoded fragments, and answers on their way there.

mod advisories;
mod bounds;
mod canary;
pub mod command;
mod config;
mod evaluate;
mod fragments;
mod held;
mod keeping;
pub mod log;
mod metrics;
mod moved;
mod problem;
mod routes;
mod sbom;
mod scan;
mod schedule;
pub mod store;
mod trial;
mod updates;
mod work;

use std::{io::ErrorKind, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use metrics::Metrics;

pub use config::{Canary, Config, Deadlines, FEEDS_TOKEN, Feeds, Limits, Schedule, Secret, Settings, Size};

/// The compiled advisories in the data directory, where no others are named.
const ADVISORIES: &str = "advisories.db";

/// What a connection may have in its buffers: longest request line and headers.
const HEADERS_BYTES: usize = 64 << 10;

/// A pause when the system has no more file descriptors: to accept again at once would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The configuration file cannot be used.
    #[error(transparent)]
    Settings(#[from] config::Error),
    /// Advisories are named that are not there.
    #[error(
        "advisories {}: no such file; `stella-server feeds update` or `import` makes it, or a section `feeds` in the configuration",
        path.display()
    )]
    Advisories {
        /// The file.
        path: PathBuf,
    },
}

/// A server that is ready to answer.
pub struct Server {
    shared: Arc<routes::Shared>,
    router: Router,
    settings: Settings,
}

impl Server {
    /// Opens the store and the advisories.
    pub fn open(config: Config) -> Result<Self, Error> {
        let Config { data_dir, advisories, program, settings } = config;
        let limits = &settings.limits;
        let metrics = Arc::new(Metrics::new());
        let errors = metrics.store_errors.clone();
        let store = store::Embedded::open(&data_dir, limits.store_cache_bytes, limits.scans, errors)?;
        let (path, is_named) =
            advisories.map_or_else(|| (data_dir.join(ADVISORIES), false), |path| (path, true));
        // Nothing will make a file that is named, not there, and not fetched: somebody mistook the name.
        if is_named && settings.feeds.schedule == Schedule::Off && !trial::is_any(&path) {
            return Err(Error::Advisories { path });
        }
        let advisories = advisories::Advisories::open(&path, Arc::clone(&metrics));
        let updates = updates::Updates::new(&settings.feeds, program, &data_dir, &path, Arc::clone(&metrics));
        let scans = scan::Scans {
            store: Arc::new(store),
            fragments: fragments::Fragments::new(limits.fragment_cache_bytes),
            advisories,
            limits: stella::layer::Limits::default(),
            sbom_bytes: limits.sbom_bytes,
            metrics,
        };
        let trials = trial::Trials::new(settings.feeds.canary.clone());
        if scans.advisories.snapshot().is_none() {
            // The first one need not wait for anybody.
            trials.look(&scans);
        }
        if scans.advisories.snapshot().is_none() {
            updates.lack();
            tracing::warn!(path = %path.display(), "no advisories: scans are answered 503 until they are there");
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(routes::Shared::new(scans, trials, updates, settings.clone(), threads));
        Ok(Self::new(shared, settings))
    }

    fn new(shared: Arc<routes::Shared>, settings: Settings) -> Self {
        Self { router: routes::router(Arc::clone(&shared)), shared, settings }
    }

    /// Serves until `shutdown` ends, then lets running requests finish within their bound.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let advisories = tokio::spawn(routes::keep_advisories(Arc::clone(&self.shared)));
        let graceful = GracefulShutdown::new();
        let slots =
            Arc::new(Semaphore::new(self.settings.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        loop {
            let accepting = async {
                // A slot first: who finds none waits in the system's queue.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            };
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accepting => accepted,
            };
            match accepted {
                (Ok(slot), Ok((stream, _))) => self.serve(stream, slot, graceful.watcher()),
                (_, Err(error)) if error.kind() == ErrorKind::ConnectionAborted => {}
                (_, Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => break,
            }
        }
        drop(listener);
        self.shared.stopping.send_replace(true);
        tracing::info!(connections = graceful.count(), "stopping");
        let bound = Duration::from_millis(self.settings.deadlines.shutdown_ms);
        if tokio::time::timeout(bound, graceful.shutdown()).await.is_err() {
            tracing::warn!(shutdown_ms = self.settings.deadlines.shutdown_ms, "requests were cut off");
        }
        // An update ended with the first word of the stop; a trial that is cut begins again.
        advisories.abort();
    }

    fn serve(&self, stream: TcpStream, slot: OwnedSemaphorePermit, watcher: Watcher) {
        // Small answers at once; without it a round trip can wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(self.settings.deadlines.headers_ms))
            .max_buf_size(HEADERS_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
        let connection = watcher.watch(connection);
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection");
            }
        });
    }
}

/// Opens a server and serves on `listener` until `shutdown` ends.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::open(config)?.run(listener, shutdown).await;
    Ok(())
}

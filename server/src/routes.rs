//! The HTTP API: paths, bodies, bounds. What a call means is in [`crate::scan`].

use std::{
    any::Any,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, MatchedPath, Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::json;
use stella::{api::ScanAnswer, digest::Digest, feeds::Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    config::Settings,
    keeping::Keeping,
    log::panic_text,
    problem::{self, Problem},
    scan::{Scans, UploadQuery, pack, to_json},
    store,
    trial::{self, Trials},
    updates::{Refused, Updates},
    work::Work,
};

/// Bodies are counted in blocks: a semaphore's permits are 32 bits.
const BLOCK_BYTES: usize = 4096;

/// Threads that ask the store for `/readyz`: one that hangs must not take more.
const PROBES: usize = 4;

/// What every handler shares.
pub struct Shared {
    scans: Scans,
    settings: Settings,
    blocks: Arc<Semaphore>,
    work: Work,
    probes: Arc<Semaphore>,
    keeping: Keeping,
    trials: Trials,
    updates: Updates,
    /// Whether a stop was asked for.
    pub stopping: watch::Sender<bool>,
}

type Handle = State<Arc<Shared>>;

impl Shared {
    /// Bounds everything by the settings; `threads` is how many CPUs there are.
    pub fn new(scans: Scans, trials: Trials, updates: Updates, settings: Settings, threads: usize) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            blocks: semaphore(settings.limits.bodies_bytes / BLOCK_BYTES),
            work: Work::new(&settings.limits, threads, Arc::clone(&scans.metrics)),
            probes: semaphore(PROBES),
            keeping: Keeping::default(),
            trials,
            updates,
            stopping: watch::Sender::new(false),
            scans,
            settings,
        }
    }
}

/// All routes.
pub fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/v1/scan", post(start))
        .route("/v1/scan/{name}", get(scan))
        .route("/v1/scan/{name}/layers/{diff_id}", put(upload))
        .route("/v1/layers/missing", post(missing))
        .route("/v1/feeds", get(feeds))
        .route("/v1/feeds/update", post(update_feeds))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), bounded));
    Router::new()
        .merge(api)
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        // Bodies are bounded by `read`, which names the limit.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), counted))
        .with_state(shared)
}

async fn start(State(shared): Handle, request: Request) -> Result<Response, Problem> {
    let form = Form::wanted(request.headers());
    let body = read_json(&shared, request).await?;
    scan_answer(shared, form, move |scans| scans.start(&body.bytes)).await
}

async fn upload(
    State(shared): Handle,
    Path((name, diff_id)): Path<(String, String)>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let diff_id: Digest =
        diff_id.parse().map_err(|error: stella::digest::Error| invalid("the path", &error))?;
    let Query(query) = query.map_err(|error| invalid("the query", &error.body_text()))?;
    media_type(request.headers(), "zstd")?;
    let form = Form::wanted(request.headers());
    let body = read(&shared, request, "fragment_bytes", shared.settings.limits.fragment_bytes).await?;
    scan_answer(shared, form, move |scans| scans.put(&name, diff_id, &query, &body.bytes)).await
}

async fn scan(State(shared): Handle, Path(name): Path<String>) -> Result<Response, Problem> {
    if let Some(json) = shared.keeping.get(&name) {
        return Ok(json_response(json));
    }
    on_a_thread(&shared, move |scans| scans.get(&name)).await.map(json_response)
}

async fn missing(State(shared): Handle, request: Request) -> Result<Response, Problem> {
    let body = read_json(&shared, request).await?;
    on_a_thread(&shared, move |scans| to_json(&scans.missing(&body.bytes)?)).await.map(json_response)
}

/// How the advisories stand; of a trial no more than its outcome: what images hold is for their callers.
async fn feeds(State(shared): Handle) -> Result<Response, Problem> {
    let update = shared.updates.state();
    on_a_thread(&shared, move |scans| {
        let target = Target::tried(scans.advisories.path());
        let canary = trial::report(&target).map(|report| {
            json!({ "tried": report.tried, "outcome": report.outcome, "reasons": report.reasons,
                    "warnings": report.warnings, "new": report.new })
        });
        to_json(&json!({
            "snapshot": scans.advisories.snapshot().map(|snapshot| snapshot.id()),
            "held": target.held().exists(),
            "canary": canary,
            "update": update,
        }))
    })
    .await
    .map(json_response)
}

async fn update_feeds(State(shared): Handle, headers: HeaderMap) -> Result<Response, Problem> {
    let off = |detail: &str| Problem::new(problem::UPDATES_OFF, detail);
    let token = shared.updates.token().ok_or_else(|| {
        off("Start the server with STELLA_SERVER_FEEDS_TOKEN, or with `token` in the section `feeds` of its configuration, and \
             send the same as `Authorization: Bearer TOKEN`.")
    })?;
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent =
        sent.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    if !sent.is_some_and(|(_, sent)| token.is(sent.trim())) {
        let detail = "Send the server's STELLA_SERVER_FEEDS_TOKEN as `Authorization: Bearer TOKEN`.";
        return Err(Problem::new(problem::UNAUTHORIZED, detail));
    }
    let began = shared.updates.ask().map_err(|refused| match refused {
        Refused::Running(since) => Problem::new(
            problem::UPDATE_RUNNING,
            format!("It runs since {since}: GET /v1/feeds says how it ends."),
        ),
        Refused::Unable => off("This server does not know its own program, which it would start for that."),
    })?;
    let json = to_json(&json!({ "running_since": began }))?;
    Ok((StatusCode::ACCEPTED, json_response(json)).into_response())
}

/// Updates and tries the advisories until the server stops.
pub async fn keep_advisories(shared: Arc<Shared>) {
    let trials = async {
        let mut stopping = shared.stopping.subscribe();
        let mut pause = LOOK_EVERY;
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(pause) => {}
            }
            let looking = Arc::clone(&shared);
            let look = move || looking.trials.look(&looking.scans);
            let is_settled = tokio::task::spawn_blocking(look).await.unwrap_or_default();
            // What cannot be put in place now may be later; to say so once a second helps nobody.
            pause = if is_settled { LOOK_EVERY } else { (pause * 2).clamp(LOOK_AGAIN, LOOK_LATEST) };
        }
    };
    tokio::join!(trials, shared.updates.run(shared.stopping.subscribe()));
}

/// How often it is looked whether there is a new database.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one that could not be put in place is let be.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How long it is let be at most, each pause being twice the last.
const LOOK_LATEST: Duration = Duration::from_secs(16 * 60);

/// Apart from the work queue: a server that has much to do is ready.
async fn ready(State(shared): Handle) -> Result<&'static str, Problem> {
    let not_ready = |detail: &str| Problem::new(problem::NOT_READY, detail);
    let deadline = shared.settings.deadlines.ready();
    let ping = async {
        let probe = Arc::clone(&shared.probes).acquire_owned().await;
        let store = Arc::clone(&shared.scans.store);
        let asked = tokio::task::spawn_blocking(move || {
            let _probe = probe;
            store.ping()
        });
        asked.await.map_err(|error| Problem::internal("readiness", &error))?.map_err(|error| match error {
            store::Error::Full { .. } => not_ready(&error.to_string()),
            error => {
                tracing::error!(%error, "not ready: the store");
                not_ready("The store does not work; the server's log has the particulars.")
            }
        })
    };
    tokio::time::timeout(deadline, ping).await.unwrap_or_else(|_| {
        tracing::error!(ready_ms = deadline.as_millis(), "not ready: the store does not answer");
        Err(not_ready("The store does not answer."))
    })?;
    match shared.scans.advisories.snapshot() {
        Some(_) => Ok("ready\n"),
        None => {
            Err(not_ready("No advisories are open: make them with `stella-server feeds update` or `import`."))
        }
    }
}

async fn metrics(State(shared): Handle) -> Result<Response, Problem> {
    let text = shared.scans.metrics.text().map_err(|error| Problem::internal("metrics", &error))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

async fn no_route() -> Problem {
    Problem::new(problem::NO_ROUTE, "The API is under /v1: see the server's documentation.")
}

async fn no_method(method: Method) -> Problem {
    Problem::new(problem::NO_METHOD, format!("{method} means nothing here."))
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    Problem::internal("panic", &panic_text(panic.as_ref())).into_response()
}

/// Counts and logs each request.
async fn counted(State(shared): Handle, request: Request, next: Next) -> Response {
    let started = Instant::now();
    // Both are patterns of ours, never the caller's words: they become labels.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    shared.scans.metrics.request(method, &route, status, took);
    tracing::debug!(method, route, status, took_ms = took.as_secs_f64() * 1000.0, "request");
    response
}

/// Each within its deadline. How many there may be is bounded where they cost something: connections when they are
/// accepted, memory as bodies arrive, work by its queue. Half a request takes nobody's turn.
async fn bounded(State(shared): Handle, request: Request, next: Next) -> Response {
    let deadline = shared.settings.deadlines.request();
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("Not done after {} ms, the deadline `request_ms`.", deadline.as_millis());
            Problem::new(problem::DEADLINE, detail).into_response()
        }
    }
}

/// A body, and the memory it was granted.
struct Granted {
    bytes: Bytes,
    _blocks: Option<OwnedSemaphorePermit>,
}

async fn read_json(shared: &Shared, request: Request) -> Result<Granted, Problem> {
    media_type(request.headers(), "identity")?;
    read(shared, request, "request_bytes", shared.settings.limits.request_bytes).await
}

fn media_type(headers: &HeaderMap, encoding: &str) -> Result<(), Problem> {
    let value = |name| headers.get(name).map_or(Ok(""), |value| value.to_str()).unwrap_or("?").trim();
    let content_type = value(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim_end();
    let found = Some(value(header::CONTENT_ENCODING)).filter(|found| !found.is_empty()).unwrap_or("identity");
    if content_type.eq_ignore_ascii_case("application/json") && found.eq_ignore_ascii_case(encoding) {
        return Ok(());
    }
    let detail = format!(
        "Want Content-Type application/json with Content-Encoding {encoding}; found {content_type:?} with {found:?}."
    );
    Err(Problem::new(problem::MEDIA_TYPE, detail))
}

/// Reads a body within its limit, its deadline and what all bodies together may take.
async fn read(shared: &Shared, request: Request, name: &str, limit_bytes: usize) -> Result<Granted, Problem> {
    let too_large = || {
        let detail = format!("The limit `{name}` is {limit_bytes} bytes.");
        Problem::new(problem::TOO_LARGE, detail)
    };
    let mut body = request.into_body();
    // A body that says it is too large is not read at all.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > limit_bytes) {
        return Err(too_large());
    }
    let deadline = shared.settings.deadlines.body();
    let reading = async {
        let mut bytes: Vec<u8> = Vec::new();
        let mut granted: Option<OwnedSemaphorePermit> = None;
        while let Some(data) = next_data(&mut body).await? {
            if data.len() > limit_bytes - bytes.len() {
                return Err(too_large());
            }
            grant(shared, &mut granted, bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
        Ok(Granted { bytes: bytes.into(), _blocks: granted })
    };
    let mut stopping = shared.stopping.subscribe();
    tokio::select! {
        // What is here already is read and answered.
        biased;
        done = tokio::time::timeout(deadline, reading) => done.unwrap_or_else(|_| {
            let detail = format!("Not here after {} ms, the deadline `body_ms`.", deadline.as_millis());
            Err(Problem::new(problem::SLOW_BODY, detail))
        }),
        _ = stopping.wait_for(|stopping| *stopping) => {
            Err(Problem::new(problem::STOPPING, "The request was not here in full: send it again."))
        }
    }
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let frame = frame.map_err(|error| invalid("reading the body", &error))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Memory is granted for what has arrived, not for what was announced: an announcement costs a caller nothing.
fn grant(shared: &Shared, granted: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Problem> {
    let have = granted.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let Some(more) = bytes.div_ceil(BLOCK_BYTES).checked_sub(have).filter(|more| *more > 0) else {
        return Ok(());
    };
    let busy = || {
        let detail =
            "All memory for request bodies is taken, the limit `bodies_bytes`: try again in a second.";
        Problem::new(problem::BUSY, detail)
    };
    let more = u32::try_from(more).map_err(|_| busy())?;
    let permit = Arc::clone(&shared.blocks).try_acquire_many_owned(more).map_err(|_| busy())?;
    match granted {
        Some(granted) => granted.merge(permit),
        None => *granted = Some(permit),
    }
    Ok(())
}

/// Does one call's work when it is its turn.
async fn on_a_thread<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Scans) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let scans = Arc::clone(shared);
    shared.work.run(move || work(&scans.scans)).await
}

/// How an answer travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Zstd,
}

impl Form {
    /// `Accept-Encoding` of a request (RFC 9110, 12.5.3): zstd where it is named without `q=0`.
    fn wanted(headers: &HeaderMap) -> Self {
        let takes_zstd = |entry: &str| {
            let (coding, weight) = entry.split_once(';').unwrap_or((entry, ""));
            let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32);
            coding.trim().eq_ignore_ascii_case("zstd") && !refused
        };
        let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        if values.flat_map(|value| value.split(',')).any(takes_zstd) { Self::Zstd } else { Self::Plain }
    }
}

/// Answers a scan; a result is written to the store after it was sent.
async fn scan_answer(
    shared: Arc<Shared>,
    form: Form,
    work: impl FnOnce(&Scans) -> Result<ScanAnswer, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let (json, packed, done) = on_a_thread(&shared, move |scans| {
        let answer = work(scans)?;
        let json = Bytes::from(to_json(&answer)?);
        let ScanAnswer::Done { scan, .. } = answer else { return Ok((json, None, None)) };
        let packed = (form == Form::Zstd).then(|| pack(&json).map(Bytes::from)).transpose()?;
        Ok((json, packed, Some(scan)))
    })
    .await?;
    let response = match &packed {
        Some(packed) => ([(header::CONTENT_ENCODING, "zstd")], json_response(packed.clone())).into_response(),
        None => json_response(json.clone()),
    };
    if let Some(name) = done.filter(|name| shared.keeping.begin(name, &json)) {
        tokio::task::spawn_blocking(move || {
            let _writing = shared.keeping.until_written(&name);
            let packed = packed.map_or_else(|| pack(&json).map(Bytes::from), Ok);
            // Logged where it happens, and no loss: the scan can be asked for again.
            drop(packed.and_then(|packed| shared.scans.keep(&name, &packed)));
        });
    }
    Ok(response)
}

fn json_response(json: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.into()).into_response()
}

fn invalid(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(problem::INVALID, format!("{what}: {error}"))
}

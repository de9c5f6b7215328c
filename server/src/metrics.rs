//! Metrics, as Prometheus reads them.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use stella::advisory::Snapshot;

use crate::store::{self, Stored};

/// Upper bounds of the duration buckets, seconds: fine where a gate is, coarse where something is wrong.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feed {
    feed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SnapshotId {
    id: String,
}

/// Calls of the store that failed, by why.
#[derive(Debug, Clone, Default)]
pub struct StoreErrors(Family<Kind, Counter>);

impl StoreErrors {
    /// One more.
    pub fn count(&self, error: &store::Error) {
        let kind = match error {
            store::Error::Full { .. } => "full",
            store::Error::Damaged { .. } => "damaged",
            _ => "other",
        };
        self.0.get_or_create(&Kind { kind }).inc();
    }
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    layers: Family<Outcome, Counter>,
    fragments: Family<Outcome, Counter>,
    scans: Family<Outcome, Counter>,
    work: Family<Outcome, Counter>,
    snapshot: Family<SnapshotId, Gauge>,
    feeds: Family<Feed, Gauge>,
    known_until: Family<Feed, Gauge>,
    /// Times that a new file of advisories could not be opened.
    pub snapshot_errors: Counter,
    candidates: Family<Outcome, Counter>,
    updates: Family<Outcome, Counter>,
    /// 1 while a new database is held back.
    pub held: Gauge,
    /// Calls of the store that failed.
    pub store_errors: StoreErrors,
    /// Requests that are worked on now.
    pub running: Gauge,
    /// Requests that wait for their turn now.
    pub waiting: Gauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("stella");
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            layers: Family::default(),
            fragments: Family::default(),
            scans: Family::default(),
            work: Family::default(),
            snapshot: Family::default(),
            feeds: Family::default(),
            known_until: Family::default(),
            snapshot_errors: Counter::default(),
            candidates: Family::default(),
            updates: Family::default(),
            held: Gauge::default(),
            store_errors: StoreErrors::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests by route and status", metrics.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from headers to answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("layers", "Layers that scans asked for, known or not", metrics.layers.clone());
        registry.register(
            "fragments",
            "Fragments received, by what became of them",
            metrics.fragments.clone(),
        );
        registry.register(
            "scans",
            "Scan requests, by whether all was known, or of an SBOM",
            metrics.scans.clone(),
        );
        registry.register("work", "Requests for work, by what became of them", metrics.work.clone());
        registry.register(
            "store_errors",
            "Calls of the store that failed, by why",
            metrics.store_errors.0.clone(),
        );
        registry.register("work_running", "Requests that are worked on now", metrics.running.clone());
        registry.register("work_waiting", "Requests that wait for their turn now", metrics.waiting.clone());
        registry.register("snapshot_info", "The advisories that are open", metrics.snapshot.clone());
        registry.register_with_unit(
            "feed_as_of",
            "Unix time of the newest advisory of each open feed; its age is time() minus this",
            Unit::Seconds,
            metrics.feeds.clone(),
        );
        registry.register_with_unit(
            "feed_known_until",
            "Unix time at which the day began of which each open feed and database certainly knows, by its last check, else by its newest record",
            Unit::Seconds,
            metrics.known_until.clone(),
        );
        registry.register(
            "snapshot_errors",
            "Times that a new file of advisories could not be opened",
            metrics.snapshot_errors.clone(),
        );
        registry.register(
            "snapshot_candidates",
            "New databases of advisories, by what became of them",
            metrics.candidates.clone(),
        );
        registry.register(
            "snapshot_held",
            "1 while a new database of advisories is held back",
            metrics.held.clone(),
        );
        registry.register(
            "feed_updates",
            "Updates of the advisories, by how they ended",
            metrics.updates.clone(),
        );
        let build = vec![("version", env!("CARGO_PKG_VERSION")), ("analyzer", stella::layer::ANALYZER)];
        registry.register("build", "This server", Info::new(build));
        Self { registry, ..metrics }
    }

    /// One answered request. `route` is the pattern, never the path: paths are the caller's to invent.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.durations
            .get_or_create(&Route { method: method.clone(), route: route.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&Answer { method, route, status }).inc();
    }

    /// One scan request and the layers it asked for.
    pub fn scan(&self, hits: usize, misses: usize) {
        self.layers.get_or_create(&Outcome { outcome: "hit" }).inc_by(hits as u64);
        self.layers.get_or_create(&Outcome { outcome: "miss" }).inc_by(misses as u64);
        let outcome = if misses == 0 { "known" } else { "missing" };
        self.scans.get_or_create(&Outcome { outcome }).inc();
    }

    /// One SBOM that was read.
    pub fn sbom(&self) {
        self.scans.get_or_create(&Outcome { outcome: "sbom" }).inc();
    }

    /// One fragment that was kept.
    pub fn fragment(&self, stored: Stored) {
        let outcome = match stored {
            Stored::New => "new",
            Stored::Same => "same",
            Stored::Disputed => "disputed",
        };
        self.fragments.get_or_create(&Outcome { outcome }).inc();
    }

    /// The advisories that are open from now on.
    pub fn snapshot(&self, snapshot: &Snapshot) {
        self.snapshot.clear();
        self.snapshot.get_or_create(&SnapshotId { id: snapshot.id().to_string() }).set(1);
        self.feeds.clear();
        for feed in snapshot.feeds() {
            // A feed that gives no date has no age.
            if let Ok(as_of) = feed.as_of.parse::<Timestamp>() {
                self.feeds.get_or_create(&Feed { feed: feed.name }).set(as_of.as_second());
            }
        }
        self.known_until.clear();
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        for feed in snapshot.feeds().iter().chain(snapshot.databases()) {
            // As with a gate, a day that will not come soon is none.
            let day = feed.believed_until(today);
            if let Some(began) = day.and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()) {
                let label = Feed { feed: feed.name.clone() };
                self.known_until.get_or_create(&label).set(began.as_second());
            }
        }
    }

    /// One new database: `taken`, `held`, or `failed` where it could not be put in place.
    pub fn candidate(&self, outcome: &'static str) {
        self.candidates.get_or_create(&Outcome { outcome }).inc();
    }

    /// One update: `done` or `failed`.
    pub fn update(&self, outcome: &'static str) {
        self.updates.get_or_create(&Outcome { outcome }).inc();
    }

    /// One request for work: `begun`, `refused` because the queue was full, or `abandoned` while it waited.
    pub fn work(&self, outcome: &'static str) {
        self.work.get_or_create(&Outcome { outcome }).inc();
    }

    /// OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use stella::{
        advisory::{Advisory, Compiler, Exploited, Fact, State},
        finding::Severity,
    };

    use super::*;

    #[test]
    fn feeds_and_databases_say_what_they_know_until() {
        let snapshot = |ecosystems: &[(&str, &str)]| {
            let mut compiler = Compiler::default();
            for (ecosystem, modified) in ecosystems {
                let advisory = Advisory {
                    id: "CVE-2024-1".into(),
                    source: "test".into(),
                    aliases: Vec::new(),
                    summary: String::new(),
                    severity: Severity::High,
                    state: State::Affected,
                    ranges: Vec::new(),
                    versions: vec!["1".into()],
                };
                compiler.add(ecosystem, "a", modified, advisory);
            }
            let exploited = Some(Exploited { since: "2024-01-01".into(), ransomware: false });
            let fact = Fact { exploited, ..Fact::default() };
            compiler.add_fact("CVE-2024-1".into(), "kev", fact);
            compiler.set_checked("npm", date(2024, 2, 1));
            compiler.set_checked("kev", date(2024, 2, 2));
            Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap()
        };
        let metrics = Metrics::new();
        let said = |snapshot: &Snapshot| {
            metrics.snapshot(snapshot);
            let text = metrics.text().unwrap();
            let mut lines: Vec<String> = text
                .lines()
                .filter_map(|line| line.strip_prefix("stella_feed_known_until_seconds").map(str::to_owned))
                .collect();
            lines.sort();
            lines
        };
        // Checked, by the newest record, without a day, and of one that will not come soon.
        let all = [
            ("npm", "2024-01-02T03:04:05Z"),
            ("PyPI", "2024-01-02T03:04:05Z"),
            ("Go", ""),
            ("Hex", "9999-01-01T00:00:00Z"),
        ];
        let kev = r#"{feed="kev"} 1706832000"#;
        let npm = r#"{feed="npm"} 1706745600"#;
        assert_eq!(said(&snapshot(&all)), [r#"{feed="PyPI"} 1704153600"#, kev, npm]);
        // One that is gone is not said any more.
        assert_eq!(said(&snapshot(&all[..1])), [kev, npm]);
    }
}

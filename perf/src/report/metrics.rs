//! `metrics.prom` for node_exporter's textfile collector and a Pushgateway, `metrics.txt` (OpenMetrics) for the metrics
//! widget of a GitLab merge request.
//!
//! Each says what the last run found. The histogram is a run's own too: it does not grow from run to run, so a rate over it
//! means nothing.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text},
    metrics::{MetricType, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::{
    judge::Outcome,
    result::{Figures, PhaseStats, Results, Step},
};

type Labels = Vec<(&'static str, String)>;

/// A metric with its series.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    series: Series,
}

#[derive(Debug)]
enum Series {
    Gauge(Vec<(Labels, f64)>),
    Histogram(Vec<(Labels, Histogram)>),
}

/// One phase's samples; buckets by their upper bound in seconds, each with its own samples only.
#[derive(Debug)]
struct Histogram {
    sum_seconds: f64,
    samples: u64,
    buckets: Vec<(f64, u64)>,
}

/// Metrics in the order they were given: the same results are the same bytes.
#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, unit, series } in &self.0 {
            match series {
                Series::Gauge(series) => {
                    let mut metric =
                        encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
                    for (labels, value) in series {
                        ConstGauge::new(*value).encode(metric.encode_family(labels)?)?;
                    }
                }
                Series::Histogram(series) => {
                    let mut metric =
                        encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
                    for (labels, h) in series {
                        let mut metric = metric.encode_family(labels)?;
                        metric.encode_histogram::<NoLabelSet>(h.sum_seconds, h.samples, &h.buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn written(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("stella_perf");
    registry.register_collector(Box::new(Families(families)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// `metrics.prom`: everything. Prometheus's older text format takes the two comments more that OpenMetrics has.
pub fn prometheus(results: &Results) -> Result<String, fmt::Error> {
    let mut families = vec![info(results), started(results), planted(results), durations(results)];
    families.extend(PERCENTILES.iter().chain(LIMITS).chain(USED).map(|gauge| gauge.family(results)));
    families.extend([gates(results), facts(results)]);
    families.extend(STEPS.iter().map(|(name, help, value)| steps(results, name, help, *value)));
    written(families)
}

/// `metrics.txt`: what a merge request is compared by.
pub fn openmetrics(results: &Results) -> Result<String, fmt::Error> {
    written(PERCENTILES.iter().map(|gauge| gauge.family(results)).collect())
}

/// A number that each phase has.
struct Gauge {
    name: &'static str,
    unit: fn() -> Option<Unit>,
    help: &'static str,
    value: fn(&PhaseStats) -> Option<f64>,
}

fn seconds() -> Option<Unit> {
    Some(Unit::Seconds)
}

#[rustfmt::skip]
const PERCENTILES: &[Gauge] = &[
    Gauge { name: "phase_p50", unit: seconds, help: "Half of the samples are at most this.", value: |row| Some(row.figures()?.summary.p50_ms / 1e3) },
    Gauge { name: "phase_p95", unit: seconds, help: "95 of 100 samples are at most this.", value: |row| Some(row.figures()?.summary.p95_ms / 1e3) },
    Gauge { name: "phase_floor_ratio", unit: || None, help: "The median over the median of the least work it could cost.", value: |row| Some(row.figures()?.floor.ratio_p50) },
];

#[rustfmt::skip]
const LIMITS: &[Gauge] = &[
    Gauge { name: "phase_p99", unit: seconds, help: "99 of 100 samples are at most this.", value: |row| Some(row.figures()?.summary.p99_ms / 1e3) },
    Gauge { name: "phase_floor_p50", unit: seconds, help: "Half of the floor's samples are at most this.", value: |row| Some(row.figures()?.floor.p50_ms / 1e3) },
    Gauge { name: "phase_floor_p95", unit: seconds, help: "95 of 100 of the floor's samples are at most this.", value: |row| Some(row.figures()?.floor.p95_ms / 1e3) },
    Gauge { name: "phase_target", unit: seconds, help: "The 95th percentile that is promised.", value: |row| Some(row.target?.target_p95_ms / 1e3) },
    Gauge { name: "phase_goal", unit: seconds, help: "The 95th percentile that is wanted.", value: |row| Some(row.target?.goal_p95_ms? / 1e3) },
];

#[rustfmt::skip]
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
const USED: &[Gauge] = &[
    Gauge { name: "phase_cpu_p50", unit: seconds, help: "Processor time of the process in half of the samples is at most this.", value: |row| Some(row.figures()?.cpu_p50_ms? / 1e3) },
    Gauge { name: "phase_memory_peak", unit: || Some(Unit::Bytes), help: "The most memory that a process of any sample held at once.", value: |row| Some(row.figures()?.peak_bytes? as f64) },
];

impl Gauge {
    fn family(&self, results: &Results) -> Family {
        let series = results.phases.iter().filter_map(|row| Some((labels(row), (self.value)(row)?)));
        gauge(self.name, self.help, (self.unit)(), series.collect())
    }
}

fn gauge(name: &'static str, help: &'static str, unit: Option<Unit>, series: Vec<(Labels, f64)>) -> Family {
    Family { name, help, unit, series: Series::Gauge(series) }
}

/// A phase without variants has no such label: to Prometheus an empty one is the same.
fn labels(row: &PhaseStats) -> Labels {
    let variant = row.variant.iter().map(|variant| ("variant", variant.clone()));
    [("phase", row.phase.to_string())].into_iter().chain(variant).collect()
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}

fn measured(results: &Results) -> impl Iterator<Item = (&PhaseStats, &Figures)> {
    results.phases.iter().filter_map(|row| Some((row, row.figures()?)))
}

fn info(results: &Results) -> Family {
    let machine = &results.machine;
    let labels = vec![
        ("commit", machine.commit.clone()),
        ("cpu", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("memory_bytes", machine.memory_bytes.to_string()),
        ("kernel", machine.kernel.clone()),
        ("disk", machine.disk.clone()),
        ("work", machine.work.clone()),
    ];
    gauge(
        "info",
        "Where the last run took place, and of which state of the source.",
        None,
        vec![(labels, 1.0)],
    )
}

fn started(results: &Results) -> Family {
    let at = results.started.parse::<jiff::Timestamp>();
    let series = at.into_iter().map(|at| (Labels::new(), at.as_duration().as_secs_f64()));
    gauge("run_timestamp", "When the last run began, since the epoch.", seconds(), series.collect())
}

#[expect(clippy::cast_precision_loss, reason = "somebody typed them")]
fn planted(results: &Results) -> Family {
    let help = "Slow-downs planted to try the gates; with any, the figures are not the program's.";
    gauge("planted_slow_downs", help, None, vec![(Labels::new(), results.planted.len() as f64)])
}

fn durations(results: &Results) -> Family {
    let series = measured(results).map(|(row, figures)| {
        let mut before = 0;
        let all = &figures.histogram;
        let edges = all.buckets.iter().map(|bucket| (bucket.le_ms / 1e3, bucket.samples));
        let buckets = edges.chain([(f64::INFINITY, all.samples)]).map(|(le_seconds, samples)| {
            let own = samples.saturating_sub(before);
            before = samples;
            (le_seconds, own as u64)
        });
        let (samples, sum_seconds) = (all.samples as u64, all.sum_ms / 1e3);
        (labels(row), Histogram { sum_seconds, samples, buckets: buckets.collect() })
    });
    Family {
        name: "phase_duration",
        help: "Samples of the last run by how long they took.",
        unit: seconds(),
        series: Series::Histogram(series.collect()),
    }
}

/// One series per outcome: 1 for the one that came, 0 for the others.
fn gates(results: &Results) -> Family {
    const OUTCOMES: [(Outcome, &str); 4] = [
        (Outcome::Pass, "pass"),
        (Outcome::NotJudged, "not_judged"),
        (Outcome::Warn, "warn"),
        (Outcome::Fail, "fail"),
    ];
    let series = results.phases.iter().flat_map(|row| {
        OUTCOMES.map(|(outcome, name)| {
            (with(labels(row), "outcome", name), f64::from(u8::from(row.judgement.outcome == outcome)))
        })
    });
    gauge(
        "phase_gate",
        "1 for what the gate made of the phase, 0 for what it did not.",
        None,
        series.collect(),
    )
}

fn facts(results: &Results) -> Family {
    let series = measured(results).flat_map(|(row, figures)| {
        figures.facts.iter().map(move |(name, value)| (with(labels(row), "fact", name), *value))
    });
    gauge("phase_fact", "What else the samples came to, by name.", None, series.collect())
}

type StepValue = fn(&Step) -> f64;

const STEPS: [(&str, &str, StepValue); 2] = [
    ("step_p50", "Half of the step's samples are at most this.", |step| step.p50_ms / 1e3),
    ("step_p95", "95 of 100 of the step's samples are at most this.", |step| step.p95_ms / 1e3),
];

fn steps(results: &Results, name: &'static str, help: &'static str, value: StepValue) -> Family {
    let series = measured(results).flat_map(|(row, figures)| {
        figures.steps.iter().map(move |step| (with(labels(row), "step", &step.name), value(step)))
    });
    gauge(name, help, seconds(), series.collect())
}

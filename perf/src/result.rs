//! What one run found: `phase-stats.json` (what people and dashboards read) and `samples.json` (every sample, in order, for
//! the comparison with later runs).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stella::digest::Digest;

use crate::{
    judge::Judgement,
    machine::Machine,
    phase::Phase,
    statistics::{
        Summary,
        comparison::{self, Comparison},
        histogram::Histogram,
    },
    targets::Target,
};

/// Version of both files' form.
pub const SCHEMA: u32 = 1;

/// One run of the harness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Where it ran, and what.
    pub machine: Machine,
    /// Slow-downs that were planted to try the gates; a run with any is no baseline and no part of a trend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planted: Vec<String>,
    /// The stored run that this one was compared with; `null` where there is none.
    pub baseline: Option<Baseline>,
    /// One entry per phase, or per variant of one, in the order of [`Phase`].
    pub phases: Vec<PhaseStats>,
}

/// A stored run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Of the source.
    pub commit: String,
    /// Whether its programs were measured in turns with this run; else the samples stored with it are what was compared.
    pub in_turns: bool,
}

/// One phase, or a variant of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStats {
    /// The phase.
    pub phase: Phase,
    /// Which of the phase's measurements, such as `20ms`; `null` where it has one.
    pub variant: Option<String>,
    /// What it is held to; `null` where nothing is said.
    pub target: Option<Target>,
    /// Whether it was measured.
    #[serde(flatten)]
    pub state: State,
    /// Against the baseline; `null` where there is none, or it measured other layers.
    pub comparison: Option<Comparison>,
    /// What the gates say.
    pub judgement: Judgement,
}

/// Whether a phase was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It was.
    Measured(Box<Figures>),
    /// What it measures is not there yet.
    NotBuilt,
    /// This machine does not allow it.
    NotPossible {
        /// What is missing, and the way out.
        why: String,
    },
    /// It broke.
    Failed {
        /// How.
        why: String,
    },
}

/// The figures of a phase that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Where the bytes come from: the image source, or the corpus.
    pub source: String,
    /// Layers of the image, bottom to top; empty where no image takes part. Runs with other layers are not compared.
    pub diff_ids: Vec<Digest>,
    /// Samples taken before these and thrown away.
    pub warm_up: usize,
    /// Of all samples; none is left out.
    #[serde(flatten)]
    pub summary: Summary,
    /// Cumulative, as Prometheus has it.
    pub histogram: Histogram,
    /// The least work it could cost, measured in the same run.
    pub floor: Floor,
    /// Its steps, in their order.
    pub steps: Vec<Step>,
    /// Processor time of the process, half of the samples are at most this; `null` where none was started.
    pub cpu_p50_ms: Option<f64>,
    /// The most memory that a process of any sample held at once; `null` where none was started.
    pub peak_bytes: Option<u64>,
    /// What else the samples came to, by name.
    pub facts: BTreeMap<String, f64>,
}

/// The floor of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// What it is.
    pub what: String,
    /// Half of its samples are at most this.
    pub p50_ms: f64,
    /// 95 of 100 of its samples are at most this.
    pub p95_ms: f64,
    /// The phase's median over the floor's.
    pub ratio_p50: f64,
    /// The phase's 95th percentile over the floor's.
    pub ratio_p95: f64,
}

/// One step of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Half of its samples are at most this.
    pub p50_ms: f64,
    /// 95 of 100 of its samples are at most this.
    pub p95_ms: f64,
}

impl PhaseStats {
    /// `PHASE` or `PHASE/VARIANT`: how a row is named everywhere.
    pub fn id(&self) -> String {
        id(self.phase, self.variant.as_deref())
    }

    /// The figures, where it was measured.
    pub fn figures(&self) -> Option<&Figures> {
        match &self.state {
            State::Measured(figures) => Some(figures),
            _ => None,
        }
    }

    /// [`State::why_not`].
    pub fn why_not(&self) -> Option<String> {
        self.state.why_not()
    }
}

impl State {
    /// Why it was not measured.
    pub fn why_not(&self) -> Option<String> {
        match self {
            Self::Measured(_) => None,
            Self::NotBuilt => Some("not built yet".to_owned()),
            Self::NotPossible { why } => Some(format!("not possible here: {why}")),
            Self::Failed { why } => Some(format!("broke: {why}")),
        }
    }
}

/// `PHASE` or `PHASE/VARIANT`.
pub fn id(phase: Phase, variant: Option<&str>) -> String {
    variant.map_or_else(|| phase.to_string(), |variant| format!("{phase}/{variant}"))
}

/// Every sample of a run, by [`PhaseStats::id`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Samples {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The samples.
    pub phases: BTreeMap<String, Series>,
}

/// The samples of one phase, in the order they were taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Layers of the image, bottom to top.
    pub diff_ids: Vec<Digest>,
    /// Wall time and floor.
    #[serde(flatten)]
    pub times: comparison::Series,
}

//! The phases: what each covers, and how its samples are taken.
//!
//! One file here measures one kind of work. [`Phase::open`] makes a phase ready, [`Measurement::take`] takes its next
//! samples; warm-up, order, statistics and gates are [`crate::run`]'s.

mod api;
mod feeds;
mod gate;
pub mod ground;
mod lookup;
mod policy;
mod reports;
mod start;
mod wan;

use std::{borrow::Cow, fmt, path::Path, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stella::digest::Digest;

use crate::Failure;
use ground::Ground;

/// A phase of the workbook, or one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// The pledge: feedback within five seconds, advisories at hand.
    SbomFirst,
    /// An image that comes whole, as `docker save` writes it, nothing known.
    ImageUnpack,
    /// All layers known but one.
    DeltaSbom,
    /// YAML to rules, rules on 1,026 findings.
    PolicyEval,
    /// What a caller past its quota waits.
    QuotaWait,
    /// The nightly batch.
    SchedRescan,
    /// Feeds to the compiled advisory file.
    FeedMerge,
    /// That file opened, and packages looked up in it.
    FeedLookup,
    /// `/v1/scan` and `/v1/layers/missing` under an open load.
    #[serde(rename = "API_P95")]
    ApiP95,
    /// An OCI layout, nothing known, no server.
    ColdGate,
    /// Every layer known to the server.
    KnownGate,
    /// One question to an idle server.
    LayersMissing,
    /// Every report of one result.
    Reports,
    /// [`Phase::Reports`] of as many findings as a report ever has to hold.
    ReportsMany,
    /// The program says its version.
    Start,
    /// [`Phase::DeltaSbom`] over TLS, far away.
    DeltaWan,
    /// [`Phase::KnownGate`] over TLS, far away.
    KnownWan,
}

/// What a phase is, beside its name.
struct About {
    phase: Phase,
    name: &'static str,
    covers: &'static str,
    samples: usize,
    warm_up: usize,
    /// Whether it belongs to the subset for merge requests.
    quick: bool,
}

/// In the order of every table.
#[rustfmt::skip]
const ABOUT: [About; 17] = [
    About { phase: Phase::SbomFirst, name: "SBOM_FIRST", covers: "scan with warm advisories", samples: 100, warm_up: 2, quick: false },
    About { phase: Phase::ImageUnpack, name: "IMAGE_UNPACK", covers: "whole image as docker save writes it, nothing known", samples: 50, warm_up: 1, quick: false },
    About { phase: Phase::DeltaSbom, name: "DELTA_SBOM", covers: "6 of 7 layers known: ask, read one layer, upload, match", samples: 100, warm_up: 2, quick: true },
    About { phase: Phase::PolicyEval, name: "POLICY_EVAL", covers: "YAML to 28 rules, applied to 1,026 findings", samples: 1000, warm_up: 20, quick: true },
    About { phase: Phase::QuotaWait, name: "QUOTA_WAIT", covers: "soft and hard wait past the quota", samples: 80, warm_up: 0, quick: false },
    About { phase: Phase::SchedRescan, name: "SCHED_RESCAN", covers: "nightly batch of stored scans", samples: 10, warm_up: 1, quick: false },
    About { phase: Phase::FeedMerge, name: "FEED_MERGE", covers: "feeds of OSV, NVD and BDU to the compiled advisory file", samples: 20, warm_up: 1, quick: true },
    About { phase: Phase::FeedLookup, name: "FEED_LOOKUP", covers: "the compiled advisory file opened; 1,000 packages looked up in it", samples: 500, warm_up: 5, quick: true },
    About { phase: Phase::ApiP95, name: "API_P95", covers: "REST /v1/scan and /v1/layers/missing, open-loop load", samples: 10_000, warm_up: 1, quick: false },
    About { phase: Phase::ColdGate, name: "COLD_GATE", covers: "OCI layout, nothing known, no server", samples: 30, warm_up: 1, quick: true },
    About { phase: Phase::KnownGate, name: "KNOWN_GATE", covers: "all layers known: one round trip, no layer read", samples: 100, warm_up: 2, quick: true },
    About { phase: Phase::LayersMissing, name: "LAYERS_MISSING", covers: "/v1/layers/missing with 7 layers, idle server", samples: 1000, warm_up: 50, quick: true },
    About { phase: Phase::Reports, name: "REPORTS", covers: "every report of 1,026 findings", samples: 200, warm_up: 5, quick: true },
    About { phase: Phase::ReportsMany, name: "REPORTS_MANY", covers: "every report of 30,000 findings", samples: 30, warm_up: 1, quick: true },
    About { phase: Phase::Start, name: "START", covers: "the program starts, says its version, ends", samples: 200, warm_up: 5, quick: true },
    About { phase: Phase::DeltaWan, name: "DELTA_WAN", covers: "DELTA_SBOM over TLS with a round trip of 20 and 50 ms", samples: 40, warm_up: 1, quick: false },
    About { phase: Phase::KnownWan, name: "KNOWN_WAN", covers: "KNOWN_GATE over TLS with a round trip of 20 and 50 ms", samples: 40, warm_up: 1, quick: false },
];

impl Phase {
    /// Every phase, in the order of every table.
    pub fn all() -> impl Iterator<Item = Self> {
        ABOUT.iter().map(|about| about.phase)
    }

    /// The subset that a merge request has the time for.
    pub fn quick() -> impl Iterator<Item = Self> {
        ABOUT.iter().filter(|about| about.quick).map(|about| about.phase)
    }

    fn about(self) -> &'static About {
        // The table has every phase: a test holds it to that, and an index beyond it would be a bug of this file.
        ABOUT.iter().find(|about| about.phase == self).unwrap_or(&ABOUT[0])
    }

    /// Its name, as in the workbook.
    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// What it covers, for tables.
    pub fn covers(self) -> &'static str {
        self.about().covers
    }

    /// How many samples are taken where nobody says otherwise.
    pub fn samples(self) -> usize {
        self.about().samples
    }

    /// How often [`Measurement::take`] is called before samples count.
    pub fn warm_up(self) -> usize {
        self.about().warm_up
    }

    /// Upper edges of its histogram in milliseconds, where the workbook says some.
    pub fn edges_ms(self) -> Option<&'static [f64]> {
        (self == Self::PolicyEval).then_some(&[10.0, 20.0, 40.0, 50.0])
    }

    /// What its measurements are called, where it has several.
    pub fn variants(self) -> &'static [&'static str] {
        match self {
            Self::ApiP95 => &api::VARIANTS,
            Self::DeltaWan | Self::KnownWan => &wan::VARIANTS,
            Self::FeedMerge => &feeds::VARIANTS,
            Self::FeedLookup => &lookup::VARIANTS,
            Self::QuotaWait => &["soft", "hard"],
            _ => &[],
        }
    }

    /// Makes the phase ready: one measurement, or one for each of its variants.
    pub fn open(self, ground: &Ground) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
        match self {
            Self::SbomFirst | Self::QuotaWait | Self::SchedRescan => Err(NotMeasured::NotBuilt),
            Self::DeltaSbom => one(gate::Delta::open(ground)?),
            Self::KnownGate => one(gate::Known::open(ground)?),
            Self::ColdGate => one(gate::Cold::layout(ground)?),
            Self::ImageUnpack => one(gate::Cold::archive(ground)?),
            Self::DeltaWan => wan::Far::open(ground, wan::Kind::Delta),
            Self::KnownWan => wan::Far::open(ground, wan::Kind::Known),
            Self::ApiP95 => Ok(api::loaded(ground)?),
            Self::LayersMissing => one(api::Idle::open(ground)?),
            Self::FeedMerge => feeds::open(ground),
            Self::FeedLookup => lookup::open(ground),
            Self::PolicyEval => one(policy::Eval::open()?),
            Self::Reports => one(reports::Reports::open(reports::Size::One)?),
            Self::ReportsMany => one(reports::Reports::open(reports::Size::Many)?),
            Self::Start => one(start::Start::open(ground)),
        }
    }
}

fn one(measurement: impl Measurement + 'static) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
    Ok(vec![Box::new(measurement)])
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is no phase.
#[derive(Debug, thiserror::Error)]
#[error("no phase {0:?}: there are all, quick, {names}", names = ABOUT.map(|about| about.name).join(", "))]
pub struct UnknownPhase(String);

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        ABOUT
            .iter()
            .find(|about| about.name == text)
            .map(|about| about.phase)
            .ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}

/// A phase, or a variant of one, ready to be measured.
pub trait Measurement {
    /// What is measured.
    fn subject(&self) -> Subject;

    /// Takes the next samples, in the order they were measured: one, or a window of a load.
    fn take(&mut self) -> Result<Vec<Sample>, Failure>;

    /// What else the samples came to, by name: round trips, the load generator's own processor time.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// A name of the harness's own, also where a worker said it.
pub type Name = Cow<'static, str>;

/// What a measurement measures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subject {
    /// `20ms`; `None` where a phase has one measurement.
    pub variant: Option<Name>,
    /// Where the bytes come from: the image source, or the corpus.
    pub source: String,
    /// Layers of the image, bottom to top; empty where no image takes part.
    pub diff_ids: Vec<Digest>,
    /// What the floor is, in a few words.
    pub floor: Name,
}

/// One sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// What was measured, in milliseconds.
    pub wall_ms: f64,
    /// The floor, measured right beside it.
    pub floor_ms: f64,
    /// Its steps, in milliseconds, in their order.
    pub steps: Vec<(Name, f64)>,
    /// Processor time of the process, where one was started.
    pub cpu_ms: Option<f64>,
    /// Peak memory of the process in bytes, where one was started.
    pub peak_bytes: Option<u64>,
}

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub enum NotMeasured {
    /// What it measures is not there yet.
    #[error("not built yet")]
    NotBuilt,
    /// This machine does not allow it.
    #[error("not possible here: {0}")]
    NotPossible(String),
    /// It should have worked.
    #[error("{0}")]
    Failed(Failure),
}

impl From<Failure> for NotMeasured {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The path as an argument, `KIND:PATH`.
fn reference(kind: &str, path: &Path) -> String {
    format!("{kind}:{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_in_the_table_under_its_own_name() {
        for about in &ABOUT {
            assert_eq!(about.name.parse::<Phase>().unwrap(), about.phase);
            assert_eq!(serde_json::to_value(about.phase).unwrap(), about.name);
        }
        let error = "delta".parse::<Phase>().unwrap_err().to_string();
        assert!(error.contains("DELTA_SBOM"), "{error}");
    }
}

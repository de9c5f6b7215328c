//! The one place where the server calls the engine: merge, match, judge.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use stella::{
    advisory::Snapshot,
    api::PolicyText,
    image::Image,
    inventory::{Inventory, Skipped},
    layer::Fragment,
    policy::{Class, Policy},
    report::{ScanResult, Timings},
    scan::Scan,
};

use crate::{
    bounds,
    problem::{self, Problem},
};

/// Refuses a fragment that no image could be merged with: stored, it would fail every image of that layer. It is not
/// merged for that: it may take long, and the answer does it anyway.
pub fn check(fragment: &Fragment) -> Result<(), Problem> {
    stella::inventory::check(fragment).map_err(|error| {
        Problem::new(problem::UNPROCESSABLE, format!("layer {}: not a fragment: {error}", fragment.diff_id))
    })
}

/// What an image holds.
pub enum Holds<'a> {
    /// One per layer, bottom to top; `None` for a layer that could not be read, and the job's `skipped` says why.
    Layers(&'a [Option<Arc<Fragment>>]),
    /// What an SBOM says.
    Given(Box<Inventory>),
}

/// Everything a result is a function of, beside the advisories.
pub struct Job<'a> {
    /// The image as the caller named it.
    pub reference: &'a str,
    /// The image.
    pub image: &'a Image,
    /// What the image holds.
    pub holds: Holds<'a>,
    /// The caller's policies, most general first.
    pub policies: &'a [PolicyText],
    /// What the caller could not look at.
    pub skipped: &'a [Skipped],
    /// Names of what the caller allows to be left out.
    pub allow_skipped: &'a [String],
    /// Seconds since the epoch.
    pub now: i64,
    /// The lowest class the fragments are of.
    pub class: Class,
    /// Whether the inventory is wanted, too.
    pub inventory: bool,
}

/// What came of a job.
pub struct Evaluated {
    /// What was found.
    pub result: ScanResult,
    /// What the image holds, where it is wanted.
    pub inventory: Option<Box<Inventory>>,
    /// How long it took.
    pub timings_ms: Timings,
}

/// Merges, matches and judges.
pub fn evaluate(job: Job<'_>, snapshot: Option<&Snapshot>) -> Result<Evaluated, Problem> {
    let Some(snapshot) = snapshot else {
        let detail = "No advisories are open: fetch them with `stella-server feeds update --data-dir DIR`, or compile files \
                      with `stella-server feeds import --data-dir DIR PATH...`; the server takes them as soon as they are there.";
        return Err(Problem::new(problem::NO_ADVISORIES, detail));
    };
    let policies = job.policies.iter().map(|policy| Policy::parse(&policy.origin, &policy.text));
    let policies: Vec<Policy> =
        policies.collect::<Result<_, _>>().map_err(|error| unprocessable("policy", &error))?;
    bounds::rules(&policies)?;
    let now = Timestamp::from_second(job.now).map_err(|error| unprocessable("now", &error))?;
    let unseen: Vec<Fragment> =
        job.image.layers.iter().map(|layer| Fragment::unseen(layer.diff_id)).collect();
    let (layers, given) = match job.holds {
        Holds::Layers(layers) => (layers, None),
        Holds::Given(inventory) => ([].as_slice(), Some(inventory)),
    };
    let fragments: Vec<&Fragment> =
        layers.iter().zip(&unseen).map(|(known, unseen)| known.as_deref().unwrap_or(unseen)).collect();
    let scan = Scan {
        reference: job.reference,
        image: job.image,
        fragments: &fragments,
        snapshot,
        policies: &policies,
        skipped: job.skipped,
        allow_skipped: job.allow_skipped,
        now,
        class: job.class,
    };
    let started = Instant::now();
    let discovered = match given {
        Some(inventory) => scan.discover_in(*inventory),
        None => scan.discover(),
    };
    let discovered = discovered.map_err(|error| unprocessable("image", &error))?;
    let matched = Instant::now();
    let inventory = job.inventory.then(|| Box::new(discovered.inventory().clone()));
    // What was asked is right by now: only advisories that cannot be read are left to fail.
    let result = scan.judge(discovered).map_err(|error| Problem::internal("judging", &error))?;
    let timings_ms = Timings {
        matching: (matched - started).as_secs_f64() * 1000.0,
        policy: matched.elapsed().as_secs_f64() * 1000.0,
        ..Timings::default()
    };
    Ok(Evaluated { result, inventory, timings_ms })
}

fn unprocessable(what: &str, why: &dyn std::fmt::Display) -> Problem {
    Problem::new(problem::UNPROCESSABLE, format!("{what}: {why}"))
}

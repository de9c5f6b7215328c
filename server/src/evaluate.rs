//! The one place where the server calls the engine: merge, match, judge.

use std::{path::Path, sync::Arc};

use stella::{
    api::PolicyText,
    image::Image,
    inventory::Skipped,
    layer::Fragment,
    policy::Class,
    report::{ScanResult, Timings},
};

use crate::problem::{self, Problem};

/// The advisories that this server matches against.
pub struct Advisories;

impl Advisories {
    /// Opens a compiled file.
    // ENGINE: `stella::advisory::Snapshot::open` once it is there.
    pub fn open(path: &Path) -> Result<Self, String> {
        std::fs::metadata(path).map(|_| Self).map_err(|error| error.to_string())
    }
}

/// Refuses a fragment that no image could be merged with: stored, it would fail every image of that layer.
pub fn check(fragment: &Fragment) -> Result<(), Problem> {
    stella::inventory::merge(&[fragment]).map(drop).map_err(|error| {
        Problem::new(problem::UNPROCESSABLE, format!("layer {}: not a fragment: {error}", fragment.diff_id))
    })
}

/// Everything a result is a function of, beside the advisories.
#[expect(dead_code, reason = "read by the engine's call")]
pub struct Job<'a> {
    /// The image as the caller named it.
    pub reference: &'a str,
    /// The image.
    pub image: &'a Image,
    /// One per layer, bottom to top; `None` for a layer that could not be read, and `skipped` says why.
    pub fragments: &'a [Option<Arc<Fragment>>],
    /// The caller's policies, most general first.
    pub policies: &'a [PolicyText],
    /// What the caller could not look at.
    pub skipped: &'a [Skipped],
    /// Seconds since the epoch.
    pub now: i64,
    /// The lowest class the fragments are of.
    pub class: Class,
}

/// Merges, matches and judges.
pub fn evaluate(_job: &Job<'_>, advisories: Option<&Advisories>) -> Result<(ScanResult, Timings), Problem> {
    let Some(_advisories) = advisories else {
        let detail = "No advisories are imported: run `stella-server feeds import`, then restart with \
                      --advisories FILE.";
        return Err(Problem::new(problem::NO_ADVISORIES, detail));
    };
    // ENGINE: `stella::scan::scan` once it is there.
    Err(Problem::new(problem::NOT_READY, "This build of the server has no engine."))
}

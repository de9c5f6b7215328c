//! What tells "clean" from "did not look".

use std::{cmp::Reverse, collections::BTreeSet};

use super::{Report, ScanResult, words::count};
use crate::inventory::Skipped;

/// Most things that were not looked at and are named one by one.
const MAX_NAMED: usize = 100;

type IsSo = fn(&ScanResult) -> bool;

/// Why nothing could be found, though all was looked at.
const DOUBTS: [(&str, &str, IsSo); 3] = [
    ("demo-snapshot", "the advisories are the demo snapshot's: for trying out, not for gating", |result| {
        result.snapshot.demo
    }),
    ("advisories", "no advisories were at hand", |result| result.snapshot.feeds.is_empty()),
    ("packages", "no packages were found, so nothing could be matched", |result| {
        result.looked_at.packages.values().all(|count| *count == 0)
    }),
];

/// Why finding nothing says less than it seems.
pub(super) struct Gap<'a> {
    /// A short name, the same from run to run.
    pub(super) name: &'a str,
    /// How grave.
    pub(super) weight: Weight,
    /// A sentence. Of untrusted text.
    pub(super) text: String,
}

/// How grave a gap is; ordered from mildest to gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The caller allowed it by name.
    Allowed,
    /// All was looked at, and nothing could have been found.
    Doubtful,
    /// Not everything was looked at: the gate says neither yes nor no.
    Unlooked,
}

/// A sentence of what was not looked at, be it one or many.
pub(super) fn not_looked_at(skipped: &Skipped) -> String {
    format!("not looked at: {}: {}", skipped.what, skipped.why)
}

/// All gaps, each once, gravest first.
pub(super) fn gaps(report: &Report) -> Vec<Gap<'_>> {
    let mut gaps = Vec::new();
    if let Some(why) = report.why_stopped() {
        gaps.push(Gap { name: "image", weight: Weight::Unlooked, text: why.to_owned() });
    }
    let mut skipped = BTreeSet::new();
    for result in &report.results {
        for each in &result.looked_at.skipped {
            let weight = if result.verdict.allows(each) { Weight::Allowed } else { Weight::Unlooked };
            skipped.insert((Reverse(weight), each));
        }
    }
    for (Reverse(weight), each) in skipped.iter().take(MAX_NAMED).copied() {
        let name = if each.name.trim().is_empty() { "skipped" } else { each.name.as_str() };
        let text = not_looked_at(each);
        gaps.push(Gap { name, weight, text });
    }
    if let Some((Reverse(weight), _)) = skipped.iter().nth(MAX_NAMED).copied() {
        let text = format!("not looked at: {}", count(skipped.len() - MAX_NAMED, "more thing"));
        gaps.push(Gap { name: "skipped", weight, text });
    }
    for (name, text, is_so) in DOUBTS {
        if report.results.iter().any(is_so) {
            gaps.push(Gap { name, weight: Weight::Doubtful, text: text.to_owned() });
        }
    }
    // Stable.
    gaps.sort_by_key(|gap| Reverse(gap.weight));
    gaps
}

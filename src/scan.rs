//! The right half of the pipeline in one place, so that the program and the server give the same answer to the byte.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    advisory::{Feed, Snapshot},
    finding::{Finding, FindingPackage},
    image::Image,
    inventory::{self, Inventory, LockFiles, Skipped},
    layer::Fragment,
    matching,
    package::{self, Ecosystem},
    policy::{self, Action, Class, Policy},
    report::{FeedRef, ImageRef, Judged, LayerRef, LookedAt, Os, ScanResult, SnapshotRef},
};

/// Everything a result is a function of.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// The image as the caller named it.
    pub reference: &'a str,
    /// The image.
    pub image: &'a Image,
    /// One per layer of the image, bottom to top.
    pub fragments: &'a [&'a Fragment],
    /// What is matched against.
    pub snapshot: &'a Snapshot,
    /// Empty for the standard policy.
    pub policies: &'a [Policy],
    /// What could not be looked at before this.
    pub skipped: &'a [Skipped],
    /// Names of what may be left out.
    pub allow_skipped: &'a [String],
    /// The moment the verdict is for.
    pub now: Timestamp,
    /// The lowest trust class that the fragments are of.
    pub class: Class,
}

/// What was found, not judged yet.
#[derive(Debug, Clone)]
pub struct Discovered {
    inventory: Inventory,
    findings: Vec<Finding>,
    skipped: Vec<Skipped>,
    /// Names of the feeds that were asked.
    feeds: BTreeSet<String>,
}

impl Discovered {
    /// What the image holds, and what of it was not looked at.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The fragments do not make an image.
    #[error("{reference} ({platform}): {source}")]
    Merge {
        /// The image as the caller named it.
        reference: String,
        /// The platform of this image of it.
        platform: String,
        /// Why not.
        source: inventory::Error,
    },
    /// The advisories cannot be read.
    #[error(transparent)]
    Matching(#[from] matching::Error),
}

impl Scan<'_> {
    /// Merges and matches.
    pub fn discover(&self) -> Result<Discovered, Error> {
        self.discover_in(merge(self.reference, self.image, LockFiles::of(self.image), self.fragments)?)
    }

    /// Matches an inventory that is known without merging.
    pub fn discover_in(&self, mut inventory: Inventory) -> Result<Discovered, Error> {
        let by_cpe = self.policies.iter().any(|policy| policy.cpe);
        let matched = matching::findings(&inventory, self.image, self.snapshot, by_cpe)?;
        let nothing = inventory.no_packages(self.image);
        inventory.skipped.extend(self.skipped.iter().cloned().chain(nothing));
        inventory.skipped.sort_unstable();
        inventory.skipped.dedup();
        let mut skipped = inventory.skipped.clone();
        skipped.extend(matched.skipped);
        skipped.sort_unstable();
        skipped.dedup();
        Ok(Discovered { inventory, findings: matched.findings, skipped, feeds: matched.feeds })
    }

    /// Judges what was discovered.
    pub fn judge(&self, discovered: Discovered) -> Result<ScanResult, Error> {
        let Discovered { inventory, findings, skipped, feeds } = discovered;
        let today = TimeZone::UTC.to_datetime(self.now).date();
        let (mut findings, mut verdict) = policy::evaluate(self.policies, findings, today, self.class);
        agree_on_updates(&mut findings, |package, fix| {
            matching::free_of_known(package, inventory.os.as_ref(), self.snapshot, fix)
        })?;
        verdict.consider(&skipped, self.allow_skipped);
        // Of the demo everybody is told that it is one, and no more than that: it is as old as the program.
        if !self.snapshot.demo() {
            let all = self.snapshot.feeds();
            let asked = all.iter().filter(|feed| feeds.contains(&feed.name));
            verdict.consider_age(self.policies, asked.chain(self.snapshot.databases()), today);
        }
        let mut packages: BTreeMap<String, usize> = BTreeMap::new();
        for installed in &inventory.packages {
            *packages.entry(installed.package.ecosystem.as_str().to_owned()).or_default() += 1;
        }
        Ok(ScanResult {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            now: self.now.to_string(),
            image: ImageRef {
                reference: self.reference.to_owned(),
                called: String::new(),
                digest: self.image.digest(),
                config_digest: self.image.config_digest,
                platform: self.image.platform.to_string(),
                layers: self
                    .image
                    .layers
                    .iter()
                    .map(|layer| LayerRef {
                        diff_id: layer.diff_id,
                        instruction: layer.instruction.clone(),
                        written: None,
                    })
                    .collect(),
                base: self.image.base.clone(),
                base_argument: None,
            },
            snapshot: snapshot_ref(self.snapshot),
            looked_at: LookedAt {
                layers: self.image.layers.len(),
                files: inventory.files,
                bytes: inventory.size_bytes,
                os: inventory.os.map(|os| Os {
                    end_of_life: package::end_of_life(&os).map(|day| today.to_string().as_str() > day),
                    id: os.id,
                    version: os.version,
                }),
                packages,
                lock_files: inventory.lock_files,
                inventory: inventory.given,
                skipped,
            },
            findings,
            verdict,
        })
    }
}

/// Says of each finding which version ends all of its package's: to change a version once for each of them is too often.
/// `free` goes on from that to one which brings no other finding that has a fix.
fn agree_on_updates(
    findings: &mut [Judged],
    free: impl Fn(&FindingPackage, &str) -> Result<String, matching::Error>,
) -> Result<(), matching::Error> {
    let counts = |judged: &&Judged| judged.decision.action != Some(Action::Ignore);
    let mut highest: HashMap<(usize, &FindingPackage), &String> = HashMap::new();
    for Judged { finding, .. } in findings.iter().filter(counts) {
        let Some(fix) = &finding.fixed_in else { continue };
        let Some(scheme) = matching::scheme(finding.package.ecosystem) else { continue };
        let highest = highest.entry((finding.layer.index, &finding.package)).or_insert(fix);
        if scheme.compare(fix, highest).is_gt() {
            *highest = fix;
        }
    }
    // Packages of one source, and copies of one in several layers, go the same way.
    let mut known: HashMap<(Ecosystem, &str, &str), String> = HashMap::new();
    for ((_, package), fix) in &highest {
        if let Entry::Vacant(entry) = known.entry((package.ecosystem, package.source_name(), fix)) {
            entry.insert(free(package, fix)?);
        }
    }
    let update = |judged: &Judged| {
        let Finding { package, layer, fixed_in, .. } =
            Some(judged).filter(counts).map(|judged| &judged.finding)?;
        let highest = highest.get(&(layer.index, package))?;
        let update_to = known.get(&(package.ecosystem, package.source_name(), highest))?;
        (fixed_in.as_ref()? != update_to).then(|| update_to.clone())
    };
    let updates: Vec<Option<String>> = findings.iter().map(update).collect();
    for (judged, update_to) in findings.iter_mut().zip(updates) {
        judged.update_to = update_to;
    }
    Ok(())
}

/// The inventory of an image, from one fragment per layer, bottom to top.
pub fn merge(
    reference: &str,
    image: &Image,
    lock_files: LockFiles,
    fragments: &[&Fragment],
) -> Result<Inventory, Error> {
    inventory::merge(fragments, lock_files).map_err(|source| Error::Merge {
        reference: reference.to_owned(),
        platform: image.platform.to_string(),
        source,
    })
}

/// How reports name a snapshot.
pub fn snapshot_ref(snapshot: &Snapshot) -> SnapshotRef {
    let feed = |feed: &Feed| FeedRef {
        name: feed.name.clone(),
        records: feed.records,
        as_of: feed.as_of.clone(),
        checked: feed.checked.map(|day| day.to_string()),
    };
    SnapshotRef {
        id: snapshot.id(),
        demo: snapshot.demo(),
        feeds: snapshot.feeds().iter().map(feed).collect(),
        databases: snapshot.databases().iter().map(feed).collect(),
    }
}

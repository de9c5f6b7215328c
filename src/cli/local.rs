//! The gate without a server: the same engine in this process, with a cache of fragments.

use std::time::Instant;

use stella::{
    advisory::{Compiler, Snapshot},
    feed,
    inventory::Inventory,
    policy::{Class, Policy},
    report::{Run, ScanResult},
    sbom::{self, Attested},
    scan::Scan,
};

use super::{
    analyse::Analyser,
    exit::Failure,
    gate::{Job, ms, policies},
    settings::{Advisories, GateSettings},
};

/// What a gate without a server needs.
pub struct Local {
    snapshot: Snapshot,
    analyser: Analyser,
    policies: Vec<Policy>,
}

impl Local {
    /// Opens advisories and cache.
    pub fn new(settings: &GateSettings) -> Result<Self, Failure> {
        Ok(Self {
            snapshot: snapshot(&settings.advisories)?,
            analyser: Analyser::new(&settings.source),
            policies: policies(settings)?,
        })
    }

    /// Gates one image.
    pub fn scan(&self, job: &Job<'_>, run: &mut Run) -> Result<ScanResult, Failure> {
        let settings = job.settings;
        let source = &settings.source;
        let image = &job.image.image;
        let fragments = match job.opened.inventory() {
            Some(_) => None,
            None => Some(self.analyser.fragments(&job.look(), run)?),
        };
        let matching = Instant::now();
        let stack = fragments.as_ref().map(|fragments| fragments.stack(image)).unwrap_or_default();
        let scan = Scan {
            reference: &source.text,
            image,
            fragments: &stack,
            snapshot: &self.snapshot,
            policies: &self.policies,
            skipped: &job.skipped,
            allow_skipped: &settings.allow_skipped,
            now: settings.now,
            class: Class::Trusted, // this machine's own work
        };
        let discovered = match job.opened.inventory() {
            Some(given) => scan.discover_in(given.clone()),
            None => scan.discover(),
        }
        .map_err(Failure::unfinished)?;
        run.timings_ms.matching += ms(matching.elapsed());
        cross_check(job, discovered.inventory(), run);
        let policy = Instant::now();
        let result = scan.judge(discovered);
        run.timings_ms.policy += ms(policy.elapsed());
        Ok(result)
    }
}

/// Holds SBOMs that came with the image against what was found in it. They are claims of the build that is gated: nothing
/// rests on them, and where they cannot be had nothing is missing.
fn cross_check(job: &Job<'_>, inventory: &Inventory, run: &mut Run) {
    let sboms = match job.opened.attested_sboms(job.image) {
        Ok(attested) => attested.sboms,
        Err(error) => {
            run.notes.push(format!("SBOMs attested with the image were not looked at: {error}"));
            return;
        }
    };
    for attested in sboms {
        match sbom::read(&attested.bytes) {
            Ok(found) => {
                let attested = Attested::new(&found, inventory);
                let differ = attested.only_attested + attested.only_image + attested.other_version;
                let Attested { format, packages, .. } = &attested;
                run.notes.push(match differ {
                    0 => format!(
                        "an SBOM attested with the image ({format}) names the same {packages} packages"
                    ),
                    _ => format!(
                        "an SBOM attested with the image ({format}) differs from it in {differ} packages"
                    ),
                });
                run.attested.push(attested);
            }
            Err(error) => {
                run.notes.push(format!("an SBOM attested with the image, {}: {error}", attested.digest));
            }
        }
    }
}

/// Opens the advisories.
pub fn snapshot(advisories: &Advisories) -> Result<Snapshot, Failure> {
    match advisories {
        Advisories::Demo => {
            let mut compiler = Compiler::default();
            feed::demo::demo_snapshot(&mut compiler);
            let bytes = compiler.to_bytes().map_err(Failure::unfinished)?;
            Snapshot::from_bytes(bytes).map_err(Failure::unfinished)
        }
        Advisories::File(path) if !path.exists() => {
            Err(Failure::unfinished(format!("no advisories: {} does not exist", path.display())).advise(
                "run `stella feeds import PATH...`, ask a server with --server, or try the demo with --advisories demo",
            ))
        }
        Advisories::File(path) => Snapshot::open(path).map_err(|error| {
            Failure::unfinished(format!("advisories {}: {error}", path.display()))
        }),
    }
}

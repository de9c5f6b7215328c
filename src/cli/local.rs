//! The gate without a server: the same engine in this process, with a cache of fragments.

use std::time::Instant;

use stella::{
    advisory::{Compiler, Snapshot},
    feed,
    policy::{Class, Policy},
    report::Run,
    scan::Scan,
};

use super::{
    analyse::Analyser,
    attested::{self, Given},
    exit::Failure,
    gate::{Job, Scanned, ms, policies},
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
    pub fn scan(&self, job: &Job<'_>, run: &mut Run) -> Result<Scanned, Failure> {
        let settings = job.settings;
        let attested = attested::find(job, run);
        let given = match job.opened.inventory() {
            Some(inventory) => Some(Given { image: job.image.image.clone(), inventory: inventory.clone() }),
            None => attested::signed(job, &attested, run),
        };
        let fragments = match given {
            Some(_) => None,
            None => Some(self.analyser.fragments(&job.look(), run)?),
        };
        let matching = Instant::now();
        let image = given.as_ref().map_or(&job.image.image, |given| &given.image);
        let stack = fragments.as_ref().map(|fragments| fragments.stack(image)).unwrap_or_default();
        let skipped = if given.is_some() { Given::skipped(job) } else { job.skipped.clone() };
        let scan = Scan {
            reference: &settings.source.text,
            image,
            fragments: &stack,
            snapshot: &self.snapshot,
            policies: &self.policies,
            skipped: &skipped,
            allow_skipped: &settings.allow_skipped,
            now: settings.now,
            class: Class::Trusted, // this machine's own work
        };
        let discovered = match &given {
            Some(given) => scan.discover_in(given.inventory.clone()),
            None => scan.discover(),
        }
        .map_err(Failure::unfinished)?;
        run.timings_ms.matching += ms(matching.elapsed());
        if given.is_none() {
            attested::cross_check(attested, discovered.inventory(), run);
        }
        let policy = Instant::now();
        let sbom = job.sbom(image, || discovered.inventory().clone());
        let mut result = scan.judge(discovered).map_err(Failure::unfinished)?;
        // A layer that was added for packages of no layer is none of the image's.
        result.looked_at.layers = job.image.image.layers.len();
        run.timings_ms.policy += ms(policy.elapsed());
        Ok(Scanned { result, sbom })
    }
}

/// What there is to say where no file of advisories is named, and the user has none.
pub fn nowhere() -> Failure {
    let home = if cfg!(windows) { "APPDATA" } else { "HOME" };
    Failure::usage(format!("no place for the advisory database: {home} is no absolute path"))
        .advise(format!("give --advisories FILE, or set {home}"))
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
        Advisories::Nowhere => Err(nowhere()),
        Advisories::File(path) if !path.exists() => {
            Err(Failure::unfinished(format!("no advisories: {} does not exist", path.display())).advise(
                "run `stella feeds update`, or `stella feeds import PATH...`; ask a server with --server; or try the demo with --advisories demo",
            ))
        }
        Advisories::File(path) => Snapshot::open(path).map_err(|error| {
            Failure::unfinished(format!("advisories {}: {error}", path.display()))
        }),
    }
}

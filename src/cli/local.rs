//! The gate without a server: the same engine in this process, with a cache of fragments.

use std::{collections::BTreeMap, time::Instant};

use stella::{
    advisory::{Compiler, Snapshot},
    api::{ImageClaim, Pair},
    delta::Delta,
    digest::Digest,
    feed,
    layer::Fragment,
    policy::{Class, Policy},
    report::{LedgerEntry, Proof, Run, ScanResult},
    scan::Scan,
};

use super::{
    cache::Cache,
    exit::Failure,
    gate::{Job, ms, policies},
    image::OpenedImage,
    settings::{Advisories, GateSettings},
};

/// What a gate without a server needs.
pub struct Local {
    snapshot: Snapshot,
    cache: Option<Cache>,
    /// Why there is no cache although one was wanted.
    uncached: Option<String>,
    policies: Vec<Policy>,
}

impl Local {
    /// Opens advisories and cache.
    pub fn new(settings: &GateSettings) -> Result<Self, Failure> {
        let cache = settings.source.cache.as_deref().map(Cache::open).transpose();
        Ok(Self {
            snapshot: snapshot(&settings.advisories)?,
            uncached: cache.as_ref().err().cloned(),
            cache: cache.ok().flatten(),
            policies: policies(settings)?,
        })
    }

    /// Gates one image.
    pub fn scan(&self, job: &Job<'_>, run: &mut Run) -> Result<ScanResult, Failure> {
        let asked = Instant::now();
        let settings = job.settings;
        if let Some(why) = self.uncached.as_ref().filter(|why| !run.notes.contains(why)) {
            run.notes.push(why.clone());
        }
        let (mut fragments, delta) = self.delta(job);
        run.layers.hits += delta.hits.len();
        run.layers.misses += delta.misses(job.image.image.layers.len());
        run.timings_ms.missing += ms(asked.elapsed());

        let analyse = Instant::now();
        let source = &settings.source;
        let analysed =
            job.opened.analyse(job.image, &delta.missing, &source.limits, source.threads, &job.progress);
        job.progress.finish();
        let mut verified = Vec::new();
        for layer in analysed.map_err(Failure::from)? {
            run.bytes_read += layer.blob_bytes;
            verified.push(layer.fragment.diff_id);
            if let Some(cache) = &self.cache
                && let Err(error) = cache.keep(&layer.fragment, layer.blob)
            {
                run.notes.push(format!("the cache cannot be written: {error}"));
            }
            fragments.insert(layer.fragment.diff_id, layer.fragment);
        }
        if let (Some(cache), false) = (&self.cache, verified.is_empty())
            && let Err(error) = cache.trim()
        {
            run.notes.push(format!("the cache cannot be trimmed: {error}"));
        }
        run.timings_ms.analyse += ms(analyse.elapsed());
        run.ledger.extend(ledger(job.image, &verified));

        let matching = Instant::now();
        let unseen: Vec<Fragment> =
            job.image.image.layers.iter().map(|layer| Fragment::unseen(layer.diff_id)).collect();
        let layers = job.image.image.layers.iter().zip(&unseen);
        let stack: Vec<&Fragment> =
            layers.map(|(layer, unseen)| fragments.get(&layer.diff_id).unwrap_or(unseen)).collect();
        let scan = Scan {
            reference: &source.text,
            image: &job.image.image,
            fragments: &stack,
            snapshot: &self.snapshot,
            policies: &self.policies,
            skipped: &job.skipped,
            allow_skipped: &settings.allow_skipped,
            now: settings.now,
            class: Class::Trusted, // this machine's own work
        };
        let discovered = scan.discover().map_err(Failure::unfinished)?;
        run.timings_ms.matching += ms(matching.elapsed());
        let policy = Instant::now();
        let result = scan.judge(discovered);
        run.timings_ms.policy += ms(policy.elapsed());
        Ok(result)
    }

    fn delta(&self, job: &Job<'_>) -> (BTreeMap<Digest, Fragment>, Delta) {
        let settings = job.settings;
        let mut fragments = BTreeMap::new();
        let mut missing = Vec::new();
        for layer in &job.image.image.layers {
            if job.skipped.iter().any(|skipped| skipped.what == layer.diff_id.to_string())
                || fragments.contains_key(&layer.diff_id)
            {
                continue;
            }
            let known = self
                .cache
                .as_ref()
                .filter(|cache| !settings.verify_all && provable(job.image, layer, |pair| cache.knows(pair)));
            match known.and_then(|cache| cache.fragment(layer.diff_id, &settings.source.limits)) {
                Some(fragment) => {
                    fragments.insert(layer.diff_id, fragment);
                }
                None => missing.push(layer.diff_id),
            }
        }
        let diff_ids: Vec<Digest> = job.image.image.layers.iter().map(|layer| layer.diff_id).collect();
        (fragments, Delta::new(&diff_ids, missing))
    }
}

/// Whether a layer's name may stand without reading it: a pair verified earlier, or the engine's own word.
fn provable(image: &OpenedImage, layer: &stella::image::Layer, knows: impl Fn(Pair) -> bool) -> bool {
    match (&layer.blob, &image.claim) {
        (Some(blob), _) => knows(Pair { blob: blob.digest, diff_id: layer.diff_id }),
        (None, ImageClaim::Engine { .. }) => true,
        (None, ImageClaim::Content { .. }) => false,
    }
}

/// How each layer's bytes stand to its name, after `verified` were read.
pub fn ledger(image: &OpenedImage, verified: &[Digest]) -> Vec<LedgerEntry> {
    let earlier = match image.claim {
        ImageClaim::Content { .. } => Proof::PairVerifiedEarlier,
        ImageClaim::Engine { .. } => Proof::AssertedByTheEngine,
    };
    let skipped = |diff_id: Digest| image.skipped.iter().any(|skipped| skipped.what == diff_id.to_string());
    let layers = image.image.layers.iter().filter(|layer| !skipped(layer.diff_id));
    let entry = |diff_id| LedgerEntry {
        diff_id,
        proof: if verified.contains(&diff_id) { Proof::VerifiedNow } else { earlier },
    };
    layers.map(|layer| entry(layer.diff_id)).collect()
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

//! From a source to the fragments of its layers: what the cache of this machine knows is not read again.

use std::{collections::BTreeMap, time::Instant};

use stella::{
    api::{ImageClaim, Pair},
    delta::Delta,
    digest::Digest,
    image::Image,
    inventory::{Inventory, LockFiles, Skipped},
    layer::Fragment,
    report::{LedgerEntry, Proof, Run},
    scan,
};

use super::{
    cache::Cache,
    exit::Failure,
    gate::ms,
    image::{self, Opened, OpenedImage},
    log::Log,
    progress::Progress,
    settings::SourceSettings,
};

/// Opens what the caller named, and says what it was taken for.
pub fn open(source: &SourceSettings, log: Log) -> Result<Opened, Failure> {
    let bar = Progress::new(log).begin("opening the image");
    let opened = image::open(&source.reference, &source.options).map_err(Failure::from)?;
    drop(bar);
    if source.reference.scheme.is_none() {
        log.note(format_args!("{} is taken for {}", source.text, opened.taken_for));
    }
    if let Some(doubt) = &opened.doubt {
        log.warn(doubt);
    }
    Ok(opened)
}

/// The one image there is: an SBOM is of one.
pub fn only_image(opened: &Opened) -> Result<&OpenedImage, Failure> {
    if let [image] = opened.images.as_slice() {
        return Ok(image);
    }
    let platforms: Vec<String> = opened.images.iter().map(|image| image.image.platform.to_string()).collect();
    Err(Failure::usage("an SBOM is of one image, and these are several platforms")
        .advise(format!("name one with --platform: {}", platforms.join(", "))))
}

/// What an image holds, by its layers' fragments or as it was given, and all that was not looked at: what `opened` names
/// beside its images, layers, and what the merge misses.
pub fn inventory(
    source: &SourceSettings,
    opened: &Opened,
    image: &OpenedImage,
    lock_files: LockFiles,
    fragments: &[&Fragment],
) -> Result<Inventory, Failure> {
    let mut inventory = match opened.inventory() {
        Some(given) => given.clone(),
        None => {
            scan::merge(&source.text, &image.image, lock_files, fragments).map_err(Failure::unfinished)?
        }
    };
    inventory.skipped.extend_from_slice(&image.skipped);
    inventory.skipped.extend_from_slice(&opened.skipped);
    inventory.skipped.extend(inventory.no_packages(&image.image));
    inventory.skipped.sort_unstable();
    inventory.skipped.dedup();
    Ok(inventory)
}

/// One image whose layers are wanted.
pub struct Look<'a> {
    /// How to get at it.
    pub source: &'a SourceSettings,
    /// Read every layer.
    pub verify_all: bool,
    /// Where its layers are read.
    pub opened: &'a Opened,
    /// The image.
    pub image: &'a OpenedImage,
    /// What cannot be looked at.
    pub skipped: &'a [Skipped],
    /// Told what happens.
    pub progress: &'a Progress,
}

/// Fragments by diff ID, one for each layer of an image.
pub struct Fragments(BTreeMap<Digest, Fragment>);

impl Fragments {
    /// One per layer, bottom to top.
    pub fn stack(&self, image: &Image) -> Vec<&Fragment> {
        image.layers.iter().filter_map(|layer| self.0.get(&layer.diff_id)).collect()
    }
}

/// What this machine knows of layers.
pub struct Analyser {
    cache: Option<Cache>,
    /// Why there is no cache although one was wanted.
    uncached: Option<String>,
}

impl Analyser {
    /// Opens the cache; without one everything is read.
    pub fn new(source: &SourceSettings) -> Self {
        let open = |directory| Cache::open(directory, &source.limits);
        let cache = source.cache.as_deref().map(open).transpose();
        Self { uncached: cache.as_ref().err().cloned(), cache: cache.ok().flatten() }
    }

    /// Every layer's fragment, known or read now; that of a layer that cannot be read is empty.
    pub fn fragments(&self, look: &Look<'_>, run: &mut Run) -> Result<Fragments, Failure> {
        let asked = Instant::now();
        if let Some(why) = self.uncached.as_ref().filter(|why| !run.notes.contains(why)) {
            run.notes.push(why.clone());
        }
        let layers = &look.image.image.layers;
        let (mut fragments, delta) = self.delta(look);
        run.layers.hits += delta.hits.len();
        run.layers.misses += delta.misses(layers.len());
        run.timings_ms.missing += ms(asked.elapsed());

        let analyse = Instant::now();
        let source = look.source;
        let bar = look.progress.begin("reading layers");
        let analysed = look.opened.analyse(look.image, &delta.missing, &source.limits, source.threads, &bar);
        drop(bar);
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
        for layer in layers {
            fragments.entry(layer.diff_id).or_insert_with(|| Fragment::unseen(layer.diff_id));
        }
        run.timings_ms.analyse += ms(analyse.elapsed());
        run.ledger.extend(ledger(look.image, &verified));
        Ok(Fragments(fragments))
    }

    fn delta(&self, look: &Look<'_>) -> (BTreeMap<Digest, Fragment>, Delta) {
        let mut fragments = BTreeMap::new();
        let mut missing = Vec::new();
        for layer in &look.image.image.layers {
            if look.skipped.iter().any(|skipped| skipped.what == layer.diff_id.to_string())
                || fragments.contains_key(&layer.diff_id)
            {
                continue;
            }
            let known = self
                .cache
                .as_ref()
                .filter(|cache| !look.verify_all && provable(look.image, layer, |pair| cache.knows(pair)));
            match known.and_then(|cache| cache.fragment(layer.diff_id, &look.source.limits)) {
                Some(fragment) => {
                    fragments.insert(layer.diff_id, fragment);
                }
                None => missing.push(layer.diff_id),
            }
        }
        let diff_ids: Vec<Digest> = look.image.image.layers.iter().map(|layer| layer.diff_id).collect();
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

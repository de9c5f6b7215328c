//! Scans: which layers of an image are not known, what was sent for them, and the result once all are.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufWriter, Write},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use stella::{
    api::{ImageClaim, MissingAnswer, MissingRequest, Pair, ScanAnswer, ScanRequest},
    digest::{Digest, Hasher},
    image::{Image, MAX_LAYERS},
    inventory::{self, Inventory, LockFiles},
    layer::{self, Fragment},
    policy::Class,
    report::Timings,
};

use crate::{
    advisories::Advisories,
    bounds,
    evaluate::{Evaluated, Holds, Job, check, evaluate},
    fragments::Fragments,
    metrics::Metrics,
    problem::{self, Problem},
    sbom,
    store::{Owner, Sent, Space, Store, Upload},
};

/// Longest name of an analyzer with its options.
const ANALYZER_CHARS: usize = 128;

/// Scans that are looked at for their images, the newest first.
const MOST_WALKED: usize = 20_000;

/// What answers the API's calls. Methods block: they run on threads that may.
pub struct Scans {
    /// What all nodes know in common.
    pub store: Arc<dyn Store>,
    /// Decoded fragments.
    pub fragments: Fragments,
    /// The advisories.
    pub advisories: Advisories,
    /// Bounds on a fragment.
    pub limits: layer::Limits,
    /// `sbom_bytes`: bytes of one SBOM, uncompressed.
    pub sbom_bytes: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The query of a `PUT` of a fragment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadQuery {
    schema: u32,
    analyzer: String,
    #[serde(default)]
    blob: Option<Digest>,
}

/// A scan, read and checked.
struct Scan {
    name: String,
    request: ScanRequest,
    image: Image,
    space: Space,
    sent: Vec<Sent>,
}

/// Which stored scans were looked at.
#[derive(Debug, Default)]
pub struct Walked {
    /// Images of which not all is known, and scans that cannot be read.
    pub incomplete: u64,
    /// Whether the time was over before the last one.
    pub is_cut: bool,
}

/// How an image's layers stand.
struct Standing {
    /// Content of each layer's fragment, where it is known.
    contents: BTreeMap<Digest, Digest>,
    /// Layers that nobody could read, and the caller said so.
    skipped: BTreeSet<Digest>,
    /// To read, hash and send; bottom to top, each once.
    missing: Vec<Digest>,
}

impl Scans {
    /// `POST /v1/scan`.
    pub fn start(&self, body: &[u8]) -> Result<ScanAnswer, Problem> {
        let started = Instant::now();
        let request: ScanRequest = json(body)?;
        if request.sbom.is_some() {
            return self.answer_sbom(request, started);
        }
        let scan = Scan::new(new_name()?, request, Vec::new())?;
        self.learn_pairs(&scan)?;
        let standing = self.standing(&scan)?;
        self.metrics.scan(standing.contents.len(), standing.missing.len());
        if !standing.missing.is_empty() {
            self.store.open_scan(&scan.name, body)?;
        }
        self.answer(scan, standing, started)
    }

    /// `PUT /v1/scan/{name}/layers/{diff_id}`: what is acknowledged is on disk.
    pub fn put(
        &self,
        name: &str,
        diff_id: Digest,
        query: &UploadQuery,
        bytes: &[u8],
    ) -> Result<ScanAnswer, Problem> {
        let started = Instant::now();
        let mut scan = self.open(name)?;
        scan.takes(diff_id, query)?;
        let fragment = Fragment::decode(bytes, &self.limits)
            .map_err(|error| Problem::new(problem::UNPROCESSABLE, format!("layer {diff_id}: {error}")))?;
        check_claims(&fragment, diff_id, query)?;
        check(&fragment)?;
        let content = content(&fragment)?;
        let upload = Upload { scan: name, space: &scan.space, diff_id, blob: query.blob, content, bytes };
        let stored = self.store.put_fragment(&upload)?;
        if stored == crate::store::Stored::Disputed {
            tracing::warn!(%diff_id, "two different fragments for one layer: it is missing again");
        }
        self.metrics.fragment(stored);
        self.fragments.insert(content, Arc::new(fragment));
        // Others may have sent their part meanwhile: the last one to look completes the scan.
        scan.sent = self.store.scan(name)?.map(|scan| scan.sent).unwrap_or_default();
        let standing = self.standing(&scan)?;
        self.answer(scan, standing, started)
    }

    /// `GET /v1/scan/{name}`, JSON: the stored answer, or how the scan stands.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let started = Instant::now();
        let stored = self.store.scan(name)?.ok_or_else(|| no_scan(name))?;
        if let Some(answer) = stored.answer {
            return zstd::decode_all(answer.as_slice())
                .map_err(|error| Problem::internal("stored answer", &error));
        }
        let scan = Scan::new(name.to_owned(), json(&stored.request)?, stored.sent)?;
        let standing = self.standing(&scan)?;
        to_json(&self.answer(scan, standing, started)?)
    }

    /// Keeps an answer, in the form of [`pack`], for [`get`](Self::get). It may be lost with the process, and is then worked
    /// out again.
    pub fn keep(&self, name: &str, packed: &[u8]) -> Result<(), Problem> {
        Ok(self.store.close_scan(name, packed)?)
    }

    /// Hands the images of the newest scans over, each once, with what it holds, until there were so many. Scans of which not all is
    /// known take nobody's place: anybody may leave as many as he likes. Ends early once `take` gives `false`, or at `until`.
    pub fn newest_images(
        &self,
        most: usize,
        until: Instant,
        mut take: impl FnMut(&Image, &Inventory) -> bool,
    ) -> Result<Walked, Problem> {
        type Layers = Vec<Digest>;
        let (mut seen, mut incomplete): (BTreeSet<Layers>, BTreeSet<Layers>) = Default::default();
        let mut walked = Walked::default();
        for name in self.store.newest_scans(MOST_WALKED)? {
            if seen.len() >= most {
                break;
            }
            if Instant::now() >= until {
                walked.is_cut = true;
                break;
            }
            let Some(stored) = self.store.scan(&name)? else { continue };
            let request = json(&stored.request);
            // What another release was sent says nothing to this one.
            let Ok(scan) = request.and_then(|request| Scan::new(name, request, stored.sent)) else {
                walked.incomplete += 1;
                continue;
            };
            let layers: Layers = scan.image.layers.iter().map(|layer| layer.diff_id).collect();
            if seen.contains(&layers) {
                continue;
            }
            let Some(inventory) = self.inventory(&scan)? else {
                incomplete.insert(layers);
                continue;
            };
            seen.insert(layers);
            if !take(&scan.image, &inventory) {
                break;
            }
        }
        // An earlier scan of the same image may have been whole.
        walked.incomplete += incomplete.difference(&seen).count() as u64;
        Ok(walked)
    }

    /// What a stored scan's image holds, if all of it is known.
    fn inventory(&self, scan: &Scan) -> Result<Option<Inventory>, Problem> {
        let standing = self.standing(scan)?;
        if !standing.missing.is_empty() {
            return Ok(None);
        }
        let mut fragments: Vec<Arc<Fragment>> = Vec::new();
        for layer in &scan.image.layers {
            let diff_id = layer.diff_id;
            let Some(&content) = standing.contents.get(&diff_id) else {
                fragments.push(Arc::new(Fragment::unseen(diff_id)));
                continue;
            };
            let Some(fragment) = self.read_fragment(&scan.space, diff_id, content)? else { return Ok(None) };
            fragments.push(fragment);
        }
        let fragments: Vec<&Fragment> = fragments.iter().map(AsRef::as_ref).collect();
        Ok(inventory::merge(&fragments, LockFiles::of(&scan.image)).ok())
    }

    /// `POST /v1/layers/missing`.
    pub fn missing(&self, body: &[u8]) -> Result<MissingAnswer, Problem> {
        let request: MissingRequest = json(body)?;
        if request.diff_ids.len() > MAX_LAYERS {
            let detail = format!(
                "{} diff IDs; the limit `image layers` is {MAX_LAYERS}: ask in several requests",
                request.diff_ids.len()
            );
            return Err(Problem::new(problem::UNPROCESSABLE, detail));
        }
        let known = self.store.layers(&space(request.schema, &request.analyzer)?, &request.diff_ids)?;
        let missing = request.diff_ids.into_iter().zip(known);
        Ok(MissingAnswer {
            missing: missing.filter(|(_, k)| k.is_none()).map(|(diff_id, _)| diff_id).collect(),
        })
    }

    fn open(&self, name: &str) -> Result<Scan, Problem> {
        let stored = self.store.scan(name)?.filter(|scan| !scan.request.is_empty());
        let stored = stored.ok_or_else(|| no_scan(name))?;
        Scan::new(name.to_owned(), json(&stored.request)?, stored.sent)
    }

    /// Keeps the pairs that the caller verified, so that the next caller need not.
    fn learn_pairs(&self, scan: &Scan) -> Result<(), Problem> {
        let asked: BTreeSet<Pair> = scan.pairs().collect();
        let given: Vec<Pair> =
            scan.request.pairs.iter().filter(|pair| asked.contains(pair)).copied().collect();
        if given.is_empty() {
            return Ok(());
        }
        let known = self.store.pairs(&scan.space.owner, &given)?;
        let new: Vec<Pair> = given.into_iter().zip(known).filter(|(_, k)| !k).map(|(pair, _)| pair).collect();
        if !new.is_empty() {
            self.store.add_pairs(&scan.space.owner, &new)?;
        }
        Ok(())
    }

    fn standing(&self, scan: &Scan) -> Result<Standing, Problem> {
        let skipped: BTreeSet<Digest> =
            scan.request.skipped.iter().filter_map(|skipped| skipped.what.parse().ok()).collect();
        let diff_ids: BTreeSet<Digest> = scan.image.layers.iter().map(|layer| layer.diff_id).collect();
        let wanted: Vec<Digest> = diff_ids.difference(&skipped).copied().collect();
        let known = self.store.layers(&scan.space, &wanted)?;
        let mut contents: BTreeMap<Digest, Digest> = wanted
            .iter()
            .copied()
            .zip(known)
            .filter_map(|(layer, content)| Some((layer, content?)))
            .collect();
        // What was sent for this very scan comes first: it stands even where somebody disputes it.
        contents.extend(scan.sent.iter().map(|sent| (sent.diff_id, sent.content)));
        contents.retain(|diff_id, _| !skipped.contains(diff_id));

        let verified = scan.verified();
        let doubtful: Vec<Pair> = scan.pairs().filter(|pair| !verified.contains(pair)).collect();
        let pairs_known = self.store.pairs(&scan.space.owner, &doubtful)?;
        for (pair, known) in doubtful.iter().zip(pairs_known) {
            if !known {
                contents.remove(&pair.diff_id);
            }
        }
        let mut standing = Standing { contents, skipped, missing: Vec::new() };
        standing.find_missing(&scan.image);
        Ok(standing)
    }

    /// An SBOM misses nothing: its answer comes at once.
    fn answer_sbom(&self, request: ScanRequest, started: Instant) -> Result<ScanAnswer, Problem> {
        bounds::hold(&request)?;
        let sbom = sbom::read(&request, self.sbom_bytes)?;
        let analyse_ms = milliseconds(started);
        self.metrics.sbom();
        let holds = Holds::Given(Box::new(sbom.inventory));
        let found = self.evaluate(&request, &sbom.image, holds, owner().class)?;
        let timings =
            Timings { analyse: analyse_ms, total: milliseconds(started), ..found.timings_ms.clone() };
        Ok(done(new_name()?, found, timings))
    }

    fn answer(&self, scan: Scan, mut standing: Standing, started: Instant) -> Result<ScanAnswer, Problem> {
        let mut decoded: BTreeMap<Digest, Arc<Fragment>> = BTreeMap::new();
        if standing.missing.is_empty() {
            for (diff_id, content) in standing.contents.clone() {
                match self.fragment(&scan.space, diff_id, content)? {
                    Some(fragment) => drop(decoded.insert(diff_id, fragment)),
                    None => drop(standing.contents.remove(&diff_id)),
                }
            }
            standing.find_missing(&scan.image);
            if !standing.missing.is_empty() && self.store.scan(&scan.name)?.is_none() {
                // Known by name and not there: the caller heals it.
                self.store.open_scan(&scan.name, &to_json(&scan.request)?)?;
            }
        }
        if !standing.missing.is_empty() {
            return Ok(ScanAnswer::Missing { scan: scan.name, missing: standing.missing });
        }
        let missing_ms = milliseconds(started);
        let fragments: Vec<Option<Arc<Fragment>>> =
            scan.image.layers.iter().map(|layer| decoded.get(&layer.diff_id).cloned()).collect();
        let found =
            self.evaluate(&scan.request, &scan.image, Holds::Layers(&fragments), scan.space.owner.class)?;
        let timings =
            Timings { missing: missing_ms, total: milliseconds(started), ..found.timings_ms.clone() };
        Ok(done(scan.name, found, timings))
    }

    fn evaluate(
        &self,
        request: &ScanRequest,
        image: &Image,
        holds: Holds<'_>,
        class: Class,
    ) -> Result<Evaluated, Problem> {
        let job = Job {
            reference: &request.reference,
            image,
            holds,
            policies: &request.policies,
            skipped: &request.skipped,
            allow_skipped: &request.allow_skipped,
            now: request.now.unwrap_or_else(now),
            class,
            inventory: request.inventory,
        };
        let snapshot = self.advisories.snapshot();
        evaluate(job, snapshot.as_deref())
    }

    /// A fragment by content; one that cannot be read any more is as good as missing.
    fn fragment(
        &self,
        space: &Space,
        diff_id: Digest,
        content: Digest,
    ) -> Result<Option<Arc<Fragment>>, Problem> {
        let fragment = self.read_fragment(space, diff_id, content)?;
        if let Some(fragment) = &fragment {
            self.fragments.insert(content, Arc::clone(fragment));
        }
        Ok(fragment)
    }

    /// As [`fragment`](Self::fragment), and what was not at hand is not kept there.
    fn read_fragment(
        &self,
        space: &Space,
        diff_id: Digest,
        content: Digest,
    ) -> Result<Option<Arc<Fragment>>, Problem> {
        if let Some(fragment) = self.fragments.get(content) {
            return Ok(Some(fragment));
        }
        let Some(bytes) = self.store.fragment(space, diff_id, content)? else { return Ok(None) };
        match Fragment::decode(&bytes, &self.limits) {
            Ok(fragment) => Ok(Some(Arc::new(fragment))),
            Err(error) => {
                tracing::warn!(%diff_id, %error, "a stored fragment cannot be read: it is asked for again");
                Ok(None)
            }
        }
    }
}

impl Scan {
    fn new(name: String, request: ScanRequest, sent: Vec<Sent>) -> Result<Self, Problem> {
        let Some(claim) = &request.image else {
            let detail = "the request has neither `image` nor `sbom`: name the one that is to be scanned";
            return Err(Problem::new(problem::INVALID, detail));
        };
        if request.schema != layer::SCHEMA {
            let detail = format!(
                "this server reads fragments of schema {}, the client writes schema {}: use client and server \
                 of one release",
                layer::SCHEMA,
                request.schema
            );
            return Err(Problem::new(problem::UNPROCESSABLE, detail));
        }
        bounds::hold(&request)?;
        let mut image = image(claim)?;
        if let Some(base) = &request.base {
            let (layers, all) = (base.layers, image.layers.len());
            if layers > all {
                let detail = format!("base: {layers} layers of an image of {all}");
                return Err(Problem::new(problem::UNPROCESSABLE, detail));
            }
            image.base = Some(base.clone());
        }
        let space = space(request.schema, &request.analyzer)?;
        Ok(Self { name, request, image, space, sent })
    }

    /// Each blob of the image and the layer it is said to hold. A blob that is the layer itself needs no witness.
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.image.layers.iter().filter_map(|layer| {
            let blob = layer.blob.as_ref()?.digest;
            (blob != layer.diff_id).then_some(Pair { blob, diff_id: layer.diff_id })
        })
    }

    /// Pairs that this caller verified itself.
    fn verified(&self) -> BTreeSet<Pair> {
        let sent = self.sent.iter().filter_map(|sent| Some(Pair { blob: sent.blob?, diff_id: sent.diff_id }));
        self.request.pairs.iter().copied().chain(sent).collect()
    }

    /// Whether an upload belongs to this scan.
    fn takes(&self, diff_id: Digest, query: &UploadQuery) -> Result<(), Problem> {
        let conflict = |detail: String| Err(Problem::new(problem::CONFLICT, detail));
        if (query.schema, query.analyzer.as_str()) != (self.request.schema, self.request.analyzer.as_str()) {
            return conflict(format!(
                "the scan is of schema {} and analyzer {:?}; the fragment is said to be of schema {} and \
                 analyzer {:?}",
                self.request.schema, self.request.analyzer, query.schema, query.analyzer
            ));
        }
        let blobs: Vec<Option<Digest>> = (self.image.layers.iter())
            .filter(|layer| layer.diff_id == diff_id)
            .map(|layer| layer.blob.as_ref().map(|blob| blob.digest))
            .collect();
        if blobs.is_empty() {
            return conflict(format!("layer {diff_id} is not of the image of this scan"));
        }
        let named: Vec<Digest> = blobs.into_iter().flatten().collect();
        match query.blob {
            None if !named.is_empty() => conflict(format!(
                "layer {diff_id}: the image names its blob {}; name the blob that was read as `blob`",
                named[0]
            )),
            Some(read) if !named.is_empty() && !named.contains(&read) => conflict(format!(
                "layer {diff_id}: the image names its blob {}, the blob that was read is {read}",
                named[0]
            )),
            _ => Ok(()),
        }
    }
}

impl Standing {
    fn find_missing(&mut self, image: &Image) {
        let mut seen = BTreeSet::new();
        let missing = image.layers.iter().map(|layer| layer.diff_id).filter(|diff_id| {
            !self.contents.contains_key(diff_id) && !self.skipped.contains(diff_id) && seen.insert(*diff_id)
        });
        self.missing = missing.collect();
    }
}

fn done(scan: String, found: Evaluated, timings_ms: Timings) -> ScanAnswer {
    ScanAnswer::Done { scan, result: Box::new(found.result), inventory: found.inventory, timings_ms }
}

fn image(claim: &ImageClaim) -> Result<Image, Problem> {
    let bytes = |what: &str, text: &str| {
        BASE64_STANDARD
            .decode(text)
            .map_err(|error| Problem::new(problem::INVALID, format!("{what} is not base64: {error}")))
    };
    let image = match claim {
        ImageClaim::Content { manifest: Some(manifest), config } => {
            Image::parse(&bytes("manifest", manifest)?, &bytes("config", config)?)
        }
        ImageClaim::Content { manifest: None, config } => Image::parse_config(&bytes("config", config)?),
        ImageClaim::Engine { image_id, platform, diff_ids, history } => {
            Image::new(*image_id, platform.clone(), diff_ids.clone(), history)
        }
    };
    image.map_err(|error| Problem::new(problem::UNPROCESSABLE, format!("image: {error}")))
}

fn space(schema: u32, analyzer: &str) -> Result<Space, Problem> {
    if analyzer.is_empty()
        || analyzer.chars().count() > ANALYZER_CHARS
        || analyzer.chars().any(char::is_control)
    {
        let detail = format!("analyzer {analyzer:?}: want 1 to {ANALYZER_CHARS} printable characters");
        return Err(Problem::new(problem::INVALID, detail));
    }
    Ok(Space { owner: owner(), schema, analyzer: analyzer.to_owned() })
}

/// One tenant and one class, until there are identities.
fn owner() -> Owner {
    Owner { tenant: "default".to_owned(), class: Class::Trusted, scope: String::new() }
}

/// What a fragment says of itself must be what it was sent as.
fn check_claims(fragment: &Fragment, diff_id: Digest, query: &UploadQuery) -> Result<(), Problem> {
    let said = (fragment.diff_id, fragment.schema, fragment.analyzer.as_str());
    if said == (diff_id, query.schema, query.analyzer.as_str()) {
        return Ok(());
    }
    let detail = format!(
        "the fragment was sent as layer {diff_id}, schema {}, analyzer {:?}; it says layer {}, schema {}, \
         analyzer {:?}",
        query.schema, query.analyzer, said.0, said.1, said.2
    );
    Err(Problem::new(problem::CONFLICT, detail))
}

/// Digest of what a fragment says: two clients that compress differently do not dispute.
fn content(fragment: &Fragment) -> Result<Digest, Problem> {
    struct Hashing(Hasher);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let failed = |error: &dyn std::fmt::Display| Problem::internal("hashing a fragment", error);
    let mut out = BufWriter::with_capacity(64 << 10, Hashing(Hasher::default()));
    serde_json::to_writer(&mut out, fragment).map_err(|error| failed(&error))?;
    Ok(out.into_inner().map_err(|error| failed(&error))?.0.finish())
}

/// Age first, so that names sort by it, then 128 random bits, so that a name is only known to who was told it.
fn new_name() -> Result<String, Problem> {
    let age_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let random = [getrandom::u64(), getrandom::u64()];
    let [high, low] = random.map(|half| half.map_err(|error| Problem::internal("random numbers", &error)));
    Ok(format!("{:012x}{:016x}{:016x}", age_ms & 0xffff_ffff_ffff, high?, low?))
}

fn no_scan(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(
        problem::NO_SCAN,
        format!("no scan {shown:?} here, or not any more: POST /v1/scan again and go on with its answer"),
    )
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(problem::INVALID, format!("the body's JSON: {error}")))
}

/// zstd of an answer: how it is kept, and sent to whoever takes it.
pub fn pack(answer: &[u8]) -> Result<Vec<u8>, Problem> {
    zstd::encode_all(answer, 1).map_err(|error| Problem::internal("compressing an answer", &error))
}

/// JSON of an answer.
pub fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::internal("writing JSON", &error))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

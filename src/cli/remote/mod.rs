//! The gate with a server: ask which layers are new, analyse and send only those; or send an SBOM.

mod answer;

use std::time::Instant;

use stella::{
    api::{PackedSbom, ScanAnswer, ScanRequest},
    delta::Delta,
    digest::Digest,
    image::Image,
    inventory::Inventory,
    layer::{Analysed, SCHEMA},
    report::{Run, ScanResult, Timings},
};

use answer::Asked;

use super::{
    analyse::ledger,
    client::{self, Client, Server, USER_AGENT},
    exit::Failure,
    gate::{Job, Scanned, ms},
    image,
    log::Log,
};

/// How often a scan is asked for again when the server forgot it between two calls.
const HEALS: usize = 2;

/// A server, and the runtime that talks to it.
pub struct Remote {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// Why a scan with a server did not come to a result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The image.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A fragment of ours cannot be written.
    #[error("a fragment cannot be encoded: {0}")]
    Encode(#[from] stella::layer::DecodeError),
    /// An SBOM cannot be packed.
    #[error("the SBOM cannot be compressed: {0}")]
    Pack(std::io::Error),
    /// The server asked for the same layers again and again.
    #[error("the server keeps asking for layers that it was sent; the scan was given up")]
    Endless,
}

impl Error {
    /// Whether another way to the same result may be tried.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_outage())
    }
}

impl Remote {
    /// Prepares the calls; nothing is sent yet.
    pub fn new(server: &Server, log: Log) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unfinished(format!("no event loop: {error}")))?;
        let client = Client::new(server, USER_AGENT, log).map_err(Failure::usage)?;
        Ok(Self { client, runtime })
    }

    /// Gates one image, or an SBOM of one.
    pub fn scan(&mut self, job: &Job<'_>, run: &mut Run) -> Result<Scanned, Error> {
        match (job.opened.document(), job.opened.inventory()) {
            (Some(document), Some(inventory)) => {
                self.scan_sbom(job, document, &job.image.image, inventory, run)
            }
            _ => self.scan_layers(job, run),
        }
    }

    /// Sends an SBOM's bytes, in one round trip; the answer must be one for `image` and `inventory`, which were read of
    /// them here.
    fn scan_sbom(
        &self,
        job: &Job<'_>,
        document: &[u8],
        image: &Image,
        inventory: &Inventory,
        run: &mut Run,
    ) -> Result<Scanned, Error> {
        let started = Instant::now();
        let sbom = PackedSbom::pack(document).map_err(Error::Pack)?;
        let request = ScanRequest { sbom: Some(sbom), ..request(job) };
        let asked = Asked { request: &request, image, given: Some(inventory) };
        let answer = self.ask(job, &request)?;
        run.timings_ms.upload += ms(started.elapsed());
        match answer {
            ScanAnswer::Done { result, timings_ms, .. } => {
                let result = self.accept(asked, *result, &timings_ms, run)?;
                Ok(Scanned { result, sbom: job.sbom(image, || inventory.clone()) })
            }
            ScanAnswer::Missing { .. } => {
                Err(self.client.protocol("it asks for the layers of an SBOM".to_owned()).into())
            }
        }
    }

    fn ask(&self, job: &Job<'_>, request: &ScanRequest) -> Result<ScanAnswer, Error> {
        let _bar = job.progress.begin("asking the server");
        Ok(self.runtime.block_on(self.client.scan(request))?)
    }

    fn scan_layers(&self, job: &Job<'_>, run: &mut Run) -> Result<Scanned, Error> {
        let image = &job.image.image;
        let diff_ids: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
        let mut layers: Vec<Layer> = Vec::new();
        // A source that cannot prove what it did not read is read whole, before anybody is asked.
        let unproven = matches!(job.image.claim, stella::api::ImageClaim::Content { .. })
            && !job.image.content_addressed;
        if unproven || job.settings.verify_all {
            let wanted: Vec<Digest> = Delta::new(&diff_ids, diff_ids.iter().copied()).missing;
            self.analyse(job, &wanted, &mut layers, run)?;
        }
        let request = ScanRequest {
            image: Some(job.image.claim.clone()),
            base: image.base.clone(),
            pairs: layers.iter().map(Layer::pair).collect(),
            ..request(job)
        };
        let asked = Asked { request: &request, image, given: None };
        let mut counted = false;
        for _ in 0..=HEALS {
            let began = Instant::now();
            let mut answer = self.ask(job, &request)?;
            if !counted {
                run.timings_ms.missing += ms(began.elapsed());
            }
            if let ScanAnswer::Missing { scan, missing } = &answer {
                let delta = Delta::new(&diff_ids, missing.iter().copied());
                if !std::mem::replace(&mut counted, true) {
                    run.layers.hits += delta.hits.len();
                    run.layers.misses += delta.misses(diff_ids.len());
                }
                let unread: Vec<Digest> = delta
                    .missing
                    .iter()
                    .copied()
                    .filter(|diff_id| layers.iter().all(|layer| layer.analysed.fragment.diff_id != *diff_id))
                    .collect();
                self.analyse(job, &unread, &mut layers, run)?;
                match self.upload(job, scan, &delta.missing, &layers, run)? {
                    Some(next) => answer = next,
                    None => continue,
                }
            } else if !std::mem::replace(&mut counted, true) {
                run.layers.hits += diff_ids.len();
            }
            if let ScanAnswer::Done { result, inventory, timings_ms, .. } = answer {
                let result = self.accept(asked, *result, &timings_ms, run)?;
                if let Some(why) = answer::no_inventory(&request, &result, inventory.as_deref()) {
                    return Err(self.client.protocol(why).into());
                }
                let verified: Vec<Digest> =
                    layers.iter().map(|layer| layer.analysed.fragment.diff_id).collect();
                run.ledger.extend(ledger(job.image, &verified));
                let sbom = inventory.and_then(|inventory| job.sbom(image, || *inventory));
                return Ok(Scanned { result, sbom });
            }
        }
        Err(Error::Endless)
    }

    /// Takes a result that is one for what was asked: a server that answers for another image, or with another policy,
    /// must not open the gate.
    fn accept(
        &self,
        asked: Asked<'_>,
        result: ScanResult,
        timings_ms: &Timings,
        run: &mut Run,
    ) -> Result<ScanResult, Error> {
        if let Some(why) = answer::mismatch(asked, &result) {
            return Err(self.client.protocol(why).into());
        }
        run.timings_ms.matching += timings_ms.matching;
        run.timings_ms.policy += timings_ms.policy;
        run.round_trips = self.client.round_trips();
        run.identity = Some(self.client.identity().to_owned());
        if let Some(why) = self.client.untaken()
            && !run.notes.iter().any(|note| note == why)
        {
            run.notes.push(why.to_owned());
        }
        run.retries = self.client.retries();
        Ok(result)
    }

    fn analyse(
        &self,
        job: &Job<'_>,
        wanted: &[Digest],
        layers: &mut Vec<Layer>,
        run: &mut Run,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let source = &job.settings.source;
        let bar = job.progress.begin("reading layers");
        let analysed = job.opened.analyse(job.image, wanted, &source.limits, source.threads, &bar);
        drop(bar);
        for analysed in analysed? {
            run.bytes_read += analysed.blob_bytes;
            layers.push(Layer { encoded: analysed.fragment.encode()?, analysed });
        }
        run.timings_ms.analyse += ms(started.elapsed());
        Ok(())
    }

    /// Sends the wanted fragments; gives the last answer, or `None` when the server does not know the scan any more.
    fn upload(
        &self,
        job: &Job<'_>,
        scan: &str,
        wanted: &[Digest],
        layers: &[Layer],
        run: &mut Run,
    ) -> Result<Option<ScanAnswer>, Error> {
        let started = Instant::now();
        let read = |diff_id| layers.iter().find(|layer| layer.analysed.fragment.diff_id == diff_id);
        let sent: Vec<&Layer> = wanted.iter().copied().filter_map(read).collect();
        let bar = job.progress.begin("sending what the layers say");
        bar.expect(sent.len(), Some(sent.iter().map(|layer| layer.encoded.len() as u64).sum()));
        let mut last = None;
        for layer in sent {
            let Analysed { blob, fragment, .. } = &layer.analysed;
            let encoded = layer.encoded.clone();
            let put =
                self.client.put_fragment(scan, &fragment.analyzer, fragment.diff_id, Some(*blob), encoded);
            match self.runtime.block_on(put) {
                Ok(answer) => last = Some(answer),
                Err(error) if error.is_unknown_scan() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            run.uploaded += 1;
            bar.bytes(layer.encoded.len() as u64);
            bar.part();
        }
        run.timings_ms.upload += ms(started.elapsed());
        Ok(last)
    }
}

/// What is asked of an image or an SBOM, without either.
fn request(job: &Job<'_>) -> ScanRequest {
    ScanRequest {
        schema: SCHEMA,
        analyzer: job.settings.source.limits.analyzer(),
        reference: job.settings.source.text.clone(),
        image: None,
        sbom: None,
        inventory: job.settings.wants_sbom() && job.opened.inventory().is_none(),
        base: None,
        pairs: Vec::new(),
        policies: job.settings.policies.clone(),
        skipped: job.skipped.clone(),
        allow_skipped: job.settings.allow_skipped.clone(),
        now: Some(job.settings.now.as_second()),
    }
}

/// A layer read in this run, ready to be sent.
struct Layer {
    analysed: Analysed,
    encoded: Vec<u8>,
}

impl Layer {
    fn pair(&self) -> stella::api::Pair {
        stella::api::Pair { blob: self.analysed.blob, diff_id: self.analysed.fragment.diff_id }
    }
}

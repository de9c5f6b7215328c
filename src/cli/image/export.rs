//! The tar that an engine exports, read as it arrives. Layers that nobody wants are passed over where their names tell.
//!
//! Newer engines name each blob by its digest; older ones give each layer a name of their own, so that only its bytes
//! tell which one it is. Either way a layer is taken only if its bytes have the wanted digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use stella::{
    digest::Digest,
    image::Image,
    inventory::Weight,
    layer::{self, Analysed, Expected, Limits, tar::Source},
};

use super::{
    Error, Progress, archive,
    members::{Kind, Members},
    read::Counted,
    store::{MOST_DOCUMENT_BYTES, blob_digest, link_target},
};

/// The engine's chunks as one stream.
pub(super) struct Chunks<B> {
    receiver: tokio::sync::mpsc::Receiver<B>,
    chunk: Option<B>,
    used: usize,
}

impl<B: AsRef<[u8]>> Chunks<B> {
    pub fn new(receiver: tokio::sync::mpsc::Receiver<B>) -> Self {
        Self { receiver, chunk: None, used: 0 }
    }

    /// What is there of the current chunk; empty only at the end.
    fn rest(&mut self) -> &[u8] {
        while self.chunk.as_ref().is_none_or(|chunk| chunk.as_ref().len() <= self.used) {
            self.used = 0;
            self.chunk = self.receiver.blocking_recv();
            if self.chunk.is_none() {
                return &[];
            }
        }
        self.chunk.as_ref().map_or(&[], |chunk| &chunk.as_ref()[self.used..])
    }
}

impl<B: AsRef<[u8]>> Read for Chunks<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.rest();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}

impl<B: AsRef<[u8]>> Source for Chunks<B> {
    fn pass(&mut self, count: u64) -> io::Result<u64> {
        let mut passed = 0;
        while passed < count {
            let step = usize::try_from(count - passed).unwrap_or(usize::MAX).min(self.rest().len());
            if step == 0 {
                break;
            }
            self.used += step;
            passed += step as u64;
        }
        Ok(passed)
    }
}

/// What became of a layer whose name does not say which one it is.
type Outcome = Result<Digest, layer::Error>;

struct Export<'a> {
    address: &'a str,
    image: &'a Image,
    wanted: BTreeSet<Digest>,
    found: BTreeMap<Digest, Analysed>,
    /// By member.
    outcomes: BTreeMap<String, Outcome>,
    /// Links of the old form, from member to member.
    links: BTreeMap<String, String>,
    manifest: Option<Vec<u8>>,
    weight: Weight,
}

/// Reads the export up to the last wanted layer. Results in image order.
pub(super) fn analyse(
    input: impl Source + Send,
    address: &str,
    image: &Image,
    wanted: &[Digest],
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<Vec<Analysed>, Error> {
    let mut export = Export {
        address,
        image,
        wanted: image.layers.iter().map(|layer| layer.diff_id).filter(|id| wanted.contains(id)).collect(),
        found: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        links: BTreeMap::new(),
        manifest: None,
        weight: Weight::default(),
    };
    progress.begin(export.wanted.len(), None);
    let mut members = Members::new(input, format!("the export of the Docker engine at {address}"));
    while export.found.len() < export.wanted.len() {
        let Some(member) = members.next()? else { return Err(export.unfound()) };
        match &member.kind {
            Kind::SymbolicLink(target) => {
                if let Some(target) = link_target(&member.path, target) {
                    export.links.insert(member.path, target);
                }
            }
            Kind::HardLink(target) => _ = export.links.insert(member.path.clone(), target.clone()),
            Kind::File => export.file(&member.path, member.size_bytes, &mut members, limits, progress)?,
            Kind::Directory | Kind::Device => {}
        }
    }
    let mut found = export.found;
    Ok(image.layers.iter().filter_map(|layer| found.remove(&layer.diff_id)).collect())
}

impl Export<'_> {
    fn file<R: Source + Send>(
        &mut self,
        path: &str,
        size_bytes: u64,
        members: &mut Members<R>,
        limits: &Limits,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        if path == "manifest.json" {
            if size_bytes <= MOST_DOCUMENT_BYTES {
                let mut bytes = Vec::new();
                let read = members.read_to_end(&mut bytes);
                read.map_err(|source| self.failed(path, source))?;
                self.manifest = Some(bytes);
            }
            return Ok(());
        }
        let blob = blob_digest(path);
        let named = blob.filter(|digest| self.image.layers.iter().any(|layer| layer.diff_id == *digest));
        if let Some(diff_id) = named {
            if !self.wanted.contains(&diff_id) || self.found.contains_key(&diff_id) {
                return Ok(());
            }
        } else if blob.is_none() && path.rsplit('/').next() != Some("layer.tar") {
            return Ok(());
        }
        let mut reader: &mut (dyn Read + Send) = members;
        let mut first = [0; 1];
        let mut whole;
        if named.is_none() && blob.is_some() {
            // A config or manifest, or a layer that is stored compressed: its first byte tells.
            let count = reader.read(&mut first).map_err(|source| self.failed(path, source))?;
            if count == 0 || first == *b"{" {
                return Ok(());
            }
            whole = io::Read::chain(&first[..], reader);
            reader = &mut whole;
        }
        let expected = Expected { blob, diff_id: named };
        match (layer::analyse(Counted { reader, progress }, expected, limits), named) {
            (Ok(analysed), _) => {
                let diff_id = analysed.fragment.diff_id;
                self.outcomes.insert(path.to_owned(), Ok(diff_id));
                if self.wanted.contains(&diff_id) && !self.found.contains_key(&diff_id) {
                    self.weight.add(&analysed.fragment)?;
                    progress.analysed(&analysed);
                    self.found.insert(diff_id, analysed);
                }
                Ok(())
            }
            (Err(source), Some(diff_id)) => Err(self.refused(diff_id, path, source)),
            // Perhaps a layer that nobody wants; if it was wanted, it will be missed.
            (Err(source), None) => {
                self.outcomes.insert(path.to_owned(), Err(source));
                Ok(())
            }
        }
    }

    /// The export is over and a wanted layer was not in it: says what lies in its place.
    fn unfound(mut self) -> Error {
        let missing = |(_, layer): &(usize, &stella::image::Layer)| {
            self.wanted.contains(&layer.diff_id) && !self.found.contains_key(&layer.diff_id)
        };
        let (position, expected) = match self.image.layers.iter().enumerate().find(missing) {
            Some((position, layer)) => (position, layer.diff_id),
            None => (0, self.image.config_digest),
        };
        let place = format!("the export of the Docker engine at {}", self.address);
        let entries = self.manifest.as_deref().map(|bytes| archive::parse(bytes, &place));
        let mut path = match entries {
            Some(Ok(entries)) => {
                entries.into_iter().next().and_then(|entry| entry.layers.into_iter().nth(position))
            }
            _ => None,
        };
        if let Some(target) = path.as_ref().and_then(|path| self.links.get(path)) {
            path = Some(target.clone());
        }
        let path = path.unwrap_or_default();
        match self.outcomes.remove(&path) {
            Some(Err(source)) => self.refused(expected, &path, source),
            outcome => Error::EngineLayer {
                address: self.address.to_owned(),
                position,
                expected,
                found: outcome.and_then(Result::ok),
            },
        }
    }

    fn refused(&self, diff_id: Digest, path: &str, source: layer::Error) -> Error {
        let place = format!("the export of the Docker engine at {}", self.address);
        Error::Layer { diff_id, name: path.to_owned(), place, source: Box::new(source) }
    }

    fn failed(&self, path: &str, source: io::Error) -> Error {
        let place = format!("the export of the Docker engine at {}", self.address);
        Error::Read { name: path.to_owned(), place, source }
    }
}

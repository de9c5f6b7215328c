//! Indexes of an OCI layout: which images it holds, under which tags, for which platforms.

use std::collections::BTreeSet;

use serde::Deserialize;
use stella::{
    digest::Digest,
    document::{self, OCI_KEYS},
    image::{self, Descriptor, Image, Platform},
    inventory::Skipped,
};

use super::{
    Error, OpenedImage,
    store::{Store, blob_name},
};

/// `index manifests`: most entries of all indexes of one layout.
const MOST_MANIFESTS: u64 = 1024;

/// `index depth`: indexes inside indexes.
const MOST_DEPTH: u64 = 4;

const NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
const KIND: &str = "vnd.docker.reference.type";

/// Media type of what attestations hold instead of layers; no engine unpacks it.
const ATTESTATION: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// What decides whether a manifest is of an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson {
    #[serde(default)]
    artifact_type: String,
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// What was found in a layout.
#[derive(Default)]
pub(super) struct Found {
    pub images: Vec<OpenedImage>,
    pub skipped: Vec<Skipped>,
    platforms: BTreeSet<String>,
    /// What the images run on, as whoever chooses among them is told.
    chosen: Vec<Platform>,
    seen: BTreeSet<Digest>,
    entries: u64,
    /// Whether images that are named but not there are passed over, as in a tar of one platform of an index.
    lenient: bool,
}

/// Opens the images of a layout that `tag` names, for `platforms` or for all.
pub(super) fn open(store: &Store, tag: Option<&str>, platforms: &[Platform]) -> Result<Found, Error> {
    let place = store.place();
    let top = top(store)?;
    let chosen = choose(&place, top, tag)?;
    let mut found = Found::default();
    for descriptor in &chosen {
        found.visit(store, descriptor, platforms, 1)?;
    }
    found.finish(place, platforms)
}

/// Every image whose documents are there, whatever its tag: for the manifests behind a `manifest.json`.
pub(super) fn all(store: &Store) -> Result<Vec<OpenedImage>, Error> {
    let mut found = Found { lenient: true, ..Found::default() };
    for descriptor in &top(store)? {
        found.visit(store, descriptor, &[], 1)?;
    }
    Ok(found.images)
}

fn top(store: &Store) -> Result<Vec<Descriptor>, Error> {
    parse(store, "index.json", &store.document("index.json")?)
}

fn parse(store: &Store, name: &str, bytes: &[u8]) -> Result<Vec<Descriptor>, Error> {
    let index = document::kind(bytes).and_then(|_| document::parse::<IndexJson>(bytes, OCI_KEYS));
    Ok(index.map_err(invalid(store, name.to_owned()))?.manifests)
}

fn invalid(store: &Store, name: String) -> impl FnOnce(serde_json::Error) -> Error {
    let place = store.place();
    move |error| Error::Document { name, place, why: error.to_string() }
}

/// The descriptors under one tag; those without a name belong to every tag's layout only when none was asked for.
fn choose(place: &str, top: Vec<Descriptor>, tag: Option<&str>) -> Result<Vec<Descriptor>, Error> {
    let named = |descriptor: &Descriptor| -> Option<String> {
        let annotation = |key| descriptor.annotations.get(key).cloned();
        annotation(FULL_NAME).or_else(|| annotation(NAME))
    };
    let there: BTreeSet<String> = top.iter().filter_map(named).collect();
    let wrong = || Error::Tag {
        place: place.to_owned(),
        wanted: tag.map(str::to_owned),
        there: if there.is_empty() {
            top.iter().map(|descriptor| descriptor.digest.to_string()).collect()
        } else {
            there.iter().cloned().collect()
        },
    };
    let Some(tag) = tag else {
        let images: BTreeSet<Digest> =
            top.iter().filter(|descriptor| named(descriptor).is_some()).map(|d| d.digest).collect();
        return if there.len() > 1 && images.len() > 1 { Err(wrong()) } else { Ok(top) };
    };
    let exact = |descriptor: &&Descriptor| {
        descriptor.digest.to_string() == tag
            || [NAME, FULL_NAME].iter().any(|key| descriptor.annotations.get(*key).is_some_and(|n| n == tag))
    };
    let ending = |descriptor: &&Descriptor| {
        let ends = |name: &String| name.ends_with(&format!(":{tag}")) || name.ends_with(&format!("/{tag}"));
        [NAME, FULL_NAME].iter().any(|key| descriptor.annotations.get(*key).is_some_and(ends))
    };
    let mut matching: Vec<Descriptor> = top.iter().filter(exact).cloned().collect();
    if matching.is_empty() {
        matching = top.iter().filter(ending).cloned().collect();
    }
    // One tag may stand for several platforms, but not for images of different names.
    let names: BTreeSet<_> = matching.iter().filter_map(named).collect();
    let digests: BTreeSet<_> = matching.iter().map(|descriptor| descriptor.digest).collect();
    if matching.is_empty() || (names.len() > 1 && digests.len() > 1) { Err(wrong()) } else { Ok(matching) }
}

impl Found {
    fn visit(
        &mut self,
        store: &Store,
        descriptor: &Descriptor,
        platforms: &[Platform],
        depth: u64,
    ) -> Result<(), Error> {
        let place = store.place();
        let name = blob_name(descriptor.digest);
        self.entries += 1;
        for (limit, most, found) in
            [("index depth", MOST_DEPTH, depth), ("index manifests", MOST_MANIFESTS, self.entries)]
        {
            if found > most {
                return Err(Error::Limit { name, place, limit, most, found });
            }
        }
        // The platform that a builder gives to what cannot run is a word only: whether it can run is looked at below.
        let named = descriptor.platform.as_ref().filter(|platform| !is_unknown(platform));
        if let Some(platform) = named
            && !wanted(platform, platforms)
        {
            self.platforms.insert(platform.to_string());
            return Ok(());
        }
        // Copies of an image often come without its attestations.
        let absent = (self.lenient || is_called_attestation(descriptor)) && !store.has(&name);
        if !self.seen.insert(descriptor.digest) || absent {
            return Ok(());
        }
        let bytes = store.verified(descriptor.digest)?;
        let document_name = || format!("manifest {name}");
        if document::kind(&bytes).map_err(invalid(store, document_name()))? == document::Kind::Index {
            for inner in parse(store, &name, &bytes)? {
                self.visit(store, &inner, platforms, depth + 1)?;
            }
            return Ok(());
        }
        // What has no config is an artifact of another kind, or no manifest at all.
        let manifest: ManifestJson =
            document::parse(&bytes, OCI_KEYS).map_err(invalid(store, document_name()))?;
        if !manifest.layers.is_empty() && manifest.layers.iter().all(|layer| layer.media_type == ATTESTATION)
        {
            return Ok(());
        }
        let other = [&manifest.artifact_type, &manifest.config.media_type]
            .into_iter()
            .find(|media_type| !media_type.is_empty() && !image::is_config_media_type(media_type));
        if let Some(media_type) = other {
            self.skipped.push(Skipped {
                name: format!("manifest:{media_type}"),
                what: descriptor.digest.to_string(),
                why: "not a container image".to_owned(),
            });
            return Ok(());
        }
        if self.lenient && !store.has(&blob_name(manifest.config.digest)) {
            return Ok(());
        }
        let config = store.verified(manifest.config.digest)?;
        let image = Image::parse(&bytes, &config);
        let image = image.map_err(|source| Error::Image { name, place, source })?;
        // Engines choose by the index's word, whatever the config says.
        let platform = named.unwrap_or(&image.platform).clone();
        self.platforms.insert(platform.to_string());
        if wanted(&platform, platforms) {
            self.chosen.push(platform);
            self.images.push(OpenedImage::from_layout(store, image, &bytes, &config));
        }
        Ok(())
    }

    fn finish(mut self, place: String, platforms: &[Platform]) -> Result<Self, Error> {
        let there = || self.platforms.iter().cloned().collect();
        for platform in platforms {
            if !self.chosen.iter().any(|chosen| wanted(chosen, std::slice::from_ref(platform))) {
                return Err(Error::Platform { place, wanted: platform.to_string(), there: there() });
            }
        }
        if self.images.is_empty() {
            let found = self.skipped.iter().map(|skipped| skipped.name.clone()).collect();
            return Err(Error::Nothing { place, found });
        }
        self.images.sort_by(|a, b| a.image.platform.cmp(&b.image.platform));
        self.skipped.sort();
        one_each(&place, &self.images)?;
        Ok(self)
    }
}

/// Two images of one platform cannot both be the one that is gated; `images` are sorted by platform.
pub(super) fn one_each(place: &str, images: &[OpenedImage]) -> Result<(), Error> {
    match images.windows(2).find(|pair| pair[0].image.platform == pair[1].image.platform) {
        None => Ok(()),
        Some(pair) => Err(Error::Tag {
            place: place.to_owned(),
            wanted: None,
            there: pair.iter().map(|opened| opened.image.digest().to_string()).collect(),
        }),
    }
}

/// Whether a builder's words say that this is an attestation.
fn is_called_attestation(descriptor: &Descriptor) -> bool {
    descriptor.platform.as_ref().is_some_and(is_unknown)
        || descriptor.annotations.get(KIND).is_some_and(|kind| kind == "attestation-manifest")
}

/// The platform that builders give to what cannot run.
fn is_unknown(platform: &Platform) -> bool {
    platform.os == "unknown" && platform.architecture == "unknown"
}

/// Whether `platform` is among those asked for; all are where none was named.
pub(super) fn wanted(platform: &Platform, platforms: &[Platform]) -> bool {
    // containerd's normal form: arm64 is v8 where nothing else is said.
    let variant = |platform: &Platform| match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("arm64", "") => "v8".to_owned(),
        (_, variant) => variant.to_owned(),
    };
    platforms.is_empty()
        || platforms.iter().any(|wanted| {
            wanted.os == platform.os
                && wanted.architecture == platform.architecture
                && (wanted.variant.is_empty() || variant(wanted) == variant(platform))
        })
}

//! What `docker save` writes: `manifest.json` names configs and layers by path.
//!
//! Up to Docker 24 a layer is `ID/layer.tar` (at times a link to another), later it is a blob of an OCI layout that
//! lies in the same tar.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use stella::{
    api::ImageClaim,
    document,
    image::{self, Image, MAX_LAYERS, Platform},
};

use super::{
    Error, OpenedImage, Place,
    index::{self, Found},
    platform,
    store::{Store, blob_digest},
};

/// `archive images`: most images of one archive.
const MOST_IMAGES: usize = 256;

/// One image of a `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    /// Path of the config.
    pub config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    /// Paths of the layers, bottom to top.
    #[serde(default)]
    pub layers: Vec<String>,
}

/// Reads a `manifest.json`.
pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Vec<Entry>, Error> {
    let (name, place) = ("manifest.json".to_owned(), place.to_owned());
    let mut entries: Vec<Entry> = match document::parse(bytes, &["Config", "RepoTags", "Layers"]) {
        Ok(entries) => entries,
        Err(error) => return Err(Error::Document { name, place, why: error.to_string() }),
    };
    let most = |limit, most: usize, found: usize| Error::Limit {
        name,
        place,
        limit,
        most: most as u64,
        found: found as u64,
    };
    if entries.len() > MOST_IMAGES {
        return Err(most("archive images", MOST_IMAGES, entries.len()));
    }
    // Some builders write `./config.json`, which is the member `config.json`.
    for name in entries.iter_mut().flat_map(|entry| entry.layers.iter_mut().chain([&mut entry.config])) {
        *name = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
    }
    match entries.iter().map(|entry| entry.layers.len()).max() {
        Some(layers) if layers > MAX_LAYERS => Err(most("image layers", MAX_LAYERS, layers)),
        _ => Ok(entries),
    }
}

/// Opens the images that `tag` names, for `platforms` or for all, and says what else is there: what is no image, and what
/// may hold statements about one.
pub(super) fn open(store: &Store, tag: Option<&str>, platforms: &[Platform]) -> Result<Found, Error> {
    let place = store.place();
    let entries = choose(&place, parse(&store.document("manifest.json")?, &place)?, tag)?;
    let names = entries.iter().flat_map(|entry| entry.repo_tags.iter().flatten());
    let name = names.filter(|name| tag.is_none_or(|tag| index::ends_with(name, tag))).min().cloned();
    // With the newer form comes an index, whose manifests name every blob by digest.
    let mut addressed: BTreeMap<_, _> = BTreeMap::new();
    let mut found = Found::default();
    if store.has("index.json") {
        found = index::beside(store, tag, platforms)?;
        for opened in found.images.drain(..) {
            addressed.entry(opened.image.config_digest).or_insert(opened);
        }
    }
    let mut images = BTreeMap::new();
    let mut there = BTreeSet::new();
    let mut passed_over = None;
    for entry in &entries {
        let opened = from_entry(store, entry)?;
        there.insert(opened.image.platform.to_string());
        if platform::wanted(&opened.image.platform, platforms) {
            let id = opened.image.config_digest;
            let opened = addressed.remove(&id).unwrap_or(opened);
            images.entry(id).or_insert(opened);
        } else if entry.repo_tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
            passed_over = Some(&entry.config);
        }
    }
    // Newer engines go by the index alone, so what only it names is gated too.
    for (id, opened) in addressed {
        images.entry(id).or_insert(opened);
    }
    for wanted in platforms {
        let asked = std::slice::from_ref(wanted);
        if !images.values().any(|opened| platform::wanted(&opened.image.platform, asked)) {
            return Err(Error::Platform {
                place,
                wanted: wanted.to_string(),
                there: there.into_iter().collect(),
            });
        }
    }
    // An engine gives the tag to the last one, whatever its platform.
    if let (Some(config), false) = (passed_over, images.is_empty()) {
        let why = format!("{config} has a tag too, but another platform: gate all of it, without --platform");
        return Err(Error::Document { name: "manifest.json".to_owned(), place, why });
    }
    let mut images: Vec<_> = images.into_values().collect();
    if images.is_empty() {
        return Err(Error::Nothing { place, found: Vec::new() });
    }
    images.sort_by(|a, b| a.image.platform.cmp(&b.image.platform));
    index::one_each(&place, &images)?;
    (found.images, found.name) = (images, name);
    Ok(found)
}

/// The entries under one tag; several entries without a tag are one image for several platforms, or a question.
fn choose(place: &str, entries: Vec<Entry>, tag: Option<&str>) -> Result<Vec<Entry>, Error> {
    let tags = |entry: &Entry| entry.repo_tags.clone().unwrap_or_default();
    let there: BTreeSet<String> = entries.iter().flat_map(tags).collect();
    let sets: BTreeSet<Vec<String>> = entries.iter().map(tags).collect();
    let wrong = |there| Error::Tag { place: place.to_owned(), wanted: tag.map(str::to_owned), there };
    let Some(tag) = tag else {
        let configs: BTreeSet<&String> = entries.iter().map(|entry| &entry.config).collect();
        let clear = sets.len() <= 1 || configs.len() <= 1;
        return if clear { Ok(entries) } else { Err(wrong(there.into_iter().collect())) };
    };
    let mut names: BTreeSet<&String> = there.iter().filter(|name| *name == tag).collect();
    if names.is_empty() {
        names = there.iter().filter(|name| index::ends_with(name, tag)).collect();
    }
    let matches: Vec<bool> =
        entries.iter().map(|entry| tags(entry).iter().any(|name| names.contains(name))).collect();
    let configs: BTreeSet<&String> = entries
        .iter()
        .zip(&matches)
        .filter(|(_, matches)| **matches)
        .map(|(entry, _)| &entry.config)
        .collect();
    if configs.is_empty() || (names.len() > 1 && configs.len() > 1) {
        return Err(wrong(there.into_iter().collect()));
    }
    Ok(entries.into_iter().zip(matches).filter(|(_, matches)| *matches).map(|(entry, _)| entry).collect())
}

fn from_entry(store: &Store, entry: &Entry) -> Result<OpenedImage, Error> {
    let (name, place) = (entry.config.clone(), store.place());
    let config = store.document(&entry.config)?;
    let image = match Image::parse_config(&config) {
        Ok(image) => image,
        Err(source) => return Err(Error::Image { name, place, source }),
    };
    // The config's name is its digest in both forms: `HEX.json` and `blobs/sha256/HEX`.
    let old = || format!("sha256:{}", entry.config.strip_suffix(".json")?).parse().ok();
    if let Some(expected) = blob_digest(&entry.config).or_else(old)
        && expected != image.config_digest
    {
        return Err(Error::Digest { name, place, expected, found: image.config_digest });
    }
    if entry.layers.len() != image.layers.len() {
        let (manifest, config) = (entry.layers.len(), image.layers.len());
        return Err(Error::Image { name, place, source: image::Error::LayerCount { manifest, config } });
    }
    let place = |name: &String| Place { name: name.clone(), blob: blob_digest(name), size_bytes: 0 };
    let places = entry.layers.iter().map(|name| Some(place(name)));
    Ok(OpenedImage {
        image,
        claim: ImageClaim::Content { manifest: None, config: STANDARD.encode(&config) },
        content_addressed: false,
        skipped: Vec::new(),
        written: Vec::new(),
        base_argument: None,
        places: places.collect(),
    })
}

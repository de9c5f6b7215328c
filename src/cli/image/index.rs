//! Indexes of an OCI layout or a registry: which images they hold, under which tags, for which platforms.

use std::collections::BTreeSet;

use stella::{
    base::Named,
    digest::Digest,
    document::Document,
    image::{self, Descriptor, Image, Platform},
    inventory::Skipped,
};

use super::{
    Error, OpenedImage,
    attested::holds_statements,
    platform,
    store::{Store, blob_name},
};

/// `index manifests`: most entries of all indexes of one layout.
const MOST_MANIFESTS: u64 = 1024;

/// `index depth`: indexes inside indexes.
const MOST_DEPTH: u64 = 4;

const NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
const KIND: &str = "vnd.docker.reference.type";

/// What the layers of a provenance or bill of materials are, and never those of a file system.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// What was found in a layout.
#[derive(Default)]
pub(super) struct Found {
    pub images: Vec<OpenedImage>,
    pub skipped: Vec<Skipped>,
    /// What may be a statement about one of the images: told apart from images, and not looked into.
    pub attestations: Vec<Descriptor>,
    /// What the image is called, with its tag, where the layout says it in full.
    pub name: Option<String>,
    platforms: BTreeSet<String>,
    /// Images with a name of their own for other platforms than those asked for.
    passed_over: BTreeSet<Digest>,
    /// Platforms of `images` as an engine chooses by them.
    chosen: Vec<Platform>,
    seen: BTreeSet<(Digest, Option<Platform>)>,
    entries: u64,
    /// Whether images that are named but not there are passed over, as in a tar of one platform of an index.
    lenient: bool,
}

/// Opens the images of a layout that `tag` names, for `platforms` or for all.
pub(super) fn open(store: &Store, tag: Option<&str>, platforms: &[Platform]) -> Result<Found, Error> {
    let place = store.place();
    let top = top(store)?;
    let chosen = choose(&place, top.clone(), tag)?;
    let mut found = Found { name: full_name(&chosen), ..Found::default() };
    for descriptor in &chosen {
        found.visit(store, descriptor, platforms, 1)?;
    }
    let mut found = found.finish(place, platforms)?;
    let others = top.into_iter().filter(|other| !chosen.contains(other) && found.may_be_about(other));
    let others: Vec<Descriptor> = others.zip(0..MOST_MANIFESTS).map(|(other, _)| other).collect();
    found.attestations.extend(others);
    Ok(found)
}

/// As [`open`], where a `manifest.json` says the same in its own way: what is not there is passed over, and a tag that
/// only the other one knows stands for everything.
pub(super) fn beside(store: &Store, tag: Option<&str>, platforms: &[Platform]) -> Result<Found, Error> {
    let top = top(store)?;
    let mut found = Found { lenient: true, ..Found::default() };
    for descriptor in &choose(&store.place(), top.clone(), tag).unwrap_or(top) {
        found.visit(store, descriptor, platforms, 1)?;
    }
    found.one_by_name(&store.place())?;
    found.skipped.sort_unstable();
    Ok(found)
}

/// What a layout of one image is of, under however many names.
pub(super) fn root(store: &Store) -> Result<Descriptor, Error> {
    let mut top = top(store)?;
    top.dedup_by(|a, b| a.digest == b.digest);
    let count = top.len();
    match top.pop() {
        Some(root) if count == 1 => Ok(root),
        _ => Err(Error::Document {
            name: "index.json".to_owned(),
            place: store.place(),
            why: format!("it names {count} images, and one is wanted"),
        }),
    }
}

fn top(store: &Store) -> Result<Vec<Descriptor>, Error> {
    if let Store::Registry(repository) = store {
        return Ok(vec![repository.resolve()?]);
    }
    let name = "index.json";
    match read(store, name, &store.document(name)?, "")? {
        Document::Index(manifests) => Ok(manifests),
        Document::Manifest { .. } => Err(Error::Document {
            name: name.to_owned(),
            place: store.place(),
            why: "it is a manifest, not an index".to_owned(),
        }),
    }
}

fn read(store: &Store, name: &str, bytes: &[u8], media_type: &str) -> Result<Document, Error> {
    Document::parse(bytes, media_type).map_err(|error| Error::Document {
        name: name.to_owned(),
        place: store.place(),
        why: error.to_string(),
    })
}

/// The descriptors under one tag; those without a name belong to every tag's layout only when none was asked for.
fn choose(place: &str, top: Vec<Descriptor>, tag: Option<&str>) -> Result<Vec<Descriptor>, Error> {
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
        [NAME, FULL_NAME]
            .iter()
            .any(|key| descriptor.annotations.get(*key).is_some_and(|name| ends_with(name, tag)))
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

fn named(descriptor: &Descriptor) -> Option<String> {
    let annotation = |key| descriptor.annotations.get(key).cloned();
    annotation(FULL_NAME).or_else(|| annotation(NAME))
}

/// Whether a tag stands for a name: it is all of it, or the end of it.
pub(super) fn ends_with(name: &str, tag: &str) -> bool {
    let before = name.strip_suffix(tag);
    before.is_some_and(|before| before.is_empty() || before.ends_with([':', '/']))
}

/// The first name, in the order of the alphabet, that is more than a tag.
fn full_name(chosen: &[Descriptor]) -> Option<String> {
    chosen.iter().filter_map(named).filter(|name| name.contains([':', '/'])).min()
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
        if !self.seen.insert((descriptor.digest, descriptor.platform.clone())) {
            return Ok(());
        }
        let unwanted = descriptor.platform.as_ref().filter(|named| !platform::wanted(named, platforms));
        self.platforms.extend(unwanted.filter(|named| !platform::is_unknown(named)).map(Platform::to_string));
        let is_marked = is_marked(descriptor);
        if is_marked {
            self.attestations.push(descriptor.clone());
        }
        // What is not there cannot run. It must be there only if it is to be gated.
        let needless = self.lenient || unwanted.is_some() || is_marked;
        // An entry of `index.json` itself may be run by its name whatever its platform, so it must be coherent at least.
        if (unwanted.is_some() && depth > 1) || (needless && !store.holds_manifest(descriptor.digest)?) {
            return Ok(());
        }
        let bytes = store.manifest(descriptor.digest)?;
        let (config, layers) = match read(store, &format!("manifest {name}"), &bytes, &descriptor.media_type)?
        {
            Document::Manifest { config, layers } => (config, layers),
            Document::Index(manifests) => {
                if let Store::Registry(repository) = store {
                    repository.expect(manifests.iter().filter(|inner| {
                        inner.platform.as_ref().is_none_or(|named| platform::wanted(named, platforms))
                    }));
                }
                for inner in &manifests {
                    self.visit(store, inner, platforms, depth + 1)?;
                }
                return Ok(());
            }
        };
        if needless && !store.holds_blob(config.digest)? {
            return Ok(());
        }
        let refuse = |source| Error::Image { name: name.clone(), place: place.clone(), source };
        let statements = layers.iter().all(|layer| layer.media_type == STATEMENT);
        if !image::is_config_media_type(&config.media_type) {
            // An artifact, unless its config says otherwise: not every engine asks for the media type.
            if store.holds_blob(config.digest)? && image::has_file_system(&store.verified(config.digest)?) {
                return Err(refuse(image::Error::Disguised(config.media_type)));
            }
            if !(statements && is_marked || holds_statements(store, &layers)) {
                self.skip(descriptor, &config.media_type);
            }
            if !is_marked {
                self.attestations.push(descriptor.clone());
            }
            return Ok(());
        }
        // As cosign makes it: with the config of an image, whatever platform that or an index claims for it.
        if holds_statements(store, &layers) {
            if !is_marked {
                self.attestations.push(descriptor.clone());
            }
            return Ok(());
        }
        let config = store.verified(config.digest)?;
        let mut image = Image::parse(&bytes, &config).map_err(refuse)?;
        if image.named_base.is_none() {
            image.name_base(Named::new(|key| descriptor.annotations.get(key)));
        }
        let found = &image.platform;
        if let Some(named) = &descriptor.platform
            && !platform::agree(named, found)
        {
            return Err(refuse(image::Error::Platform {
                named: named.to_string(),
                found: found.to_string(),
            }));
        }
        if statements && platform::is_unknown(found) {
            if !is_marked {
                self.skip(descriptor, STATEMENT);
                self.attestations.push(descriptor.clone());
            }
            return Ok(());
        }
        // Engines choose by the index, and by the config only where the index says nothing.
        let chosen = descriptor.platform.clone().unwrap_or_else(|| found.clone());
        self.platforms.insert(chosen.to_string());
        let known = self.images.iter().any(|opened| opened.image.manifest_digest == image.manifest_digest);
        if platform::wanted(&chosen, platforms) {
            self.chosen.push(chosen);
            if !known {
                self.images.push(OpenedImage::from_layout(store, image, &bytes, &config)?);
            }
        } else if depth == 1 && named(descriptor).is_some() {
            self.passed_over.insert(descriptor.digest);
        }
        Ok(())
    }

    /// Whether an entry beside the image that was asked for may hold statements about it: it has cosign's name for them,
    /// or none at all, as what refers to an image has in a layout (OCI image layout 1.1, `index.json`).
    fn may_be_about(&self, other: &Descriptor) -> bool {
        let Some(name) = named(other) else { return true };
        // A name may come with a repository before it.
        let tag = name.rsplit([':', '/']).next().unwrap_or_default();
        let hex = tag.strip_prefix("sha256-").and_then(|rest| rest.strip_suffix(".att"));
        let subject = hex.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        subject.is_some() && self.images.iter().any(|opened| opened.image.manifest_digest == subject)
    }

    /// An engine that takes an image by its name does not ask for its platform: where a name could stand for an image
    /// that was passed over, the caller says which one is meant.
    fn one_by_name(&self, place: &str) -> Result<(), Error> {
        if self.images.is_empty() || self.passed_over.is_empty() {
            return Ok(());
        }
        let images = self.images.iter().map(|opened| opened.image.digest());
        let there = self.passed_over.iter().copied().chain(images).map(|digest| digest.to_string());
        Err(Error::Tag { place: place.to_owned(), wanted: None, there: there.collect() })
    }

    fn skip(&mut self, descriptor: &Descriptor, media_type: &str) {
        self.skipped.push(Skipped {
            name: format!("manifest:{media_type}"),
            what: descriptor.digest.to_string(),
            why: "not a container image".to_owned(),
        });
    }

    fn finish(mut self, place: String, platforms: &[Platform]) -> Result<Self, Error> {
        let there = || self.platforms.iter().cloned().collect();
        for wanted in platforms {
            let asked = std::slice::from_ref(wanted);
            if !self.chosen.iter().any(|chosen| platform::wanted(chosen, asked)) {
                return Err(Error::Platform { place, wanted: wanted.to_string(), there: there() });
            }
        }
        if self.images.is_empty() {
            let found = self.skipped.iter().map(|skipped| skipped.name.clone()).collect();
            return Err(Error::Nothing { place, found });
        }
        self.one_by_name(&place)?;
        self.images.sort_by(|a, b| a.image.platform.cmp(&b.image.platform));
        self.skipped.sort_unstable();
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

/// Whether builders mark what cannot run like this. It is believed only of what holds nothing but statements.
fn is_marked(descriptor: &Descriptor) -> bool {
    match &descriptor.platform {
        Some(platform) => platform::is_unknown(platform),
        None => descriptor.annotations.get(KIND).is_some_and(|kind| kind == "attestation-manifest"),
    }
}

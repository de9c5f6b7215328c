//! From the components of a document to an inventory, in no format's words.

use std::collections::BTreeMap;

use super::{Error, Found, Sbom};
use crate::{
    base::Base,
    digest::Digest,
    image::{Image, Layer, MAX_LAYERS, Platform},
    inventory::{Installed, Inventory, LockFile, Skipped},
    package::{Ecosystem, OsRelease, Package, Purl, Source, os_id, purl},
};

/// One component that stands for software.
#[derive(Debug, Default)]
pub struct Component {
    /// As the document writes it, for messages, and for the version where the purl has none.
    pub name: String,
    /// As the document writes it.
    pub version: String,
    /// Empty where there is none.
    pub purl: String,
    /// What the document says beside the purl.
    pub said: Said,
}

/// What a document says of a component in fields or properties of its own.
#[derive(Debug, Default)]
pub struct Said {
    /// The whole package, as Stella writes it.
    pub package: Option<Package>,
    /// The source's name; empty where there is none.
    pub source_name: String,
    /// The source's version; empty for the package's own.
    pub source_version: String,
    /// Trivy's parts of the source's version.
    pub source_release: String,
    /// Trivy's parts of the source's version.
    pub source_epoch: String,
    /// The module of an rpm.
    pub module: Option<String>,
    /// Position of the layer.
    pub layer_index: Option<usize>,
    /// The first layer that is named.
    pub layer: Option<Digest>,
    /// The files that it was read from.
    pub paths: Vec<String>,
    /// What its files are in their own languages.
    pub identities: Vec<Package>,
    /// Sources of which it holds compiled parts.
    pub built_using: Vec<Source>,
}

/// Takes components in and gives the inventory out.
#[derive(Debug, Default)]
pub struct Collector {
    /// The image as the document names it.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest_digest: Option<Digest>,
    /// Digest of the config.
    pub config_digest: Option<Digest>,
    /// What the image runs on.
    pub platform: Option<Platform>,
    /// As far as the document lists them, bottom to top.
    pub layers: Vec<Layer>,
    /// What the document says of the operating system.
    pub os: Option<OsRelease>,
    /// What its writer did not look at.
    pub skipped: Vec<Skipped>,
    /// The base image.
    pub base: Option<Base>,
    /// Regular files of all layers.
    pub files: u64,
    /// Bytes of all layers, uncompressed.
    pub size_bytes: u64,
    /// Lock files that were read.
    pub lock_files: Vec<LockFile>,
    /// As they come, some more than once; the layer is `usize::MAX` where none is named.
    packages: Vec<Installed>,
    /// Releases that purls name, and how many packages are of each.
    distros: BTreeMap<(String, String, String), usize>,
}

impl Collector {
    /// Nothing yet of an image of this name.
    pub fn of(reference: String) -> Self {
        Self { reference, ..Self::default() }
    }

    /// Takes a component in; what cannot be told is skipped by name.
    pub fn add(&mut self, component: Component) -> Result<(), Error> {
        let Component { name, version, purl: text, said } = component;
        if text.is_empty() {
            let what = if version.is_empty() { name } else { format!("{name} {version}") };
            self.skip("no-purl", what, "it has no purl, so its ecosystem is not known".to_owned());
            return Ok(());
        }
        let (package, distro) = match said.package.clone() {
            // As Stella writes it, to the byte: names that no purl can hold stand beside it.
            Some(exact) if purl(&exact, self.os.as_ref()) == text => (exact, None),
            exact => {
                let parsed: Purl = match text.parse() {
                    Ok(parsed) => parsed,
                    Err(why) => return Err(Error::Purl { name, purl: text, why }),
                };
                let Some(mut package) = parsed.package() else {
                    let why = format!("purls of type {} name no package of a kind that is read", parsed.kind);
                    self.skip(&parsed.kind, text, why);
                    return Ok(());
                };
                match exact {
                    // What stands beside a purl is no way around it.
                    Some(exact) if !is_meant(&exact, &package) => {
                        let why = format!("its properties say {} {}", exact.name, exact.version);
                        self.skip("contradiction", text, why);
                        return Ok(());
                    }
                    Some(exact) => package = exact,
                    None => {
                        if package.version.is_empty() && version != "UNKNOWN" {
                            package.version = version;
                        }
                        if let Some(source) = source(&said, &package) {
                            package.set_source(Some(source));
                        }
                        if package.ecosystem == Ecosystem::Rpm && package.module.is_none() {
                            package.module = said.module.filter(|module| !module.is_empty());
                        }
                    }
                }
                let distro = parsed.distro().filter(|_| package.ecosystem.is_system());
                (package, distro)
            }
        };
        if let Some(distro) = distro {
            *self.distros.entry((distro.id, distro.version, distro.codename)).or_default() += 1;
        }
        let layer = match (said.layer_index.filter(|index| *index < self.layers.len()), said.layer) {
            (Some(index), _) => index,
            (None, Some(diff_id)) => self.layer(diff_id)?,
            (None, None) => usize::MAX,
        };
        let (paths, identities, built_using) = (said.paths, said.identities, said.built_using);
        self.packages.push(Installed { package, layer, paths, identities, built_using });
        Ok(())
    }

    /// Skips a component whose purl is none, where the document's form lets it be.
    pub fn add_leniently(&mut self, component: Component) -> Result<(), Error> {
        match self.add(component) {
            Err(Error::Purl { name, purl, why }) => {
                self.skip("invalid-purl", format!("{name}: {purl}"), why.to_string());
                Ok(())
            }
            other => other,
        }
    }

    /// The position of a layer; one that is not there yet comes on top.
    pub fn layer(&mut self, diff_id: Digest) -> Result<usize, Error> {
        if let Some(index) = self.layers.iter().position(|layer| layer.diff_id == diff_id) {
            return Ok(index);
        }
        self.push_layer(diff_id, String::new())?;
        Ok(self.layers.len() - 1)
    }

    /// The next layer of a list, bottom to top; one layer may be there several times.
    pub fn push_layer(&mut self, diff_id: Digest, instruction: String) -> Result<(), Error> {
        if self.layers.len() == MAX_LAYERS {
            return Err(Error::Layers);
        }
        self.layers.push(Layer { diff_id, blob: None, instruction });
        Ok(())
    }

    /// Takes in how another tool names the operating system.
    pub fn os(&mut self, name: &str, version: &str, codename: &str) {
        if self.os.is_none() && !name.is_empty() && name != "none" {
            let id = os_id(&name.to_ascii_lowercase()).to_owned();
            let (version, codename) = (version.to_owned(), codename.to_owned());
            self.os = Some(OsRelease { id, version, codename, ..OsRelease::default() });
        }
    }

    /// What a component that is not read is called, `sbom:KIND`.
    pub fn skip(&mut self, kind: &str, what: String, why: String) {
        self.skipped.push(Skipped { name: format!("sbom:{kind}"), what, why });
    }

    /// Puts image and inventory together; `bytes` are those of the document.
    pub fn finish(mut self, form: String, bytes: &[u8]) -> Result<Found, Error> {
        let document = Digest::of(bytes);
        if self.packages.iter().any(|installed| installed.layer == usize::MAX) {
            // What no layer is named for is the document's.
            self.push_layer(document, String::new())?;
        }
        let last = self.layers.len().saturating_sub(1);
        self.settle_os();
        for installed in &mut self.packages {
            installed.layer = installed.layer.min(last);
        }
        let packages = each_once(self.packages);
        self.skipped.sort_unstable();
        self.skipped.dedup();
        self.lock_files.sort_unstable();
        let unknown =
            || Platform { os: "linux".to_owned(), architecture: String::new(), variant: String::new() };
        let image = Image {
            manifest_digest: self.manifest_digest,
            config_digest: self.config_digest.unwrap_or(document),
            platform: self.platform.unwrap_or_else(unknown),
            layers: self.layers,
            base: self.base,
            named_base: None,
            history: Vec::new(),
        };
        let inventory = Inventory {
            os: self.os,
            packages,
            lock_files: self.lock_files,
            files: self.files,
            size_bytes: self.size_bytes,
            skipped: self.skipped,
            given: None,
        };
        Ok(Found { form, sbom: Sbom { reference: self.reference, image, inventory } })
    }

    /// The operating system, where only purls name it; those of another are said.
    fn settle_os(&mut self) {
        let release = |(id, version, codename): &(String, String, String)| OsRelease {
            id: id.clone(),
            version: version.clone(),
            codename: codename.clone(),
            ..OsRelease::default()
        };
        let most = self.distros.iter().max_by_key(|(_, count)| **count).map(|(distro, _)| release(distro));
        let Some(os) = self.os.take().or(most) else { return };
        for (distro, count) in std::mem::take(&mut self.distros) {
            let other = release(&distro);
            if !is_same(&os, &other) {
                let name = format!("{} {}{}", other.id, other.version, other.codename);
                let why = format!("advisories are looked up for {} {}{}", os.id, os.version, os.codename);
                self.skip("distribution", format!("{count} packages of {}", name.trim_end()), why);
            }
        }
        self.os = Some(os);
    }
}

/// Sorted, what is said of one package in one layer put together. In place: of hundreds of thousands there is no second list.
fn each_once(mut packages: Vec<Installed>) -> Vec<Installed> {
    packages.sort_unstable();
    packages.dedup_by(|next, kept| {
        let is_same = next.package == kept.package && next.layer == kept.layer;
        if is_same {
            kept.paths.append(&mut next.paths);
            kept.identities.append(&mut next.identities);
            kept.built_using.append(&mut next.built_using);
        }
        is_same
    });
    for installed in &mut packages {
        sort(&mut installed.paths);
        sort(&mut installed.identities);
        sort(&mut installed.built_using);
    }
    packages
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// Whether a purl that means `parsed` may have been written for `exact`.
fn is_meant(exact: &Package, parsed: &Package) -> bool {
    let read = purl(exact, None).parse::<Purl>().ok().and_then(|purl| purl.package());
    read.is_some_and(|read| read == Package { source: None, ..parsed.clone() })
}

fn source(said: &Said, package: &Package) -> Option<Source> {
    if said.source_name.is_empty() || !package.ecosystem.is_system() {
        return None;
    }
    let mut version = match said.source_version.as_str() {
        "" => package.version.clone(),
        version => version.to_owned(),
    };
    if !said.source_release.is_empty() {
        version = format!("{version}-{}", said.source_release);
    }
    if !said.source_epoch.is_empty() && said.source_epoch != "0" {
        version = format!("{}:{version}", said.source_epoch);
    }
    Some(Source { name: said.source_name.clone(), version })
}

/// Whether two tools may mean one release: one of them may name it in more parts.
fn is_same(a: &OsRelease, b: &OsRelease) -> bool {
    let (short, long) = if a.version.len() < b.version.len() { (a, b) } else { (b, a) };
    let rest = long.version.strip_prefix(&short.version);
    a.id == b.id
        && rest.is_some_and(|rest| rest.is_empty() || short.version.is_empty() || rest.starts_with('.'))
}

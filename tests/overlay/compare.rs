//! One stack, read both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use stella::{
    inventory::{self, Inventory, LockFiles, Skipped},
    layer::{self, Builder, Contents, Expected, FileFact, Fragment, Kind, Limits, path},
    package::{Fact, Package},
};

use super::{
    kernel::Unpacked,
    stack::{Put, Stack, What, tar},
};

/// What was done, over all stacks.
#[derive(Debug, Default)]
pub struct Counts {
    pub layers: u64,
    pub empty_layers: u64,
    pub repeated_layers: u64,
    pub entries: u64,
    /// Entries that were left out because Stella refuses them, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Entries that were left out because engines refuse them, and Stella does not, by kind.
    pub beyond: BTreeMap<String, u64>,
    /// Stacks set aside: they differ, and hold a hard-linked file that is one thing under one name and another under the
    /// next.
    pub told_by_name: u64,
    /// Entries of all merged views.
    pub listed: u64,
    /// Packages of all merged views.
    pub packages: u64,
    /// Merged views with an `os-release`.
    pub systems: u64,
    /// Names under `skipped` of all merged views.
    pub skipped: u64,
    /// Packages whose layer was looked up in the views of all prefixes.
    pub attributed: u64,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.layers, other.layers),
            (&mut self.empty_layers, other.empty_layers),
            (&mut self.repeated_layers, other.repeated_layers),
            (&mut self.entries, other.entries),
            (&mut self.told_by_name, other.told_by_name),
            (&mut self.listed, other.listed),
            (&mut self.packages, other.packages),
            (&mut self.systems, other.systems),
            (&mut self.skipped, other.skipped),
            (&mut self.attributed, other.attributed),
        ] {
            *sum += more;
        }
        for (sums, more) in [(&mut self.refused, other.refused), (&mut self.beyond, other.beyond)] {
            for (reason, count) in more {
                *sums.entry(reason).or_default() += count;
            }
        }
    }
}

/// A hard link that Stella refuses because no lower layer has its target.
type Lost = (usize, Vec<u8>);

/// Leaves out what Stella refuses; the fragments of what is left, read from tars.
fn readable(stack: &Stack, counts: &mut Counts) -> Result<(Stack, Vec<Fragment>, Vec<Lost>), String> {
    let (mut kept, mut fragments, mut lost) = (Stack(Vec::new()), Vec::new(), Vec::new());
    for (number, layer) in stack.0.iter().enumerate() {
        let mut layer = layer.clone();
        loop {
            while let Some((at, why)) = refused(&layer) {
                *counts.refused.entry(why).or_default() += 1;
                layer.remove(at);
            }
            let bytes = tar(&layer);
            let any = Expected { blob: None, diff_id: None };
            let analysed = layer::analyse(bytes.as_slice(), any, &Limits::default()).map_err(|error| {
                format!("layer {number} is refused as a tar, and was not as entries: {error}")
            })?;
            fragments.push(analysed.fragment);
            match inventory::listing(&fragments.iter().collect::<Vec<_>>()) {
                Ok(_) => break,
                Err(inventory::Error::HardLink { layer: at, target, .. }) if at == number => {
                    fragments.pop();
                    let wanted = path::unescape(&target).unwrap_or_default();
                    let is_it =
                        |put: &Put| matches!(&put.what, What::HardLink(raw) if clean_target(raw) == wanted);
                    let at =
                        layer.iter().position(is_it).ok_or_else(|| format!("no hard link to {target:?}"))?;
                    layer.remove(at);
                    lost.push((number, wanted));
                    *counts
                        .refused
                        .entry("a hard link to nothing that lower layers hold".to_owned())
                        .or_default() += 1;
                }
                Err(error) => return Err(format!("layer {number}: {error}")),
            }
        }
        counts.entries += layer.len() as u64;
        counts.empty_layers += u64::from(layer.is_empty());
        counts.repeated_layers += u64::from(!layer.is_empty() && kept.0.contains(&layer));
        kept.0.push(layer);
    }
    counts.layers += kept.0.len() as u64;
    Ok((kept, fragments, lost))
}

/// The first entry of a layer that Stella refuses, and why, without names.
fn refused(layer: &[Put]) -> Option<(usize, String)> {
    let mut builder = Builder::new(&Limits::default());
    for (at, Put { path, what }) in layer.iter().enumerate() {
        let kind = match what {
            What::Directory => Kind::Directory,
            What::File(_) => Kind::File(Contents::Plain),
            What::Link(target) => Kind::Link(target.clone()),
            What::HardLink(target) => Kind::HardLink(target.clone()),
            What::Pipe => Kind::Device,
        };
        if let Err(why) = builder.layer_entry(path, kind) {
            let variant = format!("{why:?}");
            return Some((at, variant.split('(').next().unwrap_or_default().to_owned()));
        }
    }
    None
}

/// Whether an entry is a hard link of which the fragment knows nothing any more. An engine stops at one that leads to
/// nothing; Stella reads on, and what is left is the same whatever it was.
fn replaced(entry: &Put, fragment: &Fragment) -> bool {
    let What::HardLink(target) = &entry.what else { return false };
    let target = path::escape(&clean_target(target));
    !fragment.directories.iter().any(|directory| directory.hard_links.values().any(|other| *other == target))
}

/// A hard link's target from the root.
fn clean_target(raw: &[u8]) -> Vec<u8> {
    path::clean(raw.strip_prefix(b"/").unwrap_or(raw), 4096).unwrap_or_default()
}

/// Reads a stack layer by layer and as the kernel merges it; what differs is the error. With `attribute`, each package's
/// layer is looked up in the views of all prefixes too.
pub fn compare(stack: &Stack, directory: &Path, attribute: bool) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let (stack, fragments, lost) = readable(stack, &mut counts)?;
    let mut unpacked = Unpacked::new(directory.to_owned()).map_err(|error| error.to_string())?;
    for (number, layer) in stack.0.iter().enumerate() {
        let Err((at, error)) = unpacked.unpack(layer) else { continue };
        let entry = layer.get(at).ok_or_else(|| error.to_string())?;
        if !replaced(entry, &fragments[number]) {
            return Err(format!(
                "layer {number}: {:?}, entry {at}, cannot be unpacked: {error}",
                path::escape(&entry.path)
            ));
        }
        let mut without = stack.clone();
        without.0[number].remove(at);
        drop(unpacked);
        let mut rest = compare(&without, directory, attribute)?;
        *rest.beyond.entry("hard links to nothing that a later entry replaces".to_owned()).or_default() += 1;
        for (reason, count) in counts.refused {
            *rest.refused.entry(reason).or_default() += count;
        }
        return Ok(rest);
    }
    for (layer, target) in lost {
        if unpacked.links_to(layer, &target).map_err(|error| error.to_string())? {
            return Err(format!(
                "layer {layer}: hard link refused, and {:?} is there",
                path::escape(&target)
            ));
        }
    }
    match judge(&unpacked, &fragments, attribute, &mut counts) {
        Err(_) if unpacked.told_by_name() => counts.told_by_name += 1,
        judged => judged?,
    }
    Ok(counts)
}

/// Compares what the kernel shows with what the fragments make.
fn judge(
    unpacked: &Unpacked,
    fragments: &[Fragment],
    attribute: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    let view = unpacked
        .mount(fragments.len())
        .and_then(|mounted| mounted.view())
        .map_err(|error| error.to_string())?;
    let fragments: Vec<&Fragment> = fragments.iter().collect();
    let said = |error: inventory::Error| error.to_string();
    let listings =
        [&fragments[..], &[&view.fragment]].map(|fragments| inventory::listing(fragments).map_err(said));
    for (which, listing) in ["the stack", "the view as a directory"].into_iter().zip(listings) {
        differ(&format!("listing of {which}"), &view.listing, &listing?)?;
    }
    let layered = inventory::merge(&fragments, LockFiles::Reported).map_err(said)?;
    let whole = inventory::merge(&[&view.fragment], LockFiles::Reported).map_err(said)?;
    if whole.os != layered.os {
        return Err(format!("os: the kernel's view has {:?}, the stack {:?}", whole.os, layered.os));
    }
    differ("packages", &packages(&whole), &packages(&layered))?;
    let [skipped, of_stack] = skipped(&whole, &layered).map(Vec::from_iter);
    differ("skipped", &skipped, &of_stack)?;
    counts.listed += view.listing.len() as u64;
    counts.packages += whole.packages.len() as u64;
    counts.systems += u64::from(whole.os.is_some());
    counts.skipped += whole.skipped.len() as u64;
    if attribute {
        counts.attributed += attribution(unpacked, fragments.len(), &layered)?;
    }
    Ok(())
}

/// Every package with the files that it was read from.
fn packages(inventory: &Inventory) -> Vec<(&Package, &String)> {
    let mut all: Vec<(&Package, &String)> = inventory
        .packages
        .iter()
        .flat_map(|installed| installed.paths.iter().map(|path| (&installed.package, path)))
        .collect();
    all.sort();
    all
}

/// What was skipped, of the view and of the stack; a hard-linked file is read under its first name, and why it is no
/// metadata may be said in other words under the second. Only a stack knows that a layer had packages which are gone; the view
/// of it may show a trace of them instead.
fn skipped<'a>(whole: &'a Inventory, layered: &'a Inventory) -> [BTreeSet<(&'a str, &'a str)>; 2] {
    const HAD: &str = " still had packages in a database of ";
    let had: BTreeSet<&str> = layered
        .skipped
        .iter()
        .filter_map(|skipped| skipped.why.split_once(HAD)?.1.split(',').next())
        .collect();
    let trace = |skipped: &Skipped| {
        skipped
            .why
            .strip_prefix("a trace of ")
            .and_then(|rest| rest.split(',').next())
            .is_some_and(|name| had.contains(name))
    };
    [whole, layered].map(|inventory| {
        let both = inventory.skipped.iter().filter(|skipped| !skipped.why.contains(HAD) && !trace(skipped));
        both.map(|skipped| (skipped.name.as_str(), skipped.what.as_str())).collect()
    })
}

/// A package and where it is: nowhere for the packages of a system, which are there once, whatever database names them.
type Place = (Package, String);

fn place(package: &Package, path: &str) -> Place {
    let path = if package.ecosystem.is_system() { "" } else { path };
    (package.clone(), path.to_owned())
}

/// Looks each package's layer up: the first one of the views of prefixes that all have it. A package of a language is
/// there as long as the file that tells of it, whenever a link to it was made.
fn attribution(unpacked: &Unpacked, layers: usize, layered: &Inventory) -> Result<u64, String> {
    let mut since: BTreeMap<Place, usize> = BTreeMap::new();
    for count in 1..=layers {
        let view =
            unpacked.mount(count).and_then(|mounted| mounted.view()).map_err(|error| error.to_string())?;
        let inventory =
            inventory::merge(&[&view.fragment], LockFiles::Reported).map_err(|error| error.to_string())?;
        let systems = packages(&inventory).into_iter().map(|(package, path)| place(package, path));
        let languages = view.fragment.facts.iter().flat_map(|FileFact { paths, fact, .. }| match fact {
            Fact::Python { package } | Fact::Node { package, .. } => vec![place(package, &paths[0])],
            Fact::Installed { packages, .. } => {
                packages.iter().map(|package| place(package, &paths[0])).collect()
            }
            _ => Vec::new(),
        });
        let now = systems.chain(languages);
        since = now.map(|key| (key.clone(), since.get(&key).copied().unwrap_or(count - 1))).collect();
    }
    let mut found: BTreeMap<Place, usize> = BTreeMap::new();
    for installed in &layered.packages {
        found.extend(installed.paths.iter().map(|path| (place(&installed.package, path), installed.layer)));
    }
    since.retain(|place, _| found.contains_key(place));
    differ("attribution", &Vec::from_iter(&since), &Vec::from_iter(&found))?;
    Ok(found.len() as u64)
}

/// An error that names what one of two sorted lists has and the other has not.
fn differ<T: Ord + std::fmt::Debug>(what: &str, kernel: &[T], stella: &[T]) -> Result<(), String> {
    if kernel == stella {
        return Ok(());
    }
    let (kernel, stella): (BTreeSet<&T>, BTreeSet<&T>) = (kernel.iter().collect(), stella.iter().collect());
    let lines = |sign: &str, from: &BTreeSet<&T>, without: &BTreeSet<&T>| {
        from.difference(without).map(|one| format!("\n    {sign} {one:?}")).collect::<String>()
    };
    let (only_kernel, only_stella) =
        (lines("kernel only", &kernel, &stella), lines("Stella only", &stella, &kernel));
    Err(format!("{what} differs, or has something twice{only_kernel}{only_stella}"))
}

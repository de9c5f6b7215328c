//! What all layers of an image hold together, survive it or not: each may be within its limits, and there may be many.

use crate::layer::{
    Fragment,
    limits::{Exceeded, hold},
};

/// `image entries`: entries of all layers. The largest images have some hundred thousand.
const MOST_ENTRIES: u64 = 4_000_000;

/// `image packages`: packages that all files name, a file under two names twice: one costs a merge more than a kilobyte.
const MOST_PACKAGES: u64 = 500_000;

/// `image package text`: bytes of their names, versions and sources, and of the paths of the files, which are kept beside
/// each.
const MOST_TEXT_BYTES: u64 = 256 << 20;

/// What was counted of an image.
#[derive(Debug, Default)]
pub struct Weight {
    entries: u64,
    packages: u64,
    text_bytes: u64,
}

impl Weight {
    /// Adds a layer; an error names the limit that the image is over.
    pub fn add(&mut self, fragment: &Fragment) -> Result<(), Exceeded> {
        for directory in &fragment.directories {
            let names = directory.files.len() + directory.devices.len() + directory.whiteouts.len();
            let links = directory.links.len() + directory.hard_links.len();
            self.entries = self.entries.saturating_add((names + links + 1) as u64);
        }
        for said in &fragment.facts {
            let (named, bytes) = said.fact.weight();
            let names = said.paths.len() as u64;
            let path_bytes = said.paths.iter().map(String::len).sum::<usize>() as u64;
            self.packages = self.packages.saturating_add(named.saturating_mul(names));
            self.text_bytes =
                self.text_bytes.saturating_add(bytes).saturating_add(named.saturating_mul(path_bytes));
        }
        hold("image entries", self.entries, MOST_ENTRIES)?;
        hold("image packages", self.packages, MOST_PACKAGES)?;
        hold("image package text", self.text_bytes, MOST_TEXT_BYTES)
    }
}

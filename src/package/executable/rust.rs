//! Rust programs that were built with cargo-auditable: the section `.dep-v0` holds the crates, as JSON that zlib compressed;
//! cargo-auditable's PARSING.md.

use std::io::{Read as _, SeekFrom};

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use super::{Layout, unreadable};
use crate::package::{Ecosystem, Error, File, Package};

/// The most that the list of crates may take, the limit that its authors name.
const LIST_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    /// `runtime` where it is not said. Another is `build`: it ran while the program was built, and is not in it.
    kind: Option<String>,
}

/// The crates of a Rust program, itself among them; none if it does not say.
pub(super) fn packages(layout: &Layout, file: &mut dyn File) -> Result<Vec<Package>, Error> {
    let Some(region) = layout.rust else { return Ok(Vec::new()) };
    let damaged = |why: String| Error::Damaged { form: "cargo-auditable's list", why };
    file.seek(SeekFrom::Start(region.offset)).map_err(unreadable)?;
    let mut json = Vec::new();
    let inflated = ZlibDecoder::new(file.take(region.size)).take(LIST_BYTES + 1).read_to_end(&mut json);
    inflated.map_err(|error| damaged(error.to_string()))?;
    if json.len() as u64 > LIST_BYTES {
        return Err(Error::Limit { name: "cargo-auditable's list", limit: LIST_BYTES });
    }
    let list: List = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    let inside =
        list.packages.into_iter().filter(|one| one.kind.as_deref().is_none_or(|kind| kind == "runtime"));
    Ok(inside.map(|one| Package::new(Ecosystem::Cargo, one.name, one.version)).collect())
}

//! The files of a host directory, as if they were the one layer of an image.

use std::path::Path;

use super::{Error, Opened};

/// Opens a host directory. Links are not to be followed, entries are to be sorted and bounded, other file systems are
/// part of it; what is missing is a layer that is made of files instead of a tar.
pub(super) fn open(path: &Path, taken_for: String) -> Result<Opened, Error> {
    if !path.is_dir() {
        return Err(Error::NoSuchPath { path: path.to_owned() });
    }
    Err(Error::NotYet {
        what: format!("reading {taken_for} (a directory without an oci-layout file)"),
        way_out: "build an image of it, or name an OCI layout as oci:DIR",
    })
}

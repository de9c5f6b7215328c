//! An SBOM in a file: what its writer says of an image, instead of the image.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use stella::{api::ImageClaim, layer::Limits, sbom};

use super::{Error, Opened, OpenedImage, Source, reference};

/// Reads the file, whole.
pub(super) fn open(path: &Path, taken_for: String, limits: &Limits) -> Result<Opened, Error> {
    let name = path.display().to_string();
    let failed = |source| Error::Read { name: name.clone(), place: "the file system".to_owned(), source };
    let bytes = match read(path, limits.database_bytes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoSuchPath { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
        Ok(None) => return Err(Error::NotRegular { name, place: "the file system".to_owned() }),
        Ok(Some(bytes)) => bytes,
    };
    let found = bytes.len() as u64;
    if found > limits.database_bytes {
        let (limit, most) = ("database size", limits.database_bytes);
        return Err(Error::Limit { name, place: "the file system".to_owned(), limit, most, found });
    }
    let found = sbom::read(&bytes).map_err(|source| Error::Sbom { path: path.to_owned(), source })?;
    let sbom = found.given_by_caller(&taken_for);
    let image = OpenedImage {
        image: sbom.image,
        // Never sent: a server gets the document.
        claim: ImageClaim::Content { manifest: None, config: STANDARD.encode(b"") },
        content_addressed: false,
        skipped: Vec::new(),
        written: Vec::new(),
        base_argument: None,
        places: Vec::new(),
    };
    Ok(Opened {
        taken_for,
        doubt: None,
        name: Some(sbom.reference.clone()).filter(|name| reference::is_image_reference(name)),
        images: vec![image],
        skipped: Vec::new(),
        source: Source::Sbom {
            subject: sbom.reference,
            inventory: Box::new(sbom.inventory),
            document: bytes,
        },
        attestations: Vec::new(),
    })
}

/// The file's bytes, at most one more than `most`; `None` for what is no regular file.
fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    // A pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

//! An SBOM that a caller sends instead of an image.

use stella::{
    api::{ScanRequest, UnpackError},
    sbom::{self, Sbom},
};

use crate::problem::{self, Problem};

/// Reads the request's SBOM, of at most so many bytes; the engine bounds what it holds.
pub fn read(request: &ScanRequest, most_bytes: usize) -> Result<Sbom, Problem> {
    let (None, Some(packed)) = (&request.image, &request.sbom) else {
        let detail =
            "the request has both `image` and `sbom`, and one scan is of one of them: leave the other out";
        return Err(Problem::new(problem::INVALID, detail));
    };
    let document = packed.unpack(most_bytes).map_err(|error| match error {
        UnpackError::Size(most) => {
            Problem::new(problem::TOO_LARGE, format!("`sbom`: the limit `sbom_bytes` is {most} bytes."))
        }
        error => Problem::new(problem::INVALID, format!("`sbom`: {error}")),
    })?;
    let found = sbom::read(&document)
        .map_err(|error| Problem::new(problem::UNPROCESSABLE, format!("`sbom`: {error}")))?;
    Ok(found.given_by_caller(&request.reference))
}

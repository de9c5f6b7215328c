//! The two calls, made of the library's types as the client makes them, and their right answers.

use std::{net::SocketAddr, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;
use stella::{
    api::{ImageClaim, MissingAnswer, MissingRequest, ScanAnswer, ScanRequest},
    digest::Digest,
    image::Image,
    layer::{ANALYZER, SCHEMA},
};

use crate::{
    Failure, layout,
    load::{Call, Connection, json},
};

/// The moment that each verdict is for: 2026-01-01T00:00:00Z.
const NOW_SECONDS: i64 = 1_767_225_600;

/// `POST /v1/scan` of a layout all of whose layers `connection`'s server knows. Its answers differ in the scan's name and
/// in times; the result is the same to the byte.
pub fn scan(address: SocketAddr, layout: &Path, connection: &mut Connection) -> Result<Call, Failure> {
    let (manifest, config) = layout::documents(layout)?;
    let image = Image::parse(&manifest, &config)?;
    let request = ScanRequest {
        schema: SCHEMA,
        analyzer: ANALYZER.to_owned(),
        reference: "oci:image".to_owned(),
        image: Some(ImageClaim::Content {
            manifest: Some(BASE64_STANDARD.encode(&manifest)),
            config: BASE64_STANDARD.encode(&config),
        }),
        sbom: None,
        inventory: false,
        // A client that read nothing has verified nothing.
        base: None,
        pairs: Vec::new(),
        policies: Vec::new(),
        skipped: Vec::new(),
        allow_skipped: Vec::new(),
        now: Some(NOW_SECONDS),
    };
    let request = json("POST", address, "/v1/scan", &request)?;
    let answer = connection.ask(&request)?;
    let (at, result) = result(answer.body, &image)?;
    Ok(Call::new(request, at, result))
}

/// Where in the answer the whole result of the scan of `image` stands, and its bytes.
fn result(answer: &[u8], image: &Image) -> Result<(usize, Vec<u8>), Failure> {
    let excerpt = || String::from_utf8_lossy(answer).chars().take(200).collect::<String>();
    let Ok(ScanAnswer::Done { result, .. }) = serde_json::from_slice(answer) else {
        return Err(format!("the scan of a known image came to no result: {}", excerpt()).into());
    };
    let found = result.image.layers.iter().map(|layer| layer.diff_id);
    if !found.eq(image.layers.iter().map(|layer| layer.diff_id)) || result.image.digest != image.digest() {
        return Err(format!("the scan is of another image: {}", excerpt()).into());
    }
    #[derive(Deserialize)]
    struct Done<'a> {
        #[serde(borrow)]
        result: &'a RawValue,
    }
    let bytes = serde_json::from_slice::<Done<'_>>(answer)?.result.get().as_bytes();
    let at = answer.windows(bytes.len()).position(|window| window == bytes).ok_or("no result")?;
    Ok((at, bytes.to_vec()))
}

/// `POST /v1/layers/missing`: as many layers as the image has, the top one of them new.
pub fn missing(address: SocketAddr, known: &[Digest]) -> Result<Call, Failure> {
    let unknown = Digest::of(b"a layer that nobody sent");
    let below = known.split_last().map_or(known, |(_, below)| below);
    let diff_ids = below.iter().copied().chain([unknown]).collect();
    let request = MissingRequest { schema: SCHEMA, analyzer: ANALYZER.to_owned(), diff_ids };
    let answer = serde_json::to_vec(&MissingAnswer { missing: vec![unknown] })?;
    Ok(Call::new(json("POST", address, "/v1/layers/missing", &request)?, 0, answer))
}

#[cfg(test)]
mod tests {
    use stella::image::Platform;

    use super::*;

    #[test]
    fn one_of_the_layers_is_new() {
        let address = "127.0.0.1:1".parse().unwrap();
        let known: Vec<Digest> = (0..7).map(|layer| Digest::of(&[layer])).collect();
        let call = missing(address, &known).unwrap();
        let body = call.request.split(|byte| *byte == b'\n').next_back().unwrap();
        let request: MissingRequest = serde_json::from_slice(body).unwrap();
        let new = request.diff_ids.iter().filter(|diff_id| !known.contains(diff_id)).count();
        assert_eq!((request.diff_ids.len(), new), (7, 1));
    }

    #[test]
    fn only_a_whole_result_is_a_right_answer() {
        let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
        let image = Image::new(Digest::of(b"config"), platform, vec![Digest::of(b"layer")], &[]).unwrap();
        for answer in [r#"{"state":"missing","scan":"a","missing":[]}"#, r#"{"status":503}"#, ""] {
            let error = result(answer.as_bytes(), &image).unwrap_err().to_string();
            assert!(error.ends_with(&format!("came to no result: {answer}")), "{error}");
        }
    }
}

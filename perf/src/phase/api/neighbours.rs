//! What else a server holds: layers of images that are not gated here.

use std::{fs::File, net::SocketAddr};

use stella::{
    api::{ImageClaim, ScanAnswer, ScanRequest},
    digest::Digest,
    image::Platform,
    layer::{self, ANALYZER, Expected, Fragment, SCHEMA},
};

use crate::{
    Failure,
    layout::Layer,
    load::{Connection, json, request},
};

const IMAGES: usize = 43;
const LAYERS: usize = 7;

/// Sends the fragments of some images, as a build does whose layers nobody knows. Each says what the top one of `layers`
/// says, under a name of its own. Gives how many were sent.
pub fn store(address: SocketAddr, layers: &[Layer]) -> Result<usize, Failure> {
    let top = layers.last().ok_or("an image without layers")?;
    let expected = Expected { blob: None, diff_id: Some(top.diff_id) };
    let top = layer::analyse(File::open(&top.blob)?, expected, &layer::Limits::default())?.fragment;
    let mut connection = Connection::open(address)?;
    for image in 0..IMAGES {
        let name = |layer| Digest::of(format!("layer {layer} of image {image}").as_bytes());
        send(&mut connection, address, &top, (0..LAYERS).map(name).collect())?;
    }
    Ok(IMAGES * LAYERS)
}

fn send(
    connection: &mut Connection,
    address: SocketAddr,
    like: &Fragment,
    diff_ids: Vec<Digest>,
) -> Result<(), Failure> {
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    let scan = ScanRequest {
        schema: SCHEMA,
        analyzer: ANALYZER.to_owned(),
        reference: "neighbour".to_owned(),
        image: Some(ImageClaim::Engine { image_id: diff_ids[0], platform, diff_ids, history: Vec::new() }),
        sbom: None,
        inventory: false,
        base: None,
        pairs: Vec::new(),
        policies: Vec::new(),
        skipped: Vec::new(),
        allow_skipped: Vec::new(),
        now: None,
    };
    let mut answer = ask(connection, &json("POST", address, "/v1/scan", &scan)?)?;
    while let ScanAnswer::Missing { scan, missing } = answer {
        let diff_id = *missing.first().ok_or("a scan that waits for nothing")?;
        let fragment = Fragment { diff_id, ..like.clone() }.encode()?;
        let path = format!("/v1/scan/{scan}/layers/{diff_id}?schema={SCHEMA}&analyzer={ANALYZER}");
        let put = request("PUT", address, &path, "Content-Encoding: zstd\r\n", &fragment)?;
        answer = ask(connection, &put)?;
    }
    Ok(())
}

fn ask(connection: &mut Connection, request: &[u8]) -> Result<ScanAnswer, Failure> {
    let answer = connection.ask(request)?;
    serde_json::from_slice(answer.body)
        .map_err(|_| format!("status {}: {}", answer.status, String::from_utf8_lossy(answer.body)).into())
}

//! The delta scenario, measured as a build meets it: the whole process, from its start to its end, reports written.
//!
//! State: a server that knows every layer of `v1` is stopped and its data directory kept. Each sample starts a server on a
//! fresh copy of that directory and warms it by gating `v1` again, both outside the measured span. Then `v2` is gated with
//! one layer missing (`missing`), gated again with every layer known (`known`), and the floor of that one layer is
//! measured, interleaved, so that all three meet the same machine.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::Value;

use crate::{Failure, floor, gate::Gate, server::Server, statistics::Summary};

/// Most of a layer's size that the floor inflates as one member.
const WHOLE_LIMIT_BYTES: u64 = 100 << 20;

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program.
    #[arg(long)]
    stella: PathBuf,
    /// The server's program.
    #[arg(long)]
    server: PathBuf,
    /// OCI layout of the image that the server knows.
    #[arg(long)]
    layout_v1: PathBuf,
    /// OCI layout of the image with one new layer.
    #[arg(long)]
    layout_v2: PathBuf,
    /// How many samples.
    #[arg(long, default_value_t = 100)]
    samples: usize,
    /// A data directory to start from, such as one with advisories imported.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// One more argument of the server; repeats.
    #[arg(long, allow_hyphen_values = true)]
    server_argument: Vec<String>,
    /// One more argument of every gate; repeats.
    #[arg(long, allow_hyphen_values = true)]
    gate_argument: Vec<String>,
    /// Where to write the figures, beside stdout.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// The figures.
#[derive(Debug, Serialize)]
pub struct Figures {
    phase: &'static str,
    /// One layer missing.
    missing: Summary,
    /// Every layer known.
    known: Summary,
    /// The floor of the missing layer.
    floor: Summary,
    floor_mode: floor::Mode,
    /// `missing` over `floor`, medians.
    ratio_p50: f64,
    /// `missing` over `floor`, 95th percentiles.
    ratio_p95: f64,
}

/// Takes the samples.
pub fn measure(arguments: &Arguments) -> Result<Figures, Failure> {
    let (v1, v2) = (layers(&arguments.layout_v1)?, layers(&arguments.layout_v2)?);
    let known: BTreeSet<_> = v1.iter().collect();
    let missing: Vec<PathBuf> =
        v2.iter().filter(|path| !known.contains(path)).map(|path| arguments.layout_v2.join(path)).collect();
    if missing.len() != 1 {
        return Err(format!("the second image must have one new layer, it has {}", missing.len()).into());
    }
    let mode = if fs::metadata(&missing[0])?.len() > WHOLE_LIMIT_BYTES {
        floor::Mode::Streaming
    } else {
        floor::Mode::Whole
    };
    let work = tempfile::tempdir()?;
    let state = work.path().join("state");
    match &arguments.data_dir {
        Some(data) => copy(data, &state)?,
        None => fs::create_dir(&state)?,
    }
    let server = Server::start(&arguments.server, &state, &arguments.server_argument)?;
    let gate = |server: &Server| Gate {
        stella: &arguments.stella,
        arguments: [
            &["--server".to_owned(), server.url.clone(), "--no-cache".to_owned()],
            &*arguments.gate_argument,
        ]
        .concat(),
        environment: Vec::new(),
        work: work.path(),
    };
    let [image_v1, image_v2] =
        [&arguments.layout_v1, &arguments.layout_v2].map(|layout| format!("oci:{}", layout.display()));
    gate(&server).run(&image_v1)?;
    server.stop()?;

    let (mut with_one_missing, mut all_known, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.samples {
        let data = work.path().join("data");
        copy(&state, &data)?;
        let server = Server::start(&arguments.server, &data, &arguments.server_argument)?;
        let gate = gate(&server);
        gate.expect(&image_v1, v1.len(), 0)?;
        with_one_missing.push(gate.expect(&image_v2, v2.len() - 1, 1)?);
        all_known.push(gate.expect(&image_v2, v2.len(), 0)?);
        floors.push(floor::measure(&missing, mode, 1)?.wall_ms);
        server.stop()?;
        fs::remove_dir_all(&data)?;
    }
    let summary = |samples: &[f64]| Summary::of(samples).ok_or("no samples");
    let (missing, known, floor) = (summary(&with_one_missing)?, summary(&all_known)?, summary(&floors)?);
    let (ratio_p50, ratio_p95) = (missing.p50_ms / floor.p50_ms, missing.p95_ms / floor.p95_ms);
    Ok(Figures { phase: "DELTA_SBOM", missing, known, floor, floor_mode: mode, ratio_p50, ratio_p95 })
}

/// Paths of the layer blobs of a layout's first image, bottom to top, relative to the layout.
fn layers(layout: &Path) -> Result<Vec<PathBuf>, Failure> {
    let blob = |descriptor: &Value| -> Result<PathBuf, Failure> {
        let digest = descriptor["digest"].as_str().ok_or("a descriptor without a digest")?;
        Ok(Path::new("blobs").join(digest.replace(':', "/")))
    };
    let read = |path: &Path| -> Result<Value, Failure> {
        let path = layout.join(path);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    let manifest = read(&blob(&read(Path::new("index.json"))?["manifests"][0])?)?;
    manifest["layers"].as_array().ok_or("a manifest without layers")?.iter().map(blob).collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

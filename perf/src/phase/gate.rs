//! COLD_GATE, IMAGE_UNPACK, DELTA_SBOM, KNOWN_GATE: one gate as a build meets it.
//!
//! The delta scenario's state: a server that knew every layer of `v1` was stopped and its data directory kept. Each sample
//! starts a server on a fresh copy of that directory and warms it by gating `v1` again, both outside the measured span;
//! then `v2` is gated, with one layer missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use stella::digest::Digest;

use super::{Ground, Measurement, Sample, Subject, reference, start};
use crate::{
    Failure, floor,
    gate::{Gate, Gated},
    layout::{self, Layer},
    server::Server,
};

/// Most of a layer's size that the floor inflates as one member.
const WHOLE_LIMIT_BYTES: u64 = 100 << 20;

fn sample(gated: &Gated, floor_ms: f64) -> Vec<Sample> {
    vec![Sample {
        wall_ms: gated.ended.wall_ms,
        floor_ms,
        steps: gated.steps(),
        cpu_ms: Some(gated.ended.cpu_ms),
        peak_bytes: Some(gated.ended.peak_bytes),
    }]
}

fn diff_ids(layers: &[Layer]) -> Vec<Digest> {
    layers.iter().map(|layer| layer.diff_id).collect()
}

/// The floor of some layer files.
struct LayerFloor {
    files: Vec<PathBuf>,
    mode: floor::Mode,
}

impl LayerFloor {
    fn of(files: Vec<PathBuf>) -> Result<Self, Failure> {
        let mut mode = floor::Mode::Whole;
        for file in &files {
            if fs::metadata(file)?.len() > WHOLE_LIMIT_BYTES {
                mode = floor::Mode::Streaming;
            }
        }
        Ok(Self { files, mode })
    }

    fn measure(&self) -> Result<f64, Failure> {
        Ok(floor::measure(&self.files, self.mode, 1)?.wall_ms)
    }

    fn what(&self) -> &'static str {
        match self.mode {
            floor::Mode::Whole => "its new layers inflated whole, hashed twice, walked",
            floor::Mode::Streaming => "its new layers inflated streaming, hashed twice, walked",
        }
    }
}

/// COLD_GATE and IMAGE_UNPACK: nothing known, no server, no cache.
pub struct Cold {
    gate: Gate,
    image: String,
    layers: Vec<Layer>,
    floor: LayerFloor,
}

impl Cold {
    /// An OCI layout.
    pub fn layout(ground: &Ground) -> Result<Self, Failure> {
        let layers = layout::layers(&ground.images.delta_v1)?;
        let floor = LayerFloor::of(layers.iter().map(|layer| layer.blob.clone()).collect())?;
        Self::open(ground, "cold", reference("oci", &ground.images.delta_v1), layers, floor)
    }

    /// The same image as `docker save` writes it: one tar, layers not compressed.
    pub fn archive(ground: &Ground) -> Result<Self, Failure> {
        let layers = layout::layers(&ground.images.delta_v1)?;
        let archive = &ground.images.delta_v1_archive;
        let floor = LayerFloor { files: vec![archive.clone()], mode: floor::Mode::Streaming };
        Self::open(ground, "unpack", reference("docker-archive", archive), layers, floor)
    }

    fn open(
        ground: &Ground,
        name: &str,
        image: String,
        layers: Vec<Layer>,
        floor: LayerFloor,
    ) -> Result<Self, Failure> {
        let advisories = ["--no-cache", "--advisories", &ground.advisories.display().to_string()];
        let gate = Gate {
            stella: ground.stella.clone(),
            arguments: advisories.map(str::to_owned).to_vec(),
            environment: Vec::new(),
            work: ground.directory(name)?,
        };
        Ok(Self { gate, image, layers, floor })
    }
}

impl Measurement for Cold {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: source(&self.image),
            diff_ids: diff_ids(&self.layers),
            floor: self.floor.what(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let gated = self.gate.expect(&self.image, 0, self.layers.len())?;
        Ok(sample(&gated, self.floor.measure()?))
    }
}

/// The image without the machine's directories: results of two machines name the same source alike.
fn source(image: &str) -> String {
    match (image.split_once(':'), image.rsplit_once('/')) {
        (Some((kind, _)), Some((_, name))) => format!("{kind}:{name}, seeded"),
        _ => image.to_owned(),
    }
}

/// A gate that asks `server` and keeps nothing itself.
pub fn asking(ground: &Ground, work: PathBuf, url: &str) -> Gate {
    Gate {
        stella: ground.stella.clone(),
        arguments: ["--server", url, "--no-cache"].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        work,
    }
}

/// The data directory of a server that knows every layer of `images`, stopped.
pub fn knowing(ground: &Ground, name: &str, images: &[&str]) -> Result<PathBuf, Failure> {
    let work = ground.directory(name)?;
    let state = work.join("state");
    fs::create_dir(&state)?;
    let server = Server::start(&ground.server, &state, &ground.server_arguments())?;
    for image in images {
        asking(ground, work.clone(), &server.url).run(image)?;
    }
    server.stop()?;
    Ok(state)
}

/// DELTA_SBOM: the server knows every layer but one.
pub struct Delta {
    server: PathBuf,
    server_arguments: Vec<String>,
    state: PathBuf,
    work: PathBuf,
    gate: Gate,
    known: (String, usize),
    image: String,
    layers: Vec<Layer>,
    floor: LayerFloor,
}

impl Delta {
    /// Lets a server see `v1`.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let [v1, v2] = [&ground.images.delta_v1, &ground.images.delta_v2];
        let (known, layers) = (layout::layers(v1)?, layout::layers(v2)?);
        let missing: Vec<PathBuf> = layers
            .iter()
            .filter(|layer| known.iter().all(|known| known.diff_id != layer.diff_id))
            .map(|layer| layer.blob.clone())
            .collect();
        if missing.len() != 1 {
            return Err(format!("the second image must have one new layer, it has {}", missing.len()).into());
        }
        let v1 = reference("oci", v1);
        let state = knowing(ground, "delta", &[&v1])?;
        let work = state.parent().unwrap_or(&state).to_owned();
        Ok(Self {
            server: ground.server.clone(),
            server_arguments: ground.server_arguments(),
            gate: asking(ground, work.clone(), ""),
            state,
            work,
            known: (v1, known.len()),
            image: reference("oci", v2),
            layers,
            floor: LayerFloor::of(missing)?,
        })
    }
}

impl Measurement for Delta {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: source(&self.image),
            diff_ids: diff_ids(&self.layers),
            floor: self.floor.what(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let data = self.work.join("data");
        copy(&self.state, &data)?;
        let server = Server::start(&self.server, &data, &self.server_arguments)?;
        self.gate.arguments[1].clone_from(&server.url);
        self.gate.expect(&self.known.0, self.known.1, 0)?;
        let gated = self.gate.expect(&self.image, self.layers.len() - 1, 1)?;
        let floor_ms = self.floor.measure()?;
        server.stop()?;
        fs::remove_dir_all(&data)?;
        Ok(sample(&gated, floor_ms))
    }
}

/// KNOWN_GATE: the server knows every layer.
pub struct Known {
    gate: Gate,
    stella: PathBuf,
    image: String,
    layers: Vec<Layer>,
    // Ends with the measurement.
    _server: Server,
}

impl Known {
    /// Lets a server see `v2`, and keeps it running.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let image = reference("oci", &ground.images.delta_v2);
        let state = knowing(ground, "known", &[&image])?;
        let server = Server::start(&ground.server, &state, &ground.server_arguments())?;
        Ok(Self {
            gate: asking(ground, state.parent().unwrap_or(&state).to_owned(), &server.url),
            stella: ground.stella.clone(),
            image,
            layers: layout::layers(&ground.images.delta_v2)?,
            _server: server,
        })
    }
}

impl Measurement for Known {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: source(&self.image),
            diff_ids: diff_ids(&self.layers),
            floor: "the program starts and says its version",
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let gated = self.gate.expect(&self.image, self.layers.len(), 0)?;
        let floor = start::process(Command::new(&self.stella).arg("--version").env_clear())?;
        Ok(sample(&gated, floor.wall_ms))
    }
}

/// Copies a directory with everything in it.
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

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

/// The sample of a gate.
pub fn sample(gated: &Gated, floor_ms: f64) -> Vec<Sample> {
    vec![Sample {
        wall_ms: gated.ended.wall_ms,
        floor_ms,
        steps: gated.steps(),
        cpu_ms: Some(gated.ended.cpu_ms),
        peak_bytes: Some(gated.ended.peak_bytes),
    }]
}

/// Their diff IDs.
pub fn diff_ids(layers: &[Layer]) -> Vec<Digest> {
    layers.iter().map(|layer| layer.diff_id).collect()
}

/// The floor of some layer files.
struct LayerFloor {
    files: Vec<PathBuf>,
    mode: floor::Mode,
    what: &'static str,
}

impl LayerFloor {
    fn of(files: Vec<PathBuf>) -> Result<Self, Failure> {
        let mut mode = floor::Mode::Whole;
        for file in &files {
            if fs::metadata(file)?.len() > WHOLE_LIMIT_BYTES {
                mode = floor::Mode::Streaming;
            }
        }
        let what = match mode {
            floor::Mode::Whole => "its new layers inflated whole, hashed twice, walked",
            floor::Mode::Streaming => "its new layers inflated streaming, hashed twice, walked",
        };
        Ok(Self { files, mode, what })
    }

    fn measure(&self) -> Result<f64, Failure> {
        Ok(floor::measure(&self.files, self.mode, 1)?.wall_ms)
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
        let image = ground.image("delta-v1")?;
        let layers = layout::layers(&image.gzip)?;
        let floor = LayerFloor::of(layers.iter().map(|layer| layer.blob.clone()).collect())?;
        Self::open(ground, "cold", reference("oci", &image.gzip), layers, floor)
    }

    /// The same image as `docker save` writes it: one tar, layers not compressed.
    pub fn archive(ground: &Ground) -> Result<Self, Failure> {
        let image = ground.image("delta-v1")?;
        let layers = layout::layers(&image.gzip)?;
        let archive = image.archive.as_ref().ok_or("the recipe writes no archive of delta-v1")?;
        let floor = LayerFloor {
            files: vec![archive.clone()],
            mode: floor::Mode::Streaming,
            what: "the saved tar read in pieces, hashed, walked",
        };
        Self::open(ground, "unpack", reference("docker-archive", archive), layers, floor)
    }

    fn open(
        ground: &Ground,
        name: &str,
        image: String,
        layers: Vec<Layer>,
        floor: LayerFloor,
    ) -> Result<Self, Failure> {
        let advisories = ["--no-cache", "--advisories", &ground.advisories()?.display().to_string()];
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
            floor: self.floor.what.into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let gated = self.gate.expect(&self.image, 0, self.layers.len())?;
        Ok(sample(&gated, self.floor.measure()?))
    }
}

/// The image without the machine's directories: results of two machines name the same source alike.
pub fn source(image: &str) -> String {
    match (image.split_once(':'), image.rsplit_once('/')) {
        (Some((kind, _)), Some((_, name))) => format!("{kind}:{name}, seeded"),
        _ => image.to_owned(),
    }
}

/// A gate that asks the server at `url` and keeps nothing itself.
pub fn asking(stella: &Path, work: &Path, url: &str) -> Gate {
    Gate {
        stella: stella.to_owned(),
        arguments: ["--server", url, "--no-cache"].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        work: work.to_owned(),
    }
}

/// An image as the gate is told of it.
pub struct Image {
    /// `oci:DIR`.
    pub reference: String,
    /// Bottom to top.
    pub layers: Vec<Layer>,
}

impl Image {
    fn open(layout: &Path) -> Result<Self, Failure> {
        Ok(Self { reference: reference("oci", layout), layers: layout::layers(layout)? })
    }
}

/// The delta scenario: a server that knows every layer of `v1`, stopped, its data directory kept.
pub struct Scene {
    /// The program.
    pub stella: PathBuf,
    /// The server's program.
    pub server: PathBuf,
    /// Its arguments.
    pub server_arguments: Vec<String>,
    /// Where reports go.
    pub work: PathBuf,
    /// The image that the server knows.
    pub v1: Image,
    /// The same with another last layer.
    pub v2: Image,
    state: PathBuf,
}

impl Scene {
    /// Lets a server see `v1`, in the directory `name` of the run.
    pub fn open(ground: &Ground, name: &str) -> Result<Self, Failure> {
        let work = ground.directory(name)?;
        let state = work.join("state");
        fs::create_dir(&state)?;
        let scene = Self {
            stella: ground.stella.clone(),
            server: ground.server.clone(),
            server_arguments: ground.server_arguments()?,
            v1: Image::open(&ground.image("delta-v1")?.gzip)?,
            v2: Image::open(&ground.image("delta-v2")?.gzip)?,
            work,
            state,
        };
        let server = Server::start(&scene.server, &scene.state, &scene.server_arguments)?;
        asking(&scene.stella, &scene.work, &server.url).expect(
            &scene.v1.reference,
            0,
            scene.v1.layers.len(),
        )?;
        server.stop()?;
        Ok(scene)
    }

    /// A fresh copy of the data directory; whoever asked for it removes it.
    pub fn data(&self) -> Result<PathBuf, Failure> {
        let data = self.work.join("data");
        copy(&self.state, &data)?;
        Ok(data)
    }
}

/// DELTA_SBOM: the server knows every layer but one.
pub struct Delta {
    scene: Scene,
    floor: LayerFloor,
}

impl Delta {
    /// Lets a server see `v1`.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let scene = Scene::open(ground, "delta")?;
        let missing: Vec<PathBuf> = scene
            .v2
            .layers
            .iter()
            .filter(|layer| scene.v1.layers.iter().all(|known| known.diff_id != layer.diff_id))
            .map(|layer| layer.blob.clone())
            .collect();
        if missing.len() != 1 {
            return Err(format!("the second image must have one new layer, it has {}", missing.len()).into());
        }
        Ok(Self { scene, floor: LayerFloor::of(missing)? })
    }
}

impl Measurement for Delta {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: source(&self.scene.v2.reference),
            diff_ids: diff_ids(&self.scene.v2.layers),
            floor: self.floor.what.into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let (scene, data) = (&self.scene, self.scene.data()?);
        let server = Server::start(&scene.server, &data, &scene.server_arguments)?;
        let gate = asking(&scene.stella, &scene.work, &server.url);
        gate.expect(&scene.v1.reference, scene.v1.layers.len(), 0)?;
        let gated = gate.expect(&scene.v2.reference, scene.v2.layers.len() - 1, 1)?;
        let floor_ms = self.floor.measure()?;
        server.stop()?;
        fs::remove_dir_all(&data)?;
        Ok(sample(&gated, floor_ms))
    }
}

/// KNOWN_GATE: the server knows every layer.
pub struct Known {
    gate: Gate,
    scene: Scene,
    // Ends with the measurement.
    _server: Server,
}

impl Known {
    /// Lets a server see `v1`, and keeps it running.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let scene = Scene::open(ground, "known")?;
        let server = Server::start(&scene.server, &scene.data()?, &scene.server_arguments)?;
        Ok(Self { gate: asking(&scene.stella, &scene.work, &server.url), scene, _server: server })
    }
}

impl Measurement for Known {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: source(&self.scene.v1.reference),
            diff_ids: diff_ids(&self.scene.v1.layers),
            floor: "the program starts and says its version".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let v1 = &self.scene.v1;
        let gated = self.gate.expect(&v1.reference, v1.layers.len(), 0)?;
        let floor = start::process(Command::new(&self.scene.stella).arg("--version").env_clear())?;
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

//! An image of the Docker engine, measured against the least that its layers can cost there: the engine's own export.
//!
//! Interleaved: `docker save` into nothing, the gate with nothing known, the gate with everything known.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use serde::Serialize;

use crate::{Failure, gate::Gate, statistics::Summary};

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program.
    #[arg(long)]
    stella: PathBuf,
    /// The image, as the engine at DOCKER_HOST knows it.
    #[arg(long)]
    image: String,
    /// How many samples.
    #[arg(long, default_value_t = 10)]
    samples: usize,
    /// One more argument of every gate; repeats.
    #[arg(long, allow_hyphen_values = true)]
    gate_argument: Vec<String>,
}

/// The figures.
#[derive(Debug, Serialize)]
pub struct Figures {
    phase: &'static str,
    /// Nothing known: the engine exports, every layer is read.
    cold: Summary,
    /// Every layer known: nothing is exported.
    known: Summary,
    /// `docker save`, its output thrown away.
    save: Summary,
    /// `cold` over `save`, medians.
    ratio_p50: f64,
}

/// Takes the samples.
pub fn measure(arguments: &Arguments) -> Result<Figures, Failure> {
    let work = tempfile::tempdir()?;
    let host = env::var("DOCKER_HOST").map_err(|_| "DOCKER_HOST names no engine")?;
    let gate = |more: &[&str]| Gate {
        stella: arguments.stella.clone(),
        arguments: arguments
            .gate_argument
            .iter()
            .cloned()
            .chain(more.iter().map(|&m| m.to_owned()))
            .collect(),
        environment: vec![
            ("DOCKER_HOST", host.clone()),
            ("XDG_CACHE_HOME", work.path().join("cache").display().to_string()),
        ],
        work: work.path().to_owned(),
    };
    let (cold, known) = (gate(&["--no-cache"]), gate(&[]));
    let image = format!("docker:{}", arguments.image);
    let layers = known.run(&image)?.report["results"][0]["looked_at"]["layers"]
        .as_u64()
        .ok_or("a report without layers")?;
    let layers = usize::try_from(layers)?;
    let (mut colds, mut knowns, mut saves) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.samples {
        let start = Instant::now();
        let saved = Command::new("docker").args(["save", &arguments.image]).stdout(Stdio::null()).status()?;
        if !saved.success() {
            return Err(format!("docker save {} ended with {saved}", arguments.image).into());
        }
        saves.push(start.elapsed().as_secs_f64() * 1e3);
        colds.push(cold.expect(&image, 0, layers)?.ended.wall_ms);
        knowns.push(known.expect(&image, layers, 0)?.ended.wall_ms);
    }
    let summary = |samples: &[f64]| Summary::of(samples).ok_or("no samples");
    let (cold, known, save) = (summary(&colds)?, summary(&knowns)?, summary(&saves)?);
    let ratio_p50 = cold.p50_ms / save.p50_ms;
    Ok(Figures { phase: "ENGINE_EXPORT", cold, known, save, ratio_p50 })
}

//! START: what a process costs before it does anything.

use std::{path::PathBuf, process::Command};

use super::{Ground, Measurement, Sample, Subject};
use crate::{Failure, process};

/// The least process there is. By its whole path: a name that is looked up costs a fork of all of the harness's memory.
const NOTHING: &str = "/bin/true";

/// `stella --version`, against the least process there is.
pub struct Start {
    stella: PathBuf,
}

impl Start {
    /// Needs nothing.
    pub fn open(ground: &Ground) -> Self {
        Self { stella: ground.stella.clone() }
    }
}

/// Starts a program and waits for its end.
pub fn process(command: &mut Command) -> Result<process::Ended, Failure> {
    let ended = process::run(command)?;
    if !ended.status.success() {
        return Err(format!("{} ended with {}", command.get_program().display(), ended.status).into());
    }
    Ok(ended)
}

impl Measurement for Start {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: "stella --version".to_owned(),
            diff_ids: Vec::new(),
            floor: "true(1), a process that does nothing".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let ended = process(Command::new(&self.stella).arg("--version").env_clear())?;
        let floor = process(Command::new(NOTHING).env_clear())?;
        Ok(vec![Sample {
            wall_ms: ended.wall_ms,
            floor_ms: floor.wall_ms,
            steps: Vec::new(),
            cpu_ms: Some(ended.cpu_ms),
            peak_bytes: Some(ended.peak_bytes),
        }])
    }
}

//! The programs of the stored run, measured again in the pauses of this one: old and new meet the same machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    phase::Phase,
    process,
    result::{SCHEMA, Samples},
    store::{self, Programs},
};

/// Which part of a phase's samples each of the three pauses takes.
const SHARE: &str = "0.1";

/// What one pause calls.
pub struct Former {
    programs: Programs,
    phases: Vec<Phase>,
    samples: Option<usize>,
    targets: PathBuf,
    cache: PathBuf,
    work: PathBuf,
    taken: usize,
    /// What it came to so far, or why it came to nothing.
    pub result: Result<Samples, String>,
}

impl Former {
    /// The programs kept with the stored run in `directory`; `work` is a new directory of its own.
    pub fn new(
        directory: &Path,
        phases: Vec<Phase>,
        samples: Option<usize>,
        targets: &Path,
        cache: &Path,
        work: PathBuf,
    ) -> Self {
        let (programs, result) =
            (Programs::of(directory), Ok(Samples { schema: SCHEMA, ..Samples::default() }));
        Self {
            programs,
            phases,
            samples,
            targets: targets.to_owned(),
            cache: cache.to_owned(),
            work,
            taken: 0,
            result,
        }
    }

    /// Measures a part. Once it failed it is not tried again: half an answer would be compared as a whole one.
    pub fn pause(&mut self) {
        if let Ok(samples) = &mut self.result {
            self.taken += 1;
            let place = self.work.join(format!("pause-{}", self.taken));
            match part(&self.programs, &self.phases, self.samples, &self.targets, &self.cache, &place) {
                Ok(more) => samples.append(more),
                Err(error) => self.result = Err(error.to_string()),
            }
        }
    }
}

fn part(
    programs: &Programs,
    phases: &[Phase],
    samples: Option<usize>,
    targets: &Path,
    cache: &Path,
    place: &Path,
) -> Result<Samples, Failure> {
    if phases.is_empty() {
        return Ok(Samples { schema: SCHEMA, ..Samples::default() });
    }
    if !programs.perf.exists() {
        return Err(format!("{} is not there", programs.perf.display()).into());
    }
    let names: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
    let mut command = Command::new(&programs.perf);
    command.args(["run", "--tickets", "never", "--share", SHARE, "--phase", &names.join(",")]);
    command.arg("--stella").arg(&programs.stella).arg("--server").arg(&programs.server);
    command.arg("--targets").arg(targets).arg("--cache").arg(cache).arg("--out").arg(place);
    if let Some(samples) = samples {
        command.args(["--samples", &samples.to_string()]);
    }
    // What is planted is planted in this run.
    let ended = process::run(command.env_remove("STELLA_PERF_PLANT"))?;
    // 1: it missed a target, as it may have done when it was stored.
    if !matches!(ended.status.code(), Some(0 | 1)) {
        let last = ended.said.lines().last().unwrap_or_default();
        return Err(format!("it ended with {}: {last}", ended.status).into());
    }
    let taken = store::read(&place.join("latest").join(store::SAMPLES))?;
    fs::remove_dir_all(place)?;
    Ok(taken)
}

//! One gate as a build runs it: the whole process, from its start to its end, reports written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    Failure,
    phase::Name,
    process::{self, Ended},
};

/// How every gate of a measurement is called.
pub struct Gate {
    /// The program.
    pub stella: PathBuf,
    /// Arguments after the image.
    pub arguments: Vec<String>,
    /// Environment; nothing else of the machine's takes part.
    pub environment: Vec<(&'static str, String)>,
    /// Where reports are written.
    pub work: PathBuf,
}

/// A gate that came to a verdict.
pub struct Gated {
    /// The process.
    pub ended: Ended,
    /// Its JSON report.
    pub report: Value,
}

impl Gate {
    /// Gates `image`; another count of hits and misses is no sample.
    pub fn expect(&self, image: &str, hits: usize, misses: usize) -> Result<Gated, Failure> {
        let gated = self.run(image)?;
        let found = &gated.report["run"]["layers"];
        if found["hits"] != hits || found["misses"] != misses {
            return Err(
                format!("{image}: want {hits} hits and {misses} misses, the report says {found}").into()
            );
        }
        Ok(gated)
    }

    /// Gates `image`.
    pub fn run(&self, image: &str) -> Result<Gated, Failure> {
        let [sarif, json] = ["report.sarif", "report.json"].map(|name| self.work.join(name));
        for old in [&sarif, &json] {
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        let output = |format: &str, path: &Path| format!("{format}={}", path.display());
        let mut command = Command::new(&self.stella);
        command.args(["gate", image, "-o", &output("sarif", &sarif), "-o", &output("json", &json)]);
        command.args(&self.arguments);
        command.env_clear().env("HOME", &self.work).envs(self.environment.iter().cloned());
        let ended = process::run(command.current_dir(&self.work))?;
        // 0: passed; 1: the policy says no. Both are gates that ran to their end.
        if !matches!(ended.status.code(), Some(0 | 1)) {
            return Err(format!("the gate of {image} ended with {}:\n{}", ended.status, ended.said).into());
        }
        if fs::metadata(&sarif)?.len() == 0 {
            return Err("the gate wrote an empty SARIF report".into());
        }
        let report = serde_json::from_slice(&fs::read(&json)?)?;
        Ok(Gated { ended, report })
    }
}

impl Gated {
    /// The steps that the report times, in their order, milliseconds.
    pub fn steps(&self) -> Vec<(Name, f64)> {
        ["missing", "analyse", "upload", "match", "policy", "report"]
            .into_iter()
            .filter_map(|step| Some((step.into(), self.report["run"]["timings_ms"][step].as_f64()?)))
            .collect()
    }
}

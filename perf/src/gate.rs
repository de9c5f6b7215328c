//! One gate as a build runs it: the whole process, from its start to its end, reports written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::Failure;

/// How every gate of a measurement is called.
pub struct Gate<'a> {
    /// The program.
    pub stella: &'a Path,
    /// Arguments after the image.
    pub arguments: Vec<String>,
    /// Environment; nothing else of the machine's takes part.
    pub environment: Vec<(&'static str, String)>,
    /// Where reports are written.
    pub work: &'a Path,
}

impl Gate<'_> {
    /// Gates `image` and gives the milliseconds; another count of hits and misses is no sample.
    pub fn expect(&self, image: &str, hits: usize, misses: usize) -> Result<f64, Failure> {
        let (wall_ms, report) = self.run(image)?;
        let found = &report["run"]["layers"];
        if found["hits"] != hits || found["misses"] != misses {
            return Err(
                format!("{image}: want {hits} hits and {misses} misses, the report says {found}").into()
            );
        }
        Ok(wall_ms)
    }

    /// Gates `image`: milliseconds, and the JSON report.
    pub fn run(&self, image: &str) -> Result<(f64, Value), Failure> {
        let [sarif, json] = ["report.sarif", "report.json"].map(|name| self.work.join(name));
        for old in [&sarif, &json] {
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        let output = |format: &str, path: &PathBuf| format!("{format}={}", path.display());
        let mut command = Command::new(self.stella);
        command.args(["gate", image, "-o", &output("sarif", &sarif), "-o", &output("json", &json)]);
        command.args(&self.arguments);
        command.env_clear().env("HOME", self.work).envs(self.environment.iter().cloned());
        command.current_dir(self.work);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let start = Instant::now();
        let output = command.spawn()?.wait_with_output()?;
        let wall_ms = start.elapsed().as_secs_f64() * 1e3;
        let said = String::from_utf8_lossy(&output.stderr);
        // 0: passed; 1: the policy says no. Both are gates that ran to their end.
        if !matches!(output.status.code(), Some(0 | 1)) {
            return Err(format!("the gate of {image} ended with {}:\n{said}", output.status).into());
        }
        if fs::metadata(&sarif)?.len() == 0 {
            return Err("the gate wrote an empty SARIF report".into());
        }
        Ok((wall_ms, serde_json::from_slice(&fs::read(&json)?)?))
    }
}

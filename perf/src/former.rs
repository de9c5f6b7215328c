//! The stored run's programs, measured in turns with this run's: old and new meet the same machine, sample by sample.
//!
//! They measure themselves: the stored `stella-perf` runs as one process beside this one, makes the same phases ready, and
//! takes a sample whenever it is told to. One line each way:
//!
//! ```text
//! <- {"schema":1,"ready":["DELTA_SBOM","KNOWN_WAN/20ms"]}
//! -> DELTA_SBOM
//! <- {"samples_ms":[31.2],"floor_ms":[15.1]}
//! ```
//!
//! It ends when its stdin does, so that it never outlives the run.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Failure,
    phase::{
        Measurement, NotMeasured, Phase,
        ground::{self, work},
    },
    result::{self, SCHEMA},
    statistics::comparison::Series,
    store::Programs,
};

/// How long it may take to stop its servers at the end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The first line.
#[derive(Serialize, Deserialize)]
struct Ready {
    schema: u32,
    /// What can be asked for: `PHASE` or `PHASE/VARIANT`.
    ready: Vec<String>,
}

/// The stored programs at work.
pub struct Former {
    child: Child,
    // `None` once it was told to end.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    ready: Vec<String>,
}

impl Former {
    /// Starts them, and waits until `phases` are ready and warm.
    pub fn start(programs: &Programs, phases: &[Phase], cache: &Path) -> Result<Self, Failure> {
        let names: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
        let mut command = Command::new(&programs.perf);
        command.args(["turns", "--phase", &names.join(",")]);
        command.arg("--stella").arg(&programs.stella).arg("--server").arg(&programs.server);
        command.arg("--cache").arg(cache);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", programs.perf.display()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().ok_or("no stdout")?);
        // From here on `drop` stops it, whatever goes wrong.
        let mut former = Self { child, stdin, stdout: BufReader::new(stdout), ready: Vec::new() };
        let Ready { schema, ready } = former.line()?;
        if schema != SCHEMA {
            return Err(format!("they speak schema {schema}, this program {SCHEMA}").into());
        }
        former.ready = ready;
        Ok(former)
    }

    /// Whether it takes samples of that row.
    pub fn has(&self, id: &str) -> bool {
        self.ready.iter().any(|ready| ready == id)
    }

    /// The next samples of a row.
    pub fn take(&mut self, id: &str) -> Result<Series, Failure> {
        let stdin = self.stdin.as_mut().ok_or("it was told to end")?;
        writeln!(stdin, "{id}").and_then(|()| stdin.flush()).map_err(|_| stopped())?;
        let series: Series = self.line()?;
        if series.samples_ms.is_empty() {
            return Err(format!("{id}: it took no sample").into());
        }
        Ok(series)
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(stopped());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// Why is on stderr, which it shares with this program.
fn stopped() -> Failure {
    "they stopped".into()
}

impl Drop for Former {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // It may have ended just now; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes samples when it is told to: what a later run calls of its baseline's programs.
#[derive(clap::Args)]
pub struct Arguments {
    /// Phases to make ready.
    #[arg(long, value_name = "PHASE,...", value_delimiter = ',', required = true)]
    phase: Vec<Phase>,
    #[command(flatten)]
    ground: ground::Arguments,
}

impl Arguments {
    /// Answers until stdin ends.
    pub fn run(&self) -> Result<(), Failure> {
        let work = work()?;
        let ground = self.ground.open(work.path())?;
        let mut rows = BTreeMap::new();
        for phase in &self.phase {
            let wrap = |error: NotMeasured| format!("the baseline's {phase}: {error}");
            for mut measurement in phase.open(&ground).map_err(wrap)? {
                (0..phase.warm_up()).try_for_each(|_| measurement.take().map(drop))?;
                rows.insert(result::id(*phase, measurement.subject().variant), measurement);
            }
        }
        answer(&mut rows, io::stdin().lock(), io::stdout().lock())
    }
}

fn answer(
    rows: &mut BTreeMap<String, Box<dyn Measurement>>,
    questions: impl io::BufRead,
    mut answers: impl Write,
) -> Result<(), Failure> {
    let mut say = |line: serde_json::Result<String>| -> Result<(), Failure> {
        writeln!(answers, "{}", line?)?;
        Ok(answers.flush()?)
    };
    say(serde_json::to_string(&Ready { schema: SCHEMA, ready: rows.keys().cloned().collect() }))?;
    for question in questions.lines() {
        let id = question?;
        let row = rows.get_mut(&id).ok_or_else(|| format!("{id} was not made ready"))?;
        let samples = row.take().map_err(|error| format!("the baseline's {id}: {error}"))?;
        say(serde_json::to_string(&Series {
            samples_ms: samples.iter().map(|sample| sample.wall_ms).collect(),
            floor_ms: samples.iter().map(|sample| sample.floor_ms).collect(),
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::{Sample, Subject};

    struct Two;

    impl Measurement for Two {
        fn subject(&self) -> Subject {
            Subject { variant: None, source: String::new(), diff_ids: Vec::new(), floor: "" }
        }

        fn take(&mut self) -> Result<Vec<Sample>, Failure> {
            let sample = |wall_ms| Sample { wall_ms, floor_ms: 1.5, ..Sample::default() };
            Ok(vec![sample(3.0), sample(4.0)])
        }
    }

    #[test]
    fn a_line_is_answered_with_a_line() {
        let mut rows: BTreeMap<String, Box<dyn Measurement>> = BTreeMap::new();
        rows.insert("START".to_owned(), Box::new(Two));
        let mut said = Vec::new();
        answer(&mut rows, &b"START\n"[..], &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], r#"{"schema":1,"ready":["START"]}"#);
        assert_eq!(lines[1], r#"{"samples_ms":[3.0,4.0],"floor_ms":[1.5,1.5]}"#);
        let error = answer(&mut rows, &b"REPORTS\n"[..], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "REPORTS was not made ready");
    }

    /// A stored `stella-perf` that is this shell script.
    fn former(script: &str) -> Result<Former, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let programs = Programs::of(directory.path());
        std::fs::create_dir_all(programs.perf.parent().unwrap()).unwrap();
        std::fs::write(&programs.perf, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&programs.perf, std::fs::Permissions::from_mode(0o755)).unwrap();
        Former::start(&programs, &[Phase::Start], directory.path())
    }

    #[test]
    fn one_that_stops_or_speaks_otherwise_is_named() {
        let ready = r#"echo '{"schema":1,"ready":["START"]}'; "#;
        let says = |script: &str| former(script).err().map(|error| error.to_string());
        assert_eq!(says("exit 2").unwrap(), "they stopped");
        assert_eq!(says(r#"echo '{"schema":2,"ready":[]}'"#).unwrap(), "they speak schema 2, this program 1");
        let takes = |script: &str| former(&format!("{ready}{script}")).unwrap().take("START");
        assert_eq!(takes("exit 1").unwrap_err().to_string(), "they stopped");
        let answer = r#"read id; echo '{"samples_ms":[2.0],"floor_ms":[1.0]}'"#;
        assert_eq!(takes(answer).unwrap().samples_ms, [2.0]);
        let empty = r#"read id; echo '{"samples_ms":[],"floor_ms":[]}'"#;
        assert_eq!(takes(empty).unwrap_err().to_string(), "START: it took no sample");
    }
}

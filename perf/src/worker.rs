//! A process that measures: phases made ready and warm, and a sample taken whenever it is told to.
//!
//! This run's programs are measured by one, the baseline's by another of the stored `stella-perf`: both are the same kind of
//! process, take turns sample by sample, and so meet the same machine. One line of JSON each way:
//!
//! ```text
//! <- {"schema":1,"ready":[{"phase":"START","subject":{...}}],"not_measured":[["QUOTA_WAIT",{"state":"not_built"}]]}
//! -> "START"
//! <- {"taken":{"samples":[{"wall_ms":1.6,"floor_ms":0.6,...}],"facts":{}}}
//! ```
//!
//! It ends when its stdin does, so that it never outlives the run.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, BufReader, Write},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, TryRecvError},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Failure,
    phase::{
        Measurement, NotMeasured, Phase, Sample, Subject,
        ground::{self, work},
    },
    process,
    result::{self, SCHEMA, State},
    say,
    store::Programs,
};

/// How long it may take to stop its servers at the end.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to make all phases ready, images written, or to take a turn.
const ANSWER_LIMIT: Duration = Duration::from_secs(900);

/// What a worker can measure: its first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    schema: u32,
    /// What is ready.
    pub ready: Vec<Row>,
    /// What is not, and why.
    pub not_measured: Vec<(Phase, State)>,
    /// Of its own, gone when it has ended.
    directories: Vec<PathBuf>,
}

/// A phase, or a variant of one, that is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The phase.
    pub phase: Phase,
    /// What is measured.
    pub subject: Subject,
}

impl Row {
    /// [`result::id`].
    pub fn id(&self) -> String {
        result::id(self.phase, self.subject.variant.as_deref())
    }
}

/// What a turn gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    /// One sample, or a window of them.
    pub samples: Vec<Sample>,
    /// What all samples so far came to besides, by name.
    pub facts: BTreeMap<String, f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Taken(Taken),
    /// Why this row gives no more.
    Broke(String),
}

/// A running worker.
pub struct Worker {
    child: Child,
    // `None` once it was told to end.
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    directories: Vec<PathBuf>,
}

impl Worker {
    /// Starts `programs`, and waits until all of `phases` are ready that can be. `feeds` are real ones.
    pub fn start(
        programs: &Programs,
        phases: &[Phase],
        cache: &Path,
        feeds: Option<&Path>,
    ) -> Result<(Self, Ready), Failure> {
        let names: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
        let mut command = Command::new(&programs.perf);
        command.args(["worker", "--phase", &names.join(",")]);
        command.arg("--stella").arg(&programs.stella).arg("--server").arg(&programs.server);
        command.arg("--cache").arg(cache).envs(feeds.map(|feeds| (ground::FEEDS, feeds)));
        // Ctrl-C ends the run alone, and that ends the worker, which stops its servers and clears up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", programs.perf.display()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().ok_or("no stdout")?);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).all(|sent| sent.is_ok());
        });
        // From here on `drop` stops it, whatever goes wrong.
        let mut worker = Self { child, stdin, lines, directories: Vec::new() };
        let ready: serde_json::Value = worker.line()?;
        if ready["schema"] != SCHEMA {
            return Err(format!("it speaks schema {}, this program {SCHEMA}", ready["schema"]).into());
        }
        let ready: Ready = serde_json::from_value(ready)?;
        worker.directories.clone_from(&ready.directories);
        Ok((worker, ready))
    }

    /// The next samples of a row that is ready, by [`Row::id`].
    pub fn take(&mut self, id: &str) -> Result<Taken, Failure> {
        let stdin = self.stdin.as_mut().ok_or("it was told to end")?;
        let question = serde_json::to_string(id)?;
        writeln!(stdin, "{question}").and_then(|()| stdin.flush()).map_err(|_| stopped())?;
        match self.line()? {
            // A window without a sample would be asked for without an end.
            Answer::Taken(taken) if taken.samples.is_empty() => Err("took no sample".into()),
            Answer::Taken(taken) => Ok(taken),
            Answer::Broke(why) => Err(why.into()),
        }
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.lines.recv_timeout(ANSWER_LIMIT).map_err(|error| match error {
            RecvTimeoutError::Disconnected => stopped(),
            RecvTimeoutError::Timeout => {
                format!("the process that measures has said nothing for {ANSWER_LIMIT:?}").into()
            }
        })?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// Why is on stderr, which it shares with this program.
fn stopped() -> Failure {
    "the process that measures has stopped".into()
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Whatever this says, the group is ended next.
        let _ = process::ends_within(&mut self.child, STOP_LIMIT);
        // Its group is its own: with it goes what it could not stop because it was killed. Often nobody is left in it.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.child.wait();
        // Gone already, unless it was killed.
        for directory in &self.directories {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Takes samples when it is told to.
#[derive(clap::Args)]
pub struct Arguments {
    /// Phases to make ready.
    #[arg(long, value_name = "PHASE,...", value_delimiter = ',', required = true)]
    phase: Vec<Phase>,
    #[command(flatten)]
    ground: ground::Arguments,
}

/// Measurements by [`Row::id`].
type Measurements = BTreeMap<String, Box<dyn Measurement>>;

impl Arguments {
    /// Answers until stdin ends.
    pub fn run(&self) -> Result<(), Failure> {
        let work = work()?;
        let mut ground = self.ground.open(work.path())?;
        // Copies, on the same disk for every worker: where a file lies and how it was written shows in how fast it starts, and
        // nobody builds another one meanwhile.
        let programs = tempfile::Builder::new().prefix("programs-").tempdir_in(&ground.cache)?;
        for (program, name) in [(&mut ground.stella, "stella"), (&mut ground.server, "stella-server")] {
            let copy = programs.path().join(name);
            fs::copy(&*program, &copy)?;
            *program = copy;
        }
        let mut ready = Ready {
            schema: SCHEMA,
            ready: Vec::new(),
            not_measured: Vec::new(),
            directories: vec![work.path().to_owned(), programs.path().to_owned()],
        };
        let (mut measurements, questions) = (Measurements::new(), questions());
        for &phase in &self.phase {
            if matches!(questions.try_recv(), Err(TryRecvError::Disconnected)) {
                return Ok(());
            }
            say(&format!("{phase}: making ready"));
            match phase.open(&ground).and_then(|opened| warm(phase, opened)) {
                Ok(warm) => {
                    for measurement in warm {
                        let row = Row { phase, subject: measurement.subject() };
                        measurements.insert(row.id(), measurement);
                        ready.ready.push(row);
                    }
                }
                Err(not) => ready.not_measured.push((phase, not.into())),
            }
        }
        answer(&ready, &mut measurements, questions, io::stdout().lock())
    }
}

/// The lines of stdin. They are read beside all else, so that its end is seen while phases are made ready.
fn questions() -> mpsc::Receiver<String> {
    let (sender, questions) = mpsc::channel();
    thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        lines.map(|line| sender.send(line)).all(|sent| sent.is_ok())
    });
    questions
}

fn warm(
    phase: Phase,
    mut measurements: Vec<Box<dyn Measurement>>,
) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
    for measurement in &mut measurements {
        (0..phase.warm_up()).try_for_each(|_| measurement.take().map(drop))?;
    }
    Ok(measurements)
}

impl From<NotMeasured> for State {
    fn from(not: NotMeasured) -> Self {
        match not {
            NotMeasured::NotBuilt => Self::NotBuilt,
            NotMeasured::NotPossible(why) => Self::NotPossible { why },
            NotMeasured::Failed(error) => Self::Failed { why: error.to_string() },
        }
    }
}

fn answer(
    ready: &Ready,
    measurements: &mut Measurements,
    questions: impl IntoIterator<Item = String>,
    mut answers: impl Write,
) -> Result<(), Failure> {
    writeln!(answers, "{}", serde_json::to_string(ready)?)?;
    answers.flush()?;
    for question in questions {
        let id: String = serde_json::from_str(&question)?;
        let measurement = measurements.get_mut(&id).ok_or_else(|| format!("{id} was not made ready"))?;
        let answer = match measurement.take() {
            Ok(samples) => {
                let facts = measurement.facts().into_iter().map(|(name, value)| (name.to_owned(), value));
                Answer::Taken(Taken { samples, facts: facts.collect() })
            }
            Err(error) => Answer::Broke(error.to_string()),
        };
        writeln!(answers, "{}", serde_json::to_string(&answer)?)?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two samples, then none.
    struct Two(bool);

    impl Measurement for Two {
        fn subject(&self) -> Subject {
            let diff_ids = Vec::new();
            Subject { variant: Some("x".into()), source: String::new(), diff_ids, floor: "least".into() }
        }

        fn take(&mut self) -> Result<Vec<Sample>, Failure> {
            if std::mem::replace(&mut self.0, true) {
                return Err("fell over".into());
            }
            let steps = vec![("parse".into(), 1.0)];
            Ok(vec![Sample { wall_ms: 3.0, floor_ms: 1.5, steps, ..Sample::default() }])
        }

        fn facts(&self) -> Vec<(&'static str, f64)> {
            vec![("records", 7.0)]
        }
    }

    #[test]
    fn a_line_is_answered_with_a_line() {
        let row = Row { phase: Phase::Start, subject: Two(false).subject() };
        let (not_measured, directories) = (Vec::new(), Vec::new());
        let ready = Ready { schema: SCHEMA, ready: vec![row], not_measured, directories };
        let mut measurements = Measurements::new();
        measurements.insert("START/x".to_owned(), Box::new(Two(false)));
        let mut said = Vec::new();
        let question = || r#""START/x""#.to_owned();
        answer(&ready, &mut measurements, [question(), question()], &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        let mut lines = said.lines();
        let ready: Ready = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!((ready.ready[0].id().as_str(), &*ready.ready[0].subject.floor), ("START/x", "least"));
        let Answer::Taken(taken) = serde_json::from_str(lines.next().unwrap()).unwrap() else { panic!() };
        assert_eq!((taken.samples[0].wall_ms, &*taken.samples[0].steps[0].0), (3.0, "parse"));
        assert_eq!(taken.facts["records"].to_bits(), 7.0_f64.to_bits());
        assert_eq!(lines.next().unwrap(), r#"{"broke":"fell over"}"#);
        let error =
            answer(&ready, &mut measurements, [r#""START""#.to_owned()], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "START was not made ready");
    }

    /// A `stella-perf` that is this shell script.
    fn worker(script: &str) -> Result<Worker, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let programs = Programs::of(directory.path());
        std::fs::create_dir_all(programs.perf.parent().unwrap()).unwrap();
        std::fs::write(&programs.perf, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&programs.perf, std::fs::Permissions::from_mode(0o755)).unwrap();
        Ok(Worker::start(&programs, &[Phase::Start], directory.path(), None)?.0)
    }

    #[test]
    fn one_that_stops_or_speaks_otherwise_is_an_error() {
        let ready = r#"echo '{"schema":1,"ready":[],"not_measured":[],"directories":[]}'; read id; "#;
        let says = |script: &str| worker(script).err().unwrap().to_string();
        assert_eq!(says("exit 2"), "the process that measures has stopped");
        assert_eq!(says(r#"echo '{"schema":2}'"#), "it speaks schema 2, this program 1");
        let takes = |script: &str| {
            worker(&format!("{ready}{script}")).unwrap().take("START").unwrap_err().to_string()
        };
        assert_eq!(takes("exit 1"), "the process that measures has stopped");
        assert_eq!(takes(r#"echo '{"taken":{"samples":[],"facts":{}}}'"#), "took no sample");
        assert_eq!(takes(r#"echo '{"broke":"no"}'"#), "no");
    }
}

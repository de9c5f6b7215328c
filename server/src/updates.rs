//! Updates of the advisories: by themselves once a day, and when somebody asks. Each is a child process of this program, so that
//! what it takes, and what it may die of, is not the server's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustix::process::{Pid, setpriority_process};
use serde::Serialize;
use stella::report::plain;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::{Notify, watch},
};

use crate::{
    canary::now,
    config::{Feeds, Schedule},
    metrics::Metrics,
    schedule::{delay_seconds, planned},
};

/// An update that failed is tried again after this, or when the next one is due.
const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// How long a sleep may be: a clock may be set meanwhile, a machine may have slept.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Of how little worth the child's time is: least.
const NICE: i32 = 19;

/// A line of the child is no longer.
const MOST_LINE_BYTES: u64 = 8192;

/// Updates, of which one runs at a time.
pub struct Updates {
    settings: Feeds,
    /// Program and arguments of an update; empty where none can be made.
    command: Vec<OsString>,
    delay_seconds: u64,
    again_after: Duration,
    /// Whether there was nothing to start with.
    lacks: AtomicBool,
    state: Mutex<State>,
    asked: Notify,
    metrics: Arc<Metrics>,
}

/// How updates stand; times are RFC 3339.
#[derive(Debug, Clone, Default, Serialize)]
pub struct State {
    /// Since when one runs, or is about to.
    pub running_since: Option<String>,
    /// When the next one begins by itself.
    pub next: Option<String>,
    /// The last one that ended, since the server began.
    pub last: Option<Last>,
}

/// An update that ended.
#[derive(Debug, Clone, Serialize)]
pub struct Last {
    /// When it began.
    pub began: String,
    /// When it ended.
    pub ended: String,
    /// What was wrong; `null` where nothing was.
    pub error: Option<String>,
}

/// Why an update is not begun.
pub enum Refused {
    /// One runs since then.
    Running(String),
    /// This server cannot.
    Unable,
}

impl Updates {
    /// Of a data directory and a database; `program` is this program with its own arguments.
    pub fn new(
        settings: &Feeds,
        program: Vec<OsString>,
        data_dir: &Path,
        advisories: &Path,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut command = program;
        if !command.is_empty() {
            command.extend(["feeds", "update", "--data-dir"].map(OsString::from));
            command.extend([data_dir.into(), "--advisories".into(), advisories.into()]);
            command.extend(["--deadline".into(), settings.deadline_ms.div_ceil(1000).to_string().into()]);
            let memory_bytes = settings.max_memory.bytes.to_string();
            command.extend(["--max-memory".into(), memory_bytes.into()]);
            // One word each, so that none can be taken for another option.
            let option = |name: &str, value: &OsString| {
                let mut word = OsString::from(name);
                word.push(value);
                word
            };
            command.extend(settings.mirrors.iter().map(|mirror| option("--mirror=", &mirror.into())));
            command.extend(settings.ca.iter().map(|path| option("--ca=", &path.into())));
            command.push("--".into());
            command.extend(settings.sources.iter().map(OsString::from));
        }
        Self {
            settings: settings.clone(),
            command,
            delay_seconds: delay_seconds(data_dir),
            again_after: AGAIN_AFTER,
            lacks: AtomicBool::new(false),
            state: Mutex::default(),
            asked: Notify::new(),
            metrics,
        }
    }

    /// How they stand now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// There are no advisories: the first update, if any is set, need not wait for its time.
    pub fn lack(&self) {
        self.lacks.store(true, Ordering::Relaxed);
    }

    /// What a caller of an update must bring.
    pub fn token(&self) -> Option<&crate::config::Secret> {
        self.settings.token.as_ref()
    }

    /// Begins an update, unless one runs.
    pub fn ask(&self) -> Result<String, Refused> {
        let began = self.begin()?;
        self.asked.notify_one();
        Ok(began)
    }

    fn begin(&self) -> Result<String, Refused> {
        if self.command.is_empty() {
            return Err(Refused::Unable);
        }
        let mut state = self.lock();
        if let Some(since) = &state.running_since {
            return Err(Refused::Running(since.clone()));
        }
        let began = now();
        state.running_since = Some(began.clone());
        Ok(began)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes updates until the server stops.
    pub async fn run(&self, mut stopping: watch::Receiver<bool>) {
        if self.command.is_empty() {
            return;
        }
        let mut at_once = self.settings.schedule != Schedule::Off && self.lacks.load(Ordering::Relaxed);
        let mut again = None;
        loop {
            if !std::mem::take(&mut at_once) || self.begin().is_err() {
                tokio::select! {
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                    () = self.asked.notified() => {}
                    () = self.due(again) => if self.begin().is_err() { continue },
                }
            }
            let began = self.lock().running_since.clone().unwrap_or_else(now);
            tracing::info!("update of the advisories begins");
            let error = tokio::select! {
                done = self.update() => done.err(),
                // Its work is dropped with it, and it is killed.
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match &error {
                None => {
                    self.metrics.update("done");
                    tracing::info!("update of the advisories is done");
                }
                Some(error) => {
                    self.metrics.update("failed");
                    tracing::error!(error, "update of the advisories failed");
                }
            }
            again = error.is_some().then(|| Instant::now() + self.again_after);
            let mut state = self.lock();
            state.last = Some(Last { began, ended: now(), error });
            state.running_since = None;
        }
    }

    /// Ends when the next one is due by itself: at its time, or at `again`. Both are looked at anew each time, for the clock may be set
    /// meanwhile.
    async fn due(&self, again: Option<Instant>) {
        let (mut since, mut told) = (Timestamp::now(), None);
        loop {
            let now = Timestamp::now();
            let planned = planned(self.settings.schedule, &mut since, now, self.delay_seconds);
            let Some(planned) = planned else {
                self.lock().next = None;
                return std::future::pending().await;
            };
            let mut left = Duration::try_from(planned.duration_since(now)).unwrap_or_default();
            let mut next = planned;
            let until_again = again.map(|again| again.saturating_duration_since(Instant::now()));
            if let Some(until_again) = until_again.filter(|until_again| *until_again < left) {
                (left, next) = (until_again, now.saturating_add(until_again).unwrap_or(planned));
            }
            if left.is_zero() {
                return;
            }
            if told.replace(planned) != Some(planned) {
                self.lock().next = Some(Timestamp::from_second(next.as_second()).unwrap_or(next).to_string());
                tracing::info!(%next, "advisories are updated next");
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }

    async fn update(&self) -> Result<(), String> {
        let [program, arguments @ ..] = self.command.as_slice() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env_remove(crate::config::FEEDS_TOKEN);
        let child = command.kill_on_drop(true).spawn();
        let mut child = child.map_err(|error| format!("{}: {error}", PathBuf::from(program).display()))?;
        yield_to_all(&child);
        let mut last = String::new();
        if let Some(lines) = child.stderr.take() {
            let mut lines = BufReader::new(lines);
            let mut line = Vec::new();
            while (&mut lines).take(MOST_LINE_BYTES).read_until(b'\n', &mut line).await.unwrap_or_default()
                > 0
            {
                let text = String::from_utf8_lossy(&line);
                let text = plain(text.trim_end());
                crate::log::say(&text);
                if let Some(error) = text.strip_prefix("error: ") {
                    last = error.to_owned();
                }
                line.clear();
            }
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(why(status, &last)) }
    }
}

fn why(status: ExitStatus, said: &str) -> String {
    let died = status.code().is_none();
    match said {
        _ if died => format!("the child process died: {status}; the advisories stay as they were"),
        "" => format!("the child process ended with {status}"),
        said => said.to_owned(),
    }
}

/// Others go before it, where that can be said.
fn yield_to_all(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = setpriority_process(Some(pid), NICE)
    {
        tracing::debug!(%error, "priority of the update");
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    /// Updates by a script that counts how often it ran, until it did so often.
    fn run(schedule: Schedule, lacks: bool, script: &str, times: usize) -> State {
        let directory = tempfile::tempdir().unwrap();
        let count = directory.path().join("count");
        let script = format!("echo >> '{}'; {script}", count.display());
        let program = ["/bin/sh", "-c", &script].map(OsString::from).to_vec();
        let settings = Feeds { schedule, ..Feeds::default() };
        let metrics = Arc::new(Metrics::new());
        let mut updates = Updates::new(&settings, program, directory.path(), directory.path(), metrics);
        updates.again_after = Duration::from_millis(100);
        if lacks {
            updates.lack();
        }
        let (stop, stopping) = watch::channel(false);
        let ran = || std::fs::read(&count).map_or(0, |lines| lines.len());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let watch = async {
                let began = Instant::now();
                while (ran() < times || updates.state().last.is_none()) && began.elapsed().as_secs() < 20 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // What must not happen gets some time to.
                tokio::time::sleep(Duration::from_millis(if times > 1 { 0 } else { 400 })).await;
                let state = updates.state();
                stop.send_replace(true);
                state
            };
            let state = tokio::join!(updates.run(stopping), watch).1;
            assert!(if times > 1 { ran() >= times } else { ran() == times }, "{} of {times}", ran());
            state
        })
    }

    #[test]
    fn the_first_is_made_at_once_and_one_that_failed_again() {
        let hour = (Offset::UTC.to_datetime(Timestamp::now()).hour() + 12) % 24;
        let daily = Schedule::Daily { hour, minute: 0 };
        assert_eq!(run(daily, true, "exit 0", 1).last.unwrap().error, None);
        let error = run(daily, true, "echo error: no network >&2; exit 3", 3).last.unwrap().error;
        assert_eq!(error.as_deref(), Some("no network"));
    }
}

//! Progress of long work: on a terminal only, and only of what takes longer than people wait without asking.

use std::{
    io::IsTerminal,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stella::{layer::Analysed, report::plain};

use super::{
    image,
    log::{Level, Log},
};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);

/// `{prefix}` is how many parts are done, where they are counted.
const NOTHING_COUNTED: &str = "{spinner} {msg}, {elapsed}";
const BYTES_COUNTED: &str = "{spinner} {msg}{prefix}: {decimal_bytes}, {decimal_bytes_per_sec}";
const BYTES_KNOWN: &str = "{spinner} {msg}{prefix} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";

/// Whether progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Silent unless stderr is a terminal.
    pub fn new(log: Log) -> Self {
        Self { shown: log.level >= Level::Normal && std::io::stderr().is_terminal() }
    }

    /// Shows that something is done, from [`PATIENCE`] on until the result is dropped.
    pub fn begin(self, work: &str) -> Bar {
        Bar(self.shown.then(|| Shown::new(work)).flatten())
    }
}

/// Something that is done; empty where nobody sees it.
#[derive(Debug)]
pub struct Bar(Option<Shown>);

impl Bar {
    /// There are so many parts to do, such as layers, with so many bytes; 0 and `None` where they are not counted.
    pub fn expect(&self, parts: usize, bytes: Option<u64>) {
        let Some(shown) = &self.0 else { return };
        shown.parts.store(parts, Ordering::Relaxed);
        shown.count();
        style(&shown.bar, if bytes.is_some() { BYTES_KNOWN } else { BYTES_COUNTED });
        if let Some(bytes) = bytes {
            shown.bar.set_length(bytes);
        }
    }

    /// So many more bytes were read or sent.
    pub fn bytes(&self, bytes: u64) {
        if let Some(shown) = &self.0 {
            shown.bar.inc(bytes);
        }
    }

    /// One more part is done.
    pub fn part(&self) {
        if let Some(shown) = &self.0 {
            shown.done.fetch_add(1, Ordering::Relaxed);
            shown.count();
        }
    }
}

impl image::Progress for Bar {
    fn begin(&self, layers: usize, bytes: Option<u64>) {
        self.expect(layers, bytes);
    }

    fn read(&self, bytes: u64) {
        self.bytes(bytes);
    }

    fn analysed(&self, _layer: &Analysed) {
        self.part();
    }
}

#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    parts: AtomicUsize,
    done: AtomicUsize,
    /// Closed when the work ends.
    end: Option<mpsc::Sender<()>>,
    /// Has patience, and draws what stands still too.
    waiting: Option<thread::JoinHandle<()>>,
}

impl Shown {
    /// `None` where no thread is to be had.
    fn new(work: &str) -> Option<Self> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        style(&bar, NOTHING_COUNTED);
        bar.set_message(plain(work).into_owned());
        let (end, ended) = mpsc::channel::<()>();
        let drawn = bar.clone();
        let wait = move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                drawn.set_draw_target(ProgressDrawTarget::stderr());
                drawn.enable_steady_tick(TICK);
            }
        };
        let waiting = thread::Builder::new().spawn(wait).ok()?;
        let (parts, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Some(Self { bar, parts, done, end: Some(end), waiting: Some(waiting) })
    }

    fn count(&self) {
        let (done, parts) = (self.done.load(Ordering::Relaxed), self.parts.load(Ordering::Relaxed));
        if parts > 0 {
            self.bar.set_prefix(format!(" {done}/{parts}"));
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.end.take());
        // Once it is gone nothing begins to be drawn any more.
        let _ = self.waiting.take().map(thread::JoinHandle::join);
        self.bar.finish_and_clear();
    }
}

/// Letters alone, which every terminal has; no colours.
fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.tick_chars(r"|/-\ ").progress_chars("=> "));
    }
}

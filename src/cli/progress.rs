//! Progress of long work: on a terminal only, and only for what takes longer than people wait without asking.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stella::layer::Analysed;

use super::{
    image,
    log::{Level, Log},
};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes read and layers done, on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// Silent unless stderr is a terminal.
    pub fn new(log: Log) -> Self {
        let shown = log.level >= Level::Normal && std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} reading layers: {bytes}, {bytes_per_sec}")
        {
            bar.set_style(style);
        }
        Self { bar, since: Instant::now(), shown }
    }

    /// Clears the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl image::Progress for Progress {
    fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.shown && self.bar.is_hidden() && self.since.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn analysed(&self, _layer: &Analysed) {}
}

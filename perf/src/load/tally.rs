//! What all windows of a load came to, and whether the generator itself is in the figures.

use super::Window;
use crate::statistics::Summary;

/// A generator that is later than this, one request in a hundred, measured itself.
const LAG_LIMIT_MS: f64 = 5.0;
/// A generator that takes more of a processor than this takes it from the server.
const CPU_LIMIT_PERCENT: f64 = 60.0;

/// All windows so far.
#[derive(Debug, Default)]
pub struct Tally {
    lag_ms: Vec<f64>,
    seconds: f64,
    generator_cpu_seconds: f64,
    server_cpu_seconds: f64,
    found_no_connection: usize,
    windows: usize,
    doubtful: usize,
}

impl Tally {
    /// Counts a window.
    pub fn add(&mut self, window: &Window) {
        let lag_ms: Vec<f64> =
            window.made.iter().filter(|made| !made.found_no_connection()).map(super::Made::lag_ms).collect();
        let (took, used) = (window.took.as_secs_f64(), window.generator_cpu.as_secs_f64());
        let late = p99(&lag_ms).is_some_and(|lag_ms| lag_ms > LAG_LIMIT_MS);
        self.windows += 1;
        self.doubtful += usize::from(late || 100.0 * used / took > CPU_LIMIT_PERCENT);
        self.found_no_connection += window.made.len() - lag_ms.len();
        self.lag_ms.extend(lag_ms);
        self.seconds += took;
        self.generator_cpu_seconds += used;
        self.server_cpu_seconds += window.server_cpu.as_secs_f64();
    }

    /// By name. Percent are of one processor; a window is doubtful where the generator was too late or too busy.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    pub fn facts(&self) -> Vec<(&'static str, f64)> {
        let requests = self.lag_ms.len() + self.found_no_connection;
        let mut facts = vec![
            ("rate_per_second", requests as f64 / self.seconds),
            ("generator_cpu_percent", 100.0 * self.generator_cpu_seconds / self.seconds),
            ("server_cpu_percent", 100.0 * self.server_cpu_seconds / self.seconds),
            ("found_no_connection", self.found_no_connection as f64),
            ("windows", self.windows as f64),
            ("doubtful_windows", self.doubtful as f64),
        ];
        facts.extend(p99(&self.lag_ms).map(|lag_ms| ("generator_lag_p99_ms", lag_ms)));
        facts
    }
}

fn p99(lag_ms: &[f64]) -> Option<f64> {
    Summary::of(lag_ms).map(|lag| lag.p99_ms)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::{Made, Planned};

    /// 100 requests in a second, the last two of them `lag_ms` late.
    fn window(lag_ms: u64, generator_cpu_ms: u64, taken_late: bool) -> Window {
        let made = (0..100).map(|index| {
            let at = Duration::from_millis(10 * index);
            let late = if index < 98 { Duration::ZERO } else { Duration::from_millis(lag_ms) };
            let began = at + late;
            let taken = if taken_late { began } else { at };
            Made { planned: Planned { at, call: 0 }, taken, began, ended: began, wrong: None }
        });
        Window {
            made: made.collect(),
            took: Duration::from_secs(1),
            generator_cpu: Duration::from_millis(generator_cpu_ms),
            server_cpu: Duration::from_millis(300),
        }
    }

    #[test]
    fn a_generator_that_measured_itself_says_so() {
        let facts = |windows: &[Window]| {
            let mut tally = Tally::default();
            windows.iter().for_each(|window| tally.add(window));
            move |name: &str| tally.facts().iter().find(|(other, _)| *other == name).unwrap().1
        };
        let fine = facts(&[window(4, 590, false)]);
        assert_eq!((fine("doubtful_windows"), fine("found_no_connection")), (0.0, 0.0));
        let fact = facts(&[window(4, 100, false), window(6, 100, false), window(4, 610, false)]);
        assert_eq!((fact("windows"), fact("doubtful_windows"), fact("rate_per_second")), (3.0, 2.0, 100.0));
        assert!((fact("generator_cpu_percent") - 27.0).abs() < 1e-9 && fact("generator_lag_p99_ms") >= 4.0);
        // Late because nothing was free: the server's doing, and said.
        let starved = facts(&[window(6, 100, true)]);
        assert_eq!((starved("doubtful_windows"), starved("found_no_connection")), (0.0, 2.0));
    }
}

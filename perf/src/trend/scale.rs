//! From values to places.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, Time},
    tz::Offset,
};

use super::Window;

/// A vertical axis in milliseconds, from 0 at the bottom.
pub struct Vertical {
    /// The value at the upper edge.
    pub top_ms: f64,
    /// Place of the upper edge.
    pub from: f64,
    /// Place of 0.
    pub to: f64,
}

impl Vertical {
    /// Where `ms` is.
    pub fn at(&self, ms: f64) -> f64 {
        self.to - (self.to - self.from) * ms / self.top_ms
    }

    /// Two to four round values, 0 among them.
    pub fn ticks_ms(&self) -> Vec<f64> {
        let power = 10f64.powf((self.top_ms / 2.0).log10().floor());
        let step = [5.0, 2.5, 2.0, 1.0].map(|n| n * power).into_iter().find(|step| self.top_ms / step >= 2.0);
        let step = step.unwrap_or(power);
        let mut ticks = vec![0.0];
        while let Some(next) = ticks.last().map(|last| last + step).filter(|next| *next <= self.top_ms) {
            ticks.push(next);
        }
        ticks
    }
}

/// The horizontal axis: a window of time.
pub struct Horizontal {
    /// The time.
    pub window: Window,
    /// Place of its first moment.
    pub from: f64,
    /// Place of the moment after it.
    pub to: f64,
}

impl Horizontal {
    /// Where a moment is.
    pub fn at(&self, at: Timestamp) -> f64 {
        let part = |moment: Timestamp| moment.duration_since(self.window.from).as_secs_f64();
        self.from + (self.to - self.from) * part(at) / part(self.window.to)
    }

    /// About four days to name, counted back from the last, each with its place.
    pub fn days(&self) -> Vec<(Date, f64)> {
        let step = i64::from(self.window.weeks.div_ceil(4)).weeks();
        let mut days = Vec::new();
        let mut next = Some(self.window.last);
        while let Some(date) = next {
            let start = Offset::UTC.to_timestamp(date.to_datetime(Time::midnight()));
            let Some(start) = start.ok().filter(|start| *start >= self.window.from) else { break };
            days.push((date, self.at(start)));
            next = date.checked_sub(step).ok();
        }
        days.reverse();
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (top_ms, want) in [
            (44.0, vec![0.0, 20.0, 40.0]),
            (9.9, vec![0.0, 2.5, 5.0, 7.5]),
            (1.0, vec![0.0, 0.5, 1.0]),
            (5600.0, vec![0.0, 2500.0, 5000.0]),
        ] {
            assert_eq!(Vertical { top_ms, from: 0.0, to: 1.0 }.ticks_ms(), want);
        }
    }

    #[test]
    fn a_window_ends_with_its_last_day() {
        let window = Window::ending("2026-11-25".parse().unwrap(), 12).unwrap();
        assert_eq!(window.from.to_string(), "2026-09-03T00:00:00Z");
        let scale = Horizontal { window, from: 0.0, to: 84.0 };
        let days: Vec<String> = scale.days().iter().map(|(day, at)| format!("{day} {at:.0}")).collect();
        assert_eq!(days, ["2026-09-23 20", "2026-10-14 41", "2026-11-04 62", "2026-11-25 83"]);
    }
}

//! Durations as people read them.

/// A measured duration of `ms` milliseconds, to three digits: `38.2 ms`.
pub fn measured(ms: f64) -> String {
    let (value, unit) = unit(ms);
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// A duration that somebody chose, without zeros that say nothing: `50 ms`.
pub fn chosen(ms: f64) -> String {
    let (value, unit) = unit(ms);
    format!("{} {unit}", (value * 1e3).round() / 1e3)
}

/// The unit is chosen after rounding, so that nothing reads `1000 ms`.
fn unit(ms: f64) -> (f64, &'static str) {
    match ms {
        ms if ms < 0.9995 => (ms * 1e3, "µs"),
        ms if ms < 999.5 => (ms, "ms"),
        ms => (ms / 1e3, "s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit_that_fits_them() {
        for (ms, want) in [
            (0.0, "0.00 µs"),
            (0.01234, "12.3 µs"),
            (0.9996, "1.00 ms"),
            (9.996, "10.0 ms"),
            (38.24, "38.2 ms"),
            (999.4, "999 ms"),
            (999.6, "1.00 s"),
            (60_004.0, "60.0 s"),
        ] {
            assert_eq!(measured(ms), want);
        }
        for (ms, want) in [(5.0, "5 ms"), (1000.0, "1 s"), (0.25, "250 µs"), (1500.0, "1.5 s")] {
            assert_eq!(chosen(ms), want);
        }
    }
}

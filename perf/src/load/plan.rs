//! When each request of a window is to start.

use std::time::Duration;

/// One request of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it starts, from the beginning of the window.
    pub at: Duration,
    /// Which of the window's calls it is.
    pub call: usize,
}

/// A Poisson process: `rate_per_second` requests in the mean for as long as `window` says, each of `calls` equally
/// often, drawn from `seed`.
///
/// Builds know nothing of each other, so their requests come as such a process: several close together, then a pause. An
/// even beat would show no queue below saturation, and could keep in step with periodic work of the server.
pub fn poisson(seed: u64, rate_per_second: f64, window: Duration, calls: usize) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = Duration::ZERO;
    let mut planned = Vec::new();
    loop {
        // 1 - u is never 0, so that the gap is finite.
        at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / rate_per_second);
        if at >= window {
            return planned;
        }
        planned.push(Planned { at, call: random.usize(..calls) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    fn gaps_are_exponential_and_the_seed_decides() {
        let plan = poisson(7, 500.0, Duration::from_secs(20), 2);
        assert_eq!(plan, poisson(7, 500.0, Duration::from_secs(20), 2));
        assert_ne!(plan, poisson(8, 500.0, Duration::from_secs(20), 2));
        let gaps: Vec<f64> = plan.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n).sqrt();
        // 10,000 gaps: both are within five standard errors; an even beat would deviate by nothing.
        assert!((mean * 500.0 - 1.0).abs() < 0.05, "{mean}");
        assert!((deviation * 500.0 - 1.0).abs() < 0.08, "{deviation}");
        let first = plan.iter().filter(|planned| planned.call == 0).count() as f64;
        assert!((first / plan.len() as f64 - 0.5).abs() < 0.03, "{first}");
    }
}

//! Tails of the binomial distribution, exact, for any number of trials that a benchmark takes.

/// `P(X <= k)` for every `k` from 0 to `trials`, where `X` counts the successes of `trials` of chance `chance` (0 to 1,
/// both exclusive).
///
/// The terms are carried as logarithms, because `chance` to the power of 20,000 is no `f64`.
pub fn cumulative(trials: usize, chance: f64) -> impl Iterator<Item = f64> {
    let odds = (chance / (1.0 - chance)).ln();
    let mut term = trials as f64 * (-chance).ln_1p();
    let mut sum = 0.0;
    (0..=trials).map(move |successes| {
        sum += term.exp();
        term += odds + ((trials - successes) as f64 / (successes + 1) as f64).ln();
        f64::min(sum, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::cumulative;

    #[test]
    fn of_three_coins() {
        let want = [0.125, 0.5, 0.875, 1.0];
        for (found, want) in cumulative(3, 0.5).zip(want) {
            assert!((found - want).abs() < 1e-15, "{found} {want}");
        }
        assert_eq!(cumulative(20_000, 0.95).count(), 20_001);
    }
}

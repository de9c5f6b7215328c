//! Two samples compared by ranks: no distribution is assumed, and one outlier counts as one value.

/// The rank sum test of Mann and Whitney.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// In how many pairs of one from each sample the current one is the larger; a tie counts half.
    pub u: f64,
    /// Chance of such a `u` or a larger one if both samples came from one source: normal approximation, corrected for
    /// ties and for continuity.
    pub p_greater: f64,
}

impl MannWhitney {
    /// Compares `current` with `baseline`, in any order; `None` where one is empty.
    pub fn of(baseline: &[f64], current: &[f64]) -> Option<Self> {
        if baseline.is_empty() || current.is_empty() {
            return None;
        }
        let mut all: Vec<(f64, bool)> = baseline.iter().map(|value| (*value, false)).collect();
        all.extend(current.iter().map(|value| (*value, true)));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut rank_sum, mut ties) = (0.0, 0.0, 0.0);
        for tied in all.chunk_by(|a, b| a.0 == b.0) {
            let (size, of_current) = (tied.len() as f64, tied.iter().filter(|(_, current)| *current).count());
            // Every one of them gets the mean of the ranks that they share.
            rank_sum += of_current as f64 * (below + f64::midpoint(size, 1.0));
            ties += size.powi(3) - size;
            below += size;
        }
        let [of_baseline, of_current, of_all] =
            [baseline.len(), current.len(), all.len()].map(|size| size as f64);
        let pairs = of_baseline * of_current;
        let u = rank_sum - of_current * f64::midpoint(of_current, 1.0);
        let variance = pairs / 12.0 * (of_all + 1.0 - ties / (of_all * (of_all - 1.0)));
        let z = (u - pairs / 2.0 - 0.5) / variance.sqrt();
        Some(Self { u, p_greater: if variance > 0.0 { above(z) } else { 1.0 } })
    }
}

/// Upper tail of the normal distribution.
fn above(z: f64) -> f64 {
    libm::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// The shift of Hodges and Lehmann: the median of all differences of a current value and one of the baseline.
///
/// `None` where one is empty. Differences are not listed but counted, so that 20,000 samples take no more memory.
pub fn shift(baseline: &[f64], current: &[f64]) -> Option<f64> {
    let [baseline, current] = [baseline, current].map(|values| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    });
    let pairs = baseline.len() * current.len();
    if pairs == 0 {
        return None;
    }
    let difference = |rank| ranked_difference(&baseline, &current, rank);
    Some(f64::midpoint(difference((pairs - 1) / 2), difference(pairs / 2)))
}

/// The difference that `rank` others (of all pairs, by size) stand before: the smallest with more than `rank` at most
/// it, found by halving the range of all `f64` in their order.
fn ranked_difference(baseline: &[f64], current: &[f64], rank: usize) -> f64 {
    let (mut low, mut high) = (ordinal(f64::MIN), ordinal(f64::MAX));
    while low < high {
        let middle = u64::midpoint(low, high);
        if pairs_at_most(baseline, current, float(middle)) > rank {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    float(low)
}

/// How many pairs differ by at most `limit`; both are sorted, so that one walk tells.
fn pairs_at_most(baseline: &[f64], current: &[f64], limit: f64) -> usize {
    let mut too_low = 0;
    let mut pairs = 0;
    for value in current {
        while baseline.get(too_low).is_some_and(|low| value - low > limit) {
            too_low += 1;
        }
        pairs += baseline.len() - too_low;
    }
    pairs
}

/// Place of a number among all `f64`, as [`f64::total_cmp`] orders them.
fn ordinal(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits & SIGN == 0 { bits ^ SIGN } else { !bits }
}

/// The number at a place.
fn float(ordinal: u64) -> f64 {
    f64::from_bits(if ordinal & SIGN == 0 { !ordinal } else { ordinal ^ SIGN })
}

const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_the_median_difference() {
        assert_eq!(shift(&[1.0, 2.0, 3.0], &[3.0, 4.0, 5.0]), Some(2.0));
        assert_eq!(shift(&[1.0], &[0.0, 5.0]), Some(1.5));
        assert_eq!(shift(&[0.0, 0.0], &[0.0]), Some(0.0));
        assert_eq!((shift(&[], &[1.0]), shift(&[1.0], &[])), (None, None));
    }

    #[test]
    fn equal_values_tell_nothing() {
        let same = MannWhitney::of(&[2.0; 9], &[2.0; 4]).unwrap();
        assert_eq!(same, MannWhitney { u: 18.0, p_greater: 1.0 });
        assert_eq!(MannWhitney::of(&[], &[1.0]), None);
    }
}

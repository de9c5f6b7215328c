//! The source of every choice in an image or a corpus.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014): integers only, so that every machine draws the same numbers, and small enough
//! that no release of a crate can change them.

/// Changes every byte of every file and record.
const SEED: u64 = 0x5354_454c_4c41_0001;

/// Where [`Random::spread`]'s values lie, per mille.
const QUANTILES: [usize; 8] = [0, 100, 250, 500, 750, 900, 990, 1000];

/// One stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a name, such as a file's path: what one holds depends on no other.
    pub fn of(name: &str) -> Self {
        // FNV-1a.
        Self(name.bytes().fold(SEED ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number under `bound`, which is not 0 and under 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        // The product's upper half; it always fits.
        usize::try_from(((self.next() >> 32) * bound as u64) >> 32).unwrap_or(0)
    }

    /// A number under `bound`, small ones far more often, as words and instructions are used.
    pub fn skewed(&mut self, bound: usize) -> usize {
        let (first, second) = (self.below(bound), self.below(bound));
        first * second / bound
    }

    /// One of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// A number spread as a measured quantity is: its minimum, 10th, 25th, 50th, 75th, 90th and 99th percentile and its
    /// maximum are `at`; between them it is even.
    pub fn spread(&mut self, at: &[usize; 8]) -> usize {
        let place = self.below(1000);
        let above = QUANTILES.iter().position(|quantile| place < *quantile).unwrap_or(1);
        let (low, high) = (QUANTILES[above - 1], QUANTILES[above]);
        at[above - 1] + (at[above] - at[above - 1]) * (place - low) / (high - low)
    }

    /// `size` of `alphabet`'s characters.
    pub fn text(&mut self, alphabet: &[u8], size: usize) -> String {
        (0..size).map(|_| char::from(*self.pick(alphabet))).collect()
    }

    /// Appends `size` bytes that nothing compresses.
    pub fn fill(&mut self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        while out.len() < end {
            let bytes = self.next().to_le_bytes();
            let wanted = (end - out.len()).min(bytes.len());
            out.extend_from_slice(&bytes[..wanted]);
        }
    }

    /// Appends again, once in `rate` times, a piece of what was written lately: files repeat themselves.
    pub fn echo(&mut self, out: &mut Vec<u8>, rate: usize) {
        const WINDOW_BYTES: usize = 12 << 10;
        if self.below(rate) == 0 && out.len() > 64 {
            let back = 1 + self.below(out.len().min(WINDOW_BYTES) - 1);
            let start = out.len() - back;
            let length = (16 + self.below(160)).min(back);
            out.extend_from_within(start..start + length);
        }
    }

    /// `size` hexadecimal digits.
    pub fn hex(&mut self, size: usize) -> String {
        self.text(b"0123456789abcdef", size)
    }

    /// Sizes of `count` files that hold `total` together: many small ones and few large ones.
    pub fn split(&mut self, total: usize, count: usize) -> Vec<usize> {
        let weights: Vec<usize> = (0..count).map(|_| (1 + self.below(15)) << self.below(8)).collect();
        let sum = weights.iter().sum::<usize>().max(1);
        weights.iter().map(|weight| total * weight / sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // The reference's first outputs for the seed 1234567.
        let mut random = Random(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_split_holds_nearly_all() {
        let sizes = Random::of("split").split(1_000_000, 100);
        let sum: usize = sizes.iter().sum();
        assert!((999_900..=1_000_000).contains(&sum), "{sum}");
    }

    #[test]
    fn a_spread_meets_its_percentiles() {
        let at = [1, 10, 20, 50, 80, 100, 120, 121];
        let mut random = Random::of("spread");
        let mut drawn: Vec<usize> = (0..10_000).map(|_| random.spread(&at)).collect();
        drawn.sort_unstable();
        for (place, want) in [(1000, 10), (5000, 50), (9000, 100)] {
            assert!(drawn[place].abs_diff(want) <= 2, "{place}: {} is not near {want}", drawn[place]);
        }
        assert!(drawn[0] >= 1 && drawn[9_999] <= 121);
    }
}

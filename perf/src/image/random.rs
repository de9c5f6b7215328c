//! The source of every choice in an image.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014): integers only, so that every machine draws the same numbers, and small enough
//! that no release of a crate can change them.

/// Changes every byte of every file.
const SEED: u64 = 0x5354_454c_4c41_0001;

/// One stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a name, such as a file's path: what one file holds depends on no other file.
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
        (0..size).map(|_| char::from(*self.pick(b"0123456789abcdef"))).collect()
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
}

//! Random numbers from a seed (SplitMix64): the same seed, the same faults, on every machine.

/// See the module.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to, but not, 1.
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper 53 bits are what a double holds exactly.
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_gives_the_same_numbers_between_0_and_1() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let number = one.roll();
            assert_eq!(number, other.roll());
            assert!((0.0..1.0).contains(&number));
            sum += number;
        }
        assert!((4_800.0..5_200.0).contains(&sum), "{sum}");
    }
}

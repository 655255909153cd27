//! A weight: whole millionths, so that adding is exact and comes out the same in every order.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::AddAssign;

/// A share or the weight of a voice, in millionths. As JSON a number: 0.25.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Weight(u64);

const UNIT: u64 = 1_000_000;
/// What a float may be away from the millionth that is meant.
const NOISE: f64 = 0.001;

impl Weight {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One whole.
    pub const ONE: Self = Self(UNIT);

    /// So many wholes.
    pub fn whole(count: usize) -> Self {
        Self((count as u64).saturating_mul(UNIT))
    }

    /// A share between 0 and 1, in millionths, the rest of them cut off: two thirds are reached by two of three. Nothing for anything else, so also for what is no number.
    pub fn part(value: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then_some(Self((value * UNIT as f64 + NOISE) as u64))
    }

    /// `part` of `whole`; nothing of nothing is nothing.
    pub fn share(part: u64, whole: u64) -> Self {
        match u128::from(part) * u128::from(UNIT) {
            _ if whole == 0 => Self::ZERO,
            scaled => Self(u64::try_from(scaled / u128::from(whole)).unwrap_or(u64::MAX)),
        }
    }

    /// The votes that so many credits buy: their square root.
    pub fn root(credits: u32) -> Self {
        Self((u128::from(credits) * u128::from(UNIT) * u128::from(UNIT)).isqrt() as u64)
    }

    /// The product of two.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0) / u128::from(UNIT);
        Self(u64::try_from(product).unwrap_or(u64::MAX))
    }

    /// This as a share of a whole.
    #[must_use]
    pub fn of(self, whole: Self) -> Self {
        Self::share(self.0, whole.0)
    }

    /// More than half of a whole.
    pub fn over_half(self, whole: Self) -> bool {
        u128::from(self.0) * 2 > u128::from(whole.0)
    }

    /// Exactly half of a whole.
    pub fn half_of(self, whole: Self) -> bool {
        u128::from(self.0) * 2 == u128::from(whole.0)
    }

    /// At least this share of a whole, exactly: nothing is rounded.
    pub fn reaches(self, share: Self, whole: Self) -> bool {
        u128::from(self.0) * u128::from(UNIT) >= u128::from(share.0) * u128::from(whole.0)
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl Sum for Weight {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut sum = Self::ZERO;
        all.for_each(|weight| sum += weight);
        sum
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        weight.0 as f64 / UNIT as f64
    }
}

impl From<f64> for Weight {
    /// Negative and not a number are nothing.
    fn from(value: f64) -> Self {
        Self((value * UNIT as f64).round() as u64)
    }
}

//! Retry policies: class, how often it failed, and a roll of the dice decide when to try again, or that it is over.

use crate::failure::{Class, DeadReason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How the delay grows with the number of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// base, 2 x base, 4 x base, …
    Exponential,
    /// base, 2 x base, 3 x base, …
    Linear,
    /// base, base, …
    Fixed,
}

/// How much of the delay is left to chance, so that failures do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Anything from nothing to the whole delay.
    Full,
    /// None.
    None,
}

/// What follows a failure of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Retries of this class over the task's life; starts = retries + 1.
    pub retries: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
    /// Chance.
    pub jitter: Jitter,
}

/// Parts of a [`Policy`] that a task (JSON) or a file replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// See [`Policy::retries`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// See [`Policy::backoff`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// See [`Policy::base`], in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ms: Option<u64>,
    /// See [`Policy::max`], in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// See [`Policy::jitter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
}

impl Override {
    /// Its fields.
    pub const FIELDS: [&str; 5] = ["retries", "backoff", "base_ms", "max_ms", "jitter"];
}

/// Overrides by class.
pub type Overrides = BTreeMap<Class, Override>;

/// One policy for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies(BTreeMap<Class, Policy>);

impl Default for Policies {
    /// The table of contracts.md section 2.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let grow = |retries| Policy {
            retries,
            backoff: Backoff::Exponential,
            base: seconds(1),
            max: seconds(300),
            jitter: Jitter::Full,
        };
        let even = |retries, backoff, base| Policy {
            retries,
            backoff,
            base,
            max: seconds(300),
            jitter: Jitter::None,
        };
        let policy = |class| match class {
            Class::Network => grow(5),
            Class::Timeout => even(3, Backoff::Linear, seconds(5)),
            Class::Invalid | Class::Critical => even(0, Backoff::Fixed, Duration::ZERO),
            Class::RateLimit => even(10, Backoff::Fixed, seconds(60)),
            Class::Resource | Class::Crash => grow(3),
            Class::Business => grow(0),
            Class::Lost => even(3, Backoff::Fixed, Duration::ZERO),
            Class::Interrupted => even(u32::MAX, Backoff::Fixed, Duration::ZERO),
        };
        Self(
            Class::ALL
                .into_iter()
                .map(|class| (class, policy(class)))
                .collect(),
        )
    }
}

impl Policies {
    /// The policy of a class.
    pub fn of(&self, class: Class) -> Policy {
        self.0[&class]
    }

    /// These policies with some parts replaced.
    #[must_use]
    pub fn with(&self, overrides: &Overrides) -> Self {
        let mut policies = self.clone();
        for (class, change) in overrides {
            let policy = policies.0.get_mut(class).expect("every class has a policy");
            policy.retries = change.retries.unwrap_or(policy.retries);
            policy.backoff = change.backoff.unwrap_or(policy.backoff);
            policy.base = change.base_ms.map_or(policy.base, Duration::from_millis);
            policy.max = change.max_ms.map_or(policy.max, Duration::from_millis);
            policy.jitter = change.jitter.unwrap_or(policy.jitter);
        }
        policies
    }
}

impl Policy {
    /// The delay before retry number `nth` (from 0). `roll` in [0, 1) is the chance; `asked` is the handler's
    /// `retry_after`, which wins when it is longer.
    pub fn delay(&self, nth: u32, roll: f64, asked: Option<Duration>) -> Duration {
        let factor = match self.backoff {
            Backoff::Exponential => 1u32.checked_shl(nth.min(31)).unwrap_or(u32::MAX),
            Backoff::Linear => nth.saturating_add(1),
            Backoff::Fixed => 1,
        };
        let full = self.base.saturating_mul(factor).min(self.max);
        let delay = match self.jitter {
            Jitter::Full => full.mul_f64(roll.clamp(0.0, 1.0)),
            Jitter::None => full,
        };
        delay.max(asked.unwrap_or_default().min(crate::limits::RETRY_AFTER))
    }
}

/// How a task ends whose class allows no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The handler's no is the answer.
    Failed,
    /// Warrener gives up.
    Dead(DeadReason),
}

/// The last column of the table in contracts.md section 2.
pub fn give_up(class: Class) -> GiveUp {
    match class {
        Class::Business => GiveUp::Failed,
        Class::Invalid => GiveUp::Dead(DeadReason::Invalid),
        Class::Critical => GiveUp::Dead(DeadReason::Critical),
        Class::Crash => GiveUp::Dead(DeadReason::Poison),
        Class::Network
        | Class::Timeout
        | Class::RateLimit
        | Class::Resource
        | Class::Lost
        | Class::Interrupted => GiveUp::Dead(DeadReason::Exhausted),
    }
}

/// Whether giving up on this class tells a person at once.
pub fn alerts(class: Class) -> bool {
    matches!(
        class,
        Class::Network | Class::RateLimit | Class::Critical | Class::Lost | Class::Crash
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_contract() {
        let table = [
            (Class::Network, 5, Backoff::Exponential, 1_000),
            (Class::Timeout, 3, Backoff::Linear, 5_000),
            (Class::Invalid, 0, Backoff::Fixed, 0),
            (Class::RateLimit, 10, Backoff::Fixed, 60_000),
            (Class::Resource, 3, Backoff::Exponential, 1_000),
            (Class::Business, 0, Backoff::Exponential, 1_000),
            (Class::Critical, 0, Backoff::Fixed, 0),
            (Class::Lost, 3, Backoff::Fixed, 0),
            (Class::Crash, 3, Backoff::Exponential, 1_000),
        ];
        for (class, retries, backoff, base) in table {
            let policy = Policies::default().of(class);
            assert_eq!(
                (policy.retries, policy.backoff),
                (retries, backoff),
                "{class}"
            );
            assert_eq!(policy.base, Duration::from_millis(base), "{class}");
        }
    }

    #[test]
    fn delays_grow_and_stop_at_the_maximum() {
        let policy = Policies::default().of(Class::Network);
        let delays: Vec<u64> = (0..10)
            .map(|n| policy.delay(n, 1.0, None).as_secs())
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(policy.delay(u32::MAX, 1.0, None), policy.max);
        assert_eq!(policy.delay(3, 0.0, None), Duration::ZERO);
    }

    #[test]
    fn a_longer_wish_of_the_handler_wins_up_to_a_day() {
        let policy = Policies::default().of(Class::RateLimit);
        let wish = |s| policy.delay(0, 0.5, Some(Duration::from_secs(s))).as_secs();
        assert_eq!(wish(5), 60);
        assert_eq!(wish(90), 90);
        assert_eq!(wish(1_000_000), 86_400);
    }

    #[test]
    fn an_override_replaces_only_what_it_names() {
        let change = Override {
            retries: Some(1),
            ..Override::default()
        };
        let policies = Policies::default().with(&Overrides::from([(Class::Network, change)]));
        assert_eq!(policies.of(Class::Network).retries, 1);
        assert_eq!(policies.of(Class::Network).base, Duration::from_secs(1));
        assert_eq!(
            policies.of(Class::Timeout),
            Policies::default().of(Class::Timeout)
        );
    }
}

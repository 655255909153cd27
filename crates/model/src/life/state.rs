//! The states of a task, and what a parked one waits for (contracts.md section 0; the only list of names).

use crate::failure::UnknownWord;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a task is in its life (contracts.md section 0; the only list of names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for other tasks.
    Blocked,
    /// Waits for its `not_before`.
    Scheduled,
    /// May start; waits in the store, offered or not.
    Ready,
    /// An agent holds its lease.
    Running,
    /// Waits for its `retry_at`.
    Retrying,
    /// Waits for an act of a person.
    Parked,
    /// Final: done.
    Succeeded,
    /// Final: the handler said no.
    Failed,
    /// Final: Warrener gave up or refused.
    Dead,
    /// Final: somebody cancelled it.
    Cancelled,
    /// Final: its deadline passed.
    Expired,
}

impl State {
    /// Every state, the final ones last.
    pub const ALL: [State; 11] = [
        State::Blocked,
        State::Scheduled,
        State::Ready,
        State::Running,
        State::Retrying,
        State::Parked,
        State::Succeeded,
        State::Failed,
        State::Dead,
        State::Cancelled,
        State::Expired,
    ];

    /// Whether nothing moves the task any more but an operator's retry.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            State::Succeeded | State::Failed | State::Dead | State::Cancelled | State::Expired
        )
    }

    /// The name used in JSON, stores and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Blocked => "blocked",
            State::Scheduled => "scheduled",
            State::Ready => "ready",
            State::Running => "running",
            State::Retrying => "retrying",
            State::Parked => "parked",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        State::ALL
            .into_iter()
            .find(|state| state.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "state",
                word: s.into(),
            })
    }
}

/// What a parked task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parked {
    /// A person's yes.
    Approval,
    /// A person's answer.
    Input,
    /// More money.
    Budget,
    /// Somebody paused it.
    Paused,
    /// A breaker that is open.
    CircuitOpen,
}

impl Parked {
    /// The name used in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Parked::Approval => "approval",
            Parked::Input => "input",
            Parked::Budget => "budget",
            Parked::Paused => "paused",
            Parked::CircuitOpen => "circuit_open",
        }
    }
}

impl FromStr for Parked {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [
            Parked::Approval,
            Parked::Input,
            Parked::Budget,
            Parked::Paused,
            Parked::CircuitOpen,
        ]
        .into_iter()
        .find(|p| p.as_str() == s)
        .ok_or_else(|| UnknownWord {
            what: "parked reason",
            word: s.into(),
        })
    }
}

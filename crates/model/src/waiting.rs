//! What a task that has not ended waits for: computed, never stored.

use crate::life::{Life, Parked, State};
use serde::{Deserialize, Serialize};

/// The reason (contracts.md section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// Other tasks.
    Dependencies,
    /// Its time.
    NotBefore,
    /// A free agent.
    Agent,
    /// An agent that serves its lane and kind; there is none.
    NoCapableAgent,
    /// The agent that runs it.
    Running,
    /// The next attempt.
    Retry,
    /// A person's yes.
    Approval,
    /// A person's answer.
    Input,
    /// More money.
    Budget,
    /// Somebody to resume the lane, or the task.
    Paused,
    /// A breaker to close.
    CircuitOpen,
}

/// What is known of the lane, the kind and the agents of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The lane is paused.
    pub paused: bool,
    /// The breaker of its kind lets nothing more through now.
    pub circuit_open: bool,
    /// Some live agent serves lane and kind.
    pub capable: bool,
}

/// What this task waits for; `None` when it has ended.
pub fn waiting_for(life: &Life, outlook: Outlook) -> Option<WaitingFor> {
    Some(match life.state {
        State::Blocked => WaitingFor::Dependencies,
        State::Scheduled => WaitingFor::NotBefore,
        State::Ready if outlook.paused => WaitingFor::Paused,
        State::Ready if outlook.circuit_open => WaitingFor::CircuitOpen,
        State::Ready if !outlook.capable => WaitingFor::NoCapableAgent,
        State::Ready => WaitingFor::Agent,
        State::Running => WaitingFor::Running,
        State::Retrying => WaitingFor::Retry,
        State::Parked => match life.parked {
            Some(Parked::Approval) => WaitingFor::Approval,
            Some(Parked::Input) => WaitingFor::Input,
            Some(Parked::Budget) => WaitingFor::Budget,
            Some(Parked::CircuitOpen) => WaitingFor::CircuitOpen,
            Some(Parked::Paused) | None => WaitingFor::Paused,
        },
        State::Succeeded | State::Failed | State::Dead | State::Cancelled | State::Expired => {
            return None;
        }
    })
}

//! What follows from an event: a step with its effects, or a refusal.

use super::{Life, State};
use crate::agent::Who;
use crate::event::EventKind;
use crate::id::ClaimId;
use serde::{Deserialize, Serialize};

/// What the shell must do after the new life is committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Tell this run that it may start, or that it still may go on.
    Grant {
        /// The run.
        claim: ClaimId,
        /// Who asked.
        who: Who,
    },
    /// Row 5: ask the holder whether it is still there, and wait the grace. Nothing to commit.
    Ask,
    /// Tell this run to stop.
    Revoke {
        /// Who runs it.
        who: Who,
        /// Under which grant.
        epoch: u64,
        /// Why.
        reason: RevokeReason,
    },
    /// It may be dispatched.
    Ready,
    /// A person should know.
    Alert,
    /// More resources are wanted for its lane.
    ScaleUp,
}

/// Why a run must stop (contracts.md section 5, `revoke`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Another run has the task.
    Superseded,
    /// It was cancelled.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// The server does not know this run.
    Unknown,
}

/// The answer of [`apply`]: the next life, the row of history it makes, and what to do after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The task after the event.
    pub life: Life,
    /// The kind of its history row; `None` for what is no transition (renewals, repeated claims).
    pub record: Option<EventKind>,
    /// What to do once it is committed.
    pub effects: Vec<Effect>,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The task has ended.
    #[error("the task has ended")]
    Final,
    /// The task was cancelled.
    #[error("the task was cancelled")]
    Cancelled,
    /// The task's deadline passed.
    #[error("the task's deadline passed")]
    Expired,
    /// Another run holds it.
    #[error("another run holds the task")]
    Held,
    /// Not the current offer, grant or look.
    #[error("stale: not the current offer or grant")]
    Stale,
    /// No timer is due.
    #[error("nothing is due")]
    NotDue,
    /// This state does not allow it.
    #[error("not possible in state {0}")]
    Illegal(State),
}

impl Refused {
    /// The refusal of whatever comes to a task in this final state.
    pub(super) fn over(state: State) -> Refused {
        match state {
            State::Cancelled => Refused::Cancelled,
            State::Expired => Refused::Expired,
            _ => Refused::Final,
        }
    }
}

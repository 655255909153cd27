//! History: one row for every transition of a task, with time, cause and actor.

use crate::failure::UnknownWord;
use crate::id::TaskId;
use crate::life::State;
use crate::name::AgentId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal),* $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind { $($(#[$doc])* $variant),* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[EventKind] = &[$(EventKind::$variant),*];

            /// The name used in JSON and stores.
            pub fn as_str(self) -> &'static str {
                match self { $(EventKind::$variant => $name),* }
            }
        }
    };
}

kinds! {
    /// Accepted.
    Submitted "submitted",
    /// Waits for its time.
    Scheduled "scheduled",
    /// May start.
    Ready "ready",
    /// Put into the broker.
    Offered "offered",
    /// That offer came to nothing.
    Unoffered "unoffered",
    /// Waits for its parts, which are done in its place.
    Decomposed "decomposed",
    /// A run was granted.
    Started "started",
    /// The holder did not answer and another run took over.
    Superseded "superseded",
    /// The holder is gone.
    Lost "lost",
    /// The agent gave it back.
    Released "released",
    /// Failed; will be tried again.
    Retrying "retrying",
    /// Waits for a person.
    Parked "parked",
    /// Another agent shall do it.
    Reassigned "reassigned",
    /// An operator or a rule tries again.
    Retried "retried",
    /// Done.
    Succeeded "succeeded",
    /// The handler said no.
    Failed "failed",
    /// Warrener gave up.
    Dead "dead",
    /// Somebody cancelled it.
    Cancelled "cancelled",
    /// Its deadline passed.
    Expired "expired",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        EventKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "event kind",
                word: s.into(),
            })
    }
}

/// A place in the history of a store: everything up to and including it has been seen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// A row of history before the store gave it its place.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The state after it.
    pub state: State,
    /// The attempt it belongs to.
    pub attempt: u32,
    /// The grant it belongs to.
    pub epoch: u64,
    /// The agent concerned.
    pub agent: Option<AgentId>,
    /// Who caused it: `server`, `agent:NAME`, `user:NAME`, `rule:NAME`, `task:ID`.
    pub actor: String,
    /// More, as a JSON object: error class and message, retry time, reason.
    pub detail: serde_json::Value,
}

/// A row of history.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEvent {
    /// Its place.
    pub cursor: Cursor,
    /// The task.
    pub task: TaskId,
    /// What happened.
    pub event: NewEvent,
}

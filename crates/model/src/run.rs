//! A run of a workflow and its steps, as a store holds them. What a run does next is decided in the crate `workflow`.

use crate::failure::UnknownWord;
use crate::id::{RunId, TaskId};
use crate::json::Json;
use crate::name::Kind;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident $what:literal { $($(#[$each:meta])* $variant:ident $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[$each])* $variant),* }

        impl $type {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word used in JSON and stores.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;
            fn from_str(s: &str) -> Result<Self, UnknownWord> {
                let found = Self::ALL.iter().find(|one| one.as_str() == s);
                found.copied().ok_or_else(|| UnknownWord { what: $what, word: s.into() })
            }
        }
    };
}

words! {
    /// Where a run is.
    RunState "run state" {
        /// Some step is not over. Shown as `parked` while all that is open waits for a person.
        Running "running",
        /// Final: every step is over.
        Succeeded "succeeded",
        /// Final: a step failed that must not, and nothing of the run is open.
        Failed "failed",
        /// Final: somebody cancelled it, and nothing of it is open.
        Cancelled "cancelled",
    }
}

impl RunState {
    /// Nothing of it is open.
    pub fn is_final(self) -> bool {
        self != RunState::Running
    }
}

words! {
    /// Where a step of a run is.
    StepState "step state" {
        /// Waits for the steps it needs.
        Pending "pending",
        /// Its tasks are open.
        Running "running",
        /// Over: all of it went well, or there was nothing to do.
        Succeeded "succeeded",
        /// Over: some of it did not.
        Failed "failed",
        /// Over: its `when` was not true.
        Skipped "skipped",
        /// Over: the run was cancelled.
        Cancelled "cancelled",
    }
}

impl StepState {
    /// Nothing of it is open, and nothing will be.
    pub fn is_over(self) -> bool {
        !matches!(self, StepState::Pending | StepState::Running)
    }
}

/// What is asked for; never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// Its id.
    pub id: RunId,
    /// The name of the workflow.
    pub name: Kind,
    /// The text of the workflow, as it was given.
    pub file: String,
    /// What was given for its inputs, with the defaults: a JSON object.
    pub inputs: Json,
    /// SHA-256 of the request, for one that comes again with its idempotency key.
    pub digest: [u8; 32],
    /// The task in whose place it is done.
    pub parent: Option<TaskId>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// What changes of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHead {
    /// Its id.
    pub id: RunId,
    /// Grows by one with every change of this.
    pub version: u64,
    /// Where it is.
    pub state: RunState,
    /// How many of its steps are running.
    pub active: u32,
    /// How many of its steps failed that must not.
    pub failures: u32,
    /// Somebody cancelled it, for this reason: no step begins any more.
    pub cancel: Option<String>,
    /// What failed first, in words.
    pub error: Option<String>,
    /// What it leaves.
    pub output: Option<Json>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl RunHead {
    /// A run before its first step.
    pub fn new(id: RunId) -> Self {
        RunHead {
            id,
            version: 1,
            state: RunState::Running,
            active: 0,
            failures: 0,
            cancel: None,
            error: None,
            output: None,
            finished_at: None,
        }
    }

    /// More steps may begin.
    pub fn goes_on(&self) -> bool {
        self.cancel.is_none() && self.failures == 0
    }
}

/// A run as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was asked for.
    pub spec: RunSpec,
    /// Where it is.
    pub head: RunHead,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// Its place in the file, from 0.
    pub n: u32,
    /// Its id in the file.
    pub id: String,
    /// Where it is.
    pub state: StepState,
    /// How many of the steps it needs are not over.
    pub left: u32,
    /// How many tasks it has.
    pub total: u32,
    /// How many of these are over.
    pub done: u32,
    /// How many of those did not succeed.
    pub failed: u32,
    /// Why it failed, where no task of it did.
    pub error: Option<String>,
    /// What it leaves, where that is not the output of tasks.
    pub value: Option<Json>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        for state in StepState::ALL {
            assert_eq!(state.to_string().parse(), Ok(*state));
        }
        assert!("over".parse::<StepState>().is_err());
    }
}

//! Dead letters: groups of dead tasks that look alike, and what an act on them did.

use crate::task::ErrorObject;
use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::{TaskId, Timestamp};

/// Dead tasks whose failures look alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadGroup {
    /// What they share; what `requeue` and `discard` take.
    pub fingerprint: String,
    /// How many.
    pub count: u64,
    /// The kind they share.
    pub kind: String,
    /// The class they share.
    #[schema(required = true, value_type = Option<words::Class>)]
    pub class: Option<Word>,
    /// When the first one died.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// When the last one died.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// The error of the last one.
    #[schema(required = true)]
    pub error: Option<ErrorObject>,
    /// One of them.
    #[schema(value_type = String, format = "uuid")]
    pub task_id: TaskId,
}

/// What `requeue` and `discard` did, or with `dry_run` would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadAnswer {
    /// Nothing was done; `done` says what would be.
    pub dry_run: bool,
    /// How many dead tasks the request names.
    pub matched: u64,
    /// How many were requeued or discarded.
    pub done: u64,
    /// Those that were left, and why (the first 100).
    pub skipped: Vec<Skipped>,
}

/// A task that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// The task.
    #[schema(value_type = String, format = "uuid")]
    pub id: TaskId,
    /// Why, as an error code: `not_found`, `illegal_state` or `version_conflict`.
    pub code: String,
    /// Why, in words.
    pub reason: String,
}

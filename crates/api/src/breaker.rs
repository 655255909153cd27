//! A circuit breaker: how that of a kind of task stands, and why.

use crate::words::{BreakerState, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::Timestamp;

/// The circuit breaker of a kind of task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Breaker)]
pub struct BreakerObject {
    /// The kind.
    pub kind: String,
    /// Whether its tasks are started.
    #[schema(value_type = BreakerState)]
    pub state: Word,
    /// Since when; nothing if it was never open since the server started.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// When a few are started again, to try.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub probe_at: Option<Timestamp>,
    /// While it is closed: failures that no success followed.
    pub failures: u32,
    /// The message of the failure that was counted last.
    #[schema(required = true)]
    pub error: Option<String>,
}

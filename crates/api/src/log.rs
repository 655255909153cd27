//! The log of a task: pieces of text as they came, per attempt.
//!
//! `GET /api/v1/tasks/{id}/logs?attempt=&after=&limit=` answers a page whose `next` is the `after` of the following
//! one. With `follow=true` the answer is a stream (SSE): `event: log` with a [`LogPiece`] each, and `event: end` once
//! the task is final and everything was sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::Timestamp;

/// A piece of log. It may end within a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPiece {
    /// Its place; grows. Give it as `after` to go on from here.
    pub n: u64,
    /// The attempt.
    pub attempt: u32,
    /// When, by the store's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `stderr` of the handler, or `warrener` for what the server has to say.
    pub stream: String,
    /// The text.
    pub text: String,
}

/// The SSE event that carries a [`LogPiece`].
pub const EVENT_LOG: &str = "log";
/// The SSE event that says that nothing follows.
pub const EVENT_END: &str = "end";

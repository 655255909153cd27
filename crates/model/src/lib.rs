//! Warrener's nouns and pure decisions: no runtime, no I/O, no clock, no randomness (they are arguments).
//!
//! Reading order: what a task is ([`task`]), the one function that moves it ([`life`]), what a failure
//! is and what follows from it ([`failure`], [`retry`], [`breaker`]), what agents and servers say to each other
//! ([`message`]), what a team decides together ([`session`], [`decision`]), and the small words everything is made of ([`name`], [`id`], [`time`], [`limits`]).

pub mod task;
pub use task::{Priority, Spec, Task, TaskError};
pub mod life;
pub use life::{Life, State};
pub mod decision;
pub mod failure;
pub use failure::Class;
pub mod agent;
pub mod breaker;
pub mod event;
pub mod filter;
pub mod json;
pub mod retry;
mod role;
pub mod run;
pub mod session;
pub mod state;
pub mod waiting;
pub use json::Json;
pub mod message;
pub mod name;
pub use name::{AgentId, Kind, Lane, Space, StateKey};
pub mod id;
pub use id::{ClaimId, InstanceId, RunId, SessionId, TaskId};
pub mod schedule;
pub mod submission;
pub use submission::{Mistake, Submission};
pub mod time;
pub use time::Timestamp;
pub mod limits;
#[cfg(feature = "schema")]
mod schema;

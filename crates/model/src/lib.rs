//! Warrener's nouns and pure decisions: no runtime, no I/O, no clock, no randomness (they are arguments).

pub mod failure;
pub use failure::Class;
pub mod name;
pub use name::{AgentId, Kind, Lane};
pub mod id;
pub use id::{ClaimId, InstanceId, TaskId};
pub mod time;
pub use time::Timestamp;
pub mod limits;

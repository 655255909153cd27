//! Decorators that fail on purpose, for tests: a broker and a store that do what a [`Plan`] says.
//!
//! A plan knows points (the operations by name, see [`point`]), counts the calls of each, and decides
//! for every call which [`Fault`] it meets: first what was scripted for that point, then what its
//! odds give. The dice are seeded, so that one thread of calls meets the same faults each time.
//! Hooks run before and after a call: a test kills its server there, or holds it.

mod broker;
mod dice;
mod plan;
mod store;

pub use broker::FaultyBroker;
pub use plan::{Call, Plan};
pub use store::FaultyStore;

use std::time::Duration;

/// The names of the points.
pub mod point {
    /// `Broker::ensure`.
    pub const ENSURE: &str = "ensure";
    /// `Broker::publish`, of anything but copies alone.
    pub const PUBLISH: &str = "publish";
    /// `Broker::publish` of copies for watchers: they come at any time, and nothing depends on them.
    pub const COPY: &str = "copy";
    /// `Broker::subscribe`.
    pub const SUBSCRIBE: &str = "subscribe";
    /// `Broker::depth`.
    pub const DEPTH: &str = "depth";
    /// `Broker::health`.
    pub const HEALTH: &str = "health";
    /// `Store::commit`.
    pub const COMMIT: &str = "commit";
    /// `Store::tasks`.
    pub const TASKS: &str = "tasks";
    /// `Store::query`.
    pub const QUERY: &str = "query";
    /// `Store::events`.
    pub const EVENTS: &str = "events";
    /// `Store::now`.
    pub const NOW: &str = "now";
    /// `Store::purge`.
    pub const PURGE: &str = "purge";
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the call goes through. Useful in a script, as "not this one, the next one".
    None,
    /// Nothing happens; the caller gets `Unavailable`.
    FailBefore,
    /// It happens; the caller gets `Unavailable`, or [`Receipt::Unknown`](crate::Receipt::Unknown) for a publish.
    FailAfter,
    /// It waits, then happens.
    Slow(Duration),
    /// It never comes back, and nothing happens: what a caller sees that is killed before the call.
    HangBefore,
    /// It happens, and never comes back: what a caller sees that is killed after the call.
    HangAfter,
    /// It happens twice; the caller gets the first answer. For publish and commit, else nothing.
    Duplicate,
    /// The caller is told that it happened, but it did not. For publish; a store never lies, so
    /// there, and everywhere else, it is [`Fault::FailBefore`].
    Drop,
}

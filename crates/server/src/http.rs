//! Handlers, one noun a file: parse, one call on the orchestrator, render.

pub(crate) mod acts;
pub(crate) mod agents;
pub(crate) mod batch;
pub(crate) mod books;
pub(crate) mod breakers;
pub(crate) mod dead;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod lanes;
pub mod link;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod locks;
pub(crate) mod login;
pub(crate) mod metrics;
pub(crate) mod own;
pub(crate) mod refused;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod state;
pub(crate) mod tasks;

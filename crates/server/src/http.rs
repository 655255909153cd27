//! Handlers, one noun a file: parse, one call on the orchestrator, render.

pub(crate) mod tasks;
pub(crate) mod list;
pub(crate) mod batch;
pub(crate) mod acts;
pub(crate) mod history;
pub(crate) mod agents;
pub(crate) mod lanes;
pub(crate) mod dead;
pub(crate) mod books;
pub(crate) mod live;
pub mod link;
pub(crate) mod health;
pub(crate) mod metrics;

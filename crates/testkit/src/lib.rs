//! Placeholder.

pub mod broker;
pub mod store;

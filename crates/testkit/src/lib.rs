//! Conformance cases: what every broker and every store must do, as tests that a back-end runs on itself.

pub mod broker;
pub mod store;

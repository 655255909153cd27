//! The engine: orchestrator and agent runtime.

pub mod command;

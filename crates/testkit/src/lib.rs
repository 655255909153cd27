//! What tests need beside the code they test: the conformance cases of the ports, and private servers.
//! A dev-dependency only; nothing of it is in a shipped binary.

pub mod broker;
pub mod rabbit;
pub mod store;

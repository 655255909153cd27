//! What tests need beside the code they test: the conformance cases of the ports, and private servers, a bad network.
//! A dev-dependency only; nothing of it is in a shipped binary.

pub mod broker;
mod ports;
pub mod proxy;
pub mod rabbit;
pub mod store;

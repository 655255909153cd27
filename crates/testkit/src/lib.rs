//! What tests need beside the code they test: the conformance cases of the ports, private servers, a bad network, and a
//! judge of histories.
//! A dev-dependency only; nothing of it is in a shipped binary.

pub mod broker;
pub mod history;
mod ports;
pub mod proxy;
pub mod rabbit;
pub mod store;

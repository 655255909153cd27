//! Placeholder of the memory broker.

/// The memory broker.
#[derive(Debug)]
pub struct MemoryBroker;

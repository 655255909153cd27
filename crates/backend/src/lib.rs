//! The two ports of Warrener, `Broker` and `Store`, and the memory broker; the small crate that seldom moves.
//!
//! **The store decides; a message only proposes.** What is in a [`store::Store`] after `commit` returned survives a
//! crash of this process; what is in a [`broker::Broker`] may be lost, doubled or come late, and nothing is lost by it,
//! because the server offers again whatever the store says is waiting. A back-end says in its
//! [`Capabilities`](broker::Capabilities) what it can do, and answers [`Error::Unsupported`] for the rest.

pub mod broker;
pub use broker::{Address, Broker, Delivery, Inbox, Message, Outgoing, Receipt, Subscription};
pub mod store;
pub use store::{Change, Committed, Store};
pub mod notice;
pub mod query;
pub mod refused;
pub mod run;
pub mod schedule;
pub mod session;
pub mod state;
pub use query::{Query, Rows};
pub mod memory;
pub use memory::MemoryBroker;
pub mod error;
#[cfg(feature = "fault")]
pub mod fault;
pub use error::{Error, Result};

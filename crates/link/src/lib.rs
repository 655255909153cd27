//! The broker port over one WebSocket, both ends: for agents on another machine, behind a firewall,
//! or beside a server whose broker lives in its memory.
//!
//! The client end is a [`LinkBroker`]: a broker like any other, with a thread of its own that keeps
//! one connection. The server end is [`serve_link`]: it works on frames and on any `dyn Broker`,
//! knows nothing of HTTP, and checks on every operation what the [`Peer`] may do. Whatever ends a
//! link ends its subscriptions with it: deliveries go back, wills are published.

pub mod client;
pub use client::{Connection, LinkBroker, LinkOptions};
pub mod serve;
pub use serve::{LinkEnd, ServeOptions, serve_link};
pub mod gate;
pub use gate::{Objection, Peer, Tally};
pub mod upgrade;
pub use upgrade::{Ask, Refusal};
pub mod listen;
pub use listen::serve_listener;
pub mod frame;
pub use frame::{Frame, SocketError};
mod outbox;
mod wire;

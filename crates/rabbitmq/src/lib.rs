//! The broker port on RabbitMQ, by the names and rules of contracts.md section 5.
//!
//! ```text
//!  Broker ── publish ──▶ Publisher ─▶ Lane (a channel; confirms, returns) ─┐ connection "publish" ─▶ RabbitMQ
//!    │  └─── subscribe ─▶ Reading (a channel each; settles) ───────────────┤ connection "consume" ─▶
//!    └────── ensure, depth ─▶ a channel for each ──────────────────────────┘
//! ```
//!
//! Each connection has a supervisor; nothing survives a connection, and everything says so: subscriptions end, publishes
//! without a confirm are `Unknown`. All of it runs on one thread of its own (the client adds one for each connection).
//! The client itself is behind `amqp`, and nothing else names it.

mod amqp;
mod asyncapi;
mod broker;
pub mod check;
mod confirms;
mod consumer;
mod handle;
mod names;
mod owner;
mod publisher;
mod removal;
mod sessions;
mod settings;
mod supervisor;
mod telling;
mod topology;

pub use asyncapi::document as asyncapi;
pub use handle::{CAPABILITIES, RabbitBroker};
pub use settings::{Limits, Role, Settings};
pub use topology::{Drift, VERSION};

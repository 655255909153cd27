//! Private RabbitMQ nodes: own folder, own ports, loopback only, and nothing left of them afterwards.
//!
//! A [`Node`] is one broker, a [`Vhost`] a part of it for one test. A start costs seconds and a vhost
//! milliseconds, so a test binary keeps one node in a `OnceLock` and gives each test a vhost of it; a
//! test that kills, stops or alarms its node has one of its own. What happens inside a node is asked and
//! told through its door ([`Node::eval`]), since the broker's own command line costs a second a call.
//!
//! Calls block: they are few and short, but for the starts. Whatever cannot be done is a panic that says
//! what and where; there is nobody in a test who could do better.

mod certificates;
mod cluster;
mod door;
mod folder;
mod ground;
mod install;
mod node;
mod options;
mod vhost;

pub use certificates::{Authority, Identity};
pub use cluster::Cluster;
pub use install::{Install, ROOT};
pub use node::{Alarm, Node};
pub use options::{Options, Tls};
pub use vhost::Vhost;

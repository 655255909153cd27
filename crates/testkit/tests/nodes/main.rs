//! The private nodes on the RabbitMQ at hand; `cargo xtask matrix` runs them on the other versions too.
#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod abandoned;
mod client;
mod cluster;
mod shared;
mod single;
mod tls;

//! Stories of the engine on the memory broker and a SQLite store: one file a behaviour, each story told twice where it
//! matters, once where the delivery is the claim (embedded), once where agents claim offers (as on RabbitMQ), and once
//! in a fast lane there. `rabbitmq/tests/stories` tells them again, on RabbitMQ itself.

#![allow(
    clippy::unwrap_used,
    reason = "a story that fails at an unwrap says enough"
)]

mod desk;
mod ground;
mod harness;
mod puppet;

mod agent;
mod agents;
mod alerts;
mod asked;
mod breaker;
mod breaker_late;
mod cancel;
mod clock;
mod collaboration;
mod copies;
mod dead;
mod direct;
mod fast;
mod holes;
mod joins;
mod lanes;
mod leases;
mod letters;
mod lost;
mod outputs;
mod parts;
mod refused;
mod restart;
mod retry;
mod roles;
mod rounds;
mod runs;
mod schedules;
mod senders;
mod sessions;
mod state;
mod submissions;
mod submit;
mod token;
mod waits;
mod wide;
mod work;

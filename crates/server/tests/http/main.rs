//! HTTP version 1 from outside (contracts.md section 3): a real server on loopback, a plain HTTP client, the SQLite
//! store in a folder of its own, and workers in this process where tasks must run.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

mod acts;
mod agents;
mod batch;
mod breakers;
mod dead;
mod document;
mod health;
mod lanes;
mod link;
mod lists;
mod login;
mod logs;
mod own;
mod refused;
mod requests;
mod schedules;
mod state;
mod stream;
mod submit;
mod support;
mod tokens;
mod wait;

//! What crosses Warrener's borders over HTTP, version 1: one noun a file, with its conversion from the model.
//!
//! The objects here are the contract (contracts.md section 3), so they are never the model's own: the model may change
//! its shape, these may only grow. Ids, times and untouched JSON keep the model's small types, because their text is
//! the contract already. Words that may grow (states, classes, kinds of event) are text, so that a client of today can
//! read a server of tomorrow; [`words`] lists those known now. Objects ignore unknown fields when they are read;
//! requests refuse them ([`requests::read`]).

pub mod task;
pub use task::TaskObject;
pub mod event;
pub mod log;
pub mod login;
pub mod submit;
pub use submit::SubmitRequest;
pub mod batch;
pub mod page;
pub mod requests;
pub mod run;
pub mod state;
pub mod wait;
pub use page::Page;
pub mod agent;
pub mod books;
pub mod breaker;
pub mod dead;
pub mod health;
pub mod lane;
pub mod refused;
pub mod schedule;
pub mod stream;
pub mod words;
pub use words::Word;
pub mod problem;
pub use problem::{CODES, Code, Problem};
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub use client::Client;

pub mod link;
#[cfg(feature = "tls")]
pub mod tls;

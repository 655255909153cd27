//! End to end.
#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod deaths;
mod flow;
mod harness;
mod http;
mod poison;
mod program_end;
mod program_in;
mod program_out;
mod stopping;

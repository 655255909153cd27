//! The command executor from outside: real programs (sh and what POSIX promises beside it), real signals, short timers.

#![expect(
    clippy::unwrap_used,
    reason = "in tests a panic is the report, in their helpers too"
)]

#[path = "command/guarding.rs"]
mod guarding;
#[path = "command/leftovers.rs"]
mod leftovers;
#[path = "command/life.rs"]
mod life;
#[path = "command/logs.rs"]
mod logs;
#[path = "command/results.rs"]
mod results;
#[path = "command/support.rs"]
mod support;

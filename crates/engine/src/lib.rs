//! The engine: the orchestrator, which owns every decision, and the agent runtime, which takes, runs and reports.
//!
//! ```text
//!            Orchestrator (handle)                              agent (runtime)
//!   submit cancel retry query watch                    control ── book ── executors
//!        │            ▲                                   ▲         │
//!        ▼            │ rows                              │         ▼
//!   transition ──▶ Store ◀── dispatch ── grants ──▶ Broker ──▶ results ──▶ recorder
//!                      ◀── timers, sweep, grace, retention        presence, signals
//! ```
//!
//! Reading order: [`orchestrator`] (what a user can ask), `transition` (read, decide, commit, act), `dispatch`,
//! `recorder`, `presence`, `sweep`, `timers`; then [`agent`] and [`handler`].

pub mod orchestrator;
pub use orchestrator::Orchestrator;
pub mod options;
pub use options::{Decompose, LaneOptions, Options, Timers};
pub mod alert;
mod away;
mod breakers;
mod clock;
mod collaboration;
mod control;
mod copies;
mod core;
mod dead;
mod dispatch;
mod grace;
mod notices;
mod parts;
mod passed;
mod presence;
mod recorder;
mod refused;
mod registry;
mod retention;
mod roster;
mod runs;
mod schedules;
mod sessions;
mod signals;
mod state;
mod submissions;
mod sweep;
mod timers;
mod transition;
mod vigil;
mod waits;
pub use alert::Alert;
pub mod agent;
pub mod supervise;
pub mod token;
pub use agent::{Agent, AgentOptions, Executor};
pub mod handler;
pub use handler::{TaskContext, TaskError, Worker};
pub mod command;
pub mod error;
pub use error::{Error, Result};

//! Workflow files (contracts.md section 6): read with every mistake and its place, checked as a graph, drawn.
//!
//! ```text
//! text ── node ──▶ tree with places ── read ──▶ Workflow ── check ──▶ sound Workflow ── draw ──▶ mermaid, dot, json
//!                          └──── mistakes, all of them, each with line and column ────┘
//! ```
//!
//! ```text
//! Workflow ──▶ Plan ── begin (a step, from what is over) ──▶ tasks, a value, nothing, or why not
//! ```
//!
//! Nothing here runs anything: [`Plan`] says what a step becomes, the engine commits it. What the fields mean is said once, in the tables of [`fields`]: the reader, the published
//! schema and the reference page follow them.

pub mod builtin;
pub mod fields;
mod mistake;
pub use mistake::{Mistake, Place};
mod node;
mod reader;
pub mod template;
pub use template::{Context, Template};
mod workflow;
pub use workflow::{Aggregate, Gather, Input, InputType, OnFailure, Session, Step, What, Workflow};
mod ask;
mod check;
pub mod draw;
mod dry;
mod graph;
mod plan;
pub use plan::{Begun, Draft, Plan, Seen};
mod read;
pub use read::read;
pub mod schema;

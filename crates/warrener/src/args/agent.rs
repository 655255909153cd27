//! Flags of `warrener agent …`.

use super::server::AgentRun;
use super::task::NamedArgs;
use super::values::span;
use clap::{Args, Subcommand};
use std::time::Duration;
use warrener_model::AgentId;

/// Look at agents, drain, resume and stop them
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(AgentRun),
    /// List agents
    ///
    /// Examples:
    ///   warrener agent list -o json
    ///   warrener agent list -f 'presence:lost,left'
    #[command(verbatim_doc_comment)]
    List(NamedArgs),
    /// Show an agent
    ///
    /// Example:
    ///   warrener agent get backend-1
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Let an agent finish what it runs, and give it nothing new
    ///
    /// Example:
    ///   warrener agent drain backend-1 --wait --timeout 10m
    #[command(verbatim_doc_comment)]
    Drain(Drain),
    /// Give a drained agent work again
    ///
    /// Example:
    ///   warrener agent resume backend-1
    #[command(verbatim_doc_comment)]
    Resume(Reasoned),
    /// Let an agent finish what it runs, and end
    ///
    /// Example:
    ///   warrener agent stop backend-1 --deadline 1m
    #[command(verbatim_doc_comment)]
    Stop(Stop),
}

/// One agent
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub(crate) id: AgentId,
}

/// An act with a reason
#[derive(Args, Clone, Debug)]
pub(crate) struct Reasoned {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub(crate) id: AgentId,
    /// Why, for its log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// See [`Verb::Drain`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Drain {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub(crate) id: AgentId,
    /// Why, for its log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Wait until it runs nothing any more
    #[arg(long)]
    pub(crate) wait: bool,
}

/// See [`Verb::Stop`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Stop {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub(crate) id: AgentId,
    /// Why, for its log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// What it still runs after this is given back, uncounted
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) deadline: Option<Duration>,
    /// Wait until it has left
    #[arg(long)]
    pub(crate) wait: bool,
}

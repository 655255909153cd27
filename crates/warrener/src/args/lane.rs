//! Flags of `warrener lane …`.

use super::task::NamedArgs;
use clap::{Args, Subcommand};
use warrener_model::Lane;

/// Look at lanes, pause and resume them
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List lanes with their counts
    ///
    /// Examples:
    ///   warrener lane list
    ///   warrener lane list -f paused:true
    #[command(verbatim_doc_comment)]
    List(NamedArgs),
    /// Show a lane
    ///
    /// Example:
    ///   warrener lane get bulk -o json
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Start nothing of a lane from now on; what runs goes on
    ///
    /// Example:
    ///   warrener lane pause bulk --reason 'disk is full'
    #[command(verbatim_doc_comment)]
    Pause(Reasoned),
    /// Start the tasks of a lane again
    ///
    /// Example:
    ///   warrener lane resume bulk
    #[command(verbatim_doc_comment)]
    Resume(Reasoned),
}

/// One lane
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The lane
    #[arg(value_name = "LANE")]
    pub(crate) lane: Lane,
}

/// An act with a reason
#[derive(Args, Clone, Debug)]
pub(crate) struct Reasoned {
    /// The lane
    #[arg(value_name = "LANE")]
    pub(crate) lane: Lane,
    /// Why, for who looks at the lane
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

//! Flags of `warrener breaker …`.

use super::task::NamedArgs;
use clap::{Args, Subcommand};
use warrener_model::Kind;

/// Look at circuit breakers, close them
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List circuit breakers, by kind
    ///
    /// Examples:
    ///   warrener breaker list
    ///   warrener breaker list -f state:open
    #[command(verbatim_doc_comment)]
    List(NamedArgs),
    /// Close the breaker of a kind: what it needs works again
    ///
    /// Example:
    ///   warrener breaker reset push --reason 'the registry is back'
    #[command(verbatim_doc_comment)]
    Reset(Reset),
}

/// See [`Verb::Reset`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Reset {
    /// The kind
    #[arg(value_name = "KIND")]
    pub(crate) kind: Kind,
    /// Why, for the server's log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

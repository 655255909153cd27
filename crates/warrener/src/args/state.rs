//! Flags of `warrener state …`.

use super::values::{Input, input, span};
use clap::{Args, Subcommand};
use std::time::Duration;

/// Read, write, watch and lock shared state
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the value of a key; with -o json its whole newest version
    ///
    /// Example:
    ///   warrener state get team goal
    #[command(verbatim_doc_comment)]
    Get(Place),
    /// Set a key; prints the version that it made
    ///
    /// Examples:
    ///   warrener state set team goal '"ship it"'
    ///   warrener state set team plan @plan.json --ttl 1h
    #[command(verbatim_doc_comment)]
    Set(Set),
    /// Delete a key: a version without a value
    ///
    /// Example:
    ///   warrener state delete team goal --if-version 3
    #[command(verbatim_doc_comment)]
    Delete(Delete),
    /// Set a key if it is at that version; 0: if it has no value. Exit code 5 if not
    ///
    /// Example:
    ///   warrener state cas team counter 7 8
    #[command(verbatim_doc_comment)]
    Cas(Cas),
    /// List the keys of a space, by name
    ///
    /// Examples:
    ///   warrener state list team --prefix build.
    ///   warrener state list team --at 120
    #[command(verbatim_doc_comment)]
    List(List),
    /// List the versions of a key, newest first
    ///
    /// Example:
    ///   warrener state history team goal
    #[command(verbatim_doc_comment)]
    History(History),
    /// Print changes of a space as they come, none left out; one JSON object a line
    ///
    /// From now on unless --from says where; the cursor of the last line seen goes on from there.
    ///
    /// Example:
    ///   warrener state watch team --prefix build. --from 120
    #[command(verbatim_doc_comment)]
    Watch(Watch),
    /// Take a lock, or keep one that is held (--token); prints its fencing token
    ///
    /// Exit code 5 while somebody else has it, unless --wait says how long to try.
    ///
    /// Examples:
    ///   warrener state lock team deploy --holder box7 --lease 60s --wait 5m
    ///   warrener state lock team deploy --token 4 --lease 60s
    #[command(verbatim_doc_comment)]
    Lock(Lock),
    /// Give a lock back
    ///
    /// Example:
    ///   warrener state unlock team deploy --token 4
    #[command(verbatim_doc_comment)]
    Unlock(Unlock),
    /// Print the cursor of this moment, to restore the space to it later
    ///
    /// Example:
    ///   warrener state snapshot team
    #[command(verbatim_doc_comment)]
    Snapshot(Space),
    /// Make of a space what it was, by new versions
    ///
    /// Example:
    ///   warrener state restore team 120
    #[command(verbatim_doc_comment)]
    Restore(Restore),
}

/// A space
#[derive(Args, Clone, Debug)]
pub(crate) struct Space {
    /// The space
    #[arg(value_name = "SPACE")]
    pub(crate) space: String,
}

/// A key
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// The space
    #[arg(value_name = "SPACE")]
    pub(crate) space: String,
    /// The key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

/// A lock that guards a write
#[derive(Args, Clone, Debug)]
pub(crate) struct Fence {
    /// The lock that guards the key; with --token
    #[arg(long, value_name = "KEY", requires = "token")]
    pub(crate) lock: Option<String>,
    /// The token of that lock: refused once somebody had it after
    #[arg(long, value_name = "N", requires = "lock")]
    pub(crate) token: Option<u64>,
    /// The same request is written once under this key
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// See [`Verb::Set`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The value
    #[arg(value_name = "JSON|@FILE|-", value_parser = input)]
    pub(crate) value: Input,
    /// How long the value stays
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) ttl: Option<Duration>,
    /// Only if the key is at this version; 0: only if it has no value
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
    #[command(flatten)]
    pub(crate) fence: Fence,
}

/// See [`Verb::Delete`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only if the key is at this version
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
    #[command(flatten)]
    pub(crate) fence: Fence,
}

/// See [`Verb::Cas`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Cas {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The version it must be at; 0: no value
    #[arg(value_name = "VERSION")]
    pub(crate) version: u64,
    /// The value
    #[arg(value_name = "JSON|@FILE|-", value_parser = input)]
    pub(crate) value: Input,
    /// How long the value stays
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) ttl: Option<Duration>,
    #[command(flatten)]
    pub(crate) fence: Fence,
}

/// See [`Verb::List`].
#[derive(Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) space: Space,
    /// Only keys that begin so
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// As it was at this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) page: Rows,
}

/// See [`Verb::History`].
#[derive(Args, Clone, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) page: Rows,
}

/// Which rows
#[derive(Args, Clone, Debug)]
pub(crate) struct Rows {
    /// At most so many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// After the page before
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
    /// Every page
    #[arg(long)]
    pub(crate) all: bool,
}

/// See [`Verb::Watch`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) space: Space,
    /// Only keys that begin so
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Changes after this cursor; 0: from the beginning
    #[arg(long, value_name = "CURSOR")]
    pub(crate) from: Option<String>,
    /// End after so many changes
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// See [`Verb::Lock`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Who takes it: a name that nobody else uses at the same time; a new one unless said
    #[arg(long, value_name = "NAME", conflicts_with = "token")]
    pub(crate) holder: Option<String>,
    /// How long it is held without being kept
    #[arg(long, value_name = "DURATION", value_parser = span, default_value = "30s")]
    pub(crate) lease: Duration,
    /// Keep the lock that is held under this token
    #[arg(long, value_name = "N")]
    pub(crate) token: Option<u64>,
    /// Try again for so long while somebody else has it
    #[arg(long, value_name = "DURATION", value_parser = span, conflicts_with = "token")]
    pub(crate) wait: Option<Duration>,
}

/// See [`Verb::Unlock`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The token it was taken under
    #[arg(long, value_name = "N")]
    pub(crate) token: u64,
}

/// See [`Verb::Restore`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) space: Space,
    /// As it was at this cursor: what `snapshot` printed
    #[arg(value_name = "CURSOR")]
    pub(crate) cursor: String,
}

//! Flags of `warrener dlq …`.

use super::task::{ListArgs, One, PageArgs};
use super::values::{filter, rate};
use clap::{Args, Subcommand};
use warrener_model::TaskId;

/// Look at dead letters, and requeue, discard or archive them
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List dead letters, newest first
    ///
    /// Example:
    ///   warrener dlq list -f 'kind:fetch class:network'
    #[command(verbatim_doc_comment)]
    List(ListArgs),
    /// Group dead letters whose failures look alike, largest group first
    ///
    /// Example:
    ///   warrener dlq groups -f 'finished:>1d'
    #[command(verbatim_doc_comment)]
    Groups(Groups),
    /// Show a dead letter with its error and input
    ///
    /// Example:
    ///   warrener dlq show 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    #[command(verbatim_doc_comment)]
    Show(One),
    /// Put dead letters back into their lanes; attempts start anew, the replay count stays
    ///
    /// Examples:
    ///   warrener dlq requeue 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    ///   warrener dlq requeue --fingerprint 9f2c51d0aa31be07 --rate 20/s --dry-run
    #[command(verbatim_doc_comment)]
    Requeue(Requeue),
    /// Give dead letters up for good: they become cancelled
    ///
    /// Example:
    ///   warrener dlq discard -f 'kind:fetch age:>7d' --reason 'host is gone' --yes
    #[command(verbatim_doc_comment)]
    Discard(Discard),
    /// Write dead letters as JSON lines, and discard them if --discard is given
    ///
    /// Examples:
    ///   warrener dlq archive --fingerprint 9f2c51d0aa31be07 --to dead.jsonl
    ///   warrener dlq archive -f 'age:>30d' --to old.jsonl --discard --yes
    #[command(verbatim_doc_comment)]
    Archive(Archive),
    /// List messages that were refused: malformed, of another store, forged, or against a rule; newest first
    ///
    /// Examples:
    ///   warrener dlq refused
    ///   warrener dlq refused --limit 1 -o json --fields class,reason,body
    #[command(verbatim_doc_comment)]
    Refused(PageArgs),
}

/// Which groups
#[derive(Args, Clone, Debug)]
pub(crate) struct Groups {
    /// Only of dead letters that match
    #[arg(short, long, value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// Which dead letters: ids, a filter, or a fingerprint
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// These
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<TaskId>,
    /// Those that match
    #[arg(short, long, value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    /// Those of one group
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
}

/// See [`Verb::Requeue`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Requeue {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) pace: Pace,
    /// The retries of each class go on where they were
    #[arg(long)]
    pub(crate) keep_attempts: bool,
}

/// See [`Verb::Discard`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) pace: Pace,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// How many, how fast, and whether at all
#[derive(Args, Clone, Debug)]
pub(crate) struct Pace {
    /// Only say what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many a second, minute or hour: 20/s, 5/m, 100/h
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// See [`Verb::Archive`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Archive {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The file, which must not exist, or - for stdout
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    pub(crate) to: String,
    /// Discard what was written
    #[arg(long)]
    pub(crate) discard: bool,
    /// Only say what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
}

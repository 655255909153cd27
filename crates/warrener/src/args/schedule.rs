//! Flags of `warrener schedule …`.

use super::task::{NamedArgs, PageArgs};
use super::values::{Input, input, label, span};
use super::workflow::set;
use clap::{ArgGroup, Args, Subcommand};
use std::time::Duration;
use warrener_model::name::ScheduleName;
use warrener_model::{Kind, Lane, Timestamp};

/// Make schedules, look at them, pause, resume and run them
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a schedule: it submits a task, or runs a workflow, at each of its slots, once
    ///
    /// Examples:
    ///   warrener schedule create nightly --cron '30 2 * * *' --time-zone Europe/Berlin --kind backup
    ///   warrener schedule create poll --every 5m --overlap queue --kind fetch --input '{"url": "…"}'
    ///   warrener schedule create launch --at 2027-01-01T00:00:00Z --kind announce
    ///   warrener schedule create release --cron '0 9 * * MON' --workflow release.yaml --set version=next
    #[command(verbatim_doc_comment)]
    Create(Box<Create>),
    /// List schedules by name
    ///
    /// Examples:
    ///   warrener schedule list
    ///   warrener schedule list -f paused:true
    #[command(verbatim_doc_comment)]
    List(NamedArgs),
    /// Show a schedule
    ///
    /// Example:
    ///   warrener schedule get nightly -o json
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Show when a schedule is due next, five times at most
    ///
    /// Example:
    ///   warrener schedule next nightly
    #[command(verbatim_doc_comment)]
    Next(One),
    /// Show what became of its slots, the newest first
    ///
    /// Example:
    ///   warrener schedule firings nightly --limit 20
    #[command(verbatim_doc_comment)]
    Firings(Firings),
    /// Start nothing by it any more; what runs goes on
    ///
    /// Example:
    ///   warrener schedule pause nightly
    #[command(verbatim_doc_comment)]
    Pause(One),
    /// Start things by it again; the slots of the pause are gone
    ///
    /// Example:
    ///   warrener schedule resume nightly
    #[command(verbatim_doc_comment)]
    Resume(One),
    /// Start its task or run now, paused or not; prints the id of that
    ///
    /// Example:
    ///   warrener schedule run nightly
    #[command(verbatim_doc_comment)]
    Run(One),
    /// Delete a schedule with its history; what it started stays
    ///
    /// Example:
    ///   warrener schedule delete nightly --yes
    #[command(verbatim_doc_comment)]
    Delete(One),
}

/// One schedule
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub(crate) name: ScheduleName,
}

/// See [`Verb::Firings`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Firings {
    #[command(flatten)]
    pub(crate) one: One,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// See [`Verb::Create`].
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("when").required(true).args(["cron", "every", "at"])))]
#[command(group(ArgGroup::new("what").required(true).args(["kind", "workflow"])))]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) one: One,
    /// Due as clocks say: 'minute hour day month weekday', or six fields with seconds first
    #[arg(long, value_name = "PATTERN")]
    pub(crate) cron: Option<String>,
    /// The zone of those clocks, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "cron", conflicts_with_all = ["every", "at"])]
    pub(crate) time_zone: Option<String>,
    /// Due again and again after this
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) every: Option<Duration>,
    /// The first slot of --every [default: one interval from now]
    #[arg(long, value_name = "TIME", requires = "every", conflicts_with_all = ["cron", "at"])]
    pub(crate) from: Option<Timestamp>,
    /// Due once, then
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// While the task of the slot before has not ended [default: skip]
    #[arg(long, value_name = "POLICY", value_parser = ["skip", "queue", "cancel"])]
    pub(crate) overlap: Option<String>,
    /// Slots that were missed [default: last]
    #[arg(long, value_name = "POLICY", value_parser = ["none", "last", "all"])]
    pub(crate) catch_up: Option<String>,
    /// At most so many are made up for with --catch-up all [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) catch_up_max: Option<u32>,
    /// A slot later than this was missed [default: 10s]
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) late: Option<Duration>,
    /// It begins paused
    #[arg(long)]
    pub(crate) paused: bool,
    /// It submits tasks of this sort of work
    #[arg(long, value_name = "K")]
    pub(crate) kind: Option<Kind>,
    /// Or it runs this workflow; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lane", "priority", "input", "title", "description", "deadline", "timeout", "max_attempts", "labels"])]
    pub(crate) workflow: Option<String>,
    /// One input of the workflow; JSON if it reads so, else text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set, requires = "workflow")]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// Where they wait [default: default]
    #[arg(long, value_name = "L")]
    pub(crate) lane: Option<Lane>,
    /// What goes first [default: normal]
    #[arg(long, value_name = "P", value_parser = ["low", "normal", "high", "critical"])]
    pub(crate) priority: Option<String>,
    /// What the handler gets: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input, allow_hyphen_values = true)]
    pub(crate) input: Option<Input>,
    /// One line for people
    #[arg(long, value_name = "T")]
    pub(crate) title: Option<String>,
    /// The brief
    #[arg(long, value_name = "T")]
    pub(crate) description: Option<String>,
    /// A task is over this long after its slot started it
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) deadline: Option<Duration>,
    /// How long one attempt may run
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) timeout: Option<Duration>,
    /// Starts allowed in all [default: 25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max_attempts: Option<u32>,
    /// For finding its tasks again; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
}

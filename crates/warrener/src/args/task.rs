//! Flags of `warrener task …`.

use super::values::{Input, When, filter, input, label, span, when};
use clap::{Args, Subcommand};
use std::time::Duration;
use warrener_model::{AgentId, Kind, Lane, TaskId};

/// Submit tasks, look at them, act on them, wait for them
#[derive(Debug, Subcommand)]
#[command(subcommand_required = true)]
pub(crate) enum Verb {
    /// Submit a task, or a batch of them; prints the id
    ///
    /// --timeout after `submit` is the task's: how long one attempt may run.
    /// To limit how long --wait waits, give it before the verb:
    /// warrener --timeout 10m task submit … --wait
    ///
    /// Examples:
    ///   warrener task submit --kind review --input '{"pr": 42}' --label batch=7
    ///   warrener task submit --kind build --lane bulk --delay 10m --idempotency-key build-42
    ///   warrener task submit --batch tasks.jsonl
    #[command(verbatim_doc_comment)]
    Submit(Box<Submit>),
    /// List tasks, newest first
    ///
    /// Examples:
    ///   warrener task list -f 'state:failed,dead label.batch:42 age:>1h'
    ///   warrener task list --all -o jsonl --fields id,state,error.class
    #[command(verbatim_doc_comment)]
    List(ListArgs),
    /// Show a task with everything that is known of it
    ///
    /// Example:
    ///   warrener task get 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 -o json
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Show the history of a task
    ///
    /// Example:
    ///   warrener task events 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    #[command(verbatim_doc_comment)]
    Events(One),
    /// Print the log of a task
    ///
    /// Examples:
    ///   warrener task logs 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 -F
    ///   warrener task logs 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --attempt 2
    #[command(verbatim_doc_comment)]
    Logs(Logs),
    /// Print the result of a task, and nothing else
    ///
    /// Without a result the exit code says why:
    /// 10 failed, 11 cancelled, 12 dead or expired, 5 not final yet.
    ///
    /// Example:
    ///   warrener task result 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --wait | jq .text
    #[command(verbatim_doc_comment)]
    Result(ResultArgs),
    /// Cancel a task; one that runs is stopped
    ///
    /// Example:
    ///   warrener task cancel 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --reason 'wrong branch'
    #[command(verbatim_doc_comment)]
    Cancel(Reasoned),
    /// Try a task again that failed, died, was cancelled or expired
    ///
    /// Example:
    ///   warrener task retry 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --input @fixed.json --reset-attempts
    #[command(verbatim_doc_comment)]
    Retry(Retry),
    /// Give a task to a certain agent
    ///
    /// Example:
    ///   warrener task reassign 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --agent backend-2
    #[command(verbatim_doc_comment)]
    Reassign(Reassign),
    /// Say yes to a task that waits for approval
    ///
    /// Example:
    ///   warrener task approve 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    #[command(verbatim_doc_comment)]
    Approve(Reasoned),
    /// Say no to a task that waits for approval
    ///
    /// Example:
    ///   warrener task reject 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --reason 'too risky'
    #[command(verbatim_doc_comment)]
    Reject(Reasoned),
    /// Answer a task that waits for input
    ///
    /// Example:
    ///   warrener task answer 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --input '"main"'
    #[command(verbatim_doc_comment)]
    Answer(Answer),
    /// Wait until tasks have ended; prints each as it ends
    ///
    /// The exit code is 0 when all succeeded, else the highest of:
    /// dead or expired 12, failed 10, cancelled 11.
    ///
    /// Examples:
    ///   warrener task wait 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --timeout 10m
    ///   warrener task submit --batch tasks.jsonl -q | warrener task wait -
    #[command(verbatim_doc_comment)]
    Wait(Wait),
}

/// See [`Verb::Submit`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Submit {
    /// What sort of work it is
    #[arg(long, value_name = "K", required_unless_present = "batch")]
    pub(crate) kind: Option<Kind>,
    /// Where it waits [default: default]
    #[arg(long, value_name = "L")]
    pub(crate) lane: Option<Lane>,
    /// What goes first [default: normal]
    #[arg(long, value_name = "P", value_parser = ["low", "normal", "high", "critical"])]
    pub(crate) priority: Option<String>,
    /// What the handler gets: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input, allow_hyphen_values = true)]
    pub(crate) input: Option<Input>,
    /// Ask agents first: JSON as for `POST /api/v1/sessions`, @FILE, or - for stdin; the decision is `input.decision`
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input, allow_hyphen_values = true)]
    pub(crate) collaboration: Option<Input>,
    /// One line for people
    #[arg(long, value_name = "T")]
    pub(crate) title: Option<String>,
    /// The brief
    #[arg(long, value_name = "T")]
    pub(crate) description: Option<String>,
    /// The same key with the same request is accepted once
    #[arg(long, value_name = "K")]
    pub(crate) idempotency_key: Option<String>,
    /// Not before this much time from now
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) delay: Option<Duration>,
    /// Over after this: a duration from now, or a time
    #[arg(long, value_name = "D", value_parser = when)]
    pub(crate) deadline: Option<When>,
    /// How long one attempt may run
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) timeout: Option<Duration>,
    /// Starts allowed in all [default: 25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max_attempts: Option<u32>,
    /// For finding it again; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Submit many: a file of JSON lines, or - for stdin; accepted whole or not at all
    #[arg(long, value_name = "FILE|-", conflicts_with_all = [
        "kind", "lane", "priority", "input", "collaboration", "title", "description", "idempotency_key", "delay", "deadline",
        "timeout", "max_attempts", "labels",
    ])]
    pub(crate) batch: Option<String>,
    /// Wait until it has ended; the exit code says how
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Which page of a list
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Only what matches: terms such as state:failed,dead label.k:v age:>1h
    #[arg(short, long, value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    /// Sort by created_at, finished_at or priority; - in front turns it round
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// Which page of a list by name
#[derive(Args, Clone, Debug)]
pub(crate) struct NamedArgs {
    /// Only what matches: FIELD:VALUE[,VALUE…]; - in front is all others
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// Which page of a list
#[derive(Args, Clone, Debug)]
pub(crate) struct PageArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) limit: u16,
    /// After the page before
    #[arg(long, value_name = "C")]
    pub(crate) cursor: Option<String>,
    /// Every page
    #[arg(long, conflicts_with = "cursor")]
    pub(crate) all: bool,
}

/// One task
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
}

/// See [`Verb::Logs`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// Go on until the task has ended
    #[arg(short = 'F', long)]
    pub(crate) follow: bool,
    /// Only this attempt
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
}

/// See [`Verb::Result`].
#[derive(Args, Clone, Debug)]
pub(crate) struct ResultArgs {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// Wait until it has ended
    #[arg(long)]
    pub(crate) wait: bool,
}

/// An act with a reason
#[derive(Args, Clone, Debug)]
pub(crate) struct Reasoned {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// See [`Verb::Retry`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Retry {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// Another input: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input, allow_hyphen_values = true)]
    pub(crate) input: Option<Input>,
    /// The retries of each class start anew
    #[arg(long)]
    pub(crate) reset_attempts: bool,
}

/// See [`Verb::Reassign`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Reassign {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// The agent that shall do it
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: AgentId,
}

/// See [`Verb::Answer`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Answer {
    /// The task
    #[arg(value_name = "ID")]
    pub(crate) id: TaskId,
    /// The answer: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input, allow_hyphen_values = true)]
    pub(crate) input: Input,
}

/// See [`Verb::Wait`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Wait {
    /// The tasks, or - for one id a line on stdin
    #[arg(value_name = "ID|-", required = true)]
    pub(crate) ids: Vec<String>,
    /// One of them is enough
    #[arg(long)]
    pub(crate) any: bool,
}

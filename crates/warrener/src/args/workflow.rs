//! Flags of `warrener workflow …`.

use super::task::PageArgs;
use super::values::{Input, input};
use clap::{Args, Subcommand};
use warrener_model::id::RunId;

/// Check, draw and run workflows
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say every mistake of workflow files, each with its line and column
    ///
    /// Exit code 6 if there is one. Nothing is sent anywhere.
    ///
    /// Examples:
    ///   warrener workflow validate feature.yaml
    ///   warrener workflow validate flows/*.yaml -o json
    #[command(verbatim_doc_comment)]
    Validate(Files),
    /// Draw a workflow file: Mermaid unless said, or Graphviz (-o dot), or its steps and stages as JSON (-o json)
    ///
    /// Examples:
    ///   warrener workflow graph feature.yaml
    ///   warrener workflow graph feature.yaml -o dot | dot -Tsvg > feature.svg
    #[command(verbatim_doc_comment)]
    Graph(File),
    /// Start a run of a workflow; with --wait follow it to its end
    ///
    /// Prints the run's id, or the run with -o json. The exit code of --wait is 0 if
    /// the run succeeded, 10 if it failed, 11 if it was cancelled.
    ///
    /// Examples:
    ///   warrener workflow run feature.yaml --set title='Dark mode' --wait
    ///   warrener workflow run review.yaml --input @inputs.json --idempotency-key pr-17
    #[command(verbatim_doc_comment)]
    Run(Run),
    /// List runs, newest first
    ///
    /// Example:
    ///   warrener workflow list -f state:running,failed
    #[command(verbatim_doc_comment)]
    List(ListArgs),
    /// Show a run and its steps
    ///
    /// Example:
    ///   warrener workflow get 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Cancel a run: no step of it begins any more, what is open is cancelled
    ///
    /// Example:
    ///   warrener workflow cancel 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --reason 'wrong branch'
    #[command(verbatim_doc_comment)]
    Cancel(Cancel),
    /// Try again what failed of a run, and nothing else
    ///
    /// Example:
    ///   warrener workflow retry-failed 01931b66-7d50-7c8a-b7a5-64d2f14f8c11
    #[command(verbatim_doc_comment)]
    RetryFailed(One),
    /// Print a template that comes with warrener, or the names of all
    ///
    /// What `decompose` under [kind.X] of the server's configuration may name.
    ///
    /// Examples:
    ///   warrener workflow template
    ///   warrener workflow template feature > feature.yaml
    #[command(verbatim_doc_comment)]
    Template(Name),
    /// Print the JSON Schema of workflow files, for editors
    ///
    /// Example:
    ///   warrener workflow schema > workflow.schema.json
    #[command(verbatim_doc_comment)]
    Schema,
}

/// See [`Verb::Template`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Name {
    /// Which one
    pub(crate) name: Option<String>,
}

/// See [`Verb::Run`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) start: Start,
    /// Follow it to its end
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Run a workflow to its end, and print what it leaves
///
/// On the server there is. Where none runs, on one of its own, with the team of
/// warrener.toml, and nothing of it is left running afterwards; data goes to the
/// data folder, so `warrener up` goes on with a run that was interrupted.
/// The exit code is 0 if the run succeeded, 10 if it failed, 11 if it was cancelled.
///
/// Examples:
///   warrener run feature.yaml --set title='Dark mode'
///   warrener run review.yaml --input @inputs.json --trust -o json
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct ToTheEnd {
    #[command(flatten)]
    pub(crate) start: Start,
    /// The configuration may run its commands; remembered
    #[arg(long)]
    pub(crate) trust: bool,
}

/// What is run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Start {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// The inputs, a JSON object
    #[arg(long, value_name = "JSON|@FILE|-", value_parser = input)]
    pub(crate) input: Option<Input>,
    /// One input; JSON if it reads so, else text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = set)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// The same request is accepted once under this key
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// One run
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The run
    #[arg(value_name = "RUN")]
    pub(crate) id: RunId,
}

/// See [`Verb::Cancel`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Cancel {
    /// The run
    #[arg(value_name = "RUN")]
    pub(crate) id: RunId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// See [`Verb::List`].
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// `state:WORD[,WORD…]`
    #[arg(short, long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// `NAME=VALUE`.
pub(super) fn set(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("must look like NAME=VALUE, such as title='Dark mode'")?;
    let read = serde_json::from_str(value).ok();
    Ok((name.to_owned(), read.unwrap_or_else(|| value.into())))
}

/// Some files
#[derive(Args, Clone, Debug)]
pub(crate) struct Files {
    /// The files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
}

/// One file
#[derive(Args, Clone, Debug)]
pub(crate) struct File {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
}

//! The command tree: global flags, and one list of verbs for each noun.

use crate::demo::Eye;
use crate::error::CliError;
use crate::output::Form;
use clap::{
    Arg, ArgMatches, Args, Command as Tree, CommandFactory, FromArgMatches, Parser, Subcommand,
};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) mod agent;
pub(crate) mod breaker;
pub(crate) mod broker;
pub(crate) mod dlq;
pub(crate) mod lane;
pub(crate) mod schedule;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod values;
pub(crate) mod workflow;

const EXAMPLES: &str = "\
Examples:
  warrener task submit --kind review --input @pr.json
  warrener task list -f 'state:failed,dead age:>1h'
  warrener task wait 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --timeout 10m
  warrener dlq requeue --fingerprint 9f2c51d0aa31be07 --rate 20/s

Exit codes:
  0 ok · 1 failed · 2 usage · 3 not found · 4 not allowed · 5 conflict · 6 findings
  7 server or broker unreachable · 10 task failed · 11 task cancelled
  12 task dead or expired · 124 timeout · 130 interrupted

The server is the first of --server, WARRENER_SERVER, url under [server] in
warrener.toml, the data folder's, and http://127.0.0.1:7766.";

/// Keeps a team of agents supplied with work, and proves that no work is lost
#[derive(Debug, Parser)]
#[command(name = "warrener", version, after_long_help = EXAMPLES)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = false
)]
pub(crate) struct Cli {
    /// Flags that may stand anywhere.
    #[command(flatten)]
    pub(crate) globals: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that may stand anywhere
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Address of the server
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Trust the authorities of this file (PEM) for https, beside the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<String>,
    /// Data folder [default: .warrener]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Configuration file [default: warrener.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the output
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "table",
        value_enum
    )]
    output: Asked,
    /// Only these fields, in this order; dots reach inside (error.class)
    #[arg(long, global = true, value_name = "A,B")]
    fields: Option<String>,
    /// Print ids only, and no notes
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// No colour, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Do not ask before something is destroyed
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// How long a request, or a wait, may take: 500ms, 5s, 3m, 2h
    #[arg(skip)]
    pub(crate) timeout: Option<Duration>,
}

/// What `--output` takes
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asked {
    /// Columns for people
    Table,
    /// One JSON object
    Json,
    /// One JSON object a line
    Jsonl,
    /// A Mermaid flowchart (workflow graph)
    Mermaid,
    /// A Graphviz graph (workflow graph)
    Dot,
}

impl GlobalArgs {
    /// The form of the output.
    ///
    /// # Errors
    /// A drawing was asked for, and this command draws nothing.
    pub(crate) fn form(&self) -> Result<Form, CliError> {
        match self.output {
            Asked::Table => Ok(Form::Table),
            Asked::Json => Ok(Form::Json),
            Asked::Jsonl => Ok(Form::Jsonl),
            Asked::Mermaid | Asked::Dot => {
                let detail = "mermaid and dot are forms of `warrener workflow graph` only";
                Err(CliError::new("usage", detail).hint("use -o table, json or jsonl"))
            }
        }
    }

    /// The form of a drawing.
    pub(crate) fn drawing(&self) -> Asked {
        self.output
    }

    /// The fields that were asked for.
    pub(crate) fn fields(&self) -> Option<Vec<String>> {
        let fields = self.fields.as_ref()?.split(',').map(str::trim);
        Some(
            fields
                .filter(|field| !field.is_empty())
                .map(Into::into)
                .collect(),
        )
    }
}

/// What to do
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit tasks, look at them, act on them, wait for them
    #[command(subcommand, visible_alias = "tasks")]
    Task(task::Verb),
    /// Look at dead letters, and requeue, discard or archive them
    #[command(subcommand)]
    Dlq(dlq::Verb),
    /// Look at lanes, pause and resume them
    #[command(subcommand, visible_alias = "lanes")]
    Lane(lane::Verb),
    /// Look at agents, drain, resume and stop them
    #[command(subcommand, visible_alias = "agents")]
    Agent(agent::Verb),
    /// Look at circuit breakers, close them
    #[command(subcommand, visible_alias = "breakers")]
    Breaker(breaker::Verb),
    /// Put a question to agents, and see what they decided
    #[command(subcommand, visible_alias = "sessions")]
    Session(session::Verb),
    /// Make schedules, look at them, pause, resume and run them
    #[command(subcommand, visible_alias = "schedules")]
    Schedule(schedule::Verb),
    /// Check and draw workflow files
    #[command(subcommand, visible_alias = "workflows")]
    Workflow(workflow::Verb),
    /// Read, write, watch and lock shared state
    #[command(subcommand)]
    State(state::Verb),
    /// Look at RabbitMQ, if it is the broker
    #[command(subcommand)]
    Broker(broker::Verb),
    Demo(server::Demo),
    Up(server::Up),
    Run(workflow::ToTheEnd),
    /// Run a server
    #[command(subcommand)]
    Server(server::ServerVerb),
    /// Show the configuration and where it comes from
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print the machine-readable contracts
    #[command(subcommand)]
    Spec(SpecVerb),
    /// Print a completion script for a shell
    ///
    /// Examples:
    ///   warrener completions bash > /etc/bash_completion.d/warrener
    ///   warrener completions zsh > ~/.zfunc/_warrener
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Ends what an agent left when it died; agents start it themselves
    #[command(hide = true)]
    Guard {
        /// The boot of the agent
        instance: String,
        /// Its work folder
        folder: PathBuf,
    },
    /// What the agents of the demo run
    #[command(hide = true)]
    DemoStep {
        /// What it looks for when it is asked for an opinion
        #[arg(long, value_enum)]
        eye: Option<Eye>,
    },
}

/// Show the configuration
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every value that holds; secrets are masked
    ///
    /// Examples:
    ///   warrener config show --origin
    ///   warrener config show -o json
    #[command(verbatim_doc_comment)]
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the JSON Schema of warrener.toml, for editors
    ///
    /// Example:
    ///   warrener config schema > warrener.schema.json
    #[command(verbatim_doc_comment)]
    Schema,
}

/// Print contracts
#[derive(Debug, Subcommand)]
pub(crate) enum SpecVerb {
    /// Print the OpenAPI document: the server's, or the one built in
    ///
    /// Example:
    ///   warrener spec openapi > openapi.json
    #[command(verbatim_doc_comment)]
    Openapi,
    /// Print the AsyncAPI document: what agents and servers say over AMQP
    ///
    /// Example:
    ///   warrener spec asyncapi > asyncapi.json
    #[command(verbatim_doc_comment)]
    Asyncapi,
}

/// Reads the command line.
///
/// # Errors
/// What clap says: a mistake, or help and version, which are no mistakes.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut tree = tree();
    let matches = tree.try_get_matches_from_mut(args)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut tree))?;
    cli.globals.timeout = timeout_of(&matches);
    Ok(cli)
}

/// The whole tree, as completions and help see it.
pub(crate) fn tree() -> Tree {
    let mut tree = Cli::command();
    add_timeout(&mut tree);
    tree
}

/// Where `--timeout` is not something else already. It is not a global flag of clap's, because `task submit --timeout`
/// is the task's; before the verb (`warrener --timeout 5s task submit …`) it is ours there, too.
fn add_timeout(tree: &mut Tree) {
    if !tree
        .get_arguments()
        .any(|arg| arg.get_long() == Some("timeout"))
    {
        let arg = Arg::new("request_time")
            .long("timeout")
            .value_name("D")
            .value_parser(values::span)
            .help("How long a request, or a wait, may take: 500ms, 5s, 3m, 2h")
            .help_heading("Global options");
        *tree = std::mem::take(tree).arg(arg);
    }
    tree.get_subcommands_mut().for_each(add_timeout);
}

/// The innermost `--timeout` that is ours.
fn timeout_of(matches: &ArgMatches) -> Option<Duration> {
    let inner = matches
        .subcommand()
        .and_then(|(_, matches)| timeout_of(matches));
    inner.or_else(|| {
        matches
            .try_get_one::<Duration>("request_time")
            .ok()
            .flatten()
            .copied()
    })
}

/// Whether problems must be told as JSON: looked for by hand, because it must hold for a command line that clap refuses.
pub(crate) fn wants_json(args: &[OsString]) -> bool {
    let is_json = |form: &str| matches!(form, "json" | "jsonl");
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        let value = match arg {
            "--" => return false,
            "-o" | "--output" => args.next(),
            _ => arg
                .strip_prefix("--output=")
                .or_else(|| arg.strip_prefix("-o"))
                .map(|value| value.trim_start_matches('=')),
        };
        if value.is_some_and(is_json) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(line: &str) -> Cli {
        parse(line.split(' ').map(Into::into).collect()).unwrap()
    }

    #[test]
    fn the_tree_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in [
            "warrener -o json --server http://a:1 task list --timeout 5s",
            "warrener task --timeout 5s --server http://a:1 list -o json",
            "warrener task list --timeout=5s -ojson --server http://a:1",
        ] {
            let globals = cli(line).globals;
            assert_eq!(globals.form().unwrap(), Form::Json, "{line}");
            assert_eq!(globals.server.as_deref(), Some("http://a:1"), "{line}");
            assert_eq!(globals.timeout, Some(Duration::from_secs(5)), "{line}");
        }
    }

    #[test]
    fn the_timeout_of_submit_is_the_tasks_and_before_it_is_ours() {
        let cli = cli("warrener --timeout 5s task submit --kind a --timeout 3m");
        assert_eq!(cli.globals.timeout, Some(Duration::from_secs(5)));
        let Command::Task(task::Verb::Submit(args)) = cli.command else {
            panic!("not a submit");
        };
        assert_eq!(args.timeout, Some(Duration::from_secs(180)));
    }

    #[test]
    fn json_is_seen_before_the_line_is_understood() {
        let wants = |line: &str| wants_json(&line.split(' ').map(Into::into).collect::<Vec<_>>());
        for line in [
            "w -o json nonsense",
            "w x --output=jsonl",
            "w -ojson",
            "w --output json",
        ] {
            assert!(wants(line), "{line}");
        }
        for line in ["w -o table", "w agent run -- cmd -o json", "w -o"] {
            assert!(!wants(line), "{line}");
        }
    }
}

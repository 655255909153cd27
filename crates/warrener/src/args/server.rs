//! Flags of the long-running commands: `server run`, `agent run`, `up` and `demo`.

use super::values::capability;
use crate::config::layers::Flag;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use warrener_model::agent::Role;
use warrener_model::{AgentId, Kind, Lane};

/// The flag that names a broker.
pub(crate) const BROKER_FLAG: &str = "--broker";

/// Run a server
#[derive(Debug, Subcommand)]
pub(crate) enum ServerVerb {
    /// Run a server in the foreground; SIGTERM and Ctrl-C drain it
    ///
    /// Examples:
    ///   warrener server run
    ///   warrener server run --listen 127.0.0.1:8000 --broker amqp://guest:guest@localhost
    #[command(verbatim_doc_comment)]
    Run(ServerRun),
    /// Print an address that lets one browser in, once
    ///
    /// Example:
    ///   warrener server login
    #[command(verbatim_doc_comment)]
    Login,
}

/// Flags of a server
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServerRun {
    /// Where it listens [default: 127.0.0.1:7766]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// embedded, amqp://… or amqps://… [default: embedded]
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// sqlite or postgres://… [default: sqlite]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Its certificate, and those between it and an authority (PEM); it then speaks TLS only
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// The private key of its certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// A proxy in front of it does TLS
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Take the configuration as it is, without a question
    #[arg(long)]
    pub(crate) trust: bool,
}

impl ServerRun {
    /// These flags as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = broker(self.broker.as_deref()).into_iter().collect();
        let mut add = |path, name, value: Option<String>| {
            flags.extend(value.map(|value| Flag { path, name, value }));
        };
        add(&["server", "listen"], "--listen", self.listen.clone());
        add(&["store", "url"], "--store", self.store.clone());
        add(&["server", "tls_cert"], "--tls-cert", self.tls_cert.clone());
        add(&["server", "tls_key"], "--tls-key", self.tls_key.clone());
        let proxy = self.behind_proxy.then(|| "true".to_owned());
        add(&["server", "behind_proxy"], "--behind-proxy", proxy);
        flags
    }
}

/// `--broker` as a setting.
fn broker(url: Option<&str>) -> Option<Flag> {
    url.map(|url| Flag {
        path: &["broker", "url"],
        name: BROKER_FLAG,
        value: url.into(),
    })
}

/// Run a server and the team of warrener.toml in one process tree
///
/// Prints the address, the data folder and three commands to try.
/// SIGTERM and Ctrl-C drain. A configuration that is new, or not your own,
/// is shown and confirmed once; --trust does it in scripts.
///
/// Example:
///   warrener up --trust
#[derive(Args, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub(crate) struct Up {
    /// Flags of the server.
    #[command(flatten)]
    pub(crate) server: ServerRun,
}

/// Show what Warrener does, in about 30 seconds, with no configuration, network or key
///
/// A team of five programs works on the files of this folder; one is killed
/// and its work recovered, one dead letter is replayed; then the books.
/// Nothing is left running.
///
/// Examples:
///   warrener demo
///   warrener demo --broker amqp://guest:guest@localhost
#[derive(Args, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub(crate) struct Demo {
    /// embedded, amqp://… or amqps://… [default: embedded]
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
}

impl Demo {
    /// These flags as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        broker(self.broker.as_deref()).into_iter().collect()
    }
}

/// Run any program as an agent: the task as JSON on stdin, the result on stdout
///
/// Examples:
///   warrener agent run --name backend --lane backend -- python3 agents/backend.py
///   warrener agent run --name fetch --broker amqp://guest:guest@localhost -- ./fetch.sh
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct AgentRun {
    /// Its id and name [default: AGENT_ID]
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<AgentId>,
    /// What it may do: leader, coordinator, worker, collaborator, monitor
    #[arg(long, value_name = "ROLE", default_value = "worker")]
    pub(crate) role: Role,
    /// A lane it serves; may be repeated [default: default]
    #[arg(long = "lane", value_name = "L")]
    pub(crate) lanes: Vec<Lane>,
    /// A kind it can run; may be repeated [default: all]
    #[arg(long = "kind", value_name = "K")]
    pub(crate) kinds: Vec<Kind>,
    /// What it is good at, 0 to 1; may be repeated
    #[arg(long = "capability", value_name = "C=0.9", value_parser = capability)]
    pub(crate) capabilities: Vec<(String, f64)>,
    /// How many tasks it runs at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(crate) concurrency: u32,
    /// Connect to this broker instead of the server: amqp://… or amqps://…
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// Where the command runs [default: a new folder for each task, removed afterwards]
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Leave when stdin ends: for a parent that may die without a word
    #[arg(long, hide = true)]
    pub(crate) follow_stdin: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

impl AgentRun {
    /// These flags as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        broker(self.broker.as_deref()).into_iter().collect()
    }
}

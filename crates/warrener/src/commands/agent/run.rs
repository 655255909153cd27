//! `agent run`: any program as an agent.

use crate::agent_run::{self, Setup};
use crate::args::server::AgentRun;
use crate::commands::server::{internal, runtime};
use crate::error::CliError;
use crate::globals::Globals;
use crate::{compose, connect, logging};
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};
use std::time::Duration;
use warrener_engine::agent::Stopped;
use warrener_model::name::Capability;

pub(crate) fn run(args: &AgentRun, globals: &Globals) -> Result<(), CliError> {
    logging::start(globals.verbose, globals.output.quiet);
    check_command(args)?;
    let setup = setup(args, globals)?;
    let stopped = runtime()?.block_on(agent_run::run(setup))?;
    match stopped {
        Stopped::Drained => Ok(()),
        Stopped::Cut(runs) => {
            let detail = format!("{runs} run(s) could not be reported before the end");
            Err(CliError::new("server_unreachable", detail)
                .hint("nothing is lost: the server gives them to another agent after their lease"))
        }
        Stopped::Unwelcome(code, message) => {
            let detail = format!("the server does not take this agent ({code}): {message}");
            Err(CliError::new("not_allowed", detail))
        }
    }
}

fn setup(args: &AgentRun, globals: &Globals) -> Result<Setup, CliError> {
    let config = &globals.config;
    if args.broker.is_some() {
        let detail = "this version connects agents by the link only";
        return Err(CliError::new("usage", detail).hint("leave out --broker, and say --server URL"));
    }
    let name = args
        .name
        .clone()
        .or_else(|| config.agent.id.clone())
        .ok_or_else(|| {
            CliError::new("usage", "an agent needs a name").hint("say --name NAME, or set AGENT_ID")
        })?;
    let server = connect::find(config, &globals.settings, Duration::from_secs(5))?;
    let mut capabilities = std::collections::BTreeMap::new();
    for (capability, level) in &args.capabilities {
        let parsed = Capability::new(capability);
        let capability = parsed.map_err(|e| CliError::new("usage", e.to_string()))?;
        capabilities.insert(capability, *level);
    }
    Ok(Setup {
        name,
        role: args.role,
        lanes: if args.lanes.is_empty() {
            vec![Default::default()]
        } else {
            args.lanes.clone()
        },
        kinds: args.kinds.iter().map(ToString::to_string).collect(),
        capabilities,
        concurrency: args.concurrency,
        cwd: args.cwd.clone(),
        command: args.command.iter().map(Into::into).collect(),
        server: server.client.url().to_owned(),
        token: server.token,
        roots: server.roots,
        ca: config
            .ca
            .as_deref()
            .map(std::path::absolute)
            .transpose()
            .map_err(internal)?,
        work: work(config)?,
        timers: compose::timers(&config.timers),
        follow_stdin: args.follow_stdin,
    })
}

/// Where work folders are made: in the data folder if there is one here, else in the system's temporary folder.
fn work(config: &crate::config::Config) -> Result<std::path::PathBuf, CliError> {
    let here = config
        .data_dir
        .is_dir()
        .then(|| config.data_dir.canonicalize());
    match here {
        Some(Ok(folder)) => Ok(folder.join("work")),
        Some(Err(error)) => Err(CliError::new("data_dir_unusable", error.to_string())),
        None => Ok(std::env::temp_dir().join("warrener-work")),
    }
}

/// An agent whose command cannot be started would fail every task that it is given: it does not start either.
fn check_command(args: &AgentRun) -> Result<(), CliError> {
    let missing = |detail: String| Err(CliError::new("command_missing", detail));
    let Some(word) = args.command.first() else {
        return missing("there is no command behind --".into());
    };
    if let Some(cwd) = args.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
        return missing(format!("--cwd {}: there is no such folder", cwd.display()));
    }
    let starts = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    // As it will be looked for: a word with a slash names a file, any other is found on PATH.
    if word.contains('/') {
        let path = Path::new(word);
        return match (path.is_file(), starts(path)) {
            (_, true) => Ok(()),
            (true, false) => missing(format!("{word} is not executable; try chmod +x {word}")),
            (false, _) => missing(format!("{word}: there is no such file")),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder: PathBuf| folder.join(word));
    if places.any(|path| starts(&path)) {
        return Ok(());
    }
    missing(format!("{word} is not on PATH"))
}

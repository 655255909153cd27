//! `agent run`: any program as an agent.

use crate::agent_run::{self, Setup, Way};
use crate::args::server::AgentRun;
use crate::commands::server::{internal, runtime};
use crate::config::Config;
use crate::config::layers::Origin;
use crate::error::CliError;
use crate::globals::Globals;
use crate::{compose, connect, logging, rabbit};
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};
use std::time::Duration;
use warrener_engine::agent::Stopped;
use warrener_model::name::Capability;

/// How often it is looked whether there is a server now.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &AgentRun, globals: &Globals) -> Result<(), CliError> {
    logging::start(globals.verbose, globals.output.quiet);
    check_command(args)?;
    let setup = setup(args, globals)?;
    let stopped = runtime()?.block_on(agent_run::run(setup))?;
    match stopped {
        Stopped::Drained => Ok(()),
        Stopped::Cut(runs) => {
            let detail = format!("{runs} run(s) could not be reported before the end");
            // Without a link it is the broker that was not there.
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
    let name = args
        .name
        .clone()
        .or_else(|| config.agent.id.clone())
        .ok_or_else(|| {
            CliError::new("usage", "an agent needs a name").hint("say --name NAME, or set AGENT_ID")
        })?;
    let (way, server) = way(globals)?;
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
        way,
        server,
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

/// By RabbitMQ, if that is the broker, unless the command line names a server and no broker. And where its server is.
fn way(globals: &Globals) -> Result<(Way, Option<String>), CliError> {
    let (config, settings) = (&globals.config, &globals.settings);
    let typed = |path: &[&str]| {
        let origin = settings.get(path).map(|setting| &setting.origin);
        matches!(origin, Some(Origin::Flag(_)))
    };
    let by_link = typed(&["server", "url"]) && !typed(&["broker", "url"]);
    if let Some(way) = rabbit::Way::of(config).filter(|_| !by_link) {
        // Nobody need tell such an agent where the server is; its programs hear it if somebody did.
        return Ok((Way::Rabbit(Box::new(way)), connect::known(config)?));
    }
    await_server(config)?;
    let server = connect::find(config, settings, Duration::from_secs(5))?;
    let url = server.client.url().to_owned();
    let way = Way::Link {
        url: url.clone(),
        token: server.token,
        roots: server.roots,
    };
    Ok((way, Some(url)))
}

/// Waits for the first server of this folder, where nobody has said which one it is: agents may come before it, and
/// neither its address nor its token is known then.
fn await_server(config: &Config) -> Result<(), CliError> {
    let mut told = false;
    while config.token.is_none() && connect::known(config)?.is_none() {
        if !told {
            let (dir, hint) = (
                config.data_dir.display(),
                "`warrener server run` in this folder, or --server URL",
            );
            tracing::warn!(data_dir = %dir, hint, "no server has been here yet: waiting for one");
            told = true;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Where work folders are made: in the data folder if there is one here, else in the system's temporary folder.
fn work(config: &Config) -> Result<std::path::PathBuf, CliError> {
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

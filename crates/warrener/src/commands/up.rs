//! `up`: a server and the team of `warrener.toml` in one process tree.

use super::server::{internal, runtime};
use crate::args::server::Up;
use crate::compose::{self, Running, ServerSetup};
use crate::config::{Alert, Broker, Config};
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::globals::Globals;
use crate::team::{self, Base};
use crate::{logging, shutdown, trust};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

pub(crate) fn run(args: &Up, globals: &Globals) -> Result<(), CliError> {
    logging::start(globals.verbose, globals.output.quiet);
    let file = globals.settings.file.clone();
    if let Some(file) = &file {
        trust::confirm(file, &commands(globals), args.server.trust)?;
    }
    runtime()?.block_on(work(globals, file))
}

/// Every command that the configuration would run.
fn commands(globals: &Globals) -> Vec<String> {
    let agents = globals.config.agents.iter();
    let mut commands: Vec<String> = agents
        .map(|agent| format!("[{}] {}", agent.name, agent.run.join(" ")))
        .collect();
    if let Some(Alert::Command(words)) = &globals.config.alert {
        commands.push(format!("[alert] {}", words.join(" ")));
    }
    commands
}

async fn work(globals: &Globals, file: Option<PathBuf>) -> Result<(), CliError> {
    let stop = shutdown::on_signal().map_err(internal)?;
    let data = DataDir::prepare(&globals.config.data_dir)?;
    let folder = data.path().to_owned();
    let mut server = compose::start(ServerSetup::of(&globals.config, data)?).await?;
    let config = file
        .map(|file| file.canonicalize())
        .transpose()
        .map_err(internal)?;
    let base = Base {
        exe: std::env::current_exe().map_err(internal)?,
        server: server.url.clone(),
        data_dir: folder.clone(),
        folder: match config.as_ref().and_then(|file| file.parent()) {
            Some(parent) => parent.to_owned(),
            None => std::env::current_dir().map_err(internal)?,
        },
        config,
        ca: absolute(globals.config.ca.as_deref())?,
        environment: environment(&globals.config, &server.url)?,
    };
    banner(globals, &server, &folder)?;
    let ending = CancellationToken::new();
    let team = tokio::spawn(team::run(
        base,
        globals.config.agents.clone(),
        ending.clone(),
    ));
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        problem = server.failed() => Some(problem),
    };
    // Nothing new is handed out; what runs is finished or given back; then the server goes.
    server.orchestrator.drain();
    ending.cancel();
    team.await.map_err(internal)?;
    server.stop().await;
    failure.map_or(Ok(()), |problem| Err(problem.into()))
}

/// What members need for RabbitMQ, if that is the broker. They are told of the server for their programs only.
fn environment(config: &Config, server: &str) -> Result<Vec<(String, OsString)>, CliError> {
    let Broker::Amqp(url) = &config.broker else {
        return Ok(vec![]);
    };
    let mut variables = vec![
        ("WARRENER_BROKER__URL".to_owned(), url.into()),
        ("WARRENER_SERVER".to_owned(), server.into()),
    ];
    let rabbit = &config.rabbit;
    for (name, file) in [
        ("CA", &rabbit.ca),
        ("CERT", &rabbit.cert),
        ("KEY", &rabbit.key),
    ] {
        if let Some(file) = absolute(file.as_deref())? {
            variables.push((format!("WARRENER_BROKER__{name}"), file.into()));
        }
    }
    Ok(variables)
}

/// Members run in other folders.
fn absolute(file: Option<&Path>) -> Result<Option<PathBuf>, CliError> {
    let absolute = file.map(std::path::absolute).transpose();
    absolute.map_err(internal)
}

fn banner(globals: &Globals, server: &Running, folder: &Path) -> Result<(), CliError> {
    let output = &globals.output;
    let agents = globals.config.agents.len();
    output.line(&format!(
        "Warrener is up at {} with {agents} agent(s); data in {}",
        server.url,
        folder.display()
    ))?;
    // What is no terminal may be kept as a log and read by others, so there is no code in it.
    if !std::io::stdout().is_terminal() {
        output.line("For an address that lets a browser in:")?;
        output.line("  warrener server login")?;
    } else if let Some(address) = server.login() {
        output.line("For a browser, once, within ten minutes:")?;
        output.line(&format!("  {address}"))?;
    }
    output.line("Try:")?;
    output.line("  warrener task submit --kind hello --input '{\"name\":\"you\"}'")?;
    output.line("  warrener task list")?;
    output.line("  warrener agent list")
}

//! A server and the team of `warrener.toml` in one process tree: what `up` is, and `run` where no server is.

use crate::commands::internal;
use crate::compose::{self, Running, ServerSetup};
use crate::config::{Alert, Broker, Config};
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::globals::Globals;
use crate::team::{self, Base};
use crate::trust;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// See above.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) server: Running,
    /// Where its data is.
    pub(crate) folder: PathBuf,
    ending: CancellationToken,
    team: JoinHandle<()>,
}

/// Makes sure that somebody knows what the configuration would run.
///
/// # Errors
/// Nobody has confirmed it.
pub(crate) fn confirm(globals: &Globals, trust: bool) -> Result<(), CliError> {
    match &globals.settings.file {
        Some(file) => trust::confirm(file, &commands(&globals.config), trust),
        None => Ok(()),
    }
}

/// Every command that the configuration would run.
fn commands(config: &Config) -> Vec<String> {
    let agents = config.agents.iter();
    let mut commands: Vec<String> = agents
        .map(|agent| format!("[{}] {}", agent.name, agent.run.join(" ")))
        .collect();
    if let Some(Alert::Command(words)) = &config.alert {
        commands.push(format!("[alert] {}", words.join(" ")));
    }
    commands
}

impl Tree {
    /// Starts both. `quiet` members say only what is wrong.
    ///
    /// # Errors
    /// The server does not start.
    pub(crate) async fn start(
        globals: &Globals,
        change: impl FnOnce(&mut ServerSetup),
        quiet: bool,
    ) -> Result<Tree, CliError> {
        let config = &globals.config;
        let data = DataDir::prepare(&config.data_dir)?;
        let folder = data.path().to_owned();
        let mut setup = ServerSetup::of(config, data)?;
        change(&mut setup);
        let file = globals.settings.file.as_ref();
        let file = file.map(|file| file.canonicalize()).transpose();
        let file = file.map_err(internal)?;
        let home = match file.as_ref().and_then(|file| file.parent()) {
            Some(parent) => parent.to_owned(),
            None => std::env::current_dir().map_err(internal)?,
        };
        let exe = std::env::current_exe().map_err(internal)?;
        let ca = absolute(config.ca.as_deref())?;
        let server = compose::start(setup).await?;
        let base = Base {
            exe,
            server: server.url.clone(),
            data_dir: folder.clone(),
            folder: home,
            config: file,
            ca,
            environment: environment(config, &server.url)?,
            quiet,
        };
        let ending = CancellationToken::new();
        let team = tokio::spawn(team::run(base, config.agents.clone(), ending.clone()));
        Ok(Tree {
            server,
            folder,
            ending,
            team,
        })
    }

    /// Nothing new is handed out; what runs is finished or given back; then the server goes.
    ///
    /// # Errors
    /// The team did not end as it should.
    pub(crate) async fn end(self) -> Result<(), CliError> {
        self.server.orchestrator.drain();
        self.ending.cancel();
        self.team.await.map_err(internal)?;
        self.server.stop().await;
        Ok(())
    }
}

/// What members need for RabbitMQ, if that is the broker. They are told of the server for their programs only.
fn environment(config: &Config, server: &str) -> Result<Vec<(String, OsString)>, CliError> {
    let url = match &config.broker {
        Broker::Amqp(url) => url,
        Broker::Embedded => return Ok(vec![]),
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

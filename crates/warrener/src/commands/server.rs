//! `server run`: a server in the foreground; SIGTERM and Ctrl-C end it in order.

use crate::args::server::ServerRun;
use crate::compose::{self, ServerSetup};
use crate::config::Alert;
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::globals::Globals;
use crate::{logging, shutdown, trust};

pub(crate) fn run(args: &ServerRun, globals: &Globals) -> Result<(), CliError> {
    logging::start(globals.verbose, globals.output.quiet);
    if let (Some(file), Some(Alert::Command(words))) =
        (&globals.settings.file, &globals.config.alert)
    {
        trust::confirm(file, &[format!("[alert] {}", words.join(" "))], args.trust)?;
    }
    runtime()?.block_on(serve(globals))
}

async fn serve(globals: &Globals) -> Result<(), CliError> {
    let stop = shutdown::on_signal().map_err(internal)?;
    let data = DataDir::prepare(&globals.config.data_dir)?;
    let mut server = compose::start(ServerSetup::of(&globals.config, data)?).await?;
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        problem = server.failed() => Some(problem),
    };
    server.stop().await;
    failure.map_or(Ok(()), |problem| Err(problem.into()))
}

/// The runtime of the long-running commands.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(internal)
}

pub(crate) fn internal(error: impl ToString) -> CliError {
    CliError::new("internal", error.to_string())
}

//! `server run`: a server in the foreground; SIGTERM and Ctrl-C end it in order. `server login`: a browser comes in.

use crate::address::with_code;
use crate::args::server::ServerRun;
use crate::compose::{self, Running, ServerSetup};
use crate::config::Alert;
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::Form;
use crate::{logging, report, shutdown, trust};
use std::io::IsTerminal;
use std::process::ExitCode;

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
    invite(&server, globals.output.quiet);
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        problem = server.failed() => Some(problem),
    };
    server.stop().await;
    failure.map_or(Ok(()), |problem| Err(problem.into()))
}

/// Says how a browser comes in. No data of this command, so not on stdout.
fn invite(server: &Running, quiet: bool) {
    // Logs are kept and read by others, so a code is for a terminal only.
    if !std::io::stderr().is_terminal() {
        tracing::info!("`warrener server login` prints an address for a browser");
    } else if !quiet && let Some(address) = server.login() {
        report::note(&format!(
            "For a browser, once, within ten minutes:\n  {address}"
        ));
    }
}

/// Prints an address that lets one browser in.
pub(crate) fn login(globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let made = server.ask(warrener_api::Client::login_code)?;
    let address = with_code(server.client.url(), &made.code);
    match globals.output.form {
        Form::Table => globals.output.line(&address)?,
        Form::Json | Form::Jsonl => {
            let life = made.expires_in_ms;
            let object = serde_json::json!({ "address": address, "expires_in_ms": life });
            globals.output.json(&object.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
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

//! `warrener dlq discard`.

use crate::args::dlq::Discard;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::DEAD_ACT;
use std::process::ExitCode;
use warrener_api::requests::DiscardRequest;

pub(crate) fn run(args: Discard, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&DEAD_ACT)?;
    let request = DiscardRequest {
        ids: (!args.which.ids.is_empty()).then_some(args.which.ids),
        filter: args.which.filter,
        fingerprint: args.which.fingerprint,
        rate: args.pace.rate,
        limit: args.pace.limit,
        dry_run: args.pace.dry_run,
        reason: args.reason,
    };
    let server = globals.server()?;
    if !request.dry_run {
        let dry = DiscardRequest {
            dry_run: true,
            ..request.clone()
        };
        let would = server.ask(|client| client.discard(&dry))?;
        super::done(&would)?;
        globals.confirm(&format!("discard {} dead letters?", would.done))?;
    }
    let answer = server.ask(|client| client.discard(&request))?;
    super::skipped(&answer, globals)?;
    globals.output.row(&DEAD_ACT, &answer)?;
    Ok(ExitCode::SUCCESS)
}

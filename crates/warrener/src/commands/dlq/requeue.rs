//! `warrener dlq requeue`.

use crate::args::dlq::Requeue;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::DEAD_ACT;
use std::process::ExitCode;
use warrener_api::requests::RequeueRequest;

pub(crate) fn run(args: Requeue, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&DEAD_ACT)?;
    let request = RequeueRequest {
        ids: (!args.which.ids.is_empty()).then_some(args.which.ids),
        filter: args.which.filter,
        fingerprint: args.which.fingerprint,
        rate: args.pace.rate,
        limit: args.pace.limit,
        dry_run: args.pace.dry_run,
        reset_attempts: !args.keep_attempts,
    };
    let answer = globals.server()?.ask(|client| client.requeue(&request))?;
    super::skipped(&answer, globals)?;
    globals.output.row(&DEAD_ACT, &answer)?;
    Ok(ExitCode::SUCCESS)
}

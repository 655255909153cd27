//! `warrener lane pause`.

use crate::args::lane::Reasoned;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::LANE;
use std::process::ExitCode;
use warrener_api::requests::PauseRequest;

pub(crate) fn run(args: Reasoned, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = PauseRequest {
        reason: args.reason,
    };
    let lane = globals
        .server()?
        .ask(|client| client.pause_lane(args.lane.as_str(), &request))?;
    globals.output.row(&LANE, &lane)?;
    Ok(ExitCode::SUCCESS)
}

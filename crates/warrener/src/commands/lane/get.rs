//! `warrener lane get`.

use crate::args::lane::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::LANE;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let lane = globals
        .server()?
        .ask(|client| client.lane(args.lane.as_str()))?;
    globals.output.object(&LANE, &lane)?;
    Ok(ExitCode::SUCCESS)
}

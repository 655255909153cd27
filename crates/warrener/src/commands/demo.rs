//! `demo`: the main job in about half a minute.

use super::server::runtime;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::{demo, logging};

pub(crate) fn run(globals: &Globals) -> Result<Exit, CliError> {
    logging::start(globals.verbose, globals.verbose == 0);
    let balanced = runtime()?.block_on(demo::run(&globals.output))?;
    Ok(if balanced { Exit::Ok } else { Exit::Failed })
}

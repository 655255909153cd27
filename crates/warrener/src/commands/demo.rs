//! `demo`: the main job in about half a minute.

use super::server::runtime;
use crate::args::server::Demo;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::{demo, logging};

pub(crate) fn run(args: &Demo, globals: &Globals) -> Result<Exit, CliError> {
    logging::start(globals.verbose, globals.verbose == 0);
    // Only what was typed: without it the demo is on the embedded broker, whatever is configured here.
    let config = args.broker.as_ref().map(|_| &globals.config);
    let balanced = runtime()?.block_on(demo::run(&globals.output, config))?;
    Ok(if balanced { Exit::Ok } else { Exit::Failed })
}

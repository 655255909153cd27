//! The `warrener` program: parse, run, report, exit code. What it does is in `commands`.

mod args;
mod commands;
mod globals;
mod output;
mod report;
mod view;
// The way to the server, and what ends a command early.
mod connect;
mod error;
mod interrupt;
mod spec;
// Everything that can be set.
mod config;
// What runs for long: a server, an agent, a team, the demo.
mod address;
mod agent_run;
mod alert;
mod compose;
mod data_dir;
mod demo;
mod link_end;
mod logging;
mod rabbit;
mod shutdown;
mod team;
mod tls;
mod tree;
mod trust;
// For `cargo xtask torture` only.
#[cfg(feature = "kill-points")]
mod kill_points;

use crate::error::{CliError, Exit};
use crate::report::Voice;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let json = args::wants_json(&line);
    let (result, no_color) = match args::parse(line) {
        Ok(cli) => (
            commands::run(cli.command, &cli.globals),
            cli.globals.no_color,
        ),
        Err(error) => (refused(&error, json), false),
    };
    result.unwrap_or_else(|error| {
        report::problem(&error, Voice::of(json, no_color));
        error.exit.into()
    })
}

/// What clap says: help and version go to stdout, mistakes to stderr.
fn refused(error: &clap::Error, json: bool) -> Result<ExitCode, CliError> {
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        let detail = first.strip_prefix("error: ").unwrap_or(first);
        return Err(CliError::new("usage", detail));
    }
    let exit = if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Ok
    };
    // A reader that went away is nobody to tell.
    _ = error.print();
    Ok(exit.into())
}

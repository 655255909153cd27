//! From the parsed command line to the file of the verb.

use crate::args::broker::Verb as BrokerVerb;
use crate::args::server::ServerVerb;
use crate::args::{Command, ConfigVerb, GlobalArgs, SpecVerb, agent::Verb};
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod agent;
mod breaker;
mod broker;
mod completions;
mod config;
mod demo;
mod dlq;
mod input;
mod lane;
mod listing;
mod run;
mod schedule;
mod server;
mod session;
mod spec;
mod state;
mod task;
mod up;
mod workflow;

pub(crate) use server::internal;

/// Runs a command.
///
/// # Errors
/// What it says.
pub(crate) fn run(command: Command, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    // These need no configuration, so a broken one does not stop them.
    match command {
        Command::Completions { shell } => return completions::run(shell, args),
        Command::Config(ConfigVerb::Schema) => return config::schema::run(args),
        Command::Workflow(ref verb) if workflow::is_offline(verb) => {
            return workflow::offline(verb, args);
        }
        Command::DemoStep { eye } => return Ok(ExitCode::from(crate::demo::step(eye))),
        Command::Guard { instance, folder } => {
            let guarded = crate::agent_run::be_guard(&instance, &folder);
            return guarded
                .map(|()| ExitCode::SUCCESS)
                .map_err(server::internal);
        }
        _ => {}
    }
    let flags = match &command {
        Command::Server(ServerVerb::Run(run)) => run.flags(),
        Command::Up(up) => up.server.flags(),
        Command::Demo(demo) => demo.flags(),
        Command::Agent(Verb::Run(run)) => run.flags(),
        Command::Broker(BrokerVerb::Check(check)) => check.flags(),
        _ => vec![],
    };
    let globals = &Globals::new(args, flags)?;
    match command {
        Command::Task(verb) => task::run(verb, globals),
        Command::Dlq(verb) => dlq::run(verb, globals),
        Command::Schedule(verb) => schedule::run(verb, globals),
        Command::Lane(verb) => lane::run(verb, globals),
        Command::Agent(verb) => agent::run(verb, globals),
        Command::Workflow(verb) => workflow::run(verb, globals),
        Command::State(verb) => state::run(verb, globals),
        Command::Breaker(verb) => breaker::run(verb, globals),
        Command::Session(verb) => session::run(verb, globals),
        Command::Broker(verb) => broker::run(&verb, globals),
        Command::Config(ConfigVerb::Show { origin }) => config::show::run(origin, globals),
        Command::Spec(SpecVerb::Openapi) => spec::openapi(globals),
        Command::Spec(SpecVerb::Asyncapi) => spec::asyncapi(globals),
        Command::Demo(args) => demo::run(&args, globals).map(Into::into),
        Command::Run(args) => run::run(args, globals),
        Command::Up(up) => up::run(&up, globals).map(|()| ExitCode::SUCCESS),
        Command::Server(ServerVerb::Login) => server::login(globals),
        Command::Server(ServerVerb::Run(run)) => {
            server::run(&run, globals).map(|()| ExitCode::SUCCESS)
        }
        Command::Config(ConfigVerb::Schema)
        | Command::Completions { .. }
        | Command::Guard { .. }
        | Command::DemoStep { .. } => unreachable!("handled above"),
    }
}

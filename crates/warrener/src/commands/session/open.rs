//! `warrener session open`; with `--wait` until it has ended.

use super::get;
use crate::args::session::Open;
use crate::commands::input;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::Form;
use crate::view::SESSION;
use std::process::ExitCode;
use warrener_api::session::SessionRequest;

pub(crate) fn run(args: Open, globals: &Globals) -> Result<ExitCode, CliError> {
    let output = &globals.output;
    output.check_fields(&SESSION)?;
    let wait = args.wait;
    let request = request(args)?;
    let server = globals.server()?;
    let session = server.ask(|client| client.open_session(&request))?;
    if wait {
        output.note(&format!("opened {}; waiting for its end", session.id));
        return get::wait(&server, session.id, globals);
    }
    match (output.form, &output.fields) {
        (Form::Table, None) => output.line(&session.id.to_string())?,
        _ => output.object(&SESSION, &session)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn request(args: Open) -> Result<SessionRequest, CliError> {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Ok(SessionRequest {
        topic: args.topic,
        question: args.question,
        options: args.options,
        context: args.context.as_ref().map(input::json).transpose()?,
        required: args.required,
        method: args.method,
        rounds: args.rounds,
        deadline_ms: args.deadline.map(millis),
        quorum: args.quorum,
        threshold: args.threshold,
        budget: args.budget,
        tie: args.tie,
        weigh_confidence: args.weigh_confidence.then_some(true),
        expertise: args.expertise,
        initiator: args.initiator,
        include_initiator: args.include_initiator.then_some(true),
    })
}

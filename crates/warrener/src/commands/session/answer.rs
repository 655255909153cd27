//! `warrener session answer`.

use crate::args::session::Answer;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SESSION;
use std::process::ExitCode;
use warrener_api::requests::SessionAnswerRequest;

pub(crate) fn run(args: Answer, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = SessionAnswerRequest {
        agent_id: args.agent,
        round: args.round,
        suggestion: args.suggestion,
        rationale: args.rationale,
        confidence: args.confidence,
        choice: args.choice,
        ranking: args.ranking,
        credits: args.credits.into_iter().collect(),
    };
    let server = globals.server()?;
    let session = server.ask(|client| client.answer_session(args.id, &request))?;
    globals.output.row(&SESSION, &session)?;
    Ok(ExitCode::SUCCESS)
}

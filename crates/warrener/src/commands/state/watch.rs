//! `warrener state watch`: changes as they come, over restarts of the server.

use crate::args::state::Watch;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::serialised;
use crate::view::STATE;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use warrener_api::client::ClientError;
use warrener_api::client::state::StateRange;

/// One question waits so long.
const WAIT: Duration = Duration::from_secs(30);
/// Between two questions while nobody answers.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn run(args: Watch, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&STATE)?;
    let (space, prefix) = (&args.space.space, args.prefix.as_deref());
    let server = globals.server()?;
    let mut after = match args.from {
        Some(cursor) => cursor,
        None => {
            let one = StateRange {
                limit: Some(1),
                ..StateRange::default()
            };
            server.ask(|client| client.states(space, &one))?.cursor
        }
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let until = globals.until();
        let rest = until.map_or(WAIT, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if rest.is_zero() {
            return Err(CliError::new("wait_timeout", "the watch has ended in time"));
        }
        let asked = server.ask(|client| {
            match client.watch_state(space, prefix, &after, rest.min(WAIT)) {
                // The server is being started again: the cursor is as good as before.
                Err(ClientError::Unreachable { .. } | ClientError::TimedOut { .. }) => Ok(None),
                Err(ClientError::Problem(problem)) if problem.status == 503 => Ok(None),
                answer => answer.map(Some),
            }
        })?;
        let Some(page) = asked else {
            std::thread::sleep(PAUSE);
            continue;
        };
        for change in page
            .items
            .iter()
            .take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            globals.output.line(&serialised(change)?)?;
            left -= 1;
        }
        after = page.cursor;
    }
    Ok(ExitCode::SUCCESS)
}

//! `warrener state lock`: takes a lock, waiting for it if asked, or keeps one.

use crate::args::state::Lock;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::LOCK;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use warrener_api::client::ClientError;
use warrener_api::requests::{LockRequest, RenewRequest};
use warrener_api::state::LockObject;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn run(args: &Lock, globals: &Globals) -> Result<ExitCode, CliError> {
    let lease_ms = u64::try_from(args.lease.as_millis()).unwrap_or(u64::MAX);
    let lock = match args.token {
        Some(token) => {
            let request = RenewRequest { token, lease_ms };
            let (space, key) = (&args.place.space, &args.place.key);
            globals
                .server()?
                .ask(|client| client.keep_lock(space, key, &request))?
        }
        None => take(args, lease_ms, globals)?,
    };
    globals.output.row(&LOCK, &lock)?;
    Ok(ExitCode::SUCCESS)
}

fn take(args: &Lock, lease_ms: u64, globals: &Globals) -> Result<LockObject, CliError> {
    let unnamed = || format!("cli-{:016x}", fastrand::u64(..));
    let holder = args.holder.clone().unwrap_or_else(unnamed);
    let request = LockRequest { holder, lease_ms };
    let (space, key) = (&args.place.space, &args.place.key);
    let end = args.wait.map(|wait| Instant::now() + wait);
    let server = globals.server()?;
    loop {
        let taken = server.ask(|client| match client.take_lock(space, key, &request) {
            Err(ClientError::Problem(problem))
                if problem.code == "locked" && end.is_some_and(|end| Instant::now() < end) =>
            {
                Ok(None)
            }
            taken => taken.map(Some),
        })?;
        match taken {
            Some(lock) => return Ok(lock),
            None => std::thread::sleep(PAUSE),
        }
    }
}

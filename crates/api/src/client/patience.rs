//! Waits for tasks longer than one request may, and over a restart of the server.
//!
//! Only reads are repeated. A server that never answered is not waited for.

use super::{Client, ClientError, Result};
use crate::requests::WaitRequest;
use crate::run::RunObject;
use crate::task::TaskObject;
use std::thread::sleep;
use std::time::{Duration, Instant};
use warrener_model::TaskId;
use warrener_model::id::RunId;

/// How long one request asks the server to wait.
const TURN: Duration = Duration::from_secs(30);
/// How long a server that answered before may be away.
const AWAY: Duration = Duration::from_secs(60);
/// The pause between two tries while it is away.
const PAUSE: Duration = Duration::from_millis(500);
/// The least time between two questions that brought nothing new.
const BREATH: Duration = Duration::from_millis(100);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Everything that was waited for has ended.
    Ended,
    /// The time is over first.
    TimeOver,
}

impl Client {
    /// Waits until these tasks have ended (with `any`: one of them), and shows each as it ends.
    ///
    /// # Errors
    /// As every request; a server that goes away for less than a minute is none.
    pub fn wait_all(
        &self,
        ids: &[TaskId],
        any: bool,
        until: Option<Instant>,
        mut show: impl FnMut(&TaskObject),
    ) -> Result<Waited> {
        let mut pending = ids.to_vec();
        let mut known = false;
        while !pending.is_empty() {
            let left = left(until);
            let request = WaitRequest {
                ids: pending,
                wait_ms: u64::try_from(left.min(TURN).as_millis()).unwrap_or(0),
                any: true,
            };
            let asked = Instant::now();
            let answer = patiently(&mut known, until, || self.wait(&request))?;
            answer.done.iter().for_each(&mut show);
            pending = answer.pending;
            if any && !answer.done.is_empty() {
                return Ok(Waited::Ended);
            }
            if !pending.is_empty() && left.is_zero() {
                return Ok(Waited::TimeOver);
            }
            if answer.done.is_empty() {
                breathe(asked, left);
            }
        }
        Ok(Waited::Ended)
    }

    /// Waits until this task has ended, or the time is over, and gives it as it is then, with its bodies.
    ///
    /// # Errors
    /// As every request; a server that goes away for less than a minute is none.
    pub fn wait_one(&self, id: TaskId, until: Option<Instant>) -> Result<TaskObject> {
        let mut known = false;
        loop {
            let left = left(until);
            let asked = Instant::now();
            let task = patiently(&mut known, until, || self.task(id, Some(left.min(TURN))))?;
            if task.is_final || left.is_zero() {
                return Ok(task);
            }
            breathe(asked, left);
        }
    }

    /// Follows this run until it is over, or the time is; shows it whenever something of it changed, and gives it as it is
    /// then.
    ///
    /// # Errors
    /// As every request; a server that goes away for less than a minute is none.
    pub fn follow_run(
        &self,
        id: RunId,
        until: Option<Instant>,
        mut show: impl FnMut(&RunObject),
    ) -> Result<RunObject> {
        let mut known = false;
        loop {
            let left = left(until);
            let asked = Instant::now();
            let run = patiently(&mut known, until, || self.run(id, Some(left.min(TURN))))?;
            show(&run);
            if run.is_final || left.is_zero() {
                return Ok(run);
            }
            breathe(asked, left);
        }
    }
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(TURN, |until| {
        until.saturating_duration_since(Instant::now())
    })
}

/// A server that does not wait as it was asked to is not asked in a circle.
fn breathe(asked: Instant, left: Duration) {
    sleep(BREATH.saturating_sub(asked.elapsed()).min(left));
}

/// Repeats a read while a server that is `known` to exist is away or has no room.
fn patiently<T>(
    known: &mut bool,
    until: Option<Instant>,
    read: impl Fn() -> Result<T>,
) -> Result<T> {
    let since = Instant::now();
    loop {
        match read() {
            Err(error) if *known && passes(&error) => {
                if since.elapsed() > AWAY || left(until).is_zero() {
                    return Err(error);
                }
                sleep(PAUSE);
            }
            other => {
                *known |= other.is_ok();
                return other;
            }
        }
    }
}

/// Whether an error goes away by itself.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::TimedOut { .. } => true,
        ClientError::Problem(problem) => matches!(problem.status, 429 | 503),
        ClientError::Address { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Unreadable { .. } => false,
    }
}

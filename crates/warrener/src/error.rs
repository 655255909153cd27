//! What can go wrong on the command line: always a problem with a code, and the exit code that follows from it.

use std::fmt;
use std::process::ExitCode;
use warrener_api::Problem;
use warrener_api::client::ClientError;
use warrener_model::Mistake;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command is not right.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// Not allowed.
    NotAllowed = 4,
    /// The state, a version or a key stands in the way.
    Conflict = 5,
    /// A check found something.
    Findings = 6,
    /// No server, or a server without its store or broker.
    Unreachable = 7,
    /// The task failed.
    TaskFailed = 10,
    /// The task was cancelled.
    TaskCancelled = 11,
    /// The task died or expired.
    TaskDead = 12,
    /// The time is over.
    Timeout = 124,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The exit code that a problem's code means.
    pub(crate) fn of(code: &str) -> Exit {
        match code {
            "usage" | "bad_request" | "filter_invalid" | "cursor_invalid" | "invalid"
            | "too_large" | "config_invalid" => Exit::Usage,
            "not_found" => Exit::NotFound,
            "unauthenticated" | "not_allowed" | "broker_refused" => Exit::NotAllowed,
            "idempotency_conflict"
            | "illegal_state"
            | "version_conflict"
            | "locked"
            | "lock_lost"
            | "not_waiting"
            | "data_dir_taken"
            | "namespace_taken"
            | "broker_unusable" => Exit::Conflict,
            "server_unreachable" | "server_untrusted" | "broker_unreachable"
            | "broker_untrusted" | "unavailable" | "draining" => Exit::Unreachable,
            "workflow_invalid" => Exit::Findings,
            "wait_timeout" => Exit::Timeout,
            "interrupted" => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    /// The exit code that a final state means; a state of a later server is a failure.
    pub(crate) fn of_state(state: &str) -> Exit {
        match state {
            "succeeded" => Exit::Ok,
            "cancelled" => Exit::TaskCancelled,
            "dead" | "expired" => Exit::TaskDead,
            _ => Exit::TaskFailed,
        }
    }

    /// Which of two ends of tasks is told: dead or expired before failed before cancelled.
    pub(crate) fn worse(self, other: Exit) -> Exit {
        let rank = |exit| match exit {
            Exit::Ok => 0,
            Exit::TaskCancelled => 1,
            Exit::TaskFailed => 2,
            _ => 3,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What is told; nothing when the reader of our output is gone.
    pub(crate) problem: Option<Problem>,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl CliError {
    /// A problem with this code, and what happened.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// The reader of our output is gone: nobody to tell, nothing wrong.
    pub(crate) fn silent() -> Self {
        CliError {
            problem: None,
            exit: Exit::Ok,
        }
    }

    /// The same with what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.map(|problem| problem.hint(hint))
    }

    /// The same with mistakes, each at its place.
    pub(crate) fn mistakes(self, mistakes: Vec<Mistake>) -> Self {
        self.map(|problem| problem.mistakes(mistakes))
    }

    /// The same with another exit code.
    pub(crate) fn exit(self, exit: Exit) -> Self {
        CliError { exit, ..self }
    }

    fn map(mut self, change: impl FnOnce(Problem) -> Problem) -> Self {
        self.problem = self.problem.map(change);
        self
    }

    /// What a client says; `found` is where the server's address came from.
    pub(crate) fn of_client(error: ClientError, found: &str) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Problem(problem) => problem.into(),
            ClientError::Unreachable { url, reason } => CliError::new(
                "server_unreachable",
                format!("no server answers at {url} ({found}): {reason}"),
            )
            .hint(
                "start one with `warrener up` or `warrener server run`, or name another with --server URL",
            ),
            ClientError::Untrusted { url, reason } => {
                let detail = format!("the server at {url} ({found}) cannot be trusted: {reason}");
                CliError::new("server_untrusted", detail)
            }
            ClientError::TimedOut { .. } => CliError::new("wait_timeout", text)
                .hint("give it longer with --timeout 5m; what the server accepted goes on"),
            ClientError::Address { .. } => CliError::new("usage", format!("{text} ({found})"))
                .hint("give an address such as --server http://127.0.0.1:7766"),
            ClientError::Unreadable { .. } => {
                CliError::new("server_unreachable", format!("{text} ({found})"))
                    .hint("check that this is the address of a Warrener server")
            }
            _ => CliError::new("internal", text),
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        let exit = match Exit::of(&problem.code) {
            // A code of a later server: its status says as much.
            Exit::Failed => match problem.status {
                400 | 413 | 422 => Exit::Usage,
                401 | 403 => Exit::NotAllowed,
                404 => Exit::NotFound,
                409 | 412 => Exit::Conflict,
                _ => Exit::Failed,
            },
            exit => exit,
        };
        CliError {
            problem: Some(problem),
            exit,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => problem.fmt(f),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_of_a_task_is_told() {
        use Exit::{Ok, TaskCancelled, TaskDead, TaskFailed};
        assert_eq!(TaskCancelled.worse(TaskFailed), TaskFailed);
        assert_eq!(TaskDead.worse(TaskFailed), TaskDead);
        assert_eq!(Ok.worse(TaskCancelled), TaskCancelled);
        assert_eq!(Exit::of_state("expired"), TaskDead);
        assert_eq!(Exit::of_state("levitated"), TaskFailed);
    }

    #[test]
    fn a_problem_of_a_later_server_keeps_the_meaning_of_its_status() {
        let problem = |code, status| {
            let mut problem = Problem::default();
            problem.status = status;
            problem.code = String::from(code);
            problem
        };
        for (code, status, exit) in [
            ("not_found", 404, Exit::NotFound),
            ("gone_fishing", 404, Exit::NotFound),
            ("if_match", 412, Exit::Conflict),
            ("overloaded", 503, Exit::Failed),
            ("draining", 503, Exit::Unreachable),
        ] {
            assert_eq!(CliError::from(problem(code, status)).exit, exit, "{code}");
        }
    }
}

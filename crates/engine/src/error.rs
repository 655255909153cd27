//! What the orchestrator answers instead of a result: variants by what the caller can do, each with its code.

use warrener_backend as backend;
use warrener_model::filter::FilterError;
use warrener_model::id::RunId;
use warrener_model::life::State;
use warrener_model::run::RunState;
use warrener_model::schedule::Work;
use warrener_model::session::Refused as NoAnswer;
use warrener_model::state::Refusal;
use warrener_model::{Mistake, SessionId, TaskId};

/// The result of every call on the orchestrator.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request breaks rules: all of them, with their places.
    #[error("the request has {} mistake(s)", .0.len())]
    Invalid(Vec<Mistake>),
    /// Over a limit that counts before anything is read.
    #[error("too large: {0}")]
    TooLarge(String),
    /// A filter that is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A cursor of another list, or none of ours.
    #[error("this cursor does not belong to this list")]
    Cursor,
    /// No such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What sort of thing.
        what: &'static str,
        /// Its id or name.
        id: String,
    },
    /// The idempotency key belongs to another request.
    #[error("this idempotency key belongs to another request, which made task {0}")]
    KeyTaken(TaskId),
    /// The task is in a state that does not allow it.
    #[error("task {task} is {state}: {action} is not possible")]
    IllegalState {
        /// The task.
        task: TaskId,
        /// Its state.
        state: State,
        /// What was wanted.
        action: &'static str,
    },
    /// The run is in a state that does not allow it.
    #[error("run {run} is {state}: {action} is not possible")]
    RunOver {
        /// The run.
        run: RunId,
        /// Its state.
        state: RunState,
        /// What was wanted.
        action: &'static str,
    },
    /// The task waits for no act of a person.
    #[error("task {task} is {state}: it does not wait for anybody")]
    NotWaiting {
        /// The task.
        task: TaskId,
        /// Its state.
        state: State,
    },
    /// A run may not do this with its token.
    #[error("{what}")]
    NotAllowed {
        /// What, and why not.
        what: String,
        /// What would let it.
        hint: String,
    },
    /// The attempt that a task token was made for is over, and the token with it.
    #[error("the token of task {task} was for epoch {epoch}, which is over: {why}")]
    AttemptOver {
        /// The task.
        task: TaskId,
        /// The epoch of the token.
        epoch: u64,
        /// Where the task is now.
        why: String,
    },
    /// Somebody else changed it again and again.
    #[error("task {0} changed too often meanwhile")]
    Contended(TaskId),
    /// A session changed again and again.
    #[error("session {0} changed too often meanwhile")]
    ContendedSession(SessionId),
    /// The session has ended.
    #[error("session {session} is {state}: it has ended")]
    SessionOver {
        /// The session.
        session: SessionId,
        /// Its state.
        state: &'static str,
    },
    /// The session does not take this answer.
    #[error("session {session}: {why}")]
    Answer {
        /// The session.
        session: SessionId,
        /// Why not.
        why: NoAnswer,
    },
    /// What is stored of shared state does not allow it.
    #[error("{}", told(subject, why))]
    State {
        /// The space and key.
        subject: String,
        /// Why not.
        why: Refusal,
    },
    /// A schedule of this name is there.
    #[error("there is a schedule {0} already")]
    ScheduleExists(String),
    /// What a schedule started last has not ended, and its overlap policy is to skip.
    #[error("schedule {schedule} skips what overlaps, and its {work} has not ended")]
    ScheduleBusy {
        /// The schedule.
        schedule: String,
        /// What has not ended.
        work: Work,
    },
    /// Somebody else changed it again and again.
    #[error("schedule {0} changed too often meanwhile")]
    ScheduleChanged(String),
    /// Too much at once: later.
    #[error("too many requests at once")]
    Overloaded,
    /// Shutting down: elsewhere, or later.
    #[error("this server is draining")]
    Draining,
    /// Store or broker.
    #[error(transparent)]
    Backend(#[from] backend::Error),
}

impl Error {
    /// The code that every surface shows (docs/errors/).
    pub fn code(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "invalid",
            Error::TooLarge(_) => "too_large",
            Error::Filter(_) => "filter_invalid",
            Error::Cursor => "cursor_invalid",
            Error::NotFound { .. } => "not_found",
            Error::KeyTaken(_) => "idempotency_conflict",
            Error::IllegalState { .. } | Error::RunOver { .. } => "illegal_state",
            Error::NotWaiting { .. } => "not_waiting",
            Error::NotAllowed { .. } => "not_allowed",
            Error::AttemptOver { .. } => "unauthenticated",
            Error::SessionOver { .. } => "illegal_state",
            Error::Answer { why, .. } => match why {
                NoAnswer::NotInvited => "not_allowed",
                NoAnswer::Invalid(_) => "invalid",
                NoAnswer::Late | NoAnswer::NoRound | NoAnswer::Duplicate => "illegal_state",
            },
            Error::Contended(_) | Error::ScheduleChanged(_) | Error::ContendedSession(_) => {
                "version_conflict"
            }
            Error::State { why, .. } => match why {
                Refusal::Version(_) => "version_conflict",
                Refusal::Request(_) => "idempotency_conflict",
                Refusal::Absent => "not_found",
                Refusal::Held { .. } => "locked",
                Refusal::Fenced(_) | Refusal::NotHeld => "lock_lost",
                Refusal::Forgotten => "cursor_invalid",
                Refusal::TooMany(_) | Refusal::TooLarge(_) => "too_large",
            },
            Error::ScheduleExists(_) => "name_taken",
            Error::ScheduleBusy { .. } => "illegal_state",
            Error::Overloaded => "overloaded",
            Error::Draining => "draining",
            Error::Backend(backend::Error::NotAllowed(_)) => "not_allowed",
            Error::Backend(backend::Error::Invalid(_)) => "bad_request",
            Error::Backend(backend::Error::Overloaded(_)) => "overloaded",
            Error::Backend(e) if e.is_passing() => "unavailable",
            Error::Backend(_) => "internal",
        }
    }

    pub(crate) fn no_task(id: TaskId) -> Self {
        Error::NotFound {
            what: "task",
            id: id.to_string(),
        }
    }
}

/// A refusal in words.
fn told(subject: &str, why: &Refusal) -> String {
    match why {
        Refusal::Version(0) => format!("{subject} has no value"),
        Refusal::Version(version) => format!("{subject} is at version {version}"),
        Refusal::Request(version) => {
            format!(
                "the id of this request belongs to another write, which made version {version} of {subject}"
            )
        }
        Refusal::Absent => format!("there is no value at {subject}"),
        Refusal::Fenced(token) => {
            format!("{subject} is guarded by a lock whose newest token is {token}")
        }
        Refusal::Held { holder, until } => format!("{subject} is locked by {holder} until {until}"),
        Refusal::NotHeld => format!("the lock {subject} is not held under this token"),
        Refusal::Forgotten => {
            "this cursor is not of this store, or older than what it keeps".into()
        }
        Refusal::TooMany(most) => {
            format!("more than {most} keys of {subject} would change at once")
        }
        Refusal::TooLarge(most) => {
            format!("more than {most} bytes of {subject} would be written at once")
        }
    }
}

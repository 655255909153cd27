//! The store port: what happened, durably. A change is atomic and guarded; a batch of changes shares one flush.

use crate::error::Result;
use crate::notice::NoticeOp;
use crate::query::{Query, Rows};
use crate::refused::RefusedMessage;
use crate::run::RunOp;
use crate::schedule::ScheduleOp;
use crate::session::SessionOp;
use crate::state::{StateOp, Stated};
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use warrener_model::Timestamp;
use warrener_model::agent::Agent;
use warrener_model::event::{Cursor, NewEvent, TaskEvent};
use warrener_model::id::{StoreId, TaskId};
use warrener_model::json::Json;
use warrener_model::life::Life;
use warrener_model::name::{AgentId, Lane};
use warrener_model::session::Session;
use warrener_model::state::Refusal;
use warrener_model::task::{Progress, Task, TaskError, Usage};

/// What one change does; all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// In order.
    pub ops: Vec<Op>,
}

impl From<Op> for Change {
    fn from(op: Op) -> Self {
        Change { ops: vec![op] }
    }
}

/// One row of a change.
#[derive(Clone, Debug)]
pub enum Op {
    /// Inserts a task. With a key that is taken: by the same request, nothing happens and the answer names the
    /// existing task; by another one, the change is refused.
    Accept(Box<Accept>),
    /// Moves a task, if its row still has this version and lease; with a row of history the version grows by one.
    Move(Box<Move>),
    /// Writes how far a running attempt is, if this is still its epoch; otherwise nothing. No new version.
    Progress {
        /// The task.
        task: TaskId,
        /// The grant.
        epoch: u64,
        /// How far.
        progress: Progress,
    },
    /// Appends to the log of an attempt; what is over the limit of an attempt replaces what is oldest in its second half.
    Log(LogChunk),
    /// Writes an agent as it is now.
    Agent(Box<Agent>),
    /// Forgets an agent; nothing where it is not known.
    Forget(AgentId),
    /// Writes the settings of a lane.
    Lane(LaneSettings),
    /// Keeps a message that was refused; of more than [`warrener_model::limits::REFUSED_ROWS`] the oldest go.
    Refused(Box<RefusedMessage>),
    /// Changes what somebody has to be told.
    Notice(NoticeOp),
    /// Writes a session.
    Session(SessionOp),
    /// Changes a run of a workflow.
    Run(RunOp),
    /// Changes shared state.
    State(StateOp),
    /// Changes a schedule.
    Schedule(Box<ScheduleOp>),
}

/// See [`Op::Accept`].
#[derive(Clone, Debug)]
pub struct Accept {
    /// The task; its version is 1.
    pub task: Task,
    /// The idempotency key of the request.
    pub key: Option<Key>,
    /// The first row of its history.
    pub event: NewEvent,
    /// The session it waits for; written with it, and not if the task is there already.
    pub session: Option<Box<Session>>,
}

/// An idempotency key, with a digest of the request that it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub key: String,
    /// SHA-256 of the request.
    pub digest: [u8; 32],
}

/// See [`Op::Move`].
#[derive(Clone, Debug)]
pub struct Move {
    /// The task.
    pub task: TaskId,
    /// The version that the row must have.
    pub version: u64,
    /// The `lease_seq` that the row must have: renewals make no version, yet a decision on an older lease must not win.
    pub lease_seq: u64,
    /// Its new life.
    pub life: Life,
    /// The row of history; none for renewals, and then the version stays.
    pub event: Option<NewEvent>,
    /// What the attempt that ended leaves, if one ended.
    pub ending: Option<Ending>,
    /// A new input (an operator's retry).
    pub input: Option<Json>,
}

/// What an attempt leaves. Clears the progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// The result.
    pub output: Option<Json>,
    /// The failure.
    pub error: Option<TaskError>,
    /// What it used.
    pub usage: Option<Usage>,
}

/// A piece of the log of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// `stderr`, or `warrener` for what the server has to say.
    pub stream: String,
    /// The text, as it came: pieces may end within a line.
    pub text: String,
}

/// What is set for a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    /// The lane.
    pub lane: Lane,
    /// Nothing of it is started.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What became of one change.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// All of it is durable. For each `Accept`, in order: the task, and whether it was there before.
    Done {
        /// One entry an `Accept`.
        accepted: Vec<Accepted>,
        /// One entry a change to shared state.
        stated: Vec<Stated>,
    },
    /// A row did not have the version that was expected: read again, decide again. Nothing of the change happened.
    Conflict,
    /// What is stored does not allow a change to shared state. Nothing of the change happened.
    Refused(Refusal),
    /// A key belongs to another request. Nothing of the change happened.
    KeyTaken {
        /// Which `Accept` of the change, from 0.
        index: usize,
        /// The task that has the key.
        task: TaskId,
    },
}

/// What became of one `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The task.
    pub task: TaskId,
    /// It was there before, under the same key and request.
    pub existing: bool,
}

/// What to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Tasks that ended before this, but dead ones; and sessions.
    pub finished_before: Timestamp,
    /// Dead tasks that ended before this.
    pub dead_before: Timestamp,
    /// Keys whose task is gone and that are older than this.
    pub keys_before: Timestamp,
    /// At most so many tasks in this call.
    pub limit: usize,
}

/// The port. Every method may be called from many tasks at once; reads never wait for writes.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Made once, when the store was made.
    fn id(&self) -> StoreId;

    /// Does each change by itself, all of it or nothing, in order; after this every `Done` is durable. Callers at the
    /// same time share a flush.
    ///
    /// # Errors
    /// `Unavailable`, `NoRoom` (nothing of any change happened), `Damaged`. After `Unavailable` each change may or may
    /// not have happened: read before deciding again.
    ///
    /// # Cancel safety
    /// When dropped, each change may or may not happen.
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Committed>>;

    /// Tasks by id, in the order asked, each as the newest commit left it.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>>;

    /// Everything else that can be asked.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`, `Invalid` (a cursor of another query).
    async fn query(&self, query: Query) -> Result<Rows>;

    /// History after a cursor, oldest first, of one task or of all: never skips a row that can still appear.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn events(
        &self,
        after: Cursor,
        task: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskEvent>>;

    /// Wakes whenever something was committed: a hint, may come late or too often. The value is the newest cursor.
    fn changed(&self) -> watch::Receiver<Cursor>;

    /// The store's clock: the one that every stored time is from.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn now(&self) -> Result<Timestamp>;

    /// Forgets old tasks with their history and logs. Says how many tasks went; call again while it is the limit.
    ///
    /// # Errors
    /// `Unavailable`, `NoRoom`.
    async fn purge(&self, purge: Purge) -> Result<usize>;

    /// Waits for what was handed over, then lets go of the files. Later calls answer `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` when it does not end within the time.
    async fn close(&self, within: Duration) -> Result<()>;
}

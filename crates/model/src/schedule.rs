//! Schedules: work that is submitted again and again, or once, at times that are known before.
//!
//! A slot is a moment at which a schedule is due. [`when`] says which there are, [`fire`] what becomes of those that came,
//! [`request`] reads what users ask for. A row moves from version to version, and the one that starts something for a
//! slot is committed together with it: so each slot starts at most one, however many servers look at the row.

use crate::id::{RunId, TaskId};
use crate::name::ScheduleName;
use crate::submission::Submission;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

pub mod fire;
pub mod request;
pub mod when;
pub use fire::{Busy, Decision, Firing, Outcome};
pub use request::ScheduleRequest;
pub use when::When;

/// Slots that may wait for their turn, and that may be caught up with: more would be a flood, not a schedule.
pub const SLOTS_WAITING: usize = 1_000;
/// Slots caught up with unless the schedule says otherwise.
pub const CATCH_UP: usize = 100;
/// A slot that is later than this was missed, unless the schedule says otherwise: a server restarts within it.
pub const LATE: Duration = Duration::from_secs(10);
/// The shortest interval.
pub const EVERY_MIN: Duration = Duration::from_millis(100);
/// The slots that a schedule shows in advance.
pub const SHOWN: usize = 5;
/// Firings kept of each schedule; the oldest go.
pub const FIRINGS_KEPT: u64 = 1_000;
/// Schedules of a store: each is looked at by itself.
pub const SCHEDULES: usize = 10_000;

/// What becomes of a slot while what the last one started has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The slot is left out.
    #[default]
    Skip,
    /// It waits for the end of the other.
    Queue,
    /// The other is cancelled.
    Cancel,
}

/// What becomes of slots that were missed: no server was there, or its clock jumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The newest of them is made up for, unless another slot is due on time anyway.
    #[default]
    Last,
    /// All are made up for, up to [`Schedule::catch_up_max`]; of more the oldest are left out.
    All,
}

macro_rules! words {
    ($type:ident, $($word:literal => $variant:ident),*) => {
        impl $type {
            /// The name used in JSON and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),* }
            }
        }
    };
}
words!(Overlap, "skip" => Skip, "queue" => Queue, "cancel" => Cancel);
words!(CatchUp, "none" => None, "last" => Last, "all" => All);

/// What a schedule starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A task of its own for each slot.
    Task(Box<Submission>),
    /// A run of its own for each slot.
    Workflow(Flow),
}

/// A workflow, with what each run of it is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Its text; whoever keeps the schedule reads it before.
    pub file: String,
    /// Values for its inputs.
    pub inputs: serde_json::Map<String, serde_json::Value>,
}

/// What a slot started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A task.
    Task(TaskId),
    /// A run of a workflow.
    Run(RunId),
}

impl Work {
    /// The task, if it is one.
    pub fn task(self) -> Option<TaskId> {
        match self {
            Work::Task(id) => Some(id),
            Work::Run(_) => None,
        }
    }

    /// The run, if it is one.
    pub fn run(self) -> Option<RunId> {
        match self {
            Work::Run(id) => Some(id),
            Work::Task(_) => None,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Task(id) => write!(f, "task {id}"),
            Work::Run(id) => write!(f, "run {id}"),
        }
    }
}

/// Why a slot came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its time.
    Time,
    /// A person, who asked for it now.
    Hand,
}

impl Cause {
    /// The name used in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Time => "time",
            Cause::Hand => "hand",
        }
    }
}

/// A moment at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
}

/// A schedule as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name; there is one of it in a store.
    pub name: ScheduleName,
    /// When it was made: with the name, which one it is.
    pub created_at: Timestamp,
    /// Grows with each change: whoever changes a row says which one it read.
    pub version: u64,
    /// When it is due.
    pub when: When,
    /// See [`Overlap`].
    pub overlap: Overlap,
    /// See [`CatchUp`].
    pub catch_up: CatchUp,
    /// At most so many slots are made up for.
    pub catch_up_max: usize,
    /// A slot that is later than this was missed.
    pub late: Duration,
    /// What it starts.
    pub target: Target,
    /// Since when it is paused.
    pub paused_since: Option<Timestamp>,
    /// Slots up to here are done with, whatever became of them.
    pub done_until: Timestamp,
    /// The slot that is due next; none if there is no other.
    pub next: Option<Timestamp>,
    /// Slots that wait for the end of what was started last, oldest first.
    pub waiting: VecDeque<Slot>,
    /// The slot that started something last.
    pub last_slot: Option<Timestamp>,
    /// What that was.
    pub last: Option<Work>,
}

impl Schedule {
    /// When somebody has to look at it; none while it is paused or over.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.next.filter(|_| self.paused_since.is_none())
    }

    /// Whether a slot waits for the end of the last task.
    pub fn waits(&self) -> bool {
        self.paused_since.is_none() && !self.waiting.is_empty()
    }

    /// The next slots, as far as they are shown.
    pub fn upcoming(&self) -> Vec<Timestamp> {
        let next = |at: &Timestamp| self.when.after(*at);
        std::iter::successors(self.next, next).take(SHOWN).collect()
    }

    /// Nothing is started from here on; what runs goes on, what waits goes on waiting.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Schedule {
        Schedule {
            paused_since: self.paused_since.or(Some(now)),
            ..self.clone()
        }
    }

    /// It is started from again; slots of the time of the pause are gone.
    #[must_use]
    pub fn resume(&self, now: Timestamp) -> Schedule {
        if self.paused_since.is_none() {
            return self.clone();
        }
        let done_until = self.done_until.max(now);
        Schedule {
            paused_since: None,
            done_until,
            next: self.when.after(done_until),
            ..self.clone()
        }
    }
}

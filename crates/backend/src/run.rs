//! Runs of workflows as a store holds them: what can be changed of them, and asked.

use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::Store;
use warrener_model::Timestamp;
use warrener_model::id::{RunId, TaskId};
use warrener_model::json::Json;
use warrener_model::life::State;
use warrener_model::run::{Run, RunHead, RunState, StepRow};

/// One row of a change to a run.
#[derive(Clone, Debug)]
pub enum RunOp {
    /// Inserts a run with all its steps. An id that is there already is a conflict.
    Insert(Box<Run>, Vec<StepRow>),
    /// Writes what changes of a run, if its row still has the version before this one.
    Save(Box<RunHead>),
    /// Writes a step; its counts of tasks over and failed only where it had no task before. The version of its run guards it.
    Step(RunId, Box<StepRow>),
    /// Counts tasks of a step that are over, or open again.
    Count(Tally),
    /// These tasks are all of a step's, in the order of its items.
    Children {
        /// The run.
        run: RunId,
        /// The place of the step.
        step: u32,
        /// In order.
        tasks: Vec<TaskId>,
    },
}

/// See [`RunOp::Count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The run.
    pub run: RunId,
    /// The place of the step.
    pub step: u32,
    /// So many more are over.
    pub done: i32,
    /// So many more of these did not succeed.
    pub failed: i32,
    /// Whether all of them were over before: the change is a conflict if that is not how it is.
    pub over: bool,
    /// Whether all of them are over then, and how many of them did not succeed: the change is a conflict if that is not how
    /// it is, since somebody decided on it.
    pub last: Option<u32>,
}

/// A question about runs.
#[derive(Clone, Debug)]
pub enum RunQuery {
    /// One run, and all its steps.
    Whole(RunId),
    /// What changes of a run, and some of its steps, in order.
    Part(RunId, Vec<u32>),
    /// Where the runs are that are asked for, newest first; without their files and outputs.
    List {
        /// Only these; all if there are none.
        states: Vec<RunState>,
        /// Only those before this one.
        before: Option<(Timestamp, RunId)>,
        /// At most so many.
        limit: usize,
    },
    /// The tasks of a step, in the order of its items, with their outputs or without.
    Children {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
        /// With them.
        outputs: bool,
    },
    /// How many bytes the outputs of a step's tasks have together.
    OutputBytes(RunId, u32),
    /// Tasks of a run that are not over; some of them.
    Open {
        /// The run.
        run: RunId,
        /// At most so many.
        limit: usize,
    },
    /// Runs that were cancelled and are not over.
    Cancelling,
    /// Runs that are done in the place of a task, where one of the two is over and the other is not: some of them.
    Parted {
        /// At most so many.
        limit: usize,
    },
    /// How many of its tasks are open, and how many of these are parked.
    Parked(RunId),
}

/// An answer to a [`RunQuery`].
#[derive(Clone, Debug)]
pub enum RunRows {
    /// To `Whole`.
    Whole(Option<Box<(Run, Vec<StepRow>)>>),
    /// To `Part`.
    Part(Option<Box<(RunHead, Vec<StepRow>)>>),
    /// To `List`.
    List(Vec<Run>),
    /// To `Children`.
    Children(Vec<Child>),
    /// To `OutputBytes`.
    Bytes(u64),
    /// To `Open`.
    Open(Vec<TaskId>),
    /// To `Cancelling`.
    Cancelling(Vec<RunHead>),
    /// To `Parked`.
    Parked(Waiting),
    /// To `Parted`.
    Parted(Vec<Parted>),
}

/// A task and the run that is done in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Parted {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub state: State,
    /// The newest of its grants.
    pub epoch: u64,
    /// The run.
    pub run: RunHead,
}

/// How many tasks of a run are not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In all.
    pub open: u64,
    /// Of these, those that wait for a person.
    pub parked: u64,
}

/// A task of a step, as far as later steps see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub state: State,
    /// Its result.
    pub output: Option<Json>,
    /// The message of its failure.
    pub error: Option<String>,
}

macro_rules! ask {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $query:expr => $variant:ident),* $(,)?) => {
        /// [`Store::query`] with the types of each question about runs; all errors are those of `query`.
        impl dyn Store {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See [`Store::query`].
                pub async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                    match self.query(Query::Run($query)).await? {
                        Rows::Run(RunRows::$variant(rows)) => Ok(rows),
                        other => unreachable!("a store answered {other:?} to {}", stringify!($name)),
                    }
                }
            )*
        }
    };
}

ask! {
    /// [`RunQuery::Whole`].
    run_whole(run: RunId) -> Option<Box<(Run, Vec<StepRow>)>> = RunQuery::Whole(run) => Whole,
    /// [`RunQuery::Part`].
    run_part(run: RunId, steps: Vec<u32>) -> Option<Box<(RunHead, Vec<StepRow>)>> = RunQuery::Part(run, steps) => Part,
    /// [`RunQuery::List`].
    runs(states: Vec<RunState>, before: Option<(Timestamp, RunId)>, limit: usize) -> Vec<Run> = RunQuery::List { states, before, limit } => List,
    /// [`RunQuery::Children`].
    run_children(run: RunId, step: u32, outputs: bool) -> Vec<Child> = RunQuery::Children { run, step, outputs } => Children,
    /// [`RunQuery::OutputBytes`].
    run_output_bytes(run: RunId, step: u32) -> u64 = RunQuery::OutputBytes(run, step) => Bytes,
    /// [`RunQuery::Open`].
    run_open(run: RunId, limit: usize) -> Vec<TaskId> = RunQuery::Open { run, limit } => Open,
    /// [`RunQuery::Cancelling`].
    runs_cancelling() -> Vec<RunHead> = RunQuery::Cancelling => Cancelling,
    /// [`RunQuery::Parted`].
    runs_parted(limit: usize) -> Vec<Parted> = RunQuery::Parted { limit } => Parted,
    /// [`RunQuery::Parked`].
    run_parked(run: RunId) -> Waiting = RunQuery::Parked(run) => Parked,
}

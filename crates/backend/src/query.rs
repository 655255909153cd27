//! What can be asked of a store, and what it answers; with typed helpers on `dyn Store`.

use crate::error::Result;
use crate::notice::{Notice, NoticeQuery};
use crate::refused::RefusedRow;
use crate::run::{RunQuery, RunRows};
use crate::schedule::{FiringRow, ScheduleQuery};
use crate::session::SessionQuery;
use crate::state::{StateQuery, StateRows};
use crate::store::{LaneSettings, LogChunk, Store};
use warrener_model::agent::{Agent, Who};
use warrener_model::filter::Filter;
use warrener_model::id::{ClaimId, TaskId};
use warrener_model::life::State;
use warrener_model::name::{AgentId, Kind, Lane};
use warrener_model::schedule::Schedule;
use warrener_model::session::Session;
use warrener_model::task::{Task, TaskError};
use warrener_model::{Class, Timestamp};

/// A question.
#[derive(Clone, Debug)]
pub enum Query {
    /// A page of tasks.
    List(List),
    /// The tasks of a lane that may start, best first: priority, then how long they have been ready, then id. With
    /// bodies. Not those that are offered.
    Ready {
        /// The lane.
        lane: Lane,
        /// Not these kinds (nobody there runs them).
        except: Vec<Kind>,
        /// At most so many.
        limit: usize,
    },
    /// Every running task's lease.
    Held,
    /// Tasks without bodies one of whose timers is due, most overdue first.
    Due {
        /// The store's clock.
        now: Timestamp,
        /// At most so many.
        limit: usize,
    },
    /// When the next timer is due.
    NextDue,
    /// Ready tasks without bodies that were offered before this.
    OfferedBefore {
        /// The limit.
        before: Timestamp,
        /// At most so many.
        limit: usize,
    },
    /// How many offers of a lane are out.
    OffersOut {
        /// The lane.
        lane: Lane,
    },
    /// The log of a task, oldest first.
    Logs {
        /// The task.
        task: TaskId,
        /// Only of this attempt.
        attempt: Option<u32>,
        /// After this number (see [`LogRow::n`]).
        after: u64,
        /// At most so many pieces.
        limit: usize,
    },
    /// Every agent that is known.
    Agents,
    /// Settings of every lane that has some.
    Lanes,
    /// How many tasks are in each lane and state.
    Counts,
    /// How many tasks match, counted up to the limit.
    CountWhere {
        /// The filter.
        filter: Filter,
        /// The store's clock.
        now: Timestamp,
        /// Stop counting here.
        limit: u64,
    },
    /// Dead tasks by fingerprint, largest group first.
    DeadGroups {
        /// Only these.
        filter: Filter,
        /// The store's clock.
        now: Timestamp,
        /// At most so many groups.
        limit: usize,
    },
    /// What was ever accepted, what was ever purged, and what is there: all three counted apart.
    Ledger,
    /// The kinds of ready tasks in a lane, with how many of each.
    ReadyKinds {
        /// The lane.
        lane: Lane,
    },
    /// Messages that were refused, newest first.
    Refused {
        /// Only those before this number (see [`RefusedRow::n`]).
        before: Option<u64>,
        /// At most so many.
        limit: usize,
        /// With their bodies; else these are empty.
        bodies: bool,
    },
    /// Of sessions.
    Session(SessionQuery),
    /// Ends that somebody has not heard of.
    Notices(NoticeQuery),
    /// Who has not heard of some end.
    Requesters {
        /// At most so many.
        limit: usize,
    },
    /// About runs of workflows.
    Run(RunQuery),
    /// About shared state.
    State(StateQuery),
    /// About schedules.
    Schedule(ScheduleQuery),
}

/// What a page is sorted by; the id breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// When it was accepted.
    Created,
    /// When it ended; those that have not come last.
    Finished,
    /// Its priority.
    Priority,
}

/// A page of tasks.
#[derive(Clone, Debug)]
pub struct List {
    /// Which.
    pub filter: Filter,
    /// The store's clock, for ages.
    pub now: Timestamp,
    /// Sorted by.
    pub sort: SortKey,
    /// Largest first.
    pub descending: bool,
    /// At most so many.
    pub limit: usize,
    /// After this row: the sort key's number and the id of the last row of the page before.
    pub after: Option<(i64, TaskId)>,
    /// With input, description and output; else these are empty.
    pub bodies: bool,
}

impl List {
    /// Where a task stands in this order: what `after` is when it is the last row of a page. The id goes the same way
    /// as the number.
    pub fn place(&self, task: &Task) -> (i64, TaskId) {
        let number = match self.sort {
            SortKey::Created => task.spec.created_at.as_millis(),
            SortKey::Finished => {
                let at = task.life.finished_at.map(Timestamp::as_millis);
                at.unwrap_or(self.unfinished_place())
            }
            SortKey::Priority => i64::from(task.spec.priority.rank()),
        };
        (number, task.id)
    }

    /// The number of those that have not ended: they come last in both directions.
    pub fn unfinished_place(&self) -> i64 {
        if self.descending { i64::MIN } else { i64::MAX }
    }
}

/// A running task's lease, as a sweep needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// The task.
    pub task: TaskId,
    /// The run.
    pub claim: ClaimId,
    /// Who holds it.
    pub who: Who,
    /// Under which grant.
    pub epoch: u64,
    /// Its renewals.
    pub lease_seq: u64,
    /// Where it waited.
    pub lane: Lane,
}

/// A piece of log with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Grows within a store.
    pub n: u64,
    /// The piece.
    pub chunk: LogChunk,
}

/// How many tasks of a lane are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The lane.
    pub lane: Lane,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
    /// For ready ones: since when the oldest waits.
    pub oldest: Option<Timestamp>,
}

/// What was accepted against what is there; read in one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Tasks ever accepted: counted by the commits that accepted them, never from the rows.
    pub accepted: u64,
    /// Tasks ever purged: counted by the purges.
    pub purged: u64,
    /// How many rows of each state are there: counted from the rows themselves.
    pub found: Vec<(State, u64)>,
}

/// Dead tasks that look alike.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadGroup {
    /// What they share.
    pub fingerprint: String,
    /// How many.
    pub count: u64,
    /// When the first one died.
    pub first: Timestamp,
    /// When the last one died.
    pub last: Timestamp,
    /// The error of the last one.
    pub sample: Option<TaskError>,
    /// The class they share.
    pub class: Option<Class>,
    /// The kind they share.
    pub kind: Kind,
    /// One of them.
    pub task: TaskId,
}

/// An answer; each query has its one variant.
#[derive(Clone, Debug)]
pub enum Rows {
    /// To `List`, `Ready`, `Due`, `OfferedBefore`.
    Tasks(Vec<Task>),
    /// To `Held`.
    Held(Vec<HeldLease>),
    /// To `NextDue`, and that of schedules.
    NextDue(Option<Timestamp>),
    /// To `Logs`.
    Logs(Vec<LogRow>),
    /// To `Agents`.
    Agents(Vec<Agent>),
    /// To `Lanes`.
    Lanes(Vec<LaneSettings>),
    /// To `Counts`.
    Counts(Vec<Count>),
    /// To `CountWhere`, `OffersOut`, and how many sessions are open.
    Count(u64),
    /// To `DeadGroups`.
    DeadGroups(Vec<DeadGroup>),
    /// To `Ledger`.
    Ledger(Ledger),
    /// To `ReadyKinds`.
    ReadyKinds(Vec<(Kind, u64)>),
    /// To `Refused`.
    Refused(Vec<RefusedRow>),
    /// To `Session`, but for when one is due and how many are open.
    Sessions(Vec<Session>),
    /// To `Notices`.
    Notices(Vec<Notice>),
    /// To `Requesters`.
    Requesters(Vec<AgentId>),
    /// To `Run`.
    Run(RunRows),
    /// To `State`.
    State(StateRows),
    /// To [`ScheduleQuery::All`], `One`, `Due`.
    Schedules(Vec<Schedule>),
    /// To [`ScheduleQuery::Firings`].
    Firings(Vec<FiringRow>),
}

macro_rules! ask {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $query:expr => $variant:ident),* $(,)?) => {
        /// [`Store::query`] with the types of each question; all errors are those of `query`.
        impl dyn Store {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See [`Store::query`].
                pub async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                    match self.query($query).await? {
                        Rows::$variant(rows) => Ok(rows),
                        other => unreachable!("a store answered {other:?} to {}", stringify!($name)),
                    }
                }
            )*
        }
    };
}

ask! {
    /// [`Query::List`].
    list(list: List) -> Vec<Task> = Query::List(list) => Tasks,
    /// [`Query::Ready`].
    ready(lane: Lane, except: Vec<Kind>, limit: usize) -> Vec<Task> = Query::Ready { lane, except, limit } => Tasks,
    /// [`Query::Held`].
    held() -> Vec<HeldLease> = Query::Held => Held,
    /// [`Query::Due`].
    due(now: Timestamp, limit: usize) -> Vec<Task> = Query::Due { now, limit } => Tasks,
    /// [`Query::NextDue`].
    next_due() -> Option<Timestamp> = Query::NextDue => NextDue,
    /// [`Query::OfferedBefore`].
    offered_before(before: Timestamp, limit: usize) -> Vec<Task> = Query::OfferedBefore { before, limit } => Tasks,
    /// [`Query::OffersOut`].
    offers_out(lane: Lane) -> u64 = Query::OffersOut { lane } => Count,
    /// [`Query::Logs`].
    logs(task: TaskId, attempt: Option<u32>, after: u64, limit: usize) -> Vec<LogRow> = Query::Logs { task, attempt, after, limit } => Logs,
    /// [`Query::Agents`].
    agents() -> Vec<Agent> = Query::Agents => Agents,
    /// [`Query::Lanes`].
    lanes() -> Vec<LaneSettings> = Query::Lanes => Lanes,
    /// [`Query::Counts`].
    counts() -> Vec<Count> = Query::Counts => Counts,
    /// [`Query::CountWhere`].
    count_where(filter: Filter, now: Timestamp, limit: u64) -> u64 = Query::CountWhere { filter, now, limit } => Count,
    /// [`Query::DeadGroups`].
    dead_groups(filter: Filter, now: Timestamp, limit: usize) -> Vec<DeadGroup> = Query::DeadGroups { filter, now, limit } => DeadGroups,
    /// [`Query::Ledger`].
    ledger() -> Ledger = Query::Ledger => Ledger,
    /// [`Query::ReadyKinds`].
    ready_kinds(lane: Lane) -> Vec<(Kind, u64)> = Query::ReadyKinds { lane } => ReadyKinds,
    /// [`Query::Refused`].
    refused(before: Option<u64>, limit: usize, bodies: bool) -> Vec<RefusedRow> = Query::Refused { before, limit, bodies } => Refused,
}

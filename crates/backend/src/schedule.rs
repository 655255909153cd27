//! Schedules in a store: how they change and what can be asked of them.

use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::Store;
use warrener_model::Timestamp;
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{Firing, Schedule};

/// A change of one schedule.
#[derive(Clone, Debug)]
pub enum ScheduleOp {
    /// Keeps a new one; a conflict where there is one of its name.
    Create(Schedule),
    /// Writes it with rows of its history, if its row is still the one before: the same name and `created_at`, and one
    /// version less; otherwise a conflict. Of more than [`warrener_model::schedule::FIRINGS_KEPT`] rows the oldest go.
    Write(Schedule, Vec<Firing>),
    /// Forgets it with its history; nothing where it is not known.
    Delete(ScheduleName),
}

/// A question about schedules.
#[derive(Clone, Debug)]
pub enum ScheduleQuery {
    /// All, by name.
    All,
    /// This one.
    One(ScheduleName),
    /// Those that are due at this moment, and those with slots that wait.
    Due(Timestamp),
    /// When the next one is due, of those that are not paused.
    NextDue,
    /// The history of one, newest first.
    Firings {
        /// Which.
        name: ScheduleName,
        /// Only rows before this number.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
}

/// A firing with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiringRow {
    /// Grows within a store.
    pub n: u64,
    /// The firing.
    pub firing: Firing,
}

impl dyn Store {
    /// Schedules, as [`ScheduleQuery::All`], `One` and `Due` find them.
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn schedules(&self, query: ScheduleQuery) -> Result<Vec<Schedule>> {
        match self.query(Query::Schedule(query)).await? {
            Rows::Schedules(rows) => Ok(rows),
            other => unreachable!("a store answered {other:?} to schedules"),
        }
    }

    /// [`ScheduleQuery::NextDue`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn next_slot(&self) -> Result<Option<Timestamp>> {
        match self.query(Query::Schedule(ScheduleQuery::NextDue)).await? {
            Rows::NextDue(at) => Ok(at),
            other => unreachable!("a store answered {other:?} to the next slot"),
        }
    }

    /// [`ScheduleQuery::Firings`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn firings(
        &self,
        name: ScheduleName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<FiringRow>> {
        let query = ScheduleQuery::Firings {
            name,
            before,
            limit,
        };
        match self.query(Query::Schedule(query)).await? {
            Rows::Firings(rows) => Ok(rows),
            other => unreachable!("a store answered {other:?} to firings"),
        }
    }
}

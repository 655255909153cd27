//! Notices: ends of tasks that their requesters have not heard of yet.

use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::Store;
use warrener_model::TaskId;
use warrener_model::name::AgentId;

/// An end that somebody has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whom.
    pub agent: AgentId,
    /// Which task; it has at most one notice, of its newest end.
    pub task: TaskId,
    /// The version that it ended with.
    pub version: u64,
}

/// A change of notices.
#[derive(Clone, Debug)]
pub enum NoticeOp {
    /// To be told. In the place of what was to be told of this task before.
    Add(Notice),
    /// Heard: nothing to be told of this end, or of an earlier one. Nothing happens where there is none.
    Heard(Notice),
}

/// A question about notices: those of an agent, by task.
#[derive(Clone, Debug)]
pub struct NoticeQuery {
    /// Whose.
    pub agent: AgentId,
    /// At most so many.
    pub limit: usize,
}

/// [`Store::query`] with the types of each question; all errors are those of `query`.
impl dyn Store {
    /// What this agent has not heard of, oldest task first.
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn notices(&self, agent: AgentId, limit: usize) -> Result<Vec<Notice>> {
        let query = Query::Notices(NoticeQuery { agent, limit });
        match self.query(query).await? {
            Rows::Notices(notices) => Ok(notices),
            other => unreachable!("a store answered {other:?} to a question about notices"),
        }
    }

    /// Whom something has to be told, at most so many.
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn requesters(&self, limit: usize) -> Result<Vec<AgentId>> {
        match self.query(Query::Requesters { limit }).await? {
            Rows::Requesters(agents) => Ok(agents),
            other => unreachable!("a store answered {other:?} to whom something is told"),
        }
    }
}

//! Sessions, as a store keeps them: one row each, whole, guarded by its version.

use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::Store;
use warrener_model::session::{Session, SessionState};
use warrener_model::{SessionId, Timestamp};

/// A change of a session.
#[derive(Clone, Debug)]
pub enum SessionOp {
    /// Writes a new one; a conflict where its id is there.
    Open(Box<Session>),
    /// Writes one anew, if the row has the version before its own; else a conflict.
    Move(Box<Session>),
}

/// A question about sessions.
#[derive(Clone, Copy, Debug)]
pub enum SessionQuery {
    /// This one.
    Get(SessionId),
    /// Those that are open and due, most overdue first.
    Due {
        /// The store's clock.
        now: Timestamp,
        /// At most so many.
        limit: usize,
    },
    /// When the next one is due.
    NextDue,
    /// How many are open.
    CountOpen,
    /// A page, newest first.
    List {
        /// Only in this state.
        state: Option<SessionState>,
        /// Only older than this one.
        before: Option<SessionId>,
        /// At most so many.
        limit: usize,
    },
}

/// [`Store::query`] with the types of each question; all errors are those of `query`.
impl dyn Store {
    /// [`SessionQuery::Get`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        Ok(self.some_sessions(SessionQuery::Get(id)).await?.pop())
    }

    /// [`SessionQuery::Due`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn sessions_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Session>> {
        self.some_sessions(SessionQuery::Due { now, limit }).await
    }

    /// [`SessionQuery::List`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn sessions(
        &self,
        state: Option<SessionState>,
        before: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>> {
        let query = SessionQuery::List {
            state,
            before,
            limit,
        };
        self.some_sessions(query).await
    }

    /// [`SessionQuery::NextDue`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn next_session_due(&self) -> Result<Option<Timestamp>> {
        match self.query(Query::Session(SessionQuery::NextDue)).await? {
            Rows::NextDue(at) => Ok(at),
            other => unreachable!("a store answered {other:?} to when a session is due"),
        }
    }

    /// [`SessionQuery::CountOpen`].
    ///
    /// # Errors
    /// See [`Store::query`].
    pub async fn count_open_sessions(&self) -> Result<u64> {
        match self.query(Query::Session(SessionQuery::CountOpen)).await? {
            Rows::Count(open) => Ok(open),
            other => unreachable!("a store answered {other:?} to how many sessions are open"),
        }
    }

    async fn some_sessions(&self, query: SessionQuery) -> Result<Vec<Session>> {
        match self.query(Query::Session(query)).await? {
            Rows::Sessions(sessions) => Ok(sessions),
            other => unreachable!("a store answered {other:?} to a question about sessions"),
        }
    }
}

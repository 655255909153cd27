//! Sessions: open, read, wait for, list, answer in the place of a member, cancel.

use super::Orchestrator;
use crate::error::{Error, Result};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::decision::Answer;
use warrener_model::session::{Event, OpenSession, Refused, Session, SessionState, open};
use warrener_model::{AgentId, SessionId, limits};

/// Whoever waits reads at least this often: another server may have ended it.
const LOOK: Duration = Duration::from_secs(1);

impl Orchestrator {
    /// Opens a session: asks those who live now, or nobody, and then it has ended.
    ///
    /// # Errors
    /// `Invalid`, `Draining`, `Overloaded` (too many are open), `Backend`: then it may have been opened.
    pub async fn open_session(&self, request: &OpenSession) -> Result<Session> {
        self.open()?;
        let core = &self.core;
        let now = core.now().await?;
        let session = open(core.session_id(now), request, &core.living(), now);
        let session = session.map_err(Error::Invalid)?;
        if core.store.count_open_sessions().await? >= limits::SESSIONS_OPEN as u64 {
            return Err(Error::Overloaded);
        }
        core.open_session(&session, now).await?;
        Ok(session)
    }

    /// A session, as it is now.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn session(&self, id: SessionId) -> Result<Session> {
        self.core.store.session(id).await?.ok_or(no_session(id))
    }

    /// A session once it has ended, or as it is when the time is over.
    ///
    /// # Errors
    /// `NotFound`, `Overloaded` when too many wait, `Backend`.
    pub async fn wait_session(&self, id: SessionId, within: Duration) -> Result<Session> {
        let until = Instant::now() + within.min(limits::WAIT);
        let mut ended = self.core.sessions.ended.subscribe();
        let mut place = None;
        loop {
            ended.borrow_and_update();
            let session = self.session(id).await?;
            let left = until.saturating_duration_since(Instant::now());
            if session.state.is_final() || left.is_zero() {
                return Ok(session);
            }
            self.take_place(&mut place)?;
            // An elapsed look only means: read again.
            let _ = tokio::time::timeout(left.min(LOOK), ended.changed()).await;
        }
    }

    /// Sessions, newest first; only in a state, only those before one.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn sessions(
        &self,
        state: Option<SessionState>,
        before: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>> {
        Ok(self.core.store.sessions(state, before, limit).await?)
    }

    /// Answers in the place of a member, in the round under way unless `round` says; the same again is no second answer.
    ///
    /// # Errors
    /// `NotFound`, `SessionOver`, `Answer`, `Invalid`, `Backend`: then it may have been taken.
    pub async fn answer_session(
        &self,
        id: SessionId,
        agent: AgentId,
        round: Option<u32>,
        answer: Answer,
    ) -> Result<Session> {
        let session = self.session(id).await?;
        let now = session.round().map(|round| round.round);
        let Some(round) = round.or(now) else {
            return Err(Error::SessionOver {
                session: id,
                state: session.state.as_str(),
            });
        };
        if session.has(&agent, round, &answer) {
            return Ok(session);
        }
        let event = Event::Answer {
            agent,
            round,
            answer,
        };
        let step = self.core.move_session(id, event).await?;
        let step = step.ok_or(no_session(id))?;
        match step.refused {
            None => Ok(step.session),
            Some(Refused::Invalid(mistake)) => Err(Error::Invalid(vec![mistake])),
            Some(why) => Err(Error::Answer { session: id, why }),
        }
    }

    /// Calls a session off; nothing is decided.
    ///
    /// # Errors
    /// `NotFound`, `SessionOver`, `Backend`.
    pub async fn cancel_session(&self, id: SessionId, reason: Option<String>) -> Result<Session> {
        let reason = reason.unwrap_or_else(|| "cancelled by an operator".into());
        let step = self.core.move_session(id, Event::Cancel { reason }).await?;
        let step = step.ok_or(no_session(id))?;
        match step.refused {
            Some(_) => Err(Error::SessionOver {
                session: id,
                state: step.session.state.as_str(),
            }),
            None => Ok(step.session),
        }
    }
}

fn no_session(id: SessionId) -> Error {
    Error::NotFound {
        what: "session",
        id: id.to_string(),
    }
}

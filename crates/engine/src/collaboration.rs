//! Tasks that ask agents before they start. The session has the id of its task, opens in the change that accepts it, and
//! lets it go in the change that ends it, with the decision in its input.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::transition::{Intent, Moved};
use warrener_backend::store::Op;
use warrener_model::json::Json;
use warrener_model::life::{Context, Event, Parked, apply};
use warrener_model::session::{self, Origin, Session, SessionState};
use warrener_model::submission::{has_decision, with_decision};
use warrener_model::task::Task;
use warrener_model::{Mistake, SessionId, State, Submission, TaskId, Timestamp, limits};

/// What became of a task's part in the end of its session.
pub(crate) enum Released {
    /// Both are done, in one change.
    Done,
    /// Nobody waits: the session ends alone.
    Alone,
    /// Somebody was faster.
    Again,
}

impl Core {
    /// Whether so many sessions more may be open; those that end meanwhile do not count.
    pub(crate) async fn room_for(&self, submissions: &[Submission]) -> Result<()> {
        let asking = submissions.iter().filter(|one| one.collaboration.is_some());
        let asking = asking.count();
        if asking == 0 {
            return Ok(());
        }
        let open = self.store.count_open_sessions().await?;
        match open + asking as u64 > limits::SESSIONS_OPEN as u64 {
            true => Err(Error::Overloaded),
            false => Ok(()),
        }
    }

    /// The session that a task waits for, which is parked until then. With nobody to ask it does not wait.
    pub(crate) async fn collaborate(
        &self,
        task: &mut Task,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<Option<Box<Session>>> {
        let Some(request) = submission.question().map_err(Error::Invalid)? else {
            return Ok(None);
        };
        let at = |one: Mistake| Mistake {
            pointer: format!("/collaboration{}", one.pointer),
            ..one
        };
        let id = SessionId::from_bytes(*task.id.as_bytes());
        let opened = session::open(id, &request, &self.living(), now);
        let mut session =
            opened.map_err(|mistakes| Error::Invalid(mistakes.into_iter().map(at).collect()))?;
        session.origin = Some(Origin::Task(task.id));
        if session.state.is_final() {
            task.spec.input = with_decision(&task.spec.input, &session);
        } else {
            park(self, task, Parked::Input, now);
        }
        self.sessions.begun(id);
        Ok(Some(Box::new(session)))
    }

    /// Ends a session and lets its task go.
    pub(crate) async fn release(&self, id: TaskId, session: &Session, op: Op) -> Result<Released> {
        let task = self.store.tasks(&[id]).await?.into_iter().flatten().next();
        let Some(task) = task.filter(waits) else {
            return Ok(Released::Alone);
        };
        let detail = serde_json::json!({
            "session": session.id, "state": session.state, "decision": session.verdict.decision,
        });
        let intent = Intent {
            input: Some(with_decision(&task.spec.input, session)),
            ..Intent::new(id, Event::Unpark(Parked::Input), "server").detail(detail)
        };
        Ok(match self.transition(intent.with(vec![op])).await? {
            Moved::Yes(_) => Released::Done,
            Moved::No { .. } | Moved::Unknown => Released::Alone,
            Moved::Contended => Released::Again,
        })
    }

    /// Calls off the sessions of tasks that do not wait for them any more.
    pub(crate) async fn call_off(&self) -> Result<()> {
        let mut left = self.sessions.take_left();
        while let Some(id) = left.pop() {
            if let Err(error) = self.call_one_off(id).await {
                self.sessions.keep_left(left.into_iter().chain([id]));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn call_one_off(&self, id: SessionId) -> Result<()> {
        let Some(session) = self.store.session(id).await? else {
            return Ok(());
        };
        let (SessionState::Open, Some(Origin::Task(task))) = (session.state, session.origin) else {
            return Ok(());
        };
        let task = self.store.tasks(&[task]).await?.into_iter().flatten();
        if !task.clone().any(|task| waits(&task)) {
            let reason = "its task does not wait for it any more".to_owned();
            self.move_session(id, session::Event::Cancel { reason })
                .await?;
        }
        Ok(())
    }

    /// The input of a task that is tried again and that never heard what came of its session: it ended while agents were
    /// asked, and so did the session.
    pub(crate) async fn missed_decision(&self, id: TaskId) -> Result<Option<Json>> {
        let session = SessionId::from_bytes(*id.as_bytes());
        self.call_one_off(session).await?;
        let session = self.store.session(session).await?;
        let asked =
            session.filter(|one| one.state.is_final() && one.origin == Some(Origin::Task(id)));
        let Some(session) = asked else {
            return Ok(None);
        };
        let task = self.store.tasks(&[id]).await?.into_iter().flatten().next();
        let task = task.filter(|task| !has_decision(&task.spec.input));
        Ok(task.map(|task| with_decision(&task.spec.input, &session)))
    }

    /// Looks at all that are open: a server may have ended between the end of a task and that of its session.
    pub(crate) async fn look_for_left(&self) -> Result<()> {
        let most = limits::SESSIONS_OPEN;
        let open = self.store.sessions(Some(SessionState::Open), None, most);
        let of_tasks = open.await?.into_iter();
        let of_tasks = of_tasks.filter(|one| matches!(one.origin, Some(Origin::Task(_))));
        self.sessions.keep_left(of_tasks.map(|one| one.id));
        Ok(())
    }
}

/// Whether a task waits for a decision.
fn waits(task: &Task) -> bool {
    task.life.state == State::Parked && task.life.parked == Some(Parked::Input)
}

/// A task that waits from the beginning.
pub(crate) fn park(core: &Core, task: &mut Task, why: Parked, now: Timestamp) {
    let context = Context {
        now,
        policies: &core.options.policies,
        roll: 0.0,
    };
    if let Ok(step) = apply(&task.life, &Event::Park(why), &context) {
        task.life = step.life;
    }
}

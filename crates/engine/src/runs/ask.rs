//! Steps that ask agents. The session is opened in the change that begins the step, and its end is the step's, in one change
//! too: a server that dies between leaves nothing half done.

use super::Board;
use crate::core::Core;
use crate::error::Result;
use warrener_backend::store::Op;
use warrener_model::run::StepState;
use warrener_model::session::{OpenSession, Origin, Session, SessionState, open};
use warrener_model::{Timestamp, limits};

impl Board {
    /// The session of a step, or why there can be none.
    pub(super) async fn ask(
        &mut self,
        core: &Core,
        n: u32,
        request: &OpenSession,
        now: Timestamp,
    ) -> Result<std::result::Result<Session, String>> {
        let most = limits::SESSIONS_OPEN;
        if core.store.count_open_sessions().await? >= most as u64 {
            return Ok(Err(format!("{most} sessions are open already")));
        }
        let made = open(core.session_id(now), request, &core.living(), now);
        let (run, step) = (self.head.id, self.step(n).id.clone());
        Ok(match made {
            Ok(session) => Ok(Session {
                origin: Some(Origin::Step { run, step }),
                ..session
            }),
            Err(mistakes) => {
                let first = mistakes.first();
                let said = first.map(|one| format!("{} {}", one.pointer, one.message));
                Err(format!("no such session: {}", said.unwrap_or_default()))
            }
        })
    }

    /// What the step becomes whose session has ended. It leaves what was said also without a decision, for steps that go on.
    pub(super) fn heard(&mut self, n: u32, session: &Session) -> StepState {
        self.step(n).value = Some(session.output());
        match session.state {
            SessionState::Decided => StepState::Succeeded,
            SessionState::Cancelled if self.head.cancel.is_some() => StepState::Cancelled,
            state => {
                let (id, state) = (session.id, state.as_str());
                let reason = session.reason.as_deref().unwrap_or_default();
                self.cannot(n, &format!("session {id} ended as {state}: {reason}"))
            }
        }
    }
}

/// What the end of a session means for the run that waits for it: goes into the same change.
pub(crate) async fn session_over(
    core: &Core,
    session: &Session,
    now: Timestamp,
) -> Result<Vec<Op>> {
    let Some(Origin::Step { run, step }) = &session.origin else {
        return Ok(vec![]);
    };
    let Some(mut board) = Board::load(core, *run).await? else {
        return Ok(vec![]);
    };
    let place = board.known.plan.place(step);
    let Some(n) = place.and_then(|n| u32::try_from(n).ok()) else {
        return Ok(vec![]);
    };
    board.need(&*core.store, &[n]).await?;
    let waits = |row: &warrener_model::run::StepRow| row.state == StepState::Running;
    if !board.steps.get(&n).is_some_and(waits) {
        return Ok(vec![]);
    }
    let state = board.heard(n, session);
    board.head.active = board.head.active.saturating_sub(1);
    board.over(&*core.store, n, state).await?;
    board.drive(core, now).await
}

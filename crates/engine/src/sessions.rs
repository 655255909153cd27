//! Sessions: what agents answer goes in, invitations come out, and deadlines end rounds. The store has them; nothing here is
//! kept, so a server may end at any moment, and another goes on.
//!
//! An invitation is said again and again while its round lasts and the agent is silent: at its hello, and every few seconds.
//! That makes up for everything that can get lost on the way there and back, a server between commit and send included.

use crate::collaboration::Released;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::refused::{self, Refusal};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::session::SessionOp;
use warrener_backend::store::{Change, Op};
use warrener_backend::{Address, Committed, Delivery, Message, Outgoing};
use warrener_model::agent::{Operation, Presence, Role};
use warrener_model::message::{self, Named, SessionAnswer, named};
use warrener_model::session::{Effect, Event, Living, Origin, Session, SessionState, Step, apply};
use warrener_model::{AgentId, SessionId, Timestamp, limits};

/// Sessions looked at in one go.
const BATCH: usize = 100;
/// Times that a decision is made anew because somebody else was faster.
const TRIES: usize = 50;

/// What the parts of one server tell each other of sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// There may be an earlier deadline.
    pub(crate) timer: Notify,
    /// Grows whenever one ends here.
    pub(crate) ended: watch::Sender<u64>,
    /// Those of steps that begin, until they are asked.
    begun: Mutex<Vec<SessionId>>,
    /// Those of tasks that may not wait for them any more.
    left: Mutex<Vec<SessionId>>,
    /// Who lived when the server before this one ended, and when this one began.
    expected: Mutex<Option<(Instant, BTreeSet<AgentId>)>>,
}

impl Default for Sessions {
    fn default() -> Self {
        let (timer, ended) = (Notify::new(), watch::Sender::new(0));
        let (begun, left, expected) = Default::default();
        Sessions {
            timer,
            ended,
            begun,
            left,
            expected,
        }
    }
}

impl Sessions {
    /// A change that is not committed yet opens this one.
    pub(crate) fn begun(&self, id: SessionId) {
        self.begun.lock().expect("a list does not panic").push(id);
    }

    /// These lived when the server before this one ended.
    pub(crate) fn expect(&self, agents: BTreeSet<AgentId>) {
        *self.expected.lock().expect("a set does not panic") = Some((Instant::now(), agents));
    }

    /// Those, for as long as they have not been called lost.
    fn expected(&self, lease: Duration) -> BTreeSet<AgentId> {
        let mut expected = self.expected.lock().expect("a set does not panic");
        if expected
            .as_ref()
            .is_some_and(|(since, _)| since.elapsed() >= lease)
        {
            *expected = None;
        }
        let agents = expected.as_ref().map(|(_, agents)| agents.clone());
        agents.unwrap_or_default()
    }

    /// A parked task moved on.
    pub(crate) fn left(&self, id: SessionId) {
        self.left.lock().expect("a list does not panic").push(id);
        self.timer.notify_one();
    }

    pub(crate) fn keep_left(&self, ids: impl IntoIterator<Item = SessionId>) {
        let mut left = self.left.lock().expect("a list does not panic");
        left.extend(ids);
    }

    pub(crate) fn take_left(&self) -> Vec<SessionId> {
        std::mem::take(&mut *self.left.lock().expect("a list does not panic"))
    }
}

impl Core {
    pub(crate) fn session_id(&self, now: Timestamp) -> SessionId {
        SessionId::new(now, crate::core::random())
    }

    /// Agents that can be asked now, by this server's view.
    pub(crate) fn living(&self) -> Vec<Living> {
        let views = self.registry.views().into_iter();
        // Those whose links ended with the server before this one are on their way back: they are asked at their hello.
        let expected = self.sessions.expected(self.options.timers.lease);
        let up = views.filter(|view| {
            let agent = &view.agent;
            let back =
                agent.presence == Presence::Lost && expected.contains(&agent.card.who.agent_id);
            (agent.presence == Presence::Up || back) && agent.card.role.may(Operation::Answer)
        });
        let one = |view: crate::registry::AgentView| Living {
            agent: view.agent.card.who.agent_id,
            capabilities: view.agent.card.capabilities,
        };
        up.map(one).collect()
    }

    /// Writes a session that was just opened, and asks everybody.
    pub(crate) async fn open_session(&self, session: &Session, now: Timestamp) -> Result<()> {
        let op = Op::Session(SessionOp::Open(Box::new(session.clone())));
        self.store.commit(vec![Change::from(op)]).await?;
        self.sessions.timer.notify_one();
        self.invite(session, None, now).await;
        Ok(())
    }

    /// Reads a session, moves it, commits, does what follows; again if somebody else was faster. `None` if there is none.
    pub(crate) async fn move_session(&self, id: SessionId, event: Event) -> Result<Option<Step>> {
        for _ in 0..TRIES {
            let Some(session) = self.store.session(id).await? else {
                return Ok(None);
            };
            let now = self.now().await?;
            let step = apply(&session, event.clone(), now);
            if step.session == session {
                return Ok(Some(step));
            }
            let op = Op::Session(SessionOp::Move(Box::new(step.session.clone())));
            if step.session.state.is_final()
                && let Some(Origin::Task(task)) = session.origin
            {
                match self.release(task, &step.session, op.clone()).await? {
                    Released::Alone => {}
                    Released::Again => continue,
                    Released::Done => {
                        self.follow(&step, now).await;
                        return Ok(Some(step));
                    }
                }
            }
            let mut change = Change::from(op);
            if step.session.state.is_final() {
                let run = crate::runs::session_over(self, &step.session, now);
                change.ops.extend(run.await?);
            }
            let done = self.store.commit(vec![change]).await?;
            if let [Committed::Done { .. }] = done[..] {
                self.follow(&step, now).await;
                return Ok(Some(step));
            }
        }
        Err(Error::ContendedSession(id))
    }

    async fn follow(&self, step: &Step, now: Timestamp) {
        let session = &step.session;
        for effect in &step.effects {
            match effect {
                Effect::Invite => {
                    self.sessions.timer.notify_one();
                    self.invite(session, None, now).await;
                }
                Effect::Closed => {
                    if session.origin.is_some() {
                        // Its run may have begun others.
                        self.ready.notify_one();
                        self.timer.notify_one();
                        self.ask_begun().await;
                    }
                    let state = session.state.as_str();
                    tracing::info!(session_id = %session.id, state, reason = session.reason, "session ended");
                    self.sessions.ended.send_modify(|count| *count += 1);
                }
            }
        }
    }

    /// Asks in the sessions of steps that have begun. One that is not committed yet is asked with those that are silent.
    pub(crate) async fn ask_begun(&self) {
        let begun =
            std::mem::take(&mut *self.sessions.begun.lock().expect("a list does not panic"));
        for id in begun {
            if let Ok(Some(session)) = self.store.session(id).await {
                self.sessions.timer.notify_one();
                self.invite(&session, None, session.opened_at).await;
            }
        }
    }

    /// Asks all that are silent, or only one of them. At the beginning of a round watchers get a copy.
    pub(crate) async fn invite(&self, session: &Session, only: Option<&AgentId>, now: Timestamp) {
        let Some(invite) = session.invite(now) else {
            return;
        };
        let begins = session.round().is_some_and(|round| round.opened_at == now);
        let mut letters = vec![];
        if begins && only.is_none() && self.broker.capabilities().topics {
            letters.push(Outgoing {
                to: Address::Topic(format!("brainstorm.{}", session.id)),
                message: self.message(&invite, now),
                expires: None,
            });
        }
        let silent = session.silent().into_iter();
        let meant = |id: &&AgentId| only.is_none_or(|only| only == *id) && self.may_answer(id);
        for id in silent.filter(meant) {
            let agent = self.registry.agent(id);
            let there = |agent: &warrener_model::agent::Agent| {
                matches!(agent.presence, Presence::Up | Presence::Draining)
            };
            if let Some(agent) = agent.filter(there) {
                letters.push(self.letter(&agent.card.who(), &invite, now));
            }
        }
        self.send(letters).await;
    }

    /// An agent said hello: it is asked what it has not answered yet.
    pub(crate) async fn invite_again(&self, only: Option<&AgentId>, now: Timestamp) -> Result<()> {
        let open = Some(SessionState::Open);
        for session in self
            .store
            .sessions(open, None, limits::SESSIONS_OPEN)
            .await?
        {
            self.invite(&session, only, now).await;
        }
        Ok(())
    }

    /// Takes an answer from the results inbox. However long the store is away, it is not acknowledged before.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) async fn answered(&self, delivery: &Delivery) -> std::result::Result<(), Refusal> {
        self.is_ours(&delivery.message)?;
        let (agent, body) = who_answers(&delivery.message)?;
        loop {
            match self.take_answer(&agent, &body).await {
                Ok(verdict) => return verdict,
                Err(error) => tracing::warn!(%error, "an answer waits for the store"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its role lets it take part, as far as it is known.
    fn may_answer(&self, agent: &AgentId) -> bool {
        let role = self.registry.role(agent);
        role.is_none_or(|role| role.may(Operation::Answer))
    }

    async fn take_answer(
        &self,
        agent: &AgentId,
        body: &SessionAnswer,
    ) -> Result<std::result::Result<(), Refusal>> {
        let no = |class, reason| Ok(Err(Refusal { class, reason }));
        let id = body.session_id;
        let Some(session) = self.store.session(id).await? else {
            return no("unknown", format!("there is no session {id}"));
        };
        if !self.may_answer(agent) {
            let role = self.registry.role(agent).map_or("stranger", Role::as_str);
            return no(
                "not_invited",
                format!("session {id}: a {role} is not asked"),
            );
        }
        // The same answer again is no second one: its acknowledgement was lost.
        if session.has(agent, body.round, &body.answer) {
            return Ok(Ok(()));
        }
        let event = Event::Answer {
            agent: agent.clone(),
            round: body.round,
            answer: body.answer.clone(),
        };
        match self.move_session(id, event).await? {
            Some(Step {
                refused: Some(why), ..
            }) => no(why.as_str(), format!("session {id}: {why}")),
            Some(_) => Ok(Ok(())),
            None => no("unknown", format!("there is no session {id}")),
        }
    }
}

/// Who sent an answer: by the broker, and by the body if it says so.
fn who_answers(message: &Message) -> std::result::Result<(AgentId, SessionAnswer), Refusal> {
    let body: SessionAnswer = message::decode(&message.body)?;
    if let Named::Somebody(who) = named(&message.body) {
        refused::sent_by(message, &who)?;
    }
    match (&message.sender, &body.agent_id) {
        (Some(sender), named) if named.as_ref().is_none_or(|named| named == sender) => {
            Ok((sender.clone(), body))
        }
        (sender, named) => {
            let sender = sender.as_ref().map(|sender| sender.as_str());
            let named = named.as_ref().map_or("nobody", |named| named.as_str());
            Err(Refusal::forged(sender, named))
        }
    }
}

/// Ends rounds whose time is over and asks the silent again, until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let timers = core.options.timers;
    let mut again = Instant::now();
    let mut looked = false;
    while !stop.is_cancelled() {
        looked = looked || core.look_for_left().await.is_ok();
        let mut sleep = match tick(&core).await {
            Ok(next) => next.min(timers.poll),
            Err(error) => {
                tracing::warn!(%error, "sessions wait");
                timers.poll
            }
        };
        if again <= Instant::now() {
            again = Instant::now() + timers.hello;
            if let Ok(now) = core.now().await
                && let Err(error) = core.invite_again(None, now).await
            {
                tracing::debug!(%error, "nobody was asked again");
            }
        }
        sleep = sleep.min(again.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = core.sessions.timer.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Ends what is due; says how long until the next one.
async fn tick(core: &Core) -> Result<Duration> {
    // One that cannot be moved does not hold up the others.
    let mut stuck = None;
    if let Err(error) = core.call_off().await {
        stuck = Some(error);
    }
    loop {
        let now = core.now().await?;
        let due = core.store.sessions_due(now, BATCH).await?;
        for session in &due {
            if let Err(error) = core.move_session(session.id, Event::Due).await {
                stuck = Some(error);
            }
        }
        if due.len() < BATCH || stuck.is_some() {
            break;
        }
    }
    if let Some(error) = stuck {
        return Err(error);
    }
    let next = core.store.next_session_due().await?;
    let now = core.now().await?;
    Ok(next.map_or(Duration::MAX, |at| at.since(now)))
}

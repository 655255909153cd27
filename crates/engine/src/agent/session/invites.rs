//! Invitations: answered once a round, beside the tasks. What was said is kept while the session may ask for it again.

use super::{Inner, Session};
use crate::agent::Asked;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Address, Inbox, Outgoing};
use warrener_model::SessionId;
use warrener_model::decision::Answer;
use warrener_model::message::{Invite, SessionAnswer};

/// Sessions that are remembered; the oldest go.
const KEPT: usize = 256;
/// Answers thought of at once.
const AT_ONCE: usize = 8;
/// Invitations that wait for their turn; who is asked more is asked again.
const WAITING: usize = 1_024;

/// See the module. By session: ids sort by time.
#[derive(Debug, Default)]
pub(super) struct Invites {
    known: BTreeMap<SessionId, Known>,
    /// The first deadline goes first.
    waiting: BTreeMap<SessionId, (Instant, Invite)>,
}

#[derive(Debug)]
struct Known {
    round: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Thinking(CancellationToken),
    Said(Box<Outgoing>),
    /// It has nothing to say in this round.
    Silent,
}

impl Invites {
    /// Stops all that is thought of.
    pub(super) fn stop(&self) {
        self.thinking().for_each(CancellationToken::cancel);
    }

    /// Until one of those that are thought of has its answer.
    fn wait(&mut self, invite: Invite) {
        let id = invite.session_id;
        if self.waiting.len() < WAITING || self.waiting.contains_key(&id) {
            let within = invite.within_ms.map(Duration::from_millis);
            // Without a span it is in no hurry: a year.
            let until = Instant::now() + within.unwrap_or(Duration::from_secs(31_536_000));
            self.waiting.insert(id, (until, invite));
        }
    }

    /// The next one, with what is left of its time. Those that are over are passed over.
    fn next(&mut self) -> Option<Invite> {
        let now = Instant::now();
        self.waiting.retain(|_, (until, _)| *until > now);
        let first = self.waiting.iter().min_by_key(|(_, (until, _))| *until);
        let id = first.map(|(id, _)| *id)?;
        let (until, mut invite) = self.waiting.remove(&id)?;
        let left = u64::try_from((until - now).as_millis()).unwrap_or(u64::MAX);
        invite.within_ms = invite.within_ms.map(|_| left);
        Some(invite)
    }

    /// Of what has been answered only the newest are remembered.
    fn forget(&mut self) {
        while self.known.len() > KEPT {
            let answered = |known: &Known| !matches!(known.state, State::Thinking(_));
            let oldest = self.known.iter().find(|(_, known)| answered(known));
            let Some(id) = oldest.map(|(id, _)| *id) else {
                return;
            };
            self.known.remove(&id);
        }
    }

    fn thinking(&self) -> impl Iterator<Item = &CancellationToken> {
        self.known.values().filter_map(|known| match &known.state {
            State::Thinking(stop) => Some(stop),
            _ => None,
        })
    }
}

impl Session {
    /// An invitation, maybe not for the first time.
    pub(super) fn invited(&mut self, invite: Invite) {
        if self.leaving.is_some() {
            return;
        }
        let (id, round) = (invite.session_id, invite.round);
        match self.invites.known.get(&id) {
            Some(known) if known.round > round => return,
            Some(known) if known.round == round => {
                if let State::Said(letter) = &known.state {
                    let letter = (**letter).clone();
                    self.post(letter, None);
                }
                return;
            }
            Some(Known {
                state: State::Thinking(stop),
                ..
            }) => stop.cancel(),
            _ => {}
        }
        if self.invites.thinking().count() >= AT_ONCE {
            self.invites.wait(invite);
            return;
        }
        self.invites.waiting.remove(&id);
        let stop = CancellationToken::new();
        let state = State::Thinking(stop.clone());
        self.invites.known.insert(id, Known { round, state });
        self.invites.forget();
        tracing::info!(session_id = %id, round, phase = ?invite.phase, "asked");
        let (executor, ended) = (self.executor.clone(), self.ended.clone());
        let asked = Asked {
            within: invite.within_ms.map(Duration::from_millis),
            invite,
            who: self.who.clone(),
        };
        self.runs.spawn(async move {
            let within = asked.within.unwrap_or(Duration::MAX);
            let thinks = AssertUnwindSafe(executor.answer(asked, stop.clone())).catch_unwind();
            let answer = tokio::select! {
                answer = thinks => answer.unwrap_or_else(|_| Err("it panicked".into())),
                () = tokio::time::sleep(within + Duration::from_secs(1)) => Err("the round is over".into()),
            };
            // The session is gone only when the agent is.
            let _ = ended.send(Inner::Answered(id, round, answer));
        });
    }

    /// What came of it.
    pub(super) fn has_answered(
        &mut self,
        id: SessionId,
        round: u32,
        answer: Result<Answer, String>,
    ) {
        let known = self.invites.known.get_mut(&id);
        let Some(known) = known.filter(|known| known.round == round) else {
            return self.next_invited();
        };
        match answer {
            Ok(answer) => {
                let body = SessionAnswer {
                    session_id: id,
                    round,
                    agent_id: Some(self.who.agent.clone()),
                    instance: Some(self.who.instance.clone()),
                    answer,
                };
                let letter = self.sender.letter(Address::Inbox(Inbox::Results), &body);
                known.state = State::Said(Box::new(letter.clone()));
                self.post(letter, None);
            }
            Err(why) => {
                tracing::warn!(session_id = %id, round, why, "no answer from here");
                known.state = State::Silent;
            }
        }
        self.next_invited();
    }

    fn next_invited(&mut self) {
        if let Some(invite) = self.invites.next() {
            self.invited(invite);
        }
    }
}

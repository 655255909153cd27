//! Invitations: answered once a round, beside the tasks. What was said is kept while the session may ask for it again.

use super::{Inner, Session};
use crate::agent::Asked;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Address, Inbox, Outgoing};
use warrener_model::SessionId;
use warrener_model::decision::Answer;
use warrener_model::message::{Invite, SessionAnswer};

/// Sessions that are remembered; the oldest go.
const KEPT: usize = 256;
/// Answers thought of at once; who is asked more is asked again.
const AT_ONCE: usize = 8;

/// See the module. By session: ids sort by time.
#[derive(Debug, Default)]
pub(super) struct Invites(BTreeMap<SessionId, Known>);

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

    fn thinking(&self) -> impl Iterator<Item = &CancellationToken> {
        self.0.values().filter_map(|known| match &known.state {
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
        match self.invites.0.get(&id) {
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
            return;
        }
        let stop = CancellationToken::new();
        let state = State::Thinking(stop.clone());
        self.invites.0.insert(id, Known { round, state });
        while self.invites.0.len() > KEPT {
            self.invites.0.pop_first();
        }
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
        let known = self.invites.0.get_mut(&id);
        let Some(known) = known.filter(|known| known.round == round) else {
            return;
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
    }
}

//! What the server says to agents, and the two log lines of an attempt.

use crate::core::Core;
use crate::transition::Transition;
use std::collections::BTreeMap;
use warrener_backend::{Address, Message, Outgoing, Receipt};
use warrener_model::agent::Who;
use warrener_model::event::EventKind;
use warrener_model::life::{Effect, Lease, RevokeReason};
use warrener_model::message::{self, Body, Granted, Offer};
use warrener_model::task::Task;
use warrener_model::{State, TaskId, Timestamp};

impl Core {
    /// A message to one boot of one agent.
    pub(crate) fn letter<B: Body>(&self, who: &Who, body: &B, now: Timestamp) -> Outgoing {
        Outgoing {
            to: Address::Control(who.clone()),
            message: self.message(body, now),
            expires: None,
        }
    }

    pub(crate) fn message<B: Body>(&self, body: &B, now: Timestamp) -> Message {
        Message {
            id: self.message_id(now),
            kind: B::TYPE.into(),
            store: Some(self.store.id()),
            sender: None,
            trace: None,
            body: message::encode(body).into(),
            reason: None,
        }
    }

    /// Sends; what cannot be sent is only logged: every letter is repeated by what it answers.
    pub(crate) async fn send(&self, letters: Vec<Outgoing>) -> Vec<Receipt> {
        if letters.is_empty() {
            return vec![];
        }
        let count = letters.len();
        match self.broker.publish(letters).await {
            Ok(receipts) => receipts,
            Err(error) => {
                tracing::debug!(%error, count, "letters not sent");
                vec![Receipt::Unknown; count]
            }
        }
    }

    /// The letters that the effects of a transition ask for.
    pub(crate) fn letters(
        &self,
        moved: &Transition,
        reason: &str,
        now: Timestamp,
    ) -> Vec<Outgoing> {
        let task = &moved.task;
        let mut letters = vec![];
        for effect in &moved.effects {
            match effect {
                Effect::Revoke {
                    who,
                    epoch,
                    reason: RevokeReason::Cancelled,
                } => {
                    let body = message::Cancel {
                        task_id: task.id,
                        epoch: *epoch,
                        reason: reason.into(),
                        grace_ms: 10_000,
                    };
                    letters.push(self.letter(who, &body, now));
                }
                Effect::Revoke { who, epoch, reason } => {
                    let body = message::Revoke {
                        task_id: task.id,
                        epoch: *epoch,
                        reason: *reason,
                    };
                    letters.push(self.letter(who, &body, now));
                }
                Effect::Grant { who, .. } => {
                    if let Some(lease) = &task.life.lease {
                        letters.push(self.letter(who, &self.granted(task, lease), now));
                    }
                }
                Effect::Ask | Effect::Ready | Effect::Alert | Effect::ScaleUp => {}
            }
        }
        letters
    }

    /// Tells a run to stop.
    pub(crate) fn revoke(
        &self,
        who: &Who,
        task: TaskId,
        epoch: u64,
        state: Option<State>,
        now: Timestamp,
    ) -> Outgoing {
        let reason = match state {
            None => RevokeReason::Unknown,
            Some(State::Cancelled) => RevokeReason::Cancelled,
            Some(State::Expired) => RevokeReason::Expired,
            Some(_) => RevokeReason::Superseded,
        };
        self.letter(
            who,
            &message::Revoke {
                task_id: task,
                epoch,
                reason,
            },
            now,
        )
    }

    pub(crate) fn granted(&self, task: &Task, lease: &Lease) -> Granted {
        Granted {
            task_id: task.id,
            claim: lease.claim,
            attempt: task.life.attempt,
            epoch: task.life.epoch,
            lease_ms: millis(self.options.timers.lease),
            timeout_ms: task.spec.timeout.map(millis),
            started_at: task.life.started_at,
            version: Some(task.version),
            task_token: Some(self.options.tokens.mint(task.id, task.life.epoch)),
        }
    }

    /// The task as agents get it; with its grant where the delivery is the claim, and with what it starts under in a
    /// fast lane.
    pub(crate) fn offer(&self, task: &Task, grant: Option<Granted>) -> Offer {
        let (spec, life) = (&task.spec, &task.life);
        let fast = life.is_fast();
        Offer {
            task_id: task.id,
            offer: task.life.offer,
            kind: spec.kind.clone(),
            lane: spec.lane.clone(),
            priority: spec.priority,
            title: spec.title.clone(),
            description: spec.description.clone(),
            input: spec.input.clone(),
            labels: spec.labels.clone(),
            run_id: spec.run.clone(),
            step: spec.step.clone(),
            parent_id: spec.parent,
            timeout_ms: spec.timeout.map(millis),
            deadline: task.life.deadline,
            created_at: spec.created_at,
            max_attempts: task.life.max_attempts,
            replays: task.life.replays,
            not_before: task.life.not_before,
            ready_at: task.life.ready_at,
            progress: task.progress.clone(),
            error: task.error.clone(),
            usage: task.usage.clone(),
            attempt: fast.then_some(life.attempt),
            epoch: fast.then_some(life.epoch),
            task_token: fast.then(|| self.options.tokens.mint(task.id, life.epoch)),
            grant,
        }
    }
}

/// Groups by who gets it.
pub(crate) fn by_agent<T>(pairs: Vec<(Who, T)>) -> BTreeMap<Who, Vec<T>> {
    let mut groups: BTreeMap<Who, Vec<T>> = BTreeMap::new();
    for (who, item) in pairs {
        groups.entry(who).or_default().push(item);
    }
    groups
}

pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The trace id of a task: its own 128 bits, so that every attempt and every log line of it meets in one trace.
pub(crate) fn trace_id(task: TaskId) -> String {
    use std::fmt::Write;
    task.as_bytes()
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
}

/// Whether a move is the end of an attempt. In a fast lane nothing may be stored of a run before its outcome.
fn ended(before: State, after: State) -> bool {
    match before {
        State::Running => after != State::Running,
        State::Ready => matches!(after, State::Succeeded | State::Failed | State::Retrying),
        _ => false,
    }
}

/// One line when an attempt starts, one when it ends.
pub(crate) fn log(moved: &Transition) {
    let Transition { task, before, .. } = moved;
    let life = &task.life;
    let trace_id = trace_id(task.id);
    let (kind, lane) = (task.spec.kind.as_str(), task.spec.lane.as_str());
    if life.state == State::Running && *before != State::Running {
        let agent = life.lease.as_ref().map_or("", |lease| lease.agent.as_str());
        tracing::info!(
            task_id = %task.id, %trace_id, kind, lane, agent, attempt = life.attempt, epoch = life.epoch,
            "attempt started"
        );
    } else if ended(*before, life.state) {
        let outcome = match life.state {
            State::Ready => EventKind::Released.as_str(),
            state => state.as_str(),
        };
        let error = task
            .error
            .as_ref()
            .filter(|_| life.state != State::Succeeded);
        tracing::info!(
            task_id = %task.id, %trace_id, kind, lane, attempt = life.attempt, epoch = life.epoch, outcome,
            class = error.map(|e| e.class.as_str()),
            error = error.map(|e| e.message.as_str()),
            "attempt ended"
        );
    }
}

//! Does what the book orders: claims, starts, reports, drops, stops.

use super::{Inner, Session};
use crate::agent::book::{Order, Phase};
use crate::agent::outbox::Letter;
use crate::agent::signals::Signals;
use crate::agent::{Ended, Run};
use crate::handler::crashed;
use crate::recorder::clip;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Address, Inbox, Outgoing, Receipt};
use warrener_model::id::MessageId;
use warrener_model::message::{Claim, Failure, Outcome, Status};
use warrener_model::{ClaimId, Class, Timestamp, limits};

impl Session {
    pub(super) fn stop(&mut self, task: warrener_model::TaskId, epoch: u64) {
        if let Some(order) = self.book.revoked(task, epoch) {
            self.obey(order);
        }
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Claim { claim, started } => self.claim(claim, started),
            Order::Start { claim } if self.leaving.is_some() => self.give_back(claim, "drain"),
            Order::Start { claim } => self.start(claim),
            Order::Report { claim } => self.report(claim),
            Order::Ack { claim } => self.ack(claim),
            Order::Drop { claim } => {
                self.ack(claim);
                self.outcomes.remove(&claim);
            }
            Order::Stop { claim } => {
                self.ack(claim);
                self.outcomes.remove(&claim);
                if let Some(stop) = self.stops.remove(&claim) {
                    stop.cancel();
                }
            }
        }
    }

    pub(super) fn claim(&mut self, claim: ClaimId, started: bool) {
        let Some(entry) = self.book.get(claim) else {
            return;
        };
        let body = Claim {
            task_id: entry.offer.task_id,
            offer: entry.offer.offer,
            claim,
            who: self.who.clone().into(),
            redelivered: entry.redelivered,
            started,
        };
        let letter = self.sender.letter(Address::Inbox(Inbox::Results), &body);
        let letter = Outgoing {
            expires: Some(self.options.timers.claim_ttl),
            ..letter
        };
        self.post(letter, None);
    }

    pub(super) fn start(&mut self, claim: ClaimId) {
        let Some(entry) = self.book.get(claim) else {
            return;
        };
        let Some(grant) = entry.grant() else { return };
        let run = Run {
            offer: entry.offer.clone(),
            grant: grant.clone(),
            who: self.who.clone(),
            claim,
        };
        let stop = CancellationToken::new();
        self.stops.insert(claim, stop.clone());
        let signals = Signals::new(run.offer.task_id, run.grant.epoch, self.said.clone());
        let (executor, ended, slots) = (
            self.executor.clone(),
            self.ended.clone(),
            self.slots.clone(),
        );
        self.runs.spawn(async move {
            let permit = tokio::select! {
                permit = slots.acquire_owned() => permit,
                () = stop.cancelled() => {
                    let _ = ended.send(Inner::Ended(claim, crate::clock::wall(), Ended::Stopped));
                    return;
                }
            };
            // The session is gone only when the agent is.
            let _ = ended.send(Inner::Began(claim));
            let started = crate::clock::wall();
            let end = AssertUnwindSafe(executor.execute(run, signals.clone(), stop)).catch_unwind();
            let end = end
                .await
                .unwrap_or_else(|panic| Ended::Failed(crashed(&*panic)));
            signals.flush().await;
            drop(permit);
            // The session is gone only when the agent is.
            let _ = ended.send(Inner::Ended(claim, started, end));
        });
    }

    pub(super) fn run_ended(&mut self, claim: ClaimId, started: Timestamp, ended: Ended) {
        self.stops.remove(&claim);
        let Some(mut outcome) = self.outcome(claim, Status::Released) else {
            return;
        };
        outcome.started_at = Some(started);
        match ended {
            Ended::Succeeded(output) => {
                outcome.status = Status::Succeeded;
                outcome.output = Some(output);
            }
            Ended::Failed(failure) => {
                outcome.status = Status::Failed;
                outcome.error = Some(failure);
            }
            Ended::Stopped => outcome.reason = Some("drain".into()),
            Ended::UnknownKind => outcome.reason = Some("unknown_kind".into()),
        }
        self.finish(claim, outcome);
    }

    pub(super) fn give_back(&mut self, claim: ClaimId, reason: &str) {
        if let Some(mut outcome) = self.outcome(claim, Status::Released) {
            outcome.reason = Some(reason.into());
            self.finish(claim, outcome);
        }
    }

    pub(super) fn finish(&mut self, claim: ClaimId, outcome: Outcome) {
        let outcome = bounded(outcome);
        if let Some(order) = self.book.over(claim, outcome, Instant::now(), self.clock) {
            self.obey(order);
        }
    }

    pub(super) fn outcome(&self, claim: ClaimId, status: Status) -> Option<Outcome> {
        let grant = self.book.get(claim)?.grant()?;
        Some(Outcome {
            task_id: grant.task_id,
            attempt: grant.attempt,
            epoch: grant.epoch,
            who: self.who.clone().into(),
            status,
            output: None,
            error: None,
            reason: None,
            started_at: None,
            finished_at: Some(crate::clock::wall()),
            usage: None,
        })
    }

    pub(super) fn report(&mut self, claim: ClaimId) {
        let fresh = MessageId::new(crate::clock::wall(), crate::core::random());
        let id = *self.outcomes.entry(claim).or_insert(fresh);
        let Some(entry) = self.book.get(claim) else {
            return;
        };
        let Phase::Over { outcome, .. } = &entry.phase else {
            return;
        };
        let letter = self
            .sender
            .letter_as(id, Address::Inbox(Inbox::Results), &**outcome);
        self.post(letter, Some(claim));
    }

    pub(super) fn post(&mut self, message: Outgoing, outcome: Option<ClaimId>) {
        if self.outbox.try_send(Letter { message, outcome }).is_err()
            && let Some(claim) = outcome
        {
            self.book.not_sent(claim, Instant::now(), self.clock);
        }
    }

    /// What became of an outcome that was published.
    pub(super) fn sent(&mut self, claim: ClaimId, receipt: &Receipt) {
        if *receipt != Receipt::Confirmed {
            self.book.not_sent(claim, Instant::now(), self.clock);
        } else if self.book.get(claim).is_some_and(|run| !run.known) {
            // The next delivery comes when this one is settled: in a fast lane that is what its speed is made of.
            self.ack(claim);
        }
    }

    pub(super) fn ack(&mut self, claim: ClaimId) {
        if let Some((delivery, _)) = self.deliveries.remove(&claim) {
            delivery.ack();
        }
    }
}

/// An outcome that no broker would take is reported as what it is, instead of never.
fn bounded(mut outcome: Outcome) -> Outcome {
    let size = outcome
        .output
        .as_ref()
        .map_or(0, |output| output.as_str().len());
    if size > limits::OUTPUT_BYTES {
        let message = format!(
            "output of {size} bytes; the limit is {}",
            limits::OUTPUT_BYTES
        );
        let (class, detail) = (Class::Invalid, serde_json::Value::Null);
        outcome.status = Status::Failed;
        outcome.output = None;
        outcome.error = Some(Failure {
            class,
            message,
            detail,
            retry_after_ms: None,
        });
    }
    if let Some(error) = &mut outcome.error {
        error.message = clip(&error.message, limits::ERROR_MESSAGE_BYTES);
        let size = error.detail.to_string().len();
        if size > limits::DETAIL_BYTES {
            error.detail = serde_json::json!({ "left_out_bytes": size });
        }
    }
    outcome
}

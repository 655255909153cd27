//! What the server says, and what the session does about it.

use super::Session;
use crate::agent::Stopped;
use std::collections::hash_map::Entry;
use std::time::Duration;
use tokio::time::Instant;
use warrener_backend::{Delivery, Message};
use warrener_model::ClaimId;
use warrener_model::id::StoreId;
use warrener_model::message::{
    self, Body, Cancel, ClaimRefused, Drain, Granted, Invite, Offer, Recorded, Resume, Revoke,
    Unwelcome, Welcome,
};

impl Session {
    /// A message on the control address.
    pub(super) async fn told(&mut self, message: &Message) -> Result<(), message::BodyError> {
        let (body, now) = (&message.body, Instant::now());
        match &*message.kind {
            Welcome::TYPE => self.welcome(message::decode(body)?, message.store).await,
            Unwelcome::TYPE => self.not_welcome(message::decode(body)?),
            Offer::TYPE => self.offered(message::decode(body)?, None),
            Granted::TYPE => {
                let grant: Granted = message::decode(body)?;
                let order = self.book.granted(grant, now, self.clock);
                order.into_iter().for_each(|order| self.obey(order));
            }
            ClaimRefused::TYPE => {
                let refused: ClaimRefused = message::decode(body)?;
                tracing::debug!(task_id = %refused.task_id, reason = refused.reason, "claim refused");
                let order = self.book.refused(refused.claim);
                order.into_iter().for_each(|order| self.obey(order));
            }
            Revoke::TYPE => {
                let revoke: Revoke = message::decode(body)?;
                self.stop(revoke.task_id, revoke.epoch);
            }
            Cancel::TYPE => {
                let cancel: Cancel = message::decode(body)?;
                self.stop(cancel.task_id, cancel.epoch);
            }
            Recorded::TYPE => {
                let recorded: Recorded = message::decode(body)?;
                for entry in recorded.leases {
                    let order = self.book.recorded(entry.task_id, entry.epoch);
                    order.into_iter().for_each(|order| self.obey(order));
                }
            }
            Invite::TYPE => self.invited(message::decode(body)?),
            Drain::TYPE => self.told_to_drain(&message::decode(body)?),
            Resume::TYPE => {
                message::decode::<Resume>(body)?;
                self.draining = self.leaving.is_some();
                if let Err(error) = self.serve().await {
                    tracing::warn!(%error, "lanes not subscribed; joining again");
                    self.disconnected();
                }
            }
            // Of a newer server: nothing we must know.
            other => tracing::debug!(kind = other, "unknown message ignored"),
        }
        Ok(())
    }

    async fn welcome(&mut self, welcome: Welcome, store: Option<StoreId>) {
        *self.sender.store.lock().expect("an id does not panic") = store;
        self.queues = welcome.queues;
        // The server says again whether to drain; a resume that was lost must not hold us up for ever.
        self.draining = self.leaving.is_some();
        if let Err(error) = self.serve().await {
            tracing::warn!(%error, "lanes not subscribed; joining again");
            return self.disconnected();
        }
        self.joined = true;
        // The server counts on it: what it takes back was held for longer.
        let handoff = Duration::from_millis(welcome.handoff_ms);
        self.handoff = handoff.min(self.options.timers.handoff);
        self.heart
            .set(|pulse| pulse.every = Duration::from_millis(welcome.heartbeat_ms.max(10)));
        tracing::info!(agent = %self.who.agent, instance = %self.who.instance, "joined");
        for order in self.book.rejoined(Instant::now(), self.clock) {
            self.obey(order);
        }
    }

    fn not_welcome(&mut self, unwelcome: Unwelcome) {
        self.joined = false;
        match unwelcome.code.as_str() {
            // It knows us no more: join again, and claim what runs.
            "unknown" => self.hello_at = Instant::now(),
            // The other boot may be a connection that is half dead: try again.
            "name_taken" => {
                tracing::warn!(agent = %self.who.agent, "{}", unwelcome.message);
                self.hello_at = Instant::now() + self.options.timers.hello;
            }
            _ => self.unwelcome = Some(Stopped::Unwelcome(unwelcome.code, unwelcome.message)),
        }
    }

    fn told_to_drain(&mut self, drain: &Drain) {
        tracing::info!(agent = %self.who.agent, reason = drain.reason, "draining");
        if drain.stay {
            self.draining = true;
            self.rest();
            return;
        }
        // A span, not a moment: the clock of this machine may be another one.
        let span = drain.within_ms.map(Duration::from_millis);
        self.leave(Instant::now() + span.unwrap_or(self.options.drain));
    }

    /// From now on takes nothing new; says so at once, and goes when everything is reported.
    pub(super) fn leave(&mut self, until: Instant) {
        self.draining = true;
        self.rest();
        self.leaving = Some(self.leaving.map_or(until, |earlier| earlier.min(until)));
        self.heart
            .set(|pulse| pulse.every = pulse.every.min(Duration::from_millis(50)));
    }

    /// A task: with its grant, to be started at once, or to be claimed.
    pub(super) fn offered(&mut self, mut offer: Offer, delivery: Option<Delivery>) {
        let claim = match &offer.grant {
            Some(grant) => grant.claim,
            None => ClaimId::new(crate::clock::wall(), crate::core::random()),
        };
        let redelivered = delivery.as_ref().is_some_and(|d| d.redelivered);
        if offer.epoch.is_some() {
            if let Some(run) = self.book.run_of(offer.task_id, offer.offer) {
                return self.again(run, delivery);
            }
            // Another agent may have started it; or the server shall say whether this one may. A queue gives it to any
            // agent of the lane: one that does not run such tasks asks, and hears no.
            let stays = self.draining && self.leaving.is_none();
            let card = self.options.card(&self.who);
            if redelivered || stays || !card.serves(&offer.lane, &offer.kind) {
                (offer.attempt, offer.epoch, offer.task_token) = (None, None, None);
            }
        }
        if let Some(delivery) = delivery {
            self.deliveries.insert(claim, (delivery, Instant::now()));
        }
        let order = self
            .book
            .delivered(claim, offer, redelivered, Instant::now(), self.clock);
        order.into_iter().for_each(|order| self.obey(order));
    }

    /// A second copy of a fast offer that runs here: it stands behind that run, unless the first one still does.
    fn again(&mut self, run: ClaimId, delivery: Option<Delivery>) {
        let Some(delivery) = delivery else { return };
        match self.deliveries.entry(run) {
            Entry::Occupied(_) => delivery.ack(),
            Entry::Vacant(behind) => {
                behind.insert((delivery, Instant::now()));
            }
        }
    }
}

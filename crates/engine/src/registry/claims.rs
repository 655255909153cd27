//! Offers on brokers with queues: who may claim which, and what waits before it is offered again.

use super::{Inner, Registry};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::agent::{Presence, Who};
use warrener_model::name::{Kind, Lane};
use warrener_model::{AgentId, TaskId};

impl Registry {
    /// Whether this agent may start one more, for a claim: `draining`, `paused`, `no_slot`, or nothing against it. A
    /// queue gives an offer to any agent of the lane; one that it is not for has no slot for it. What was refused rests.
    pub(crate) fn objection(
        &self,
        who: &Who,
        task: TaskId,
        is_stopped: impl FnOnce(&Lane, &Kind) -> bool,
    ) -> Option<&'static str> {
        let mut inner = self.lock();
        let Inner { agents, offers, .. } = &mut *inner;
        let live = agents.get(&who.agent)?;
        let full = live.holds.len() >= live.agent.card.slots as usize;
        let has_room = |id: &AgentId| agents.get(id).is_some_and(|live| live.free() > 0);
        let another_has = |lane: &Lane, kind: &Kind| {
            let mut others = agents.iter().filter(|(id, _)| **id != who.agent);
            others.any(|(_, live)| live.free() > 0 && live.agent.card.serves(lane, kind))
        };
        let objection = if live.agent.presence == Presence::Draining {
            Some("draining")
        } else if offers
            .place_of(task)
            .is_some_and(|(lane, kind)| is_stopped(lane, kind))
        {
            Some("paused")
        } else if full || offers.is_for_another(task, &live.agent.card, has_room, another_has) {
            Some("no_slot")
        } else {
            None
        };
        match objection {
            Some(_) => offers.rests.refused(task, Instant::now()),
            None => offers.rests.over(task),
        }
        objection
    }

    /// What of every lane is not offered just now: it came to the wrong agent a moment ago.
    pub(crate) fn resting(&self) -> HashSet<TaskId> {
        self.lock().offers.rests.now(Instant::now())
    }

    /// How long until one of those may be offered again.
    pub(crate) fn next_rested(&self) -> Option<Duration> {
        self.lock().offers.rests.next(Instant::now())
    }

    /// It could not be offered just now: it waits as what came to the wrong agent does.
    pub(crate) fn rest(&self, task: TaskId) {
        self.lock().offers.rests.refused(task, Instant::now());
    }

    /// These are all offers that were out at this moment; what is not among them and older is forgotten.
    pub(crate) fn offers_are(&self, tasks: &HashSet<TaskId>, read: Instant) {
        self.lock().offers.retain(tasks, read);
    }
}

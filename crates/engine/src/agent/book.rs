//! What an agent owes for each of its runs: pure. The session asks it what to do with every message and every tick.
//!
//! protocol.md, paragraph **Agent**: claims every delivery before starting, starts only what was granted freshly, keeps
//! an outcome until it is recorded or revoked, and after a reconnect claims again whatever has started. In a fast lane
//! (section 6) the message is the grant; what takes long claims as started before its delivery is acknowledged.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::message::{Granted, Held, Offer, Outcome};
use warrener_model::{ClaimId, TaskId};

mod order;
pub(super) use order::Order;

/// One run.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) offer: Offer,
    pub(super) redelivered: bool,
    pub(super) phase: Phase,
    /// A server granted it: more than the message of a fast offer stands behind it.
    pub(super) known: bool,
    /// It has a slot of this agent.
    begun: bool,
    /// A claim of this run as started waits for its answer; it is said again then.
    asking: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Asked, not answered; asked again at `again`.
    Claiming { asked: Instant, again: Instant },
    /// Granted: runs, or waits for a slot of its own executor.
    Running { grant: Granted },
    /// Over; its outcome is said again at `again` until it is recorded.
    Over {
        grant: Granted,
        outcome: Box<Outcome>,
        again: Instant,
    },
}

#[derive(Debug, Default)]
pub(super) struct Book {
    runs: HashMap<ClaimId, Entry>,
    /// Grants that were taken back before they came, oldest first: a revoke may overtake its grant.
    taken_back: VecDeque<(TaskId, u64)>,
    /// This agent stood still: what it is handed may have waited all the while, until a welcome comes after it.
    stale: bool,
}

/// Revokes remembered for grants that have not come yet. A grant follows its revoke within moments, if it comes at all.
const TAKEN_BACK: usize = 1_024;

/// The timers that a book needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) repeat: Duration,
    pub(super) fresh: Duration,
    pub(super) again: Duration,
}

impl Book {
    /// A delivery. Where it carries its grant, or what it starts under, it starts at once; elsewhere it is claimed.
    pub(super) fn delivered(
        &mut self,
        claim: ClaimId,
        offer: Offer,
        redelivered: bool,
        now: Instant,
        clock: Clock,
    ) -> Option<Order> {
        let known = offer.epoch.is_none();
        let grant = offer.grant.clone().or_else(|| at_once(claim, &offer));
        if let Some(grant) = &grant
            && self.runs.contains_key(&claim)
        {
            // A second copy starts nothing.
            return self.granted(grant.clone(), now, clock);
        }
        if grant
            .as_ref()
            .is_some_and(|grant| self.is_taken_back(grant))
        {
            return Some(Order::Drop { claim });
        }
        let (phase, order) = match grant {
            Some(grant) if !self.stale => (Phase::Running { grant }, Order::Start { claim }),
            // Not granted yet; or too old to trust, and the claim of the run that it names brings the grant again.
            _ => (
                Phase::Claiming {
                    asked: now,
                    again: now + clock.repeat,
                },
                Order::Claim {
                    claim,
                    started: false,
                },
            ),
        };
        let entry = Entry {
            offer,
            redelivered,
            phase,
            known,
            begun: false,
            asking: None,
        };
        self.runs.insert(claim, entry);
        Some(order)
    }

    /// A grant.
    pub(super) fn granted(&mut self, grant: Granted, now: Instant, clock: Clock) -> Option<Order> {
        let claim = grant.claim;
        let taken_back = self.is_taken_back(&grant);
        // A grant for a run that was dropped is ignored.
        let entry = self.runs.get_mut(&claim)?;
        entry.known = true;
        match &mut entry.phase {
            Phase::Claiming { .. } if taken_back => {
                self.runs.remove(&claim);
                Some(Order::Drop { claim })
            }
            Phase::Claiming { asked, again } if now.duration_since(*asked) > clock.fresh => {
                // Too old to trust: somebody may have it meanwhile.
                (*asked, *again) = (now, now + clock.repeat);
                Some(Order::Claim {
                    claim,
                    started: false,
                })
            }
            Phase::Claiming { .. } => {
                entry.phase = Phase::Running { grant };
                Some(Order::Start { claim })
            }
            // The answer to a claim of ours; else it is a question, which a claim answers. Were every grant taken for
            // a question, claim and grant would follow each other for ever.
            Phase::Running { .. } | Phase::Over { .. } => match entry.asking.take() {
                Some(_) => None,
                None => {
                    entry.asking = Some(now + clock.repeat);
                    Some(Order::Claim {
                        claim,
                        started: true,
                    })
                }
            },
        }
    }

    /// A claim was refused.
    pub(super) fn refused(&mut self, claim: ClaimId) -> Option<Order> {
        let entry = self.runs.remove(&claim)?;
        Some(match entry.phase {
            Phase::Claiming { .. } => Order::Drop { claim },
            Phase::Running { .. } | Phase::Over { .. } => Order::Stop { claim },
        })
    }

    /// A run shall stop and say nothing: revoked, or cancelled. If its grant is still on its way it will not start.
    pub(super) fn revoked(&mut self, task: TaskId, epoch: u64) -> Option<Order> {
        let Some(claim) = self.find(task, epoch) else {
            if self.taken_back.len() == TAKEN_BACK {
                self.taken_back.pop_front();
            }
            self.taken_back.push_back((task, epoch));
            return None;
        };
        self.runs.remove(&claim);
        Some(Order::Stop { claim })
    }

    /// A run has ended: its outcome is kept.
    pub(super) fn over(
        &mut self,
        claim: ClaimId,
        outcome: Outcome,
        now: Instant,
        clock: Clock,
    ) -> Option<Order> {
        let entry = self.runs.get_mut(&claim)?;
        let Phase::Running { grant } = &entry.phase else {
            return None;
        };
        let grant = grant.clone();
        let again = now + clock.again;
        entry.phase = Phase::Over {
            grant,
            outcome: Box::new(outcome),
            again,
        };
        Some(Order::Report { claim })
    }

    /// An outcome is in the store.
    pub(super) fn recorded(&mut self, task: TaskId, epoch: u64) -> Option<Order> {
        let claim = self.find(task, epoch)?;
        let over = matches!(self.runs[&claim].phase, Phase::Over { .. });
        if !over {
            return None;
        }
        self.runs.remove(&claim);
        Some(Order::Drop { claim })
    }

    /// A run has a slot.
    pub(super) fn began(&mut self, claim: ClaimId) {
        if let Some(entry) = self.runs.get_mut(&claim) {
            entry.begun = true;
        }
    }

    /// The delivery of this run was held for long. It is acknowledged once a server knows of the run: until then only the
    /// delivery tells of it, should this agent die.
    pub(super) fn hand_over(&mut self, claim: ClaimId, again: Instant) -> Option<Order> {
        match self.runs.get_mut(&claim) {
            Some(entry) if !entry.known => {
                // What waits for a slot here is not kept from others by a lease.
                if entry.asking.is_some() || !entry.begun {
                    return None;
                }
                entry.asking = Some(again);
                let started = true;
                Some(Order::Claim { claim, started })
            }
            _ => Some(Order::Ack { claim }),
        }
    }

    /// The connection is gone: what has not started is dropped. A fast offer that waits for a slot is delivered to
    /// somebody else now; the session stops its wait.
    pub(super) fn disconnected(&mut self) -> Vec<Order> {
        let waits = |entry: &Entry| {
            let running = matches!(entry.phase, Phase::Running { .. });
            running && !entry.known && !entry.begun
        };
        let (runs, mut orders) = (&mut self.runs, vec![]);
        runs.retain(|claim, entry| {
            let claim = *claim;
            if waits(entry) {
                orders.push(Order::Stop { claim });
            }
            !matches!(entry.phase, Phase::Claiming { .. }) && !waits(entry)
        });
        for entry in self.runs.values_mut() {
            entry.asking = None;
        }
        orders
    }

    /// This agent stood still for longer than a grant is fresh. Whatever waited for it meanwhile is claimed instead of
    /// started, until [`Book::rejoined`]: the answer to a hello comes after everything that was sent before it.
    pub(super) fn stood_still(&mut self) {
        self.stale = true;
    }

    /// Welcome (again): every run that has started and is not recorded is claimed as started.
    pub(super) fn rejoined(&mut self, now: Instant, clock: Clock) -> Vec<Order> {
        self.stale = false;
        let mut orders = vec![];
        for (claim, entry) in &mut self.runs {
            if matches!(entry.phase, Phase::Claiming { .. }) {
                continue;
            }
            entry.asking = Some(now + clock.repeat);
            let (claim, started) = (*claim, true);
            orders.push(Order::Claim { claim, started });
        }
        orders
    }

    /// What is due to be said again.
    pub(super) fn due(&mut self, now: Instant, clock: Clock) -> Vec<Order> {
        let mut orders = vec![];
        for (claim, entry) in &mut self.runs {
            let claim = *claim;
            match &mut entry.phase {
                Phase::Claiming { asked, again } if *again <= now => {
                    (*asked, *again) = (now, now + clock.repeat);
                    orders.push(Order::Claim {
                        claim,
                        started: false,
                    });
                }
                Phase::Over { again, .. } if *again <= now => {
                    *again = now + clock.again;
                    orders.push(Order::Report { claim });
                }
                _ => {}
            }
            if entry.asking.is_some_and(|again| again <= now) {
                entry.asking = Some(now + clock.repeat);
                let started = true;
                orders.push(Order::Claim { claim, started });
            }
        }
        orders
    }

    /// The broker did not take an outcome: soon again.
    pub(super) fn not_sent(&mut self, claim: ClaimId, now: Instant, clock: Clock) {
        if let Some(entry) = self.runs.get_mut(&claim)
            && let Phase::Over { again, .. } = &mut entry.phase
        {
            *again = now + clock.again.min(Duration::from_millis(500));
        }
    }

    pub(super) fn get(&self, claim: ClaimId) -> Option<&Entry> {
        self.runs.get(&claim)
    }

    /// What a heartbeat lists: everything granted and not yet recorded.
    pub(super) fn held(&self) -> Vec<Held> {
        self.runs
            .values()
            .filter_map(|entry| {
                let grant = entry.grant()?;
                Some(Held {
                    task_id: grant.task_id,
                    attempt: grant.attempt,
                    epoch: grant.epoch,
                    progress: None,
                })
            })
            .collect()
    }

    /// Runs that have started and not ended.
    pub(super) fn running(&self) -> Vec<ClaimId> {
        let running = |e: &Entry| matches!(e.phase, Phase::Running { .. });
        self.runs
            .iter()
            .filter(|(_, e)| running(e))
            .map(|(claim, _)| *claim)
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    fn is_taken_back(&self, grant: &Granted) -> bool {
        self.taken_back.contains(&(grant.task_id, grant.epoch))
    }

    /// The run of this offer that has started here.
    pub(super) fn run_of(&self, task: TaskId, offer: u64) -> Option<ClaimId> {
        let this =
            |e: &Entry| e.grant().is_some() && e.offer.task_id == task && e.offer.offer == offer;
        let mut runs = self.runs.iter();
        runs.find(|(_, entry)| this(entry)).map(|(claim, _)| *claim)
    }

    fn find(&self, task: TaskId, epoch: u64) -> Option<ClaimId> {
        let mut runs = self.runs.iter();
        let this = |e: &Entry| {
            e.grant()
                .is_some_and(|g| g.task_id == task && g.epoch == epoch)
        };
        runs.find(|(_, entry)| this(entry)).map(|(claim, _)| *claim)
    }
}

impl Entry {
    pub(super) fn grant(&self) -> Option<&Granted> {
        match &self.phase {
            Phase::Claiming { .. } => None,
            Phase::Running { grant } | Phase::Over { grant, .. } => Some(grant),
        }
    }
}

/// What a fast offer grants to whoever gets it first. It brings no lease.
fn at_once(claim: ClaimId, offer: &Offer) -> Option<Granted> {
    Some(Granted {
        task_id: offer.task_id,
        claim,
        attempt: offer.attempt?,
        epoch: offer.epoch?,
        lease_ms: 0,
        timeout_ms: offer.timeout_ms,
        started_at: None,
        version: None,
        task_token: offer.task_token.clone(),
    })
}

#[cfg(test)]
mod tests;

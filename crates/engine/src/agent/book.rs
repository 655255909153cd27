//! What an agent owes for each of its runs: pure. The session asks it what to do with every message and every tick.
//!
//! protocol.md, paragraph **Agent**: claims every delivery before starting, starts only what was granted freshly, keeps
//! an outcome until it is recorded or revoked, and after a reconnect claims again whatever has started.

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::message::{Granted, Held, Offer, Outcome};
use warrener_model::{ClaimId, TaskId};

/// One run.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) offer: Offer,
    pub(super) redelivered: bool,
    pub(super) phase: Phase,
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

/// What the session shall do.
#[derive(Debug, PartialEq)]
pub(super) enum Order {
    /// Ask for this run (again).
    Claim { claim: ClaimId, started: bool },
    /// Start this run.
    Start { claim: ClaimId },
    /// Acknowledge what was delivered for this run and forget it.
    Drop { claim: ClaimId },
    /// Stop this run, say nothing.
    Stop { claim: ClaimId },
    /// Say this outcome (again).
    Report { claim: ClaimId },
}

#[derive(Debug, Default)]
pub(super) struct Book {
    runs: HashMap<ClaimId, Entry>,
}

/// The timers that a book needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) repeat: Duration,
    pub(super) fresh: Duration,
    pub(super) again: Duration,
}

impl Book {
    /// A delivery. Where it carries its grant it starts at once; elsewhere it is claimed.
    pub(super) fn delivered(
        &mut self,
        claim: ClaimId,
        offer: Offer,
        redelivered: bool,
        now: Instant,
        clock: Clock,
    ) -> Order {
        let (phase, order) = match offer.grant.clone() {
            Some(grant) => (Phase::Running { grant }, Order::Start { claim }),
            None => (
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
            asking: None,
        };
        self.runs.insert(claim, entry);
        order
    }

    /// A grant.
    pub(super) fn granted(&mut self, grant: Granted, now: Instant, clock: Clock) -> Option<Order> {
        // A grant for a run that was dropped is ignored.
        let claim = grant.claim;
        let entry = self.runs.get_mut(&claim)?;
        match &mut entry.phase {
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

    /// A run shall stop and say nothing: revoked, or cancelled.
    pub(super) fn revoked(&mut self, task: TaskId, epoch: u64) -> Option<Order> {
        let claim = self.find(task, epoch)?;
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

    /// The connection is gone: what has not started is dropped.
    pub(super) fn disconnected(&mut self) {
        self.runs
            .retain(|_, entry| !matches!(entry.phase, Phase::Claiming { .. }));
        for entry in self.runs.values_mut() {
            entry.asking = None;
        }
    }

    /// The connection is back: every run that is not recorded is claimed as started.
    pub(super) fn rejoined(&mut self, now: Instant, clock: Clock) -> Vec<Order> {
        let mut orders = vec![];
        for (claim, entry) in &mut self.runs {
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

#[cfg(test)]
mod tests;

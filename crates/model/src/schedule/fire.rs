//! What becomes of the slots that came: which one starts a task, which wait, which are left out, and why.

use super::{CatchUp, Cause, Overlap, SLOTS_WAITING, Schedule, Slot, Work};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It started a task, or a run.
    Started,
    /// Left out: the task of another slot had not ended.
    Skipped,
    /// Left out: nobody was there in time.
    Missed,
    /// Its task breaks a rule of this server.
    Refused,
}

impl Outcome {
    /// The name used in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Started => "started",
            Outcome::Skipped => "skipped",
            Outcome::Missed => "missed",
            Outcome::Refused => "refused",
        }
    }
}

/// A row of a schedule's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The slot; of several the newest.
    pub slot: Slot,
    /// When that was decided, by the store's clock.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// How many slots this row is about: one, or those that were missed together, up to 1,000.
    pub count: u32,
    /// What it started.
    pub work: Option<Work>,
    /// Why, where the outcome does not say.
    pub reason: String,
}

/// What to do: write the schedule, with this history; start what a slot is for, if there is one, in the same commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The schedule afterwards, one version on.
    pub schedule: Schedule,
    /// What was left out.
    pub firings: Vec<Firing>,
    /// This slot starts something.
    pub start: Option<Slot>,
    /// What was started last is to be cancelled before.
    pub cancel: bool,
}

/// Asked for now, while the task of another slot has not ended, of a schedule that skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Schedule {
    /// Decides over the slots that came up to now. `busy`: what was started last has not ended. None where there is nothing to do.
    pub fn look(&self, now: Timestamp, busy: bool) -> Option<Decision> {
        if self.paused_since.is_some() {
            return None;
        }
        let came = self.when.between(self.done_until, now, SLOTS_WAITING);
        if came.is_empty() && (busy || self.waiting.is_empty()) && self.due_at() > Some(now) {
            return None;
        }
        let mut next = Schedule {
            done_until: self.done_until.max(now),
            version: self.version + 1,
            ..self.clone()
        };
        next.next = self.when.after(next.done_until);
        let mut firings = vec![];
        let chosen = self.catch_up(&came, now, &mut firings);
        let decision = next.place(chosen, now, busy, firings);
        (decision.schedule.differs(self) || decision.start.is_some()).then_some(decision)
    }

    /// Decides over a slot that a person asks for now. A pause does not hold it back.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn by_hand(&self, now: Timestamp, busy: bool) -> Result<Decision, Busy> {
        if busy && self.overlap == Overlap::Skip {
            return Err(Busy);
        }
        let next = Schedule {
            version: self.version + 1,
            ..self.clone()
        };
        let slot = Slot {
            at: now,
            cause: Cause::Hand,
        };
        Ok(next.place(vec![slot], now, busy, vec![]))
    }

    fn differs(&self, before: &Schedule) -> bool {
        self.next != before.next || self.waiting != before.waiting
    }

    /// Those of the slots that are to be started, oldest first; the others are missed.
    fn catch_up(&self, came: &[Timestamp], now: Timestamp, firings: &mut Vec<Firing>) -> Vec<Slot> {
        let (missed, on_time): (Vec<Timestamp>, Vec<Timestamp>) =
            came.iter().partition(|at| now.since(**at) > self.late);
        let made_up = match self.catch_up {
            CatchUp::None => 0,
            CatchUp::Last => usize::from(on_time.is_empty()),
            CatchUp::All => self.catch_up_max,
        };
        let (gone, made_up) = missed.split_at(missed.len() - made_up.min(missed.len()));
        if let Some(newest) = gone.last() {
            let slot = in_time(*newest);
            let count = u32::try_from(gone.len()).unwrap_or(u32::MAX);
            firings.push(left_out(slot, now, Outcome::Missed, count, ""));
        }
        made_up
            .iter()
            .chain(&on_time)
            .copied()
            .map(in_time)
            .collect()
    }

    /// Puts slots where the overlap policy wants them.
    fn place(
        mut self,
        chosen: Vec<Slot>,
        now: Timestamp,
        busy: bool,
        mut firings: Vec<Firing>,
    ) -> Decision {
        let mut skip = |slot: Slot, why: &str| {
            firings.push(left_out(slot, now, Outcome::Skipped, 1, why));
        };
        let mut start = None;
        match self.overlap {
            Overlap::Skip => {
                for slot in chosen {
                    if busy || start.is_some() {
                        skip(slot, "the task before it had not ended");
                    } else {
                        start = Some(slot);
                    }
                }
            }
            Overlap::Cancel => {
                for slot in chosen {
                    if let Some(older) = start.replace(slot) {
                        skip(older, "a newer slot was due already");
                    }
                }
            }
            Overlap::Queue => {
                self.waiting.extend(chosen);
                if !busy {
                    start = self.waiting.pop_front();
                }
                while self.waiting.len() > SLOTS_WAITING {
                    if let Some(oldest) = self.waiting.pop_front() {
                        skip(oldest, "too many slots were waiting");
                    }
                }
            }
        }
        Decision {
            cancel: busy && start.is_some(),
            start,
            schedule: self,
            firings,
        }
    }
}

impl Decision {
    /// The decision with what its slot starts: to be committed with it, or not at all.
    #[must_use]
    pub fn started(mut self, work: Work, now: Timestamp) -> Decision {
        if let Some(slot) = self.start {
            let firing = left_out(slot, now, Outcome::Started, 1, "");
            self.firings.push(Firing {
                work: Some(work),
                ..firing
            });
            self.schedule.last_slot = Some(slot.at);
            self.schedule.last = Some(work);
        }
        self
    }

    /// The decision with a slot whose task cannot be accepted.
    #[must_use]
    pub fn refused(mut self, why: &str, now: Timestamp) -> Decision {
        if let Some(slot) = self.start.take() {
            self.cancel = false;
            self.firings
                .push(left_out(slot, now, Outcome::Refused, 1, why));
        }
        self
    }
}

fn in_time(at: Timestamp) -> Slot {
    Slot {
        at,
        cause: Cause::Time,
    }
}

fn left_out(slot: Slot, at: Timestamp, outcome: Outcome, count: u32, reason: &str) -> Firing {
    Firing {
        slot,
        at,
        outcome,
        count,
        work: None,
        reason: reason.into(),
    }
}

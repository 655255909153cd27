//! Judges what clients of one versioned key were told: whether one order of its versions explains every answer, whoever
//! asked at the same time. The versions themselves are read from the store afterwards.
//!
//! Versions are numbered without a gap, so their order is known, and with it the place of every answer: a write stands at
//! its version, a read behind it. The key is linearizable if no answer stands before one that ended before it began.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// A value; none: deleted, or never written.
pub type Held = Option<u64>;

/// What a client did, and what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It was told that its write made this version.
    Wrote {
        /// The new value.
        value: Held,
        /// The version that was the condition; 0: no value; none: no condition.
        after: Option<u64>,
        /// The version it made.
        version: u64,
    },
    /// It wrote and was told nothing: that happened, or did not.
    Unknown {
        /// The new value.
        value: Held,
    },
    /// It was told this value at this version.
    Found {
        /// The value.
        value: u64,
        /// Its version.
        version: u64,
    },
    /// It was told that there is no value.
    Nothing,
    /// Its write was refused, for the key is at this version and not at the one it named.
    Refused {
        /// The version that was the condition; 0: no value.
        after: u64,
        /// The version that stands in its way.
        version: u64,
    },
}

/// One call of a client, in times of one clock.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// When it was first sent.
    pub began: Duration,
    /// When its answer was there; none: never.
    pub ended: Option<Duration>,
    /// What it was.
    pub act: Act,
}

/// Everything that is wrong. `versions` are those of the store, the first one first; each value is written once at most.
pub fn judge(versions: &[Held], calls: &[Call]) -> Vec<String> {
    let judge = Judge { versions, calls };
    let mut faults = judge.answers();
    faults.extend(judge.makers());
    faults.extend(judge.times());
    faults
}

struct Judge<'a> {
    versions: &'a [Held],
    calls: &'a [Call],
}

impl Judge<'_> {
    /// What the key held at a version.
    fn at(&self, version: u64) -> Option<Held> {
        let before = version.checked_sub(1);
        before.map_or(Some(None), |n| {
            self.versions.get(usize::try_from(n).ok()?).copied()
        })
    }

    /// Answers that do not agree with the versions.
    fn answers(&self) -> Vec<String> {
        let agrees = |call: &&Call| match call.act {
            Act::Wrote {
                value,
                after,
                version,
            } => {
                let before = version.checked_sub(1);
                let met = match (after, before) {
                    (_, None) => false,
                    (None, _) => true,
                    (Some(0), Some(before)) => self.at(before) == Some(None),
                    (Some(after), Some(before)) => after == before,
                };
                met && self.at(version) == Some(value)
            }
            Act::Found { value, version } => self.at(version) == Some(Some(value)),
            Act::Refused { after, version } => {
                // A condition of no value is met by a deleted one.
                let stands = after != 0 || matches!(self.at(version), Some(Some(_)));
                after != version && stands && self.at(version).is_some()
            }
            Act::Unknown { .. } | Act::Nothing => true,
        };
        let wrong = self.calls.iter().filter(|call| !agrees(call));
        wrong
            .map(|call| format!("the versions do not explain {call:?}"))
            .collect()
    }

    /// Versions that nobody wrote, or several.
    fn makers(&self) -> Vec<String> {
        let deletes_unknown = self.count(|act| act == Act::Unknown { value: None });
        let mut deletes_unsaid = 0;
        let mut faults = Vec::new();
        for (version, held) in (1..).zip(self.versions) {
            let said = self
                .count(|act| matches!(act, Act::Wrote { version: made, .. } if made == version));
            let unsaid = match held {
                Some(_) => self.count(|act| act == Act::Unknown { value: *held }),
                None => {
                    deletes_unsaid += usize::from(said == 0);
                    usize::from(said == 0)
                }
            };
            if said + unsaid != 1 {
                let makers = said + unsaid;
                faults.push(format!("version {version} ({held:?}) has {makers} makers"));
            }
        }
        if deletes_unsaid > deletes_unknown {
            faults.push(format!(
                "{deletes_unsaid} deletes that nobody was told of, by {deletes_unknown} that may have been"
            ));
        }
        faults
    }

    fn count(&self, is: impl Fn(Act) -> bool) -> usize {
        self.calls.iter().filter(|call| is(call.act)).count()
    }

    /// Where an answer stands, if it says so: writes at even places, reads at odd ones.
    fn place(&self, act: Act) -> Option<u64> {
        match act {
            Act::Wrote { version, .. } => Some(2 * version),
            Act::Found { version, .. } | Act::Refused { version, .. } => Some(2 * version + 1),
            Act::Unknown { value: Some(value) } => {
                let n = self.versions.iter().position(|held| *held == Some(value))?;
                Some(2 * (n as u64 + 1))
            }
            Act::Unknown { value: None } | Act::Nothing => None,
        }
    }

    /// Answers that stand before one that was over when they began.
    fn times(&self) -> Vec<String> {
        let placed: Vec<(&Call, u64)> = self
            .calls
            .iter()
            .filter_map(|call| Some((call, self.place(call.act)?)))
            .collect();
        // The last place that was over before a time, and the first that began behind one.
        let over = |time: Duration| {
            let before = placed
                .iter()
                .filter(|(call, _)| call.ended.is_some_and(|ended| ended < time));
            before.map(|(_, place)| *place).max().unwrap_or(0)
        };
        let ahead = |time: Duration| {
            let behind = placed.iter().filter(|(call, _)| call.began > time);
            behind.map(|(_, place)| *place).min().unwrap_or(u64::MAX)
        };
        let mut faults = Vec::new();
        for (call, place) in &placed {
            let over = over(call.began);
            if *place < over {
                faults.push(format!(
                    "{call:?} began when the key was at version {} already",
                    over / 2
                ));
            }
        }
        for call in self.calls.iter().filter(|call| call.act == Act::Nothing) {
            let (from, to) = (over(call.began), call.ended.map_or(u64::MAX, ahead));
            let fits = (0..=self.versions.len() as u64).any(|version| {
                self.at(version) == Some(None) && (from..=to).contains(&(2 * version + 1))
            });
            if !fits {
                faults.push(format!("there was a value all through {call:?}"));
            }
        }
        faults
    }
}

//! What may happen to a task: claims, endings, and every other cause of a transition; and how the tasks of a lane start.

use super::Parked;
use crate::agent::Who;
use crate::failure::{Class, UnknownWord};
use crate::id::ClaimId;
use crate::name::AgentId;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

/// How the tasks of a lane start.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Claimed first.
    #[default]
    Claim,
    /// At once: one commit, not one start (protocol.md section 6).
    Fast,
}

impl Start {
    /// The name used in configuration, messages and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Start::Claim => "claim",
            Start::Fast => "fast",
        }
    }
}

impl FromStr for Start {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [Start::Claim, Start::Fast]
            .into_iter()
            .find(|start| start.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "start",
                word: s.into(),
            })
    }
}

/// How a run ended, as its agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With a result.
    Succeeded,
    /// With parts that are done in its place: it goes on once they are over.
    Decomposed,
    /// With a failure.
    Failed {
        /// What kind.
        class: Class,
        /// The handler's wish for the next attempt.
        retry_after: Option<Duration>,
    },
    /// Given back unfinished (drain): never counted.
    Released,
    /// Given back because the agent cannot run this kind: counted as a refusal.
    Refused,
}

/// One run asking to start, or to go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The run.
    pub claim: ClaimId,
    /// Who asks.
    pub who: Who,
    /// The offer it was given.
    pub offer: u64,
    /// Whether the broker said that this offer was delivered before.
    pub redelivered: bool,
    /// Whether the run has started already (after a reconnect).
    pub started: bool,
}

/// What is known of the tasks that a task depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// All ended well, or there are none.
    Met,
    /// Some have not ended.
    Open,
}

/// What may happen to a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// All that it depends on has ended well.
    DependenciesMet,
    /// Its parts are done in its place, and it waits for them; or it has none that could be, and fails.
    Decompose {
        /// Whether it has.
        sound: bool,
    },
    /// Its parts are over.
    PartsOver {
        /// Whether all went well that must.
        well: bool,
    },
    /// Row 2: the server decides to put it into the broker.
    Offer,
    /// Row 2 in a fast lane: the offer is the grant of whoever gets it first.
    OfferFast,
    /// Rows 2, 6 and 9: that offer came to nothing (returned, unconfirmed, overdue, no slot).
    Unoffer {
        /// It came to an agent a second time: whoever had it first may have started and be gone. Counts in fast lanes.
        again: bool,
        /// Which offer.
        offer: u64,
    },
    /// Row 12: the broker gave this offer up.
    DeadLetter {
        /// Which offer.
        offer: u64,
    },
    /// Rows 2 and 3 in one: in process and over the link the delivery is the claim.
    Assign {
        /// The run.
        claim: ClaimId,
        /// Who gets it.
        who: Who,
    },
    /// Rows 3 to 6: a run asks.
    Claim(Claim),
    /// Row 5, after the grace: the holder that was asked did not answer; `seen` is the lease_seq of that time.
    Supersede {
        /// The claim that waited.
        claim: Claim,
        /// What `lease_seq` was when the holder was asked.
        seen: u64,
    },
    /// Row 10, and the end of a link: the holder was silent while `lease_seq` stayed `seen`.
    Lost {
        /// What `lease_seq` was all the while.
        seen: u64,
    },
    /// Row 8: the holder lists the run in a heartbeat.
    Renew {
        /// Who says so.
        who: Who,
        /// Under which grant.
        epoch: u64,
    },
    /// Row 7: the run is over.
    Outcome {
        /// Who says so.
        who: Who,
        /// Under which grant.
        epoch: u64,
        /// How it ended.
        ending: Ending,
    },
    /// Row 11: a timer of the task may be due.
    Due,
    /// Row 13.
    Cancel,
    /// Row 14: an operator, or a rule, tries again. `anew` forgets the retries used so far.
    Retry {
        /// Whether the retries of each class start anew.
        anew: bool,
        /// Whether the tasks that it depends on have ended, by the store, now: meanwhile they may have.
        needs: Needs,
    },
    /// The same for a dead letter only: what somebody cancelled meanwhile stays cancelled.
    Requeue {
        /// Whether the retries of each class start anew.
        anew: bool,
    },
    /// An operator wants another agent to do it.
    Reassign {
        /// Which one.
        to: AgentId,
    },
    /// Waits for a person from now on.
    Park(Parked),
    /// The act that a task parked for this reason waits for.
    Unpark(Parked),
    /// A person said no to what waits for an approval.
    Reject,
    /// An operator does not want to see this dead letter again.
    Discard,
}

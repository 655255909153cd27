//! What can go wrong, and how often it may in one run of the checker: a budget that is part of the state.

use std::fmt;

/// How work reaches an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Offers through a broker, claimed before the start (protocol.md section 3).
    Claim,
    /// In process and over the link: the delivery is the claim.
    Direct,
    /// Offers through a broker in a fast lane: a first delivery starts at once (section 6).
    Fast,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $words:literal),* $(,)?) => {
        /// One kind of fault, or act of a person. A timer that fires on time is none: one that fires on somebody
        /// healthy is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($(#[$doc])* $variant),* }

        impl Fault {
            /// Every kind, in the order of the declaration.
            const ALL: &[Fault] = &[$(Fault::$variant),*];

            /// In words.
            pub(crate) fn words(self) -> &'static str {
                match self { $(Fault::$variant => $words),* }
            }
        }

        const COUNT: usize = Fault::ALL.len();
    };
}

faults! {
    /// An agent dies and comes back under its name, as a new instance.
    AgentCrash "agent crash",
    /// An agent's connection ends; it comes back as the same instance.
    ConnectionLost "connection lost",
    /// An agent stands still, then goes on with what it had buffered; its connection may be cut meanwhile.
    Stall "stall",
    /// A server dies between two of its steps and comes back with nothing in its memory.
    ServerCrash "server crash",
    /// A message vanishes.
    MessageLost "message lost",
    /// A message comes twice.
    MessageDoubled "message doubled",
    /// The broker comes back empty.
    BrokerLost "broker lost",
    /// The broker gives a copy of an offer up.
    DeadLetter "dead letter",
    /// Somebody cancels the task.
    Cancel "cancel",
    /// The deadline of the task passes.
    Deadline "deadline",
    /// An operator retries a task that ended without success.
    Retry "retry",
    /// An operator wants another agent to have it.
    Reassign "reassign",
    /// An offer is called overdue although its copy lives.
    EarlyOverdue "early overdue",
    /// A claim is repeated although it is on its way, or answered.
    EarlyClaim "claim repeated",
    /// A grant is read too late to start on it: the agent claims again.
    OldGrant "old grant",
    /// An outcome is repeated although it is on its way, or answered.
    EarlyOutcome "outcome repeated",
    /// The confirm of an offer does not come, whether the broker has it or not.
    Unconfirmed "unconfirmed",
    /// A run is given back unfinished, or because the agent cannot do it.
    Release "release",
    /// The server refuses a claim for want of a slot.
    NoSlot "no slot",
    /// A holder is called lost although it is well.
    EarlyLost "early lost",
}

impl Fault {
    /// The faults of a mode: without a broker, nothing of a broker breaks.
    pub(crate) fn of(mode: Mode) -> Vec<Fault> {
        let of_the_broker = [
            Fault::BrokerLost,
            Fault::DeadLetter,
            Fault::EarlyOverdue,
            Fault::Unconfirmed,
            Fault::NoSlot,
        ];
        let mut faults = Fault::ALL.to_vec();
        faults.retain(|fault| mode != Mode::Direct || !of_the_broker.contains(fault));
        faults
    }
}

/// How many of each fault may still come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Budget([u8; COUNT]);

impl Budget {
    /// One for each in the list; a fault that is listed twice may come twice.
    pub(crate) fn of(faults: &[Fault]) -> Self {
        let mut budget = Budget::default();
        for fault in faults {
            budget.0[*fault as usize] += 1;
        }
        budget
    }

    /// Whether one of these may still come.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0[fault as usize] > 0
    }

    /// Each kind of which one may still come.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Fault> {
        let left = Fault::ALL.iter().copied();
        left.filter(|fault| self.has(*fault))
    }

    /// One less.
    pub(crate) fn spend(&mut self, fault: Fault) {
        self.0[fault as usize] -= 1;
    }

    /// How many faults may still come.
    pub(crate) fn left(&self) -> u32 {
        self.0.iter().map(|count| u32::from(*count)).sum()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds()).finish()
    }
}

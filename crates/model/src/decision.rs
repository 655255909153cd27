//! How a session's answers become a decision, or the plain statement that there is none: pure, exact, and the same
//! whatever the order in which the answers came.
//!
//! Weights are whole millionths, so sums do not depend on their order. What was counted is kept with the decision
//! ([`Tally`]): whoever doubts it can add up again.

use crate::name::AgentId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod ranked;
mod sums;
mod vote;
mod weight;
pub use vote::{Answer, Vote};
pub use weight::Weight;

/// The way answers are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// More than half of the weight that was cast.
    #[default]
    Majority,
    /// The most weight, each voice weighed by what its agent knows of the topic.
    Expertise,
    /// The most votes, where `n` votes for one option cost `n²` credits of a budget.
    Quadratic,
    /// Instant run-off: the last is left out and its ballots move on, until one has more than half.
    Ranked,
    /// At least the threshold of the weight, which is all of it unless said.
    Unanimity,
}

/// What happens when two options are equal at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// No decision; its reason is `tie`.
    #[default]
    None,
    /// The one that was listed first, and the decision says that it was a tie.
    First,
}

/// The rules of one decision, fixed when its session opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How to count.
    pub method: Method,
    /// Each voice is worth its confidence: 0 counts as nothing, none given as all.
    pub confidence: bool,
    /// Equal at the end.
    pub tie: Tie,
    /// The share of members that must have answered, counted over those that lived when the session opened.
    pub quorum: Weight,
    /// For unanimity: the share of the weight that must agree.
    pub threshold: Weight,
}

/// One counted voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Whose; one agent has one.
    pub agent: AgentId,
    /// For what.
    pub vote: Vote,
    /// How sure, if said.
    pub confidence: Option<Weight>,
    /// What the agent knows of the topic; counts for [`Method::Expertise`] only.
    pub expertise: Weight,
}

/// Why nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undecided {
    /// Nobody answered.
    NoAnswers,
    /// Too few of the members answered.
    NoQuorum,
    /// All voices together weigh nothing.
    NoWeight,
    /// No option has more than half.
    NoMajority,
    /// The first option stays below the threshold.
    BelowThreshold,
    /// Two are equal, and the rules do not choose between them.
    Tie,
}

/// One round of counting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The weight of each option that was still in, by its place in the list of options.
    pub scores: BTreeMap<usize, Weight>,
    /// Left out after this round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<usize>,
}

/// All that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// One round, but for ranked choice.
    pub rounds: Vec<Round>,
    /// The weight of all that could be counted in the last round.
    pub cast: Weight,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The place of the option that won, or why none did.
    pub result: Result<usize, Undecided>,
    /// The winner's share of the weight in the last round; nothing if none won.
    pub confidence: Weight,
    /// Two were equal at the end, and [`Tie::First`] chose.
    pub tied: bool,
    /// How it was counted.
    pub tally: Tally,
}

/// Who could have answered, and how many of them have a ballot: what a quorum is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turnout {
    /// Those who lived when it began.
    pub members: usize,
    /// Those of them who are among the ballots.
    pub heard: usize,
}

/// Counts the ballots. `options` is how many options there are. Ballots for
/// options that do not exist cannot be made ([`Vote::read`]); a second ballot of an agent must not be given.
pub fn decide(rules: &Rules, options: usize, turnout: Turnout, ballots: &[Ballot]) -> Decision {
    let mut decision = match rules.method {
        Method::Ranked => ranked::count(rules, options, ballots),
        _ => sums::count(rules, options, ballots),
    };
    let (heard, members) = (Weight::whole(turnout.heard), Weight::whole(turnout.members));
    let objection = if ballots.is_empty() {
        Some(Undecided::NoAnswers)
    } else if !heard.reaches(rules.quorum, members) {
        Some(Undecided::NoQuorum)
    } else if decision.tally.cast == Weight::ZERO {
        Some(Undecided::NoWeight)
    } else {
        None
    };
    if let Some(why) = objection {
        decision.result = Err(why);
    }
    if decision.result.is_err() {
        decision.confidence = Weight::ZERO;
        decision.tied = false;
    }
    decision
}

impl Ballot {
    /// What this voice is worth under these rules.
    fn weight(&self, rules: &Rules) -> Weight {
        let sure = match self.confidence {
            Some(confidence) if rules.confidence => confidence,
            _ => Weight::ONE,
        };
        match rules.method {
            Method::Expertise => sure.times(self.expertise),
            _ => sure,
        }
    }
}

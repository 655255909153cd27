//! Sessions: a question put to agents in rounds, their answers, and what was decided. A pure state machine: [`open`] makes
//! one, [`apply`] moves it, and says what has to be done about it.
//!
//! ```text
//! open ──▶ round 1 ──▶ … ──▶ last round (counted) ──▶ decided | no_decision
//!            │ a round ends when all that is required was said, or at its deadline
//!            └──────────────── cancel ──────────────▶ cancelled
//! ```

use crate::decision::{Answer, Method, Rules, Tally, Undecided, Weight};
use crate::id::{RunId, SessionId, TaskId};
use crate::json::Json;
use crate::name::{AgentId, Capability};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod apply;
mod close;
mod members;
mod open;
mod previous;
pub mod text;
pub use apply::{Effect, Event, Refused, Step, apply};
pub use open::{Living, OpenSession, Required, open};
pub use text::Theme;

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Answers come in.
    Open,
    /// One option won.
    Decided,
    /// It ended, and none won.
    NoDecision,
    /// Somebody called it off.
    Cancelled,
}

impl SessionState {
    /// All of them.
    pub const ALL: [SessionState; 4] = [
        SessionState::Open,
        SessionState::Decided,
        SessionState::NoDecision,
        SessionState::Cancelled,
    ];

    /// The name used in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::Open => "open",
            SessionState::Decided => "decided",
            SessionState::NoDecision => "no_decision",
            SessionState::Cancelled => "cancelled",
        }
    }

    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        self != SessionState::Open
    }
}

/// What a round asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An idea of one's own.
    Propose,
    /// What is wrong with the ideas so far, whose names are not said; and a better one.
    Critique,
    /// A vote.
    Vote,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The agent.
    pub agent: AgentId,
    /// What it knows of the topic.
    pub expertise: Weight,
    /// It lived when the session opened: it counts for the quorum.
    pub lived: bool,
    /// A round ends early only with its answer.
    pub needed: bool,
}

/// One answer that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// In which round.
    pub round: u32,
    /// What that asked for.
    pub phase: Phase,
    /// Whose.
    pub agent: AgentId,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Why a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundEnd {
    /// All that was required was said.
    Answers,
    /// Its time was over.
    Deadline,
    /// The session was cancelled.
    Cancelled,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRound {
    /// From 1.
    pub round: u32,
    /// What it asks for.
    pub phase: Phase,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it is over at the latest.
    pub deadline: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_by: Option<RoundEnd>,
}

/// An option that did not win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The option.
    pub suggestion: String,
    /// Its weight in the last round of counting in which it was.
    pub score: Weight,
    /// Who was most for it.
    pub supporters: Vec<AgentId>,
}

/// A voice for something else than what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dissent {
    /// Whose.
    pub agent: AgentId,
    /// For what.
    pub suggestion: String,
    /// Why.
    pub rationale: Option<String>,
}

/// What came out, with all that it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was decided.
    pub decision: Option<String>,
    /// The winner's share of the weight.
    pub confidence: Weight,
    /// Two were equal, and the rule chose the first.
    pub tied: bool,
    /// Everything else, the best first.
    pub alternatives: Vec<Alternative>,
    /// Who was for something else.
    pub dissent: Vec<Dissent>,
    /// What many spoke of.
    pub themes: Vec<Theme>,
    /// What was counted; options by their place in [`Session::ballot`].
    pub tally: Tally,
    /// Voices that were counted.
    pub counted: u32,
}

/// What waits for the end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A step: its end is the step's.
    Step {
        /// The run.
        run: RunId,
        /// The step's id in the file.
        step: String,
    },
    /// A task that is parked until then, and has the same id.
    Task(TaskId),
}

/// A session, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Grows by one with every change.
    pub version: u64,
    /// What waits for it, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it is about.
    pub topic: String,
    /// What is asked.
    pub question: String,
    /// What can be chosen, if whoever opened it said so.
    pub options: Vec<String>,
    /// What can be chosen in the end: the same, or the ideas of the rounds before, alike ones put together.
    pub ballot: Vec<String>,
    /// For those who answer.
    pub context: Json,
    /// How it is decided.
    pub rules: Rules,
    /// Credits of each voice, for [`Method::Quadratic`].
    pub budget: u32,
    /// How many rounds.
    pub last_round: u32,
    /// How long each may take, in ms.
    pub round_ms: u64,
    /// So many answers must be in before a round ends early.
    pub count: Option<u32>,
    /// Capabilities that are required and that nobody had when it opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfilled: Vec<Capability>,
    /// Who is asked.
    pub members: Vec<Member>,
    /// Where it is.
    pub state: SessionState,
    /// Why nothing was decided, or why it was cancelled.
    pub reason: Option<String>,
    /// The rounds so far; the last one is under way while the session is open.
    pub rounds: Vec<SessionRound>,
    /// Every answer that was taken.
    pub contributions: Vec<Contribution>,
    /// Answers that were refused, by reason.
    pub refused: BTreeMap<String, u32>,
    /// What came out.
    pub verdict: Verdict,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
}

impl Session {
    /// What it says to who waited for it.
    pub fn output(&self) -> Json {
        let verdict = &self.verdict;
        let output = serde_json::json!({
            "session_id": self.id,
            "state": self.state,
            "reason": self.reason,
            "question": self.question,
            "decision": verdict.decision,
            "confidence": verdict.confidence,
            "alternatives": verdict.alternatives,
            "dissent": verdict.dissent,
            "participants": self.participants(),
            "missing": self.missed(),
        });
        Json::of(&output).unwrap_or_default()
    }

    /// The same without who said what.
    pub fn output_alone(&self) -> Json {
        let output = serde_json::json!({
            "session_id": self.id,
            "state": self.state,
            "reason": self.reason,
            "decision": self.verdict.decision,
            "confidence": self.verdict.confidence,
        });
        Json::of(&output).unwrap_or_default()
    }

    /// The round under way.
    pub fn round(&self) -> Option<&SessionRound> {
        let open = self.state == SessionState::Open;
        self.rounds.last().filter(|_| open)
    }

    /// When it must be looked at.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.round().map(|round| round.deadline)
    }

    /// Who has answered in a round.
    pub fn answered(&self, round: u32) -> BTreeSet<&AgentId> {
        let of_round = self.contributions.iter().filter(|one| one.round == round);
        of_round.map(|one| &one.agent).collect()
    }

    /// Who is asked and has not answered in the round under way.
    pub fn silent(&self) -> Vec<&AgentId> {
        let Some(round) = self.round() else {
            return vec![];
        };
        let answered = self.answered(round.round);
        let members = self.members.iter().map(|member| &member.agent);
        members.filter(|id| !answered.contains(id)).collect()
    }

    /// Who took part.
    pub fn participants(&self) -> BTreeSet<&AgentId> {
        self.contributions.iter().map(|one| &one.agent).collect()
    }

    /// Who was asked and never answered.
    pub fn missing(&self) -> Vec<&AgentId> {
        let there = self.participants();
        let members = self.members.iter().map(|member| &member.agent);
        members.filter(|id| !there.contains(id)).collect()
    }

    /// All that is missing, in words: members by name, capabilities as `cap:NAME`.
    pub fn missed(&self) -> Vec<String> {
        let members = self.missing().into_iter().map(ToString::to_string);
        let unfilled = self.unfilled.iter().map(|name| format!("cap:{name}"));
        members.chain(unfilled).collect()
    }

    /// Whether it has taken just this answer.
    pub fn has(&self, agent: &AgentId, round: u32, answer: &Answer) -> bool {
        let same =
            |one: &Contribution| one.agent == *agent && one.round == round && one.answer == *answer;
        self.contributions.iter().any(same)
    }

    fn phase_of(&self, round: u32) -> Phase {
        match round {
            _ if round < self.last_round && round > 1 => Phase::Critique,
            _ if round < self.last_round => Phase::Propose,
            1 if self.options.is_empty() => Phase::Propose,
            _ => Phase::Vote,
        }
    }
}

/// Why nothing was decided, as a word.
pub(crate) fn word(why: Undecided) -> &'static str {
    match why {
        Undecided::NoAnswers => "no_answers",
        Undecided::NoQuorum => "no_quorum",
        Undecided::NoWeight => "no_weight",
        Undecided::NoMajority => "no_majority",
        Undecided::BelowThreshold => "below_threshold",
        Undecided::Tie => "tie",
    }
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 5] = [
        Method::Majority,
        Method::Expertise,
        Method::Quadratic,
        Method::Ranked,
        Method::Unanimity,
    ];

    /// The name used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Majority => "majority",
            Method::Expertise => "expertise",
            Method::Quadratic => "quadratic",
            Method::Ranked => "ranked",
            Method::Unanimity => "unanimity",
        }
    }
}

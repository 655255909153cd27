//! A request for a session, as JSON, and its check: who is asked, what for, and by which rules it is decided.

use super::members::{members, unfilled};
use super::{Session, SessionState, Verdict, apply, word};
use crate::decision::{Method, Rules, Tie, Undecided, Weight};
use crate::id::SessionId;
use crate::json::Json;
use crate::limits;
use crate::name::{AgentId, Capability};
use crate::submission::{Mistake, unknown};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FIELDS: [&str; 16] = [
    "topic",
    "question",
    "options",
    "context",
    "required",
    "method",
    "rounds",
    "deadline_ms",
    "quorum",
    "threshold",
    "budget",
    "tie",
    "weigh_confidence",
    "expertise",
    "initiator",
    "include_initiator",
];

/// What `POST /api/v1/sessions` carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenSession {
    /// What it is about, in one line.
    pub topic: String,
    /// Required.
    pub question: String,
    /// What can be chosen; without any, the ideas of those who are asked.
    pub options: Vec<String>,
    /// For those who answer: any JSON.
    pub context: Json,
    /// `cap:NAME`, `agent:ID` or a number; nothing is everybody.
    pub required: Vec<String>,
    /// How it is decided.
    pub method: Method,
    /// The last one is counted, the first one asks for ideas, those between for critique.
    pub rounds: u32,
    /// How long each round may take.
    pub deadline_ms: u64,
    /// The share of those who lived at the beginning that must have answered.
    pub quorum: f64,
    /// For unanimity: the share that must agree.
    pub threshold: f64,
    /// For quadratic: credits of each voice.
    pub budget: u32,
    /// Equal at the end.
    pub tie: Tie,
    /// Each voice is worth its confidence.
    pub weigh_confidence: bool,
    /// For the method `expertise`: which capability; else the best of those that `required` names.
    pub expertise: Option<String>,
    /// The agent that asks.
    pub initiator: Option<AgentId>,
    /// It is asked, too.
    pub include_initiator: bool,
}

impl Default for OpenSession {
    fn default() -> Self {
        OpenSession {
            topic: String::new(),
            question: String::new(),
            options: vec![],
            context: Json::null(),
            required: vec![],
            method: Method::Majority,
            rounds: 1,
            deadline_ms: 60_000,
            quorum: 0.5,
            threshold: 1.0,
            budget: 100,
            tie: Tie::None,
            weigh_confidence: false,
            expertise: None,
            initiator: None,
            include_initiator: false,
        }
    }
}

/// Who has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// Everybody who can do this.
    Capability(Capability),
    /// This one.
    Agent(AgentId),
    /// So many.
    Count(u32),
}

impl std::str::FromStr for Required {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.split_once(':') {
            Some(("cap", name)) => Capability::new(name)
                .map(Self::Capability)
                .map_err(|e| e.to_string()),
            Some(("agent", name)) => AgentId::new(name)
                .map(Self::Agent)
                .map_err(|e| e.to_string()),
            _ => match text.parse() {
                Ok(count) if count > 0 => Ok(Self::Count(count)),
                _ => Err(format!(
                    "\"{text:.60}\" is neither cap:NAME, agent:ID nor a number from 1"
                )),
            },
        }
    }
}

/// An agent that lives when a session opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Living {
    /// The agent.
    pub agent: AgentId,
    /// What it is good at.
    pub capabilities: BTreeMap<Capability, f64>,
}

impl OpenSession {
    /// Reads one request; unknown fields are mistakes with a suggestion.
    ///
    /// # Errors
    /// Every mistake of shape that the text has.
    pub fn read(text: &str) -> Result<OpenSession, Vec<Mistake>> {
        let fields: BTreeMap<String, Json> = serde_json::from_str(text)
            .map_err(|e| vec![Mistake::at("", format!("not a JSON object: {e}"))])?;
        let names = fields
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()));
        let mut mistakes: Vec<Mistake> = names
            .map(|name| Mistake::at(format!("/{name}"), unknown(name, &FIELDS)))
            .collect();
        // Each by itself, so that every mistake has its place.
        for (name, value) in &fields {
            let alone = Json::of(&BTreeMap::from([(name, value)])).unwrap_or_default();
            if let Err(error) = serde_json::from_str::<OpenSession>(alone.as_str()) {
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or_default();
                mistakes.push(Mistake::at(format!("/{name}"), words));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        serde_json::from_str(text).map_err(|e| vec![Mistake::at("", e.to_string())])
    }

    /// Checks everything but who lives.
    fn check(&self) -> Result<(Vec<Required>, Option<Capability>), Vec<Mistake>> {
        let mut mistakes = vec![];
        let mut bad =
            |pointer: String, message: String| mistakes.push(Mistake::at(pointer, message));
        if self.question.trim().is_empty() {
            let words = "is missing: say what is to be decided";
            bad("/question".into(), words.into());
        }
        if self.question.len() > limits::DESCRIPTION_BYTES {
            bad(
                "/question".into(),
                format!("has more than {} bytes", limits::DESCRIPTION_BYTES),
            );
        }
        if self.topic.chars().count() > limits::TITLE_CHARS {
            bad(
                "/topic".into(),
                format!("has more than {} characters", limits::TITLE_CHARS),
            );
        }
        if self.context.as_str().len() > limits::INPUT_BYTES {
            bad(
                "/context".into(),
                format!("has more than {} bytes", limits::INPUT_BYTES),
            );
        } else if self.context.depth() > limits::JSON_DEPTH {
            bad(
                "/context".into(),
                format!("is nested deeper than {}", limits::JSON_DEPTH),
            );
        }
        if self.options.len() == 1 || self.options.len() > limits::SESSION_OPTIONS {
            bad(
                "/options".into(),
                format!("give 2 to {} options, or none", limits::SESSION_OPTIONS),
            );
        }
        for (index, option) in self.options.iter().enumerate() {
            let pointer = format!("/options/{index}");
            if option.trim().is_empty() || option.len() > limits::SUGGESTION_BYTES {
                bad(
                    pointer,
                    format!("must have 1 to {} bytes", limits::SUGGESTION_BYTES),
                );
            } else if self.options[..index].contains(option) {
                bad(pointer, format!("names \"{option}\" a second time"));
            }
        }
        if self.rounds == 0 || self.rounds > limits::SESSION_ROUNDS {
            bad(
                "/rounds".into(),
                format!("must be 1 to {}", limits::SESSION_ROUNDS),
            );
        }
        let most = u64::try_from(limits::SESSION_ROUND.as_millis()).unwrap_or(u64::MAX);
        if self.deadline_ms == 0 || self.deadline_ms > most {
            bad(
                "/deadline_ms".into(),
                format!("must be 1 to {most} ms (7 days)"),
            );
        }
        for (pointer, value) in [("/quorum", self.quorum), ("/threshold", self.threshold)] {
            if Weight::part(value).is_none() {
                bad(pointer.into(), format!("must be from 0 to 1, not {value}"));
            }
        }
        if self.method == Method::Quadratic && self.options.is_empty() && self.rounds < 2 {
            let words = "quadratic spends credits on options: give options, or ask in 2 rounds";
            bad("/method".into(), words.into());
        }
        if self.budget == 0 {
            bad("/budget".into(), "must be at least 1".into());
        }
        let mut required = vec![];
        for (index, text) in self.required.iter().enumerate() {
            match text.parse() {
                Ok(one) => required.push(one),
                Err(words) => bad(format!("/required/{index}"), words),
            }
        }
        let expertise = match self.expertise.as_deref().map(Capability::new) {
            Some(Err(error)) => {
                bad("/expertise".into(), error.to_string());
                None
            }
            Some(Ok(name)) => Some(name),
            None => None,
        };
        let caps = required
            .iter()
            .any(|one| matches!(one, Required::Capability(_)));
        if self.method == Method::Expertise && self.expertise.is_none() && !caps {
            let words = "is missing: name the capability that weighs, or require one (cap:NAME)";
            bad("/expertise".into(), words.into());
        }
        if mistakes.is_empty() {
            Ok((required, expertise))
        } else {
            Err(mistakes)
        }
    }
}

/// Opens a session with those who live now. With nobody to ask it has ended already, undecided.
///
/// # Errors
/// Every mistake, each with its place.
pub fn open(
    id: SessionId,
    request: &OpenSession,
    living: &[Living],
    now: Timestamp,
) -> Result<Session, Vec<Mistake>> {
    let (required, expertise) = request.check()?;
    let members = members(request, &required, expertise.as_ref(), living);
    if members.len() > limits::SESSION_MEMBERS {
        let words = format!(
            "{} agents would be asked; at most {} are",
            members.len(),
            limits::SESSION_MEMBERS
        );
        return Err(vec![Mistake::at("/required", words)]);
    }
    let part = |value: f64| Weight::part(value).unwrap_or_default();
    let counts = required.iter().filter_map(|one| match one {
        Required::Count(count) => Some(*count),
        _ => None,
    });
    let mut session = Session {
        id,
        version: 1,
        origin: None,
        topic: request.topic.clone(),
        question: request.question.clone(),
        options: request.options.clone(),
        ballot: request.options.clone(),
        context: request.context.clone(),
        rules: Rules {
            method: request.method,
            confidence: request.weigh_confidence,
            tie: request.tie,
            quorum: part(request.quorum),
            threshold: part(request.threshold),
        },
        budget: request.budget,
        last_round: request.rounds,
        round_ms: request.deadline_ms,
        count: counts.max(),
        unfilled: unfilled(&required, living),
        members,
        state: SessionState::Open,
        reason: None,
        rounds: vec![],
        contributions: vec![],
        refused: BTreeMap::new(),
        verdict: Verdict::default(),
        opened_at: now,
        closed_at: None,
    };
    if session.members.is_empty() {
        let why = word(Undecided::NoAnswers).to_owned();
        apply::end(&mut session, SessionState::NoDecision, Some(why), now);
    } else {
        apply::begin(&mut session, 1, now);
    }
    Ok(session)
}

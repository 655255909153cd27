//! Sessions: the request that opens one, and the object (contracts.md section 6).

use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::decision::{Answer, Weight};
use warrener_model::session::{self, Contribution, Origin};
use warrener_model::{Json, SessionId, Timestamp};

/// What `POST /api/v1/sessions` takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionRequest {
    /// What it is about, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What is to be decided.
    pub question: String,
    /// What can be chosen: 2 to 20; without any, the ideas of those who are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// For those who answer: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Json>,
    /// `cap:NAME`, `agent:ID`, or a number; without any, everybody who lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// How it is decided; `majority` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Method>)]
    pub method: Option<String>,
    /// 1 to 9; the last one is counted. 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// How long each round may take, in ms; 60,000 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// The share of those who live at the opening that must have answered; 0.5 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<f64>,
    /// For unanimity: the share that must agree; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// For quadratic: credits of each voice; 100 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u32>,
    /// Two are equal at the end: `none` (no decision, unless said) or `first` (the one listed first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Tie>)]
    pub tie: Option<String>,
    /// Each voice is worth its confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weigh_confidence: Option<bool>,
    /// For expertise: the capability that weighs; else the best of those that `required` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expertise: Option<String>,
    /// The agent that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// It is asked, too; not unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_initiator: Option<bool>,
}

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? })*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
            $(#[$doc])*
            pub struct $name { $($(#[$fdoc])* pub $field: $ty),* }
        )*
    };
}

objects! {
    /// A session.
    #[schema(as = Session)]
    SessionObject {
        /// Its id.
        #[schema(value_type = String, format = "uuid")] id: SessionId,
        /// The run of a workflow that waits for it, if one does.
        #[schema(value_type = Option<String>, format = "uuid")] #[serde(default, skip_serializing_if = "Option::is_none")] run_id: Option<warrener_model::id::RunId>,
        /// Which step of it.
        #[serde(default, skip_serializing_if = "Option::is_none")] step: Option<String>,
        /// The task that waits for it, if one does.
        #[schema(value_type = Option<String>, format = "uuid")] #[serde(default, skip_serializing_if = "Option::is_none")] task_id: Option<warrener_model::TaskId>,
        /// What it is about.
        topic: String,
        /// What was asked.
        question: String,
        /// What could be chosen in the end.
        options: Vec<String>,
        /// How it is decided.
        #[schema(value_type = words::Method)] method: Word,
        /// Where it is.
        #[schema(value_type = words::SessionState)] state: Word,
        /// Why nothing was decided (`no_answers no_quorum no_weight no_majority below_threshold tie`), or why it was cancelled.
        #[schema(required = true)] reason: Option<String>,
        /// What was decided.
        #[schema(required = true)] decision: Option<String>,
        /// The share of the weight that it had, 0 to 1.
        #[schema(required = true)] confidence: Option<f64>,
        /// Everything else, the best first.
        alternatives: Vec<AlternativeObject>,
        /// Who was for something else.
        dissent: Vec<DissentObject>,
        /// Who answered.
        participants: Vec<String>,
        /// Who was asked and did not.
        missing: Vec<String>,
        /// What several spoke of.
        themes: Vec<ThemeObject>,
        /// Every answer that was taken.
        contributions: Vec<ContributionObject>,
        /// What was counted.
        tally: TallyObject,
        /// The rounds so far.
        rounds: Vec<RoundObject>,
        /// When it opened.
        #[schema(value_type = String, format = DateTime)] opened_at: Timestamp,
        /// When it ended.
        #[schema(value_type = Option<String>, format = DateTime, required = true)] closed_at: Option<Timestamp>,
    }
    /// An option that did not win.
    #[schema(as = Alternative)]
    AlternativeObject {
        /// The option.
        suggestion: String,
        /// Its weight.
        score: f64,
        /// Who was most for it.
        supporters: Vec<String>,
    }
    /// A voice for something else than what was decided.
    #[schema(as = Dissent)]
    DissentObject {
        /// Whose.
        agent: String,
        /// For what.
        suggestion: String,
        /// Why.
        #[schema(required = true)] rationale: Option<String>,
    }
    /// What several spoke of.
    #[schema(as = Theme)]
    ThemeObject {
        /// One or two words.
        theme: String,
        /// How many agents.
        count: u32,
    }
    /// An answer that was taken.
    #[schema(as = Contribution)]
    ContributionObject {
        /// In which round.
        round: u32,
        /// `propose`, `critique` or `vote`.
        #[schema(value_type = words::Phase)] phase: Word,
        /// Whose.
        agent: String,
        /// When.
        #[schema(value_type = String, format = DateTime)] at: Timestamp,
        /// The agent's own idea.
        #[serde(default, skip_serializing_if = "Option::is_none")] suggestion: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")] rationale: Option<String>,
        /// How sure, 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")] confidence: Option<f64>,
        /// One option.
        #[serde(default, skip_serializing_if = "Option::is_none")] choice: Option<String>,
        /// Options, the best first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] ranking: Vec<String>,
        /// Credits spent on options.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")] credits: BTreeMap<String, u32>,
    }
    /// What was counted, so that anybody can add up again.
    #[schema(as = Tally)]
    TallyObject {
        /// Those who lived at the opening.
        members: u32,
        /// The share of them that must have answered.
        quorum: f64,
        /// Voices that were counted.
        counted: u32,
        /// Their weight in the last count.
        cast: f64,
        /// Two were equal, and the first one was taken.
        tied: bool,
        /// Counts: one, but for ranked choice.
        counts: Vec<CountObject>,
        /// Answers that were refused, by reason: `late duplicate not_invited no_round invalid`.
        refused: BTreeMap<String, u32>,
    }
    /// One count.
    #[schema(as = Count)]
    CountObject {
        /// The weight of each option that was still in.
        scores: BTreeMap<String, f64>,
        /// Left out after it.
        out: Vec<String>,
    }
    /// One round.
    #[schema(as = Round)]
    RoundObject {
        /// From 1.
        round: u32,
        /// `propose`, `critique` or `vote`.
        #[schema(value_type = words::Phase)] phase: Word,
        /// When it began.
        #[schema(value_type = String, format = DateTime)] opened_at: Timestamp,
        /// When it is over at the latest.
        #[schema(value_type = String, format = DateTime)] deadline: Timestamp,
        /// When it ended.
        #[schema(value_type = Option<String>, format = DateTime, required = true)] ended_at: Option<Timestamp>,
        /// Why: `answers`, `deadline` or `cancelled`.
        #[schema(required = true)] ended_by: Option<String>,
    }
}

fn texts<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}

fn phase(phase: session::Phase) -> Word {
    match phase {
        session::Phase::Propose => "propose".into(),
        session::Phase::Critique => "critique".into(),
        session::Phase::Vote => "vote".into(),
    }
}

impl SessionObject {
    /// A session as the contract shows it.
    pub fn of(session: &session::Session) -> Self {
        let verdict = &session.verdict;
        let decided = verdict.decision.is_some();
        let named = |place: &usize| session.ballot.get(*place).cloned().unwrap_or_default();
        let count = |round: &warrener_model::decision::Round| CountObject {
            scores: round
                .scores
                .iter()
                .map(|(place, weight)| (named(place), f64::from(*weight)))
                .collect(),
            out: round.out.iter().map(named).collect(),
        };
        let lived = session.members.iter().filter(|member| member.lived).count();
        SessionObject {
            id: session.id,
            run_id: match &session.origin {
                Some(Origin::Step { run, .. }) => Some(*run),
                _ => None,
            },
            step: match &session.origin {
                Some(Origin::Step { step, .. }) => Some(step.clone()),
                _ => None,
            },
            task_id: match &session.origin {
                Some(Origin::Task(task)) => Some(*task),
                _ => None,
            },
            topic: session.topic.clone(),
            question: session.question.clone(),
            options: session.ballot.clone(),
            method: session.rules.method.as_str().into(),
            state: session.state.as_str().into(),
            reason: session.reason.clone(),
            decision: verdict.decision.clone(),
            confidence: decided.then(|| verdict.confidence.into()),
            alternatives: verdict
                .alternatives
                .iter()
                .map(|one| AlternativeObject {
                    suggestion: one.suggestion.clone(),
                    score: one.score.into(),
                    supporters: texts(&one.supporters),
                })
                .collect(),
            dissent: verdict
                .dissent
                .iter()
                .map(|one| DissentObject {
                    agent: one.agent.to_string(),
                    suggestion: one.suggestion.clone(),
                    rationale: one.rationale.clone(),
                })
                .collect(),
            participants: texts(session.participants()),
            missing: session.missed(),
            themes: verdict
                .themes
                .iter()
                .map(|one| ThemeObject {
                    theme: one.theme.clone(),
                    count: one.count,
                })
                .collect(),
            contributions: session.contributions.iter().map(contribution).collect(),
            tally: TallyObject {
                members: u32::try_from(lived).unwrap_or(u32::MAX),
                quorum: Weight::into(session.rules.quorum),
                counted: verdict.counted,
                cast: verdict.tally.cast.into(),
                tied: verdict.tied,
                counts: verdict.tally.rounds.iter().map(count).collect(),
                refused: session.refused.clone(),
            },
            rounds: session.rounds.iter().map(round).collect(),
            opened_at: session.opened_at,
            closed_at: session.closed_at,
        }
    }
}

fn contribution(one: &Contribution) -> ContributionObject {
    let Answer {
        suggestion,
        rationale,
        confidence,
        choice,
        ranking,
        credits,
    } = one.answer.clone();
    ContributionObject {
        round: one.round,
        phase: phase(one.phase),
        agent: one.agent.to_string(),
        at: one.at,
        suggestion,
        rationale,
        confidence,
        choice,
        ranking,
        credits,
    }
}

fn round(one: &session::SessionRound) -> RoundObject {
    let ended_by = one.ended_by.map(|why| match why {
        session::RoundEnd::Answers => "answers".into(),
        session::RoundEnd::Deadline => "deadline".into(),
        session::RoundEnd::Cancelled => "cancelled".into(),
    });
    RoundObject {
        round: one.round,
        phase: phase(one.phase),
        opened_at: one.opened_at,
        deadline: one.deadline,
        ended_at: one.ended_at,
        ended_by,
    }
}

//! Sessions on the wire: an invitation to a round, and what an agent answers (contracts.md section 6).

use super::Body;
use crate::decision::Answer;
use crate::id::{InstanceId, SessionId};
use crate::json::Json;
use crate::name::AgentId;
use crate::session::{Phase, Session};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Server to agent: answer this, please. Sent again while the round lasts and no answer is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Invite {
    /// The session.
    pub session_id: SessionId,
    /// From 1; the answer names it.
    pub round: u32,
    /// What is asked for: `propose` a suggestion, `critique` what others said, or `vote`.
    pub phase: Phase,
    /// What it is about.
    pub topic: String,
    /// What is asked.
    pub question: String,
    /// What can be chosen; empty where ideas are asked for.
    pub options: Vec<String>,
    /// `majority`, `expertise` and `unanimity` want a `choice`, `ranked` a `ranking`, `quadratic` `credits`.
    pub method: String,
    /// The most `credits` together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u32>,
    /// What else there is to know.
    pub context: Json,
    /// What was said in the rounds before, without names.
    #[serde(deserialize_with = "objects")]
    pub previous: Vec<Answer>,
    /// Over after this, by the store's clock.
    pub deadline: Timestamp,
    /// The same, as a span from now: clocks of two machines differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
}

/// Agent to server: what it has to say in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionAnswer {
    /// The session.
    pub session_id: SessionId,
    /// The round of the invitation.
    pub round: u32,
    /// Who; may be left out where the broker tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Which boot; as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// The fields that the method and the phase need.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Answers that are objects: serde would read the fields off a list as well.
fn objects<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Answer>, D::Error> {
    #[derive(Deserialize)]
    struct Object {
        #[serde(flatten)]
        answer: Answer,
    }
    let read = Vec::<Object>::deserialize(from)?;
    Ok(read.into_iter().map(|object| object.answer).collect())
}

impl Body for Invite {
    const TYPE: &'static str = "invite";
}

impl Body for SessionAnswer {
    const TYPE: &'static str = "answer";
}

impl Session {
    /// What the round under way asks.
    pub fn invite(&self, now: Timestamp) -> Option<Invite> {
        let round = self.round()?;
        let vote = round.phase == Phase::Vote;
        let options = if vote { &self.ballot } else { &self.options };
        let left = round.deadline.since(now).as_millis();
        Some(Invite {
            session_id: self.id,
            round: round.round,
            phase: round.phase,
            topic: self.topic.clone(),
            question: self.question.clone(),
            options: options.clone(),
            method: self.rules.method.as_str().into(),
            budget: (self.rules.method == crate::decision::Method::Quadratic)
                .then_some(self.budget),
            context: self.context.clone(),
            previous: self.previous(),
            deadline: round.deadline,
            within_ms: Some(u64::try_from(left).unwrap_or(u64::MAX)),
        })
    }
}

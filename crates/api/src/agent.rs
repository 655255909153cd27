//! An agent as the server sees it.

use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::{TaskId, Timestamp, agent};

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Agent)]
pub struct AgentObject {
    /// Who it is; the same over its restarts.
    pub id: String,
    /// Which boot of it.
    pub instance: String,
    /// For people.
    pub name: String,
    /// What it may do.
    #[schema(value_type = words::Role)]
    pub role: Word,
    /// How it is seen: from its heartbeats, not from what it says.
    #[schema(value_type = words::Presence)]
    pub presence: Word,
    /// Somebody asked it to drain; outlives its restarts.
    pub drain: bool,
    /// The lanes it serves.
    pub lanes: Vec<String>,
    /// The kinds it can run; `*` is any.
    pub kinds: Vec<String>,
    /// What it is good at, 0 to 1.
    pub capabilities: BTreeMap<String, f64>,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub busy: u32,
    /// Which.
    #[schema(value_type = Vec<String>)]
    pub tasks: Vec<TaskId>,
    /// Its software.
    pub version: String,
    /// Where it runs.
    pub host: String,
    /// When this boot joined.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
    /// When it was heard of last.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
}

impl AgentObject {
    /// An agent and the tasks whose leases it holds, as the contract shows them.
    pub fn of(agent: &agent::Agent, tasks: Vec<TaskId>) -> Self {
        let card = &agent.card;
        AgentObject {
            id: card.who.agent_id.to_string(),
            instance: card.who.instance.to_string(),
            name: card.name.clone(),
            role: card.role.as_str().into(),
            presence: agent.presence.as_str().into(),
            drain: agent.drain,
            lanes: card.lanes.iter().map(ToString::to_string).collect(),
            kinds: card.kinds.clone(),
            capabilities: card
                .capabilities
                .iter()
                .map(|(name, level)| (name.to_string(), *level))
                .collect(),
            slots: card.slots,
            busy: u32::try_from(tasks.len()).unwrap_or(u32::MAX),
            tasks,
            version: card.version.clone(),
            host: card.host.clone(),
            joined_at: agent.joined_at,
            seen_at: agent.seen_at,
        }
    }
}

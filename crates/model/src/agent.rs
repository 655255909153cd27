//! Agents: who they are, what they serve, and how they are seen.

use crate::failure::UnknownWord;
use crate::id::InstanceId;
use crate::message::Body;
use crate::name::{AgentId, Capability, Kind, Lane};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

pub use crate::role::{Operation, Role};

/// One boot of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Who {
    /// The agent.
    pub agent: AgentId,
    /// The boot.
    pub instance: InstanceId,
}

/// How an agent is seen: from evidence, not from what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Heartbeats come.
    Up,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// No heartbeat for a lease.
    Lost,
    /// It said goodbye.
    Left,
}

impl Presence {
    /// The name used in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Presence::Up => "up",
            Presence::Draining => "draining",
            Presence::Lost => "lost",
            Presence::Left => "left",
        }
    }
}

impl FromStr for Presence {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [
            Presence::Up,
            Presence::Draining,
            Presence::Lost,
            Presence::Left,
        ]
        .into_iter()
        .find(|p| p.as_str() == s)
        .ok_or_else(|| UnknownWord {
            what: "presence",
            word: s.into(),
        })
    }
}

/// What an agent says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = Hello))]
pub struct Card {
    /// Who it is, and which boot.
    #[serde(flatten)]
    pub who: WhoFields,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// What it may do.
    #[serde(default)]
    pub role: Role,
    /// The lanes it serves.
    pub lanes: Vec<Lane>,
    /// The kinds it can run; `*` is any.
    #[serde(default = "any_kind")]
    pub kinds: Vec<String>,
    /// What it is good at, 0 to 1.
    #[serde(default)]
    pub capabilities: BTreeMap<Capability, f64>,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// Its software.
    #[serde(default)]
    pub version: String,
    /// Where it runs.
    #[serde(default)]
    pub host: String,
}

/// [`Who`] under the names it has on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WhoFields {
    /// The agent.
    pub agent_id: AgentId,
    /// The boot.
    pub instance: InstanceId,
}

impl From<WhoFields> for Who {
    fn from(fields: WhoFields) -> Who {
        Who {
            agent: fields.agent_id,
            instance: fields.instance,
        }
    }
}

impl From<Who> for WhoFields {
    fn from(who: Who) -> WhoFields {
        WhoFields {
            agent_id: who.agent,
            instance: who.instance,
        }
    }
}

fn any_kind() -> Vec<String> {
    vec!["*".into()]
}

impl Card {
    /// Who this is.
    pub fn who(&self) -> Who {
        self.who.clone().into()
    }

    /// Whether it takes tasks of this lane and kind.
    pub fn serves(&self, lane: &Lane, kind: &Kind) -> bool {
        self.role.may(Operation::Execute)
            && self.lanes.contains(lane)
            && self.kinds.iter().any(|k| k == "*" || k == kind.as_str())
    }
}

impl Body for Card {
    const TYPE: &'static str = "hello";
}

/// An agent as the server sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// What it said when it joined.
    pub card: Card,
    /// How it is seen.
    pub presence: Presence,
    /// An operator asked it to drain; outlives restarts of the agent.
    pub drain: bool,
    /// When this boot joined.
    pub joined_at: Timestamp,
    /// When it was heard of last.
    pub seen_at: Timestamp,
}

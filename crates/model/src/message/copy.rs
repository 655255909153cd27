//! Copies of the servers' events, for whoever watches: hints, never the truth (contracts.md section 5).

use super::Body;
use crate::agent::WhoFields;
use crate::id::TaskId;
use crate::json::Json;
use crate::life::State;
use crate::name::{AgentId, Space, StateKey};
use crate::state::Cause;
use crate::task::Progress;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Server to watchers: something happened to a task. On `task.<event>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskCopy {
    /// Its place in the history, which `GET /api/v1/stream` goes on after; none for progress, which has no history.
    pub cursor: Option<u64>,
    /// The task.
    pub task_id: TaskId,
    /// `submitted started progress retrying parked succeeded failed dead cancelled expired`.
    pub event: String,
    /// The state after it.
    pub state: State,
    /// The attempt it belongs to; none for progress.
    pub attempt: Option<u32>,
    /// The grant it belongs to.
    pub epoch: u64,
    /// The agent concerned.
    pub agent: Option<AgentId>,
    /// How far it is, if that is the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Of `retrying`, `failed` and `dead` what the history says of it: the error's `class` and `message` among it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Json))]
    pub detail: Option<Json>,
    /// When, by the store's clock.
    pub at: Timestamp,
}

impl Body for TaskCopy {
    const TYPE: &'static str = "task.event";
}

/// Server to watchers: an agent came or went. On `agent.<event>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgentCopy {
    /// Which boot of it.
    #[serde(flatten)]
    pub who: WhoFields,
    /// `joined`, `stalled` (nothing heard for three heartbeats), `lost` or `left`.
    pub event: String,
    /// When, by the store's clock.
    pub at: Timestamp,
}

impl Body for AgentCopy {
    const TYPE: &'static str = "agent.event";
}

/// Server to watchers: what a person should know. On `alert`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AlertCopy {
    /// What it is about.
    pub alert: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The lane, agent or task.
    pub subject: String,
    /// In words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

impl Body for AlertCopy {
    const TYPE: &'static str = "alert";
}

/// Server to watchers: a key of shared state has a new version. On `state.<space>.<key>`, without the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StateCopy {
    /// Its place among all changes, which a watch over HTTP goes on after.
    pub cursor: u64,
    /// The space.
    pub space: Space,
    /// The key.
    pub key: StateKey,
    /// The version.
    pub version: u64,
    /// From here on the key has no value.
    pub deleted: bool,
    /// Why: `set deleted expired restored`.
    pub cause: Cause,
    /// When, by the store's clock.
    pub at: Timestamp,
}

impl Body for StateCopy {
    const TYPE: &'static str = "state.event";
}

//! How a task ended, told to whoever asked for it over the broker, until it says that it has heard it.

use super::Body;
use crate::agent::WhoFields;
use crate::id::TaskId;
use crate::json::Json;
use crate::life::State;
use crate::name::{AgentId, Kind};
use crate::task::{Task, TaskError};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Server to requester: a task that was submitted with `result` has ended. Told again until [`Heard`] names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskEnded {
    /// The task.
    pub task_id: TaskId,
    /// Its version: the same end has the same one; a task that is tried again ends again, with a larger one.
    pub version: u64,
    /// What sort of work it was.
    pub kind: Kind,
    /// `succeeded`, `failed`, `dead`, `cancelled` or `expired`.
    pub state: State,
    /// How many attempts it took.
    pub attempt: u32,
    /// The agent of the last one, if one was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Why it is dead, if it is: `invalid exhausted critical poison rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_reason: Option<String>,
    /// The result, if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Json))]
    pub output: Option<Json>,
    /// The last failure, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// As submitted.
    pub labels: BTreeMap<String, String>,
    /// When the last attempt began, by the store's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, by the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Body for TaskEnded {
    const TYPE: &'static str = "task.ended";
}

impl TaskEnded {
    /// What there is to tell of a task that has ended.
    pub fn of(task: Task) -> Self {
        let ended_well = task.life.state == State::Succeeded;
        TaskEnded {
            task_id: task.id,
            version: task.version,
            kind: task.spec.kind,
            state: task.life.state,
            attempt: task.life.attempt,
            agent: task.life.last,
            dead_reason: task.life.dead_reason.map(|reason| reason.as_str().into()),
            output: task.output.filter(|_| ended_well),
            error: task.error.filter(|_| !ended_well),
            labels: task.spec.labels,
            started_at: task.life.started_at,
            finished_at: task.life.finished_at,
        }
    }
}

/// Requester to server: these ends need not be told again. With an empty list: here I am, tell me what there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Heard {
    /// Who: its control address is where ends are told from now on.
    #[serde(flatten)]
    pub who: WhoFields,
    /// Which.
    #[serde(default)]
    pub ends: Vec<HeardEnd>,
}

impl Body for Heard {
    const TYPE: &'static str = "heard";
}

/// One end that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HeardEnd {
    /// The task.
    pub task_id: TaskId,
    /// As [`TaskEnded`] said it.
    pub version: u64,
}

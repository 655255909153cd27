//! What `GET /api/v1/stream` sends (SSE): the names of events and topics, and the data, never with payloads.
//!
//! `id:` is the cursor; `Last-Event-ID` goes on after it without gaps. `resync` means: the cursor is too old, read the
//! lists again and go on from here.

use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;
use warrener_model::{TaskId, Timestamp};

/// Something to listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One task.
    Task(TaskId),
    /// Every task.
    Tasks,
    /// Lanes: paused, resumed, counts.
    Lanes,
    /// Agents: joined, lost, left, draining.
    Agents,
    /// Tasks that die or are requeued.
    Dead,
    /// Alerts.
    Alerts,
}

/// A text that is no topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no topic \"{0}\"; topics are task:<id> tasks lanes agents dead alerts")]
pub struct TopicError(pub String);

impl FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        let error = || TopicError(text.chars().take(60).collect());
        Ok(match text {
            "tasks" => Topic::Tasks,
            "lanes" => Topic::Lanes,
            "agents" => Topic::Agents,
            "dead" => Topic::Dead,
            "alerts" => Topic::Alerts,
            _ => {
                let id = text.strip_prefix("task:").ok_or_else(error)?;
                Topic::Task(id.parse().map_err(|_| error())?)
            }
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Task(id) => write!(f, "task:{id}"),
            Topic::Tasks => f.write_str("tasks"),
            Topic::Lanes => f.write_str("lanes"),
            Topic::Agents => f.write_str("agents"),
            Topic::Dead => f.write_str("dead"),
            Topic::Alerts => f.write_str("alerts"),
        }
    }
}

/// Reads `topics=a,b,c`; nothing is `tasks`.
///
/// # Errors
/// The first part that is no topic.
pub fn topics(text: &str) -> Result<Vec<Topic>, TopicError> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let topics = parts.map(str::parse).collect::<Result<Vec<Topic>, _>>()?;
    Ok(if topics.is_empty() {
        vec![Topic::Tasks]
    } else {
        topics
    })
}

/// The SSE event that carries a [`TaskChange`].
pub const EVENT_TASK: &str = "task";
/// The SSE event that carries a [`LaneChange`].
pub const EVENT_LANE: &str = "lane";
/// The SSE event that carries an [`AgentChange`].
pub const EVENT_AGENT: &str = "agent";
/// The SSE event that carries an [`Alert`].
pub const EVENT_ALERT: &str = "alert";
/// The SSE event that carries a [`Resync`].
pub const EVENT_RESYNC: &str = "resync";

/// A task moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskChange {
    /// The place in the history; the `id:` of the event.
    pub cursor: u64,
    /// The task.
    #[schema(value_type = String, format = "uuid")]
    pub id: TaskId,
    /// What sort of work it is.
    pub kind: String,
    /// Where it waits.
    pub lane: String,
    /// One line for people.
    pub title: String,
    /// What happened.
    #[schema(value_type = words::EventKind)]
    pub event: Word,
    /// The state after it.
    #[schema(value_type = words::State)]
    pub state: Word,
    /// Whether that state is final.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Starts so far.
    pub attempt: u32,
    /// The agent concerned.
    #[schema(required = true)]
    pub agent: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The version of the task after it.
    pub version: u64,
    /// It ran out of a resource: more of it, or more agents, would help.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scale_up: bool,
}

/// A lane was paused or resumed, or its counts changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaneChange {
    /// Its name.
    pub name: String,
    /// Nothing of it is started.
    pub paused: bool,
    /// How many tasks wait in it.
    pub ready: u64,
    /// How many run.
    pub running: u64,
}

/// An agent joined, left, was lost, or is draining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentChange {
    /// The agent.
    pub id: String,
    /// How it is seen.
    #[schema(value_type = words::Presence)]
    pub presence: Word,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub busy: u32,
}

/// Something a person should know (contracts.md section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The version of this object: 1.
    pub v: u32,
    /// What it is about.
    #[schema(value_type = words::AlertKind)]
    pub alert: Word,
    /// How much it matters.
    #[schema(value_type = words::Severity)]
    pub severity: Word,
    /// The task, lane, agent or broker.
    pub subject: String,
    /// In words.
    pub message: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// The cursor is too old, or changes were left out: read the lists again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resync {
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_as_they_are_written() {
        let id = TaskId::new(Timestamp::from_millis(0), [0; 10]);
        let text = format!("task:{id},tasks,lanes,agents,dead,alerts");
        let all = topics(&text).unwrap();
        let again: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(again.join(","), text);
        assert_eq!(topics("").unwrap(), [Topic::Tasks]);
        assert_eq!(topics("tasks,weather"), Err(TopicError("weather".into())));
    }
}

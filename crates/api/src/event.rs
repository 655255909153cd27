//! A row of a task's history.

use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::{TaskId, Timestamp, event};

/// A row of history: what happened to a task, when, and who caused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskEvent {
    /// Its place in the history of the store; grows.
    pub cursor: u64,
    /// The task.
    #[schema(value_type = String, format = "uuid")]
    pub task_id: TaskId,
    /// When, by the store's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    #[schema(value_type = words::EventKind)]
    pub kind: Word,
    /// The state after it.
    #[schema(value_type = words::State)]
    pub state: Word,
    /// The attempt it belongs to.
    pub attempt: u32,
    /// The start it belongs to.
    pub epoch: u64,
    /// The agent concerned.
    #[schema(required = true)]
    pub agent: Option<String>,
    /// Who caused it: `server`, `agent:NAME`, `user:NAME`, `rule:NAME`, `task:ID`.
    pub actor: String,
    /// More: class and message of an error, the time of a retry, a reason.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

impl TaskEvent {
    /// A row of history as the contract shows it.
    pub fn of(row: &event::TaskEvent) -> Self {
        let event = &row.event;
        TaskEvent {
            cursor: row.cursor.0,
            task_id: row.task,
            at: event.at,
            kind: event.kind.as_str().into(),
            state: event.state.as_str().into(),
            attempt: event.attempt,
            epoch: event.epoch,
            agent: event.agent.as_ref().map(ToString::to_string),
            actor: event.actor.clone(),
            detail: event.detail.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::State;
    use warrener_model::event::{Cursor, EventKind, NewEvent};

    #[test]
    fn a_row_has_the_fields_of_the_contract() {
        let at = Timestamp::from_millis(0);
        let row = event::TaskEvent {
            cursor: Cursor(7),
            task: TaskId::new(at, [0; 10]),
            event: NewEvent {
                at,
                kind: EventKind::Started,
                state: State::Running,
                attempt: 1,
                epoch: 2,
                agent: None,
                actor: "server".into(),
                detail: serde_json::json!({"offer": 3}),
            },
        };
        let text = serde_json::to_string(&TaskEvent::of(&row)).unwrap();
        let wanted = r#"{"cursor":7,"task_id":"00000000-0000-7000-8000-000000000000","at":"1970-01-01T00:00:00.000Z","kind":"started","state":"running","attempt":1,"epoch":2,"agent":null,"actor":"server","detail":{"offer":3}}"#;
        assert_eq!(text, wanted);
    }
}

//! A wish to move a task: what shall happen, who wants it, and what comes with it.

use warrener_backend::store::Ending;
use warrener_model::Class;
use warrener_model::TaskId;
use warrener_model::json::Json;
use warrener_model::life::Event;
use warrener_model::task::TaskError;

/// One wish to move one task.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) task: TaskId,
    pub(crate) event: Event,
    /// Who causes it: `server`, `agent:NAME`, `user:NAME`, `rule:NAME`, `task:ID`.
    pub(crate) actor: String,
    /// More for the row of history.
    pub(crate) detail: serde_json::Value,
    pub(crate) ending: Option<Ending>,
    pub(crate) input: Option<Json>,
}

impl Intent {
    pub(crate) fn new(task: TaskId, event: Event, actor: impl Into<String>) -> Self {
        let actor = actor.into();
        Intent {
            task,
            event,
            actor,
            detail: serde_json::Value::Null,
            ending: None,
            input: None,
        }
    }

    pub(crate) fn detail(self, detail: serde_json::Value) -> Self {
        Intent { detail, ..self }
    }

    /// The run is lost, for this reason.
    pub(crate) fn lost(self, reason: &str) -> Self {
        let words = serde_json::json!({ "class": "lost", "message": reason, "reason": reason });
        self.ending(lost(reason)).detail(words)
    }

    pub(crate) fn ending(self, ending: Ending) -> Self {
        Intent {
            ending: Some(ending),
            ..self
        }
    }
}

/// What a lost run leaves.
pub(super) fn lost(reason: &str) -> Ending {
    let error = TaskError {
        class: Class::Lost,
        message: reason.to_owned(),
        detail: serde_json::Value::Null,
        fingerprint: String::new(),
    };
    Ending {
        error: Some(error),
        ..Ending::default()
    }
}

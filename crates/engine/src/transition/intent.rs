//! A wish to move a task: what shall happen, who wants it, and what comes with it.

use warrener_backend::store::{Ending as Stored, Op};
use warrener_model::TaskId;
use warrener_model::id::RunId;
use warrener_model::json::Json;
use warrener_model::life::{Ending, Event};
use warrener_model::task::TaskError;
use warrener_model::{Class, limits};

/// One wish to move one task.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) task: TaskId,
    pub(crate) event: Event,
    /// Who causes it: `server`, `agent:NAME`, `user:NAME`, `rule:NAME`, `task:ID`.
    pub(crate) actor: String,
    /// More for the row of history.
    pub(crate) detail: serde_json::Value,
    pub(crate) ending: Option<Stored>,
    pub(crate) input: Option<Json>,
    /// What goes into the same change.
    pub(crate) with: Vec<Op>,
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
            with: vec![],
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

    /// Somebody said no.
    pub(crate) fn rejected(self, reason: &str) -> Self {
        let message = match reason {
            "" => "rejected".to_owned(),
            reason => format!("rejected: {reason}"),
        };
        let words = serde_json::json!({ "reason": reason });
        self.ending(left(Class::Business, &message)).detail(words)
    }

    /// These go into the same change.
    pub(crate) fn with(self, with: Vec<Op>) -> Self {
        Intent { with, ..self }
    }

    /// The outcome is a run in the task's place.
    pub(crate) fn decomposed(&mut self, run: RunId, begun: Vec<Op>) {
        self.turn(Ending::Decomposed);
        self.detail = serde_json::json!({ "run": run });
        self.with = begun;
        if let Some(ending) = &mut self.ending {
            ending.output = None;
        }
    }

    /// The outcome is none, for what this says.
    pub(crate) fn refuse(&mut self, left: Stored) {
        if let Some(error) = &left.error {
            let class = error.class;
            self.detail = serde_json::json!({ "class": class, "message": error.message });
            self.turn(Ending::Failed {
                class,
                retry_after: None,
            });
        }
        self.ending = Some(left);
    }

    fn turn(&mut self, into: Ending) {
        if let Event::Outcome { ending, .. } = &mut self.event {
            *ending = into;
        }
    }

    pub(crate) fn ending(self, ending: Stored) -> Self {
        Intent {
            ending: Some(ending),
            ..self
        }
    }
}

/// What a lost run leaves.
pub(super) fn lost(reason: &str) -> Stored {
    left(Class::Lost, reason)
}

/// What is left where nothing ran to its end.
fn left(class: Class, message: &str) -> Stored {
    let most = message.floor_char_boundary(limits::ERROR_MESSAGE_BYTES);
    let error = TaskError {
        class,
        message: message[..most].to_owned(),
        detail: serde_json::Value::Null,
        fingerprint: String::new(),
    };
    Stored {
        error: Some(error),
        ..Stored::default()
    }
}

//! What an outcome means: the event it is for its task, and what it leaves in the store.

use crate::transition::Intent;
use std::time::Duration;
use warrener_backend::store::Ending as Stored;
use warrener_model::agent::Who;
use warrener_model::life::{Ending, Event};
use warrener_model::message::{Outcome, Status};
use warrener_model::task::TaskError;
use warrener_model::{Class, limits};

/// The intent of an outcome.
pub(super) fn ended(outcome: &Outcome) -> Intent {
    let who: Who = outcome.who.clone().into();
    let actor = format!("agent:{}", who.agent);
    let failure = outcome.error.as_ref();
    let class = failure.map_or(Class::Business, |f| f.class);
    let ending = match outcome.status {
        Status::Succeeded if oversized(outcome) => Ending::Failed {
            class: Class::Invalid,
            retry_after: None,
        },
        Status::Succeeded => Ending::Succeeded,
        Status::Failed => Ending::Failed {
            class,
            retry_after: failure
                .and_then(|f| f.retry_after_ms)
                .map(Duration::from_millis),
        },
        Status::Released if outcome.reason.as_deref() == Some("unknown_kind") => Ending::Refused,
        Status::Released | Status::Cancelled => Ending::Released,
    };
    let mut detail = serde_json::Map::new();
    if let Some(failure) = failure {
        detail.insert("class".into(), failure.class.as_str().into());
        detail.insert("message".into(), clip(&failure.message, 400).into());
    }
    if let Some(reason) = &outcome.reason {
        detail.insert("reason".into(), clip(reason, 400).into());
    }
    let released = matches!(ending, Ending::Released);
    let stored = (!released).then(|| stored(outcome, &ending));
    let event = Event::Outcome {
        who,
        epoch: outcome.epoch,
        ending,
    };
    let intent = Intent::new(outcome.task_id, event, actor).detail(detail.into());
    match stored {
        Some(stored) => intent.ending(stored),
        None => intent,
    }
}

fn oversized(outcome: &Outcome) -> bool {
    outcome
        .output
        .as_ref()
        .is_some_and(|output| output.as_str().len() > limits::OUTPUT_BYTES)
}

/// What an outcome leaves in the store.
fn stored(outcome: &Outcome, ending: &Ending) -> Stored {
    let usage = outcome.usage.clone();
    match ending {
        Ending::Succeeded => Stored {
            output: outcome.output.clone(),
            error: None,
            usage,
        },
        _ => {
            let (class, message, detail) = match &outcome.error {
                Some(f) => (
                    f.class,
                    clip(&f.message, limits::ERROR_MESSAGE_BYTES),
                    f.detail.clone(),
                ),
                None if oversized(outcome) => {
                    let limit = limits::OUTPUT_BYTES;
                    (
                        Class::Invalid,
                        format!("output is over the limit of {limit} bytes"),
                        ().into(),
                    )
                }
                None if *ending == Ending::Refused => (
                    Class::Invalid,
                    "an agent cannot run this kind".into(),
                    ().into(),
                ),
                None => (Class::Business, "failed without a reason".into(), ().into()),
            };
            // The fingerprint needs the task's kind: the transition puts it in.
            let error = TaskError {
                class,
                message,
                detail,
                fingerprint: String::new(),
            };
            Stored {
                output: None,
                error: Some(error),
                usage,
            }
        }
    }
}

/// At most so many bytes, cut between characters.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.into();
    }
    let room = limit.saturating_sub('…'.len_utf8());
    let end = (0..=room)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

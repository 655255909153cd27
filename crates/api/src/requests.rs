//! Bodies of the requests that act on what exists. Unknown fields are mistakes with a suggestion; no body is `{}`.

use crate::task::present;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::submission::{Mistake, unknown};
use warrener_model::{Json, TaskId};

/// A body with a known list of fields.
pub trait Request: DeserializeOwned {
    /// Their names.
    const FIELDS: &'static [&'static str];
}

/// Reads a body; an empty one is `{}`.
///
/// # Errors
/// Every unknown field, and the first field of the wrong type, each with its place.
pub fn read<R: Request>(text: &str) -> Result<R, Vec<Mistake>> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let fields: BTreeMap<String, Json> = serde_json::from_str(text)
        .map_err(|e| vec![Mistake::at("", format!("not a JSON object: {e}"))])?;
    let mut mistakes: Vec<Mistake> = fields
        .keys()
        .filter(|name| !R::FIELDS.contains(&name.as_str()))
        .map(|name| Mistake::at(format!("/{name}"), unknown(name, R::FIELDS)))
        .collect();
    match serde_json::from_str::<R>(text) {
        Ok(request) if mistakes.is_empty() => return Ok(request),
        Ok(_) => {}
        Err(error) => {
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            mistakes.push(Mistake::at(blame::<R>(&fields), words));
        }
    }
    Err(mistakes)
}

/// The first known field that cannot be read on its own, or nothing.
fn blame<R: Request>(fields: &BTreeMap<String, Json>) -> String {
    let broken = fields.iter().find(|(name, value)| {
        let text = serde_json::to_string(&BTreeMap::from([(name, value)])).unwrap_or_default();
        R::FIELDS.contains(&name.as_str())
            && serde_json::from_str::<R>(&text)
                .is_err_and(|e| !e.to_string().starts_with("missing field"))
    });
    broken.map_or(String::new(), |(name, _)| format!("/{name}"))
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
            pub struct $name { $($(#[$fdoc])* pub $field: $ty),* }

            impl Request for $name {
                const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
            }
        )*
    };
}

requests! {
    /// `POST /api/v1/login`.
    LoginRequest {
        /// A one-time code.
        code: String,
    }
    /// `POST /api/v1/tasks/{id}/cancel`.
    CancelRequest {
        /// Why, for the history.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /api/v1/tasks/{id}/retry`, on a task that failed, died, was cancelled or expired.
    RetryRequest {
        /// Another input.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        #[schema(value_type = serde_json::Value)]
        input: Option<Json>,
        /// Whether the retries of each class start anew.
        #[serde(default)]
        reset_attempts: bool,
    }
    /// `POST /api/v1/tasks/{id}/reassign`.
    ReassignRequest {
        /// The agent that shall do it.
        agent: String,
    }
    /// `POST /api/v1/tasks/{id}/approve`.
    ApproveRequest {
        /// For the history.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /api/v1/tasks/{id}/reject`.
    RejectRequest {
        /// Why, for the history.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /api/v1/tasks/{id}/answer`, on a task that waits for input.
    AnswerRequest {
        /// The answer: any JSON.
        #[serde(default)]
        #[schema(value_type = serde_json::Value)]
        answer: Json,
    }
    /// `POST /api/v1/sessions/{id}/answer`: the fields that the phase and the method need.
    SessionAnswerRequest {
        /// In whose place: one of those who are asked.
        agent_id: String,
        /// To which round; the one under way unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        round: Option<u32>,
        /// An idea.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suggestion: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rationale: Option<String>,
        /// How sure, 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
        /// One option.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<String>,
        /// Options, the best first; those left out are equal last.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ranking: Vec<String>,
        /// Credits spent on options.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        credits: BTreeMap<String, u32>,
    }
    /// `POST /api/v1/tasks/{id}/progress`: at least one of both. It replaces what was said before.
    ProgressRequest {
        /// 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fraction: Option<f64>,
        /// In words, up to 4 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    }
    /// `POST /api/v1/tasks/{id}/logs`.
    LogRequest {
        /// The piece, with its line ends.
        text: String,
        /// Which of the program's outputs: `[a-z0-9][a-z0-9_-]{0,47}`, but not `warrener`; `stderr` unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<String>,
    }
    /// `POST /api/v1/tasks/wait`.
    WaitRequest {
        /// Which tasks.
        #[schema(value_type = Vec<String>)]
        ids: Vec<TaskId>,
        /// How long to wait, up to 60,000.
        #[serde(default)]
        wait_ms: u64,
        /// One of them is enough.
        #[serde(default)]
        any: bool,
    }
    /// `POST /api/v1/lanes/{lane}/pause` and `/resume`.
    PauseRequest {
        /// Why, for who looks at the lane.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /api/v1/breakers/{kind}/reset`.
    ResetRequest {
        /// Why, for the server's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /api/v1/agents/{id}/drain`, `/resume` and `/stop`.
    AgentRequest {
        /// Why, for the agent's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Only of `/stop`: what it still runs after this is given back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_ms: Option<u64>,
    }
    /// `POST /api/v1/state/{space}`.
    RestoreRequest {
        /// As it was at this cursor.
        cursor: String,
    }
    /// `POST /api/v1/state/{space}/{key}/lock`.
    LockRequest {
        /// Who: a name that nobody else uses at the same time.
        holder: String,
        /// How long, up to a day.
        lease_ms: u64,
    }
    /// `PUT /api/v1/state/{space}/{key}/lock`.
    RenewRequest {
        /// The number that it was taken under.
        token: u64,
        /// How long from now on, up to a day.
        lease_ms: u64,
    }
    /// `POST /api/v1/dead/requeue`. Exactly one of `ids`, `filter`, `fingerprint` says which dead tasks.
    RequeueRequest {
        /// These.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Vec<String>>)]
        ids: Option<Vec<TaskId>>,
        /// Those that match.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<String>,
        /// Those whose failures look alike.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// At most so many a second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
        /// Whether the retries of each class start anew; the replay count stays.
        #[serde(default = "yes")]
        reset_attempts: bool,
    }
    /// `POST /api/v1/dead/discard`. Exactly one of `ids`, `filter`, `fingerprint` says which dead tasks.
    DiscardRequest {
        /// These.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Vec<String>>)]
        ids: Option<Vec<TaskId>>,
        /// Those that match.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<String>,
        /// Those whose failures look alike.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// At most so many a second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
        /// Why, for the history.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes<R: Request + std::fmt::Debug>(text: &str) -> Vec<(String, String)> {
        let mistakes = read::<R>(text).unwrap_err().into_iter();
        mistakes.map(|m| (m.pointer, m.message)).collect()
    }

    #[test]
    fn no_body_is_the_request_with_nothing_said() {
        assert_eq!(read::<CancelRequest>("").unwrap(), CancelRequest::default());
        assert!(read::<RequeueRequest>(" ").unwrap().reset_attempts);
    }

    #[test]
    fn an_unknown_field_is_a_mistake_with_a_suggestion() {
        let found = mistakes::<CancelRequest>(r#"{"reson":"x"}"#);
        let wanted = "unknown field \"reson\"; did you mean \"reason\"?";
        assert_eq!(found, [("/reson".to_owned(), wanted.to_owned())]);
    }

    #[test]
    fn a_field_of_the_wrong_type_or_missing_is_told_with_its_place() {
        assert_eq!(
            mistakes::<WaitRequest>(r#"{"ids":[],"wait_ms":"5s"}"#)[0].0,
            "/wait_ms"
        );
        let missing = &mistakes::<ReassignRequest>("{}")[0];
        assert_eq!(
            (missing.0.as_str(), missing.1.as_str()),
            ("", "missing field `agent`")
        );
        assert_eq!(mistakes::<CancelRequest>("[]")[0].0, "");
    }

    #[test]
    fn another_input_may_be_null() {
        assert_eq!(read::<RetryRequest>("{}").unwrap().input, None);
        let null = read::<RetryRequest>(r#"{"input":null}"#).unwrap();
        assert_eq!(null.input, Some(Json::null()));
    }
}

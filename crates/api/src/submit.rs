//! The request for a task, as the OpenAPI document shows it and as a client writes it.
//!
//! A server reads it with [`warrener_model::Submission::read`], which knows the same fields.

use crate::task::present;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::{Json, Submission, TaskId, Timestamp};

/// The body of `POST /api/v1/tasks`, and a line of a batch. Only `kind` is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubmitRequest {
    /// What sort of work it is: `[a-z0-9][a-z0-9._-]{0,95}`.
    #[schema(example = "review")]
    pub kind: String,
    /// Where it waits; `default` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// One line for people, up to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The brief, up to 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the handler gets: any JSON, up to 256 KiB.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = serde_json::Value)]
    pub input: Option<Json>,
    /// What goes first; `normal` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Priority>)]
    pub priority: Option<String>,
    /// Not before this many milliseconds from now; excludes `not_before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// Over after this; excludes `deadline_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// Over this many milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// How long one attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Starts allowed in all, 1 to 10,000; 25 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Its own parts of the retry policies, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retry: BTreeMap<String, RetryOverride>,
    /// For finding it again: up to 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `simple`: it is done whole, even if its kind is decomposed; `complex` is the same as nothing. Kept as a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<String>,
    /// A question to agents before it starts. The task waits for its end, and finds the decision in its input, as `decision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::session::SessionRequest>)]
    pub collaboration: Option<Json>,
    /// The task that opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub parent_id: Option<TaskId>,
    /// Only in a batch: what the header `Idempotency-Key` is for one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl SubmitRequest {
    /// A request as it was read, as a client would write it: without what is not said in it.
    pub fn of(read: &Submission) -> SubmitRequest {
        let text = serde_json::to_string(read).unwrap_or_default();
        let mut request: SubmitRequest = serde_json::from_str(&text).unwrap_or_default();
        request.title = request.title.filter(|title| !title.is_empty());
        request.description = request.description.filter(|text| !text.is_empty());
        request.input = request.input.filter(|input| input.as_str() != "null");
        request
    }
}

/// Parts of a retry policy that a task replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryOverride {
    /// Retries of this class over the task's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How the delay grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Backoff>)]
    pub backoff: Option<String>,
    /// The first delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ms: Option<u64>,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// How much of the delay is left to chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Jitter>)]
    pub jitter: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::submission::FIELDS;

    #[test]
    fn the_model_reads_every_field_that_a_client_writes() {
        let full = SubmitRequest {
            kind: "review".into(),
            lane: Some("bulk".into()),
            title: Some("T".into()),
            description: Some("D".into()),
            input: Some(Json::null()),
            priority: Some("high".into()),
            delay_ms: Some(1),
            not_before: Some(Timestamp::from_millis(1)),
            deadline: Some(Timestamp::from_millis(2)),
            deadline_ms: Some(1),
            timeout_ms: Some(1),
            max_attempts: Some(1),
            retry: BTreeMap::from([(
                "network".into(),
                RetryOverride {
                    retries: Some(1),
                    backoff: Some("linear".into()),
                    base_ms: Some(1),
                    max_ms: Some(1),
                    jitter: Some("none".into()),
                },
            )]),
            labels: BTreeMap::from([("a".into(), "b".into())]),
            complexity: Some("simple".into()),
            collaboration: Json::of(&BTreeMap::from([("question", "which?")])).ok(),
            parent_id: Some(TaskId::new(Timestamp::from_millis(1), [1; 10])),
            idempotency_key: Some("k".into()),
        };
        let text = serde_json::to_string(&full).unwrap();
        let fields: BTreeMap<String, Json> = serde_json::from_str(&text).unwrap();
        let mut known = FIELDS.to_vec();
        known.sort_unstable();
        assert_eq!(fields.keys().collect::<Vec<_>>(), known);
        let read = Submission::read(&text).unwrap();
        let said = SubmitRequest {
            input: None,
            ..full.clone()
        };
        assert_eq!(SubmitRequest::of(&read), said);
        let smallest = SubmitRequest {
            kind: "a".into(),
            ..SubmitRequest::default()
        };
        assert_eq!(serde_json::to_string(&smallest).unwrap(), r#"{"kind":"a"}"#);
    }
}

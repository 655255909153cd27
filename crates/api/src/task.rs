//! The task object (contracts.md section 0): what every surface shows of a task.

use crate::words::{self, Word};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::task::{Progress, Task, TaskError, Usage};
use warrener_model::waiting::WaitingFor;
use warrener_model::{Json, TaskId, Timestamp};

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskObject {
    /// UUIDv7; stable over attempts and replays.
    #[schema(value_type = String, format = "uuid")]
    pub id: TaskId,
    /// What sort of work it is.
    pub kind: String,
    /// Where it waits.
    pub lane: String,
    /// What goes first.
    #[schema(value_type = words::Priority)]
    pub priority: Word,
    /// One line for people.
    pub title: String,
    /// The brief.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is in its life.
    #[schema(value_type = words::State)]
    pub state: Word,
    /// Whether nothing moves it any more but an operator's retry.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What it waits for, while it is not final.
    #[schema(required = true, value_type = Option<words::WaitingFor>)]
    pub waiting_for: Option<Word>,
    /// Since when it is in its state, while it is not final.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// Starts so far.
    pub attempt: u32,
    /// Fencing token: grows with every start.
    pub epoch: u64,
    /// Starts allowed in all.
    pub max_attempts: u32,
    /// The agent that runs it, or ran it last.
    #[schema(required = true)]
    pub agent: Option<String>,
    /// What the handler gets: any JSON. Left out of lists.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = serde_json::Value)]
    pub input: Option<Json>,
    /// The result: any JSON, `null` until it succeeded. Left out of lists.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = serde_json::Value)]
    pub output: Option<Json>,
    /// The failure of the last attempt that failed.
    #[schema(required = true)]
    pub error: Option<ErrorObject>,
    /// Why it is dead.
    #[schema(required = true, value_type = Option<words::DeadReason>)]
    pub dead_reason: Option<Word>,
    /// For finding it again.
    pub labels: BTreeMap<String, String>,
    /// The workflow run it belongs to.
    #[schema(required = true)]
    pub run_id: Option<String>,
    /// The step of that run.
    #[schema(required = true)]
    pub step: Option<String>,
    /// The task that opened it.
    #[schema(required = true, value_type = Option<String>, format = "uuid")]
    pub parent_id: Option<TaskId>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Not before this.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// When it became ready.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub ready_at: Option<Timestamp>,
    /// When the newest attempt started.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it became final.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When the next attempt is.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
    /// Over after this.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// How long one attempt may run.
    #[schema(required = true)]
    pub timeout_ms: Option<u64>,
    /// How far the running attempt is.
    #[schema(required = true)]
    pub progress: Option<ProgressObject>,
    /// What the attempt that ended used.
    #[schema(required = true)]
    pub usage: Option<UsageObject>,
    /// Retries by an operator or a rule.
    pub replays: u32,
    /// Grows by one with every transition (a row of its history); heartbeats and progress leave it alone.
    pub version: u64,
    /// Only in the answer to cancel: a run granted before is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<bool>,
}

/// The failure of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = TaskError)]
pub struct ErrorObject {
    /// What kind.
    #[schema(value_type = words::Class)]
    pub class: Word,
    /// What happened, in words.
    pub message: String,
    /// More, as the handler gave it.
    #[serde(default)]
    pub detail: serde_json::Value,
    /// The same for failures that look alike.
    #[serde(default)]
    pub fingerprint: String,
}

/// How far the running attempt says it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Progress)]
pub struct ProgressObject {
    /// 0 to 1.
    #[schema(required = true)]
    pub fraction: Option<f64>,
    /// In words.
    #[schema(required = true)]
    pub message: Option<String>,
}

/// What an attempt used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageObject {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Dollars, as a decimal text.
    #[schema(required = true)]
    pub cost_usd: Option<String>,
}

impl TaskObject {
    /// A task as the contract shows it. Without `bodies` input and output are left out, as in lists,
    /// where the store does not read them.
    pub fn of(task: &Task, waiting_for: Option<WaitingFor>, bodies: bool) -> Self {
        let Task { spec, life, .. } = task;
        let is_final = life.state.is_final();
        let agent = life.lease.as_ref().map(|lease| &lease.agent);
        TaskObject {
            id: task.id,
            kind: spec.kind.to_string(),
            lane: spec.lane.to_string(),
            priority: spec.priority.as_str().into(),
            title: spec.title.clone(),
            description: Some(spec.description.clone()),
            state: life.state.as_str().into(),
            is_final,
            waiting_for: waiting_for.map(words::waiting_for),
            waiting_since: (!is_final).then_some(life.since),
            attempt: life.attempt,
            epoch: life.epoch,
            max_attempts: life.max_attempts,
            agent: agent.or(life.last.as_ref()).map(ToString::to_string),
            input: bodies.then(|| spec.input.clone()),
            output: bodies.then(|| task.output.clone().unwrap_or_default()),
            error: task.error.as_ref().map(ErrorObject::of),
            dead_reason: life.dead_reason.map(|reason| reason.as_str().into()),
            labels: spec.labels.clone(),
            run_id: spec.run.clone(),
            step: spec.step.clone(),
            parent_id: spec.parent,
            created_at: spec.created_at,
            not_before: life.not_before,
            ready_at: life.ready_at,
            started_at: life.started_at,
            finished_at: life.finished_at,
            retry_at: life.retry_at,
            deadline: life.deadline,
            timeout_ms: spec.timeout.map(millis),
            progress: task.progress.as_ref().map(ProgressObject::of),
            usage: task.usage.as_ref().map(UsageObject::of),
            replays: life.replays,
            version: task.version,
            stopping: None,
        }
    }
}

impl ErrorObject {
    /// A failure as the contract shows it.
    pub fn of(error: &TaskError) -> Self {
        ErrorObject {
            class: error.class.as_str().into(),
            message: error.message.clone(),
            detail: error.detail.clone(),
            fingerprint: error.fingerprint.clone(),
        }
    }
}

impl ProgressObject {
    /// Progress as the contract shows it.
    pub fn of(progress: &Progress) -> Self {
        ProgressObject {
            fraction: progress.fraction,
            message: progress.message.clone(),
        }
    }
}

impl UsageObject {
    /// Usage as the contract shows it.
    pub fn of(usage: &Usage) -> Self {
        UsageObject {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_usd: usage.cost_usd.clone(),
        }
    }
}

/// Whole milliseconds; a span too long for the number is the longest.
pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A field that is there, even when it is `null`.
pub(crate) fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(input).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Submission;

    fn task() -> Task {
        let now = Timestamp::from_millis(1_700_000_000_120);
        let request = r#"{"kind":"review","input":{"a":1.50},"timeout_ms":5000,"description":"D"}"#;
        let submission = Submission::read(request).unwrap();
        submission.check(TaskId::new(now, [7; 10]), now).unwrap()
    }

    #[test]
    fn the_fields_are_those_of_the_contract_in_its_order() {
        let object = TaskObject::of(&task(), Some(WaitingFor::NoCapableAgent), true);
        let text = serde_json::to_string(&object).unwrap();
        let contract = "id kind lane priority title description state final waiting_for waiting_since attempt epoch \
            max_attempts agent input output error dead_reason labels run_id step parent_id created_at not_before \
            ready_at started_at finished_at retry_at deadline timeout_ms progress usage replays version";
        let mut from = 0;
        for field in contract.split_whitespace() {
            let at = text[from..].find(&format!("\"{field}\":"));
            from += at.unwrap_or_else(|| panic!("{field} is missing or out of order in {text}"));
        }
        let fields: BTreeMap<String, Json> = serde_json::from_str(&text).unwrap();
        assert_eq!(fields.len(), contract.split_whitespace().count());
        assert_eq!(fields["input"].as_str(), r#"{"a":1.50}"#);
        assert_eq!(fields["output"].as_str(), "null");
        assert_eq!(fields["waiting_for"].as_str(), "\"no_capable_agent\"");
        assert_eq!(
            fields["created_at"].as_str(),
            "\"2023-11-14T22:13:20.120Z\""
        );
        assert_eq!(fields["timeout_ms"].as_str(), "5000");
    }

    #[test]
    fn a_list_leaves_the_bodies_out() {
        let text = serde_json::to_string(&TaskObject::of(&task(), None, false)).unwrap();
        for field in ["\"input\"", "\"output\"", "\"stopping\""] {
            assert!(!text.contains(field), "{field} in {text}");
        }
    }

    #[test]
    fn an_object_survives_reading_and_writing_with_states_yet_unknown() {
        let object = TaskObject::of(&task(), None, true);
        let text = serde_json::to_string(&object).unwrap();
        assert_eq!(serde_json::from_str::<TaskObject>(&text).unwrap(), object);
        let later = text.replace("\"ready\"", "\"levitating\"");
        let later = later.replacen('{', "{\"new_field\":1,", 1);
        let object: TaskObject = serde_json::from_str(&later).unwrap();
        assert_eq!(object.state, "levitating");
        assert!(!object.is_final);
    }
}

//! A schedule: the request for one, how it stands, and what became of its slots.

use crate::submit::SubmitRequest;
use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use warrener_model::id::RunId;
use warrener_model::{TaskId, Timestamp};

/// The body of `POST /api/v1/schedules`: a name, one of `cron`, `every_ms` and `at`, and a task or a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleRequest {
    /// Its name: `[a-z0-9][a-z0-9_-]{0,47}`.
    #[schema(example = "nightly")]
    pub name: String,
    /// Due as the clocks of a time zone say: minute, hour, day, month, weekday; or six fields, with seconds first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "30 6 * * 1-5")]
    pub cron: Option<String>,
    /// The IANA zone of `cron`; `UTC` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// Due again and again after so many milliseconds, 100 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// The first slot of `every_ms`; one interval from now unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Due once, then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// What becomes of a slot while what the one before started has not ended; `skip` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::Overlap>)]
    pub overlap: Option<String>,
    /// What becomes of slots that were missed; `last` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::CatchUp>)]
    pub catch_up: Option<String>,
    /// At most so many are made up for with `all`, 1 to 1,000; 100 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_max: Option<u32>,
    /// A slot later than this was missed; 10,000 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<u64>,
    /// It begins paused.
    #[serde(default)]
    pub paused: bool,
    /// The task of each slot: a request as for `POST /api/v1/tasks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<SubmitRequest>,
    /// Or the workflow of each slot: the text of its file, YAML or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Values for the inputs of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
}

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleObject {
    /// Its name.
    pub name: String,
    /// Its pattern, if it has one.
    #[schema(required = true)]
    pub cron: Option<String>,
    /// The zone of the pattern.
    #[schema(required = true)]
    pub time_zone: Option<String>,
    /// Its interval, if it has one.
    #[schema(required = true)]
    pub every_ms: Option<u64>,
    /// The first slot of the interval.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Its moment, if it has one.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// What becomes of a slot while what the one before started has not ended.
    #[schema(value_type = words::Overlap)]
    pub overlap: Word,
    /// What becomes of slots that were missed.
    #[schema(value_type = words::CatchUp)]
    pub catch_up: Word,
    /// At most so many are made up for.
    pub catch_up_max: u32,
    /// A slot later than this was missed.
    pub late_ms: u64,
    /// Nothing is started.
    pub paused: bool,
    /// Since when it is paused.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub paused_at: Option<Timestamp>,
    /// Its next slots, five at most; none once it is over.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Timestamp>,
    /// Slots that wait for the end of what was started last.
    pub waiting: u32,
    /// The slot that started something last.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub last_slot: Option<Timestamp>,
    /// That task.
    #[schema(required = true, value_type = Option<String>, format = "uuid")]
    pub last_task_id: Option<TaskId>,
    /// Or that run.
    #[schema(required = true, value_type = Option<String>, format = "uuid")]
    pub last_run_id: Option<RunId>,
    /// What each slot submits; in lists without description and input.
    #[schema(required = true)]
    pub task: Option<SubmitRequest>,
    /// Or the workflow that each slot runs; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What each run is given; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Grows with each change.
    pub version: u64,
}

/// What became of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Firing)]
pub struct FiringObject {
    /// Grows within a store.
    pub n: u64,
    /// The slot; of several the newest.
    #[schema(value_type = String, format = DateTime)]
    pub slot: Timestamp,
    /// Why it came.
    #[schema(value_type = words::SlotCause)]
    pub cause: Word,
    /// What became of it.
    #[schema(value_type = words::SlotOutcome)]
    pub outcome: Word,
    /// How many slots this is about: those that were missed together are one row.
    pub count: u32,
    /// The task that it started.
    #[schema(required = true, value_type = Option<String>, format = "uuid")]
    pub task_id: Option<TaskId>,
    /// Or the run.
    #[schema(required = true, value_type = Option<String>, format = "uuid")]
    pub run_id: Option<RunId>,
    /// Why, where the outcome does not say.
    pub reason: String,
    /// When that was decided.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

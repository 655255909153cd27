//! What agents and servers say to each other, version 1 (contracts.md section 5): one struct a type, and its name.

use crate::agent::{Card, WhoFields};
use crate::failure::Class;
use crate::id::{ClaimId, TaskId};
use crate::json::Json;
use crate::life::RevokeReason;
use crate::name::{Kind, Lane};
use crate::task::{Priority, Progress, TaskError, Usage};
use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

mod body;
mod copy;
mod ended;
mod named;
mod session;
mod submit;
pub use body::{Body, BodyError, VERSION, decode, encode};
pub use copy::{AgentCopy, AlertCopy, StateCopy, TaskCopy};
pub use ended::{Heard, HeardEnd, TaskEnded};
pub use named::{Named, named};
pub use session::{Invite, SessionAnswer};
pub use submit::{NotRead, Problem, Submit, SubmitAccepted, SubmitCancel, SubmitRefused};

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $type:literal { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
            pub struct $name { $($(#[$fdoc])* pub $field: $ty),* }
            impl Body for $name { const TYPE: &'static str = $type; }
        )*

        /// Every type there is, once.
        pub const TYPES: &[&str] = &[Hello::TYPE, Invite::TYPE, SessionAnswer::TYPE, $($name::TYPE),*];
    };
}

messages! {
    /// Server to agent: you are in.
    Welcome "welcome" {
        /// Who is meant.
        #[serde(flatten)] who: WhoFields,
        /// The queues to read; empty where the server hands out the work itself.
        queues: Vec<Queue>,
        /// Send a heartbeat this often, in ms.
        heartbeat_ms: u64,
        /// A run nobody lists for this long is lost, in ms.
        lease_ms: u64,
        /// Acknowledge a delivery within this, in ms.
        handoff_ms: u64,
        /// The largest body.
        max_body_bytes: u64,
        /// The store's clock.
        server_time: Timestamp,
    }
    /// Server to agent: you are not in, and why.
    Unwelcome "unwelcome" {
        /// `unknown_lane`, `role_not_allowed`, `version_unsupported` or `name_taken`.
        code: String,
        /// In words, with what to do.
        message: String,
    }
    /// Server to agent: a task, as an offer, or with its grant where the delivery is the claim.
    Offer "task" {
        /// The task.
        task_id: TaskId,
        /// The number of the offer.
        offer: u64,
        /// What sort of work.
        kind: Kind,
        /// Where it waited.
        lane: Lane,
        /// What goes first.
        priority: Priority,
        /// One line.
        title: String,
        /// The brief.
        description: String,
        /// What the handler gets.
        input: Json,
        /// Labels.
        labels: std::collections::BTreeMap<String, String>,
        /// The workflow run.
        run_id: Option<String>,
        /// The step of that run.
        step: Option<String>,
        /// The task that opened it.
        parent_id: Option<TaskId>,
        /// How long one attempt may run, in ms.
        timeout_ms: Option<u64>,
        /// Over after this.
        deadline: Option<Timestamp>,
        /// When it was accepted.
        created_at: Timestamp,
        /// Starts allowed in all.
        #[serde(default)] max_attempts: u32,
        /// Retries by an operator or a rule.
        #[serde(default)] replays: u32,
        /// It was not to start before this.
        #[serde(default, skip_serializing_if = "Option::is_none")] not_before: Option<Timestamp>,
        /// When it became ready.
        #[serde(default, skip_serializing_if = "Option::is_none")] ready_at: Option<Timestamp>,
        /// How far a run before was that gave it back.
        #[serde(default, skip_serializing_if = "Option::is_none")] progress: Option<Progress>,
        /// The failure of the last attempt that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")] error: Option<TaskError>,
        /// What the attempt that ended last used.
        #[serde(default, skip_serializing_if = "Option::is_none")] usage: Option<Usage>,
        /// In a fast lane: the attempt under which a first delivery starts at once.
        #[serde(default, skip_serializing_if = "Option::is_none")] attempt: Option<u32>,
        /// In a fast lane: its fencing token.
        #[serde(default, skip_serializing_if = "Option::is_none")] epoch: Option<u64>,
        /// In a fast lane: what the run may show to the server as its own.
        #[serde(default, skip_serializing_if = "Option::is_none")] task_token: Option<String>,
        /// The grant, where the delivery is the claim.
        #[serde(default, skip_serializing_if = "Option::is_none")] grant: Option<Granted>,
    }
    /// Agent to server: may this run start, or go on?
    Claim "claim" {
        /// The task.
        task_id: TaskId,
        /// The offer it came with.
        offer: u64,
        /// The run.
        claim: ClaimId,
        /// Who asks.
        #[serde(flatten)] who: WhoFields,
        /// The broker said it was delivered before.
        #[serde(default)] redelivered: bool,
        /// The run has started already.
        #[serde(default)] started: bool,
    }
    /// Server to agent: it may.
    Granted "claim.granted" {
        /// The task.
        task_id: TaskId,
        /// The run.
        claim: ClaimId,
        /// The attempt.
        attempt: u32,
        /// The fencing token.
        epoch: u64,
        /// How long the lease lives without a heartbeat, in ms.
        lease_ms: u64,
        /// How long the attempt may run, in ms.
        timeout_ms: Option<u64>,
        /// When the attempt started, by the store's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")] started_at: Option<Timestamp>,
        /// The version of the task that this grant was read from.
        #[serde(default, skip_serializing_if = "Option::is_none")] version: Option<u64>,
        /// What the run may show to the server as its own (contracts.md section 4).
        #[serde(default, skip_serializing_if = "Option::is_none")] task_token: Option<String>,
    }
    /// Server to agent: it may not.
    ClaimRefused "claim.refused" {
        /// The task.
        task_id: TaskId,
        /// The run.
        claim: ClaimId,
        /// `final cancelled expired held stale no_slot draining paused unknown`.
        reason: String,
    }
    /// Agent to server: I am here, and this is what I run.
    Heartbeat "heartbeat" {
        /// Who.
        #[serde(flatten)] who: WhoFields,
        /// How many tasks it runs at once.
        slots: u32,
        /// How many it runs now.
        busy: u32,
        /// `up` or `draining`.
        state: String,
        /// Memory, in bytes.
        #[serde(default)] rss_bytes: u64,
        /// Processor, in cores.
        #[serde(default)] cpu: f64,
        /// The runs it holds: each is a renewal.
        leases: Vec<Held>,
    }
    /// Server to agent: stop this run, say nothing.
    Revoke "revoke" {
        /// The task.
        task_id: TaskId,
        /// The grant.
        epoch: u64,
        /// Why.
        reason: RevokeReason,
    }
    /// Agent to server: a run is over.
    Outcome "outcome" {
        /// The task.
        task_id: TaskId,
        /// The attempt.
        attempt: u32,
        /// The fencing token.
        epoch: u64,
        /// Who.
        #[serde(flatten)] who: WhoFields,
        /// How.
        status: Status,
        /// The result, if it succeeded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(value_type = Json))] output: Option<Json>,
        /// The failure, if it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")] error: Option<Failure>,
        /// Why it was given back: `drain` or `unknown_kind`.
        #[serde(default, skip_serializing_if = "Option::is_none")] reason: Option<String>,
        /// When the handler started, by the agent's clock.
        started_at: Option<Timestamp>,
        /// When it ended, by the agent's clock.
        finished_at: Option<Timestamp>,
        /// What it used.
        #[serde(default, skip_serializing_if = "Option::is_none")] usage: Option<Usage>,
    }
    /// Agent to server: a line of log, or progress, of a run.
    Signal "signal" {
        /// The task.
        task_id: TaskId,
        /// The grant.
        epoch: u64,
        /// Counts the signals of a run from 0.
        seq: u64,
        /// `log` or `progress`.
        kind: String,
        /// `stderr`, for a log.
        #[serde(default, skip_serializing_if = "Option::is_none")] stream: Option<String>,
        /// The log, or the words of the progress.
        #[serde(default, skip_serializing_if = "Option::is_none")] text: Option<String>,
        /// 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")] fraction: Option<f64>,
    }
    /// Server to agent: these outcomes are in the store, or refused for good; forget them.
    Recorded "recorded" {
        /// Which.
        leases: Vec<Entry>,
    }
    /// Server to agent: stop this run because somebody cancelled the task.
    Cancel "cancel" {
        /// The task.
        task_id: TaskId,
        /// The grant.
        epoch: u64,
        /// In words.
        reason: String,
        /// How long it may take to stop, in ms.
        grace_ms: u64,
    }
    /// Server to agent: finish what you have, take nothing new, leave.
    Drain "drain" {
        /// Give back what runs after this, by the store's clock.
        deadline: Option<Timestamp>,
        /// The same, as a span from now: clocks of two machines differ.
        #[serde(default, skip_serializing_if = "Option::is_none")] within_ms: Option<u64>,
        /// In words.
        reason: String,
        /// Stay, with presence `draining`, instead of leaving.
        #[serde(default)] stay: bool,
    }
    /// Server to agent: take work again.
    Resume "resume" {
        /// In words.
        reason: String,
    }
    /// Agent to server: read or write a key of shared state.
    StateAsk "state" {
        /// Who asks.
        #[serde(flatten)] who: WhoFields,
        /// `get`, `set` or `delete`.
        op: String,
        /// The space.
        space: String,
        /// The key.
        key: String,
        /// Of a set: the value.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(value_type = Json))] value: Option<Json>,
        /// Of a set: how long the value stays, in ms.
        #[serde(default, skip_serializing_if = "Option::is_none")] ttl_ms: Option<u64>,
        /// The version that the key must have; 0: no value.
        #[serde(default, skip_serializing_if = "Option::is_none")] if_version: Option<u64>,
        /// Comes back with the answer; the same once more writes nothing, and has the first answer.
        request_id: String,
    }
    /// Server to agent: what came of it.
    StateResult "state.result" {
        /// The request that this answers.
        request_id: String,
        /// It was done.
        ok: bool,
        /// The version read or made; of a conflict: the one the key is at, 0 without a value.
        #[serde(default, skip_serializing_if = "Option::is_none")] version: Option<u64>,
        /// Of a get: the value.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(value_type = Json))] value: Option<Json>,
        /// Why not: `conflict`, `not_found`, `invalid`, `too_large`, `not_allowed`.
        #[serde(default, skip_serializing_if = "Option::is_none")] code: Option<String>,
        /// The same in words.
        #[serde(default, skip_serializing_if = "Option::is_none")] message: Option<String>,
    }
    /// Agent to server, or the link in its name: gone.
    Bye "bye" {
        /// Who.
        #[serde(flatten)] who: WhoFields,
        /// `drain`, `stop`, or `gone` when the connection ended without a word.
        reason: String,
    }
}

/// A field that is there, even when it is `null`.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(input).map(Some)
}

/// Agent to server: here I am.
pub type Hello = Card;

/// A queue that an agent reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Queue {
    /// The broker's name for it.
    pub queue: String,
    /// The lane.
    pub lane: Lane,
    /// How many deliveries to hold.
    pub prefetch: u32,
    /// `claim` or `fast`.
    pub start: String,
}

/// A run that a heartbeat lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Held {
    /// The task.
    pub task_id: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// The fencing token.
    pub epoch: u64,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// One run of a [`Recorded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Entry {
    /// The task.
    pub task_id: TaskId,
    /// The fencing token.
    pub epoch: u64,
}

/// How a run ended, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// With a result.
    Succeeded,
    /// With a failure.
    Failed,
    /// Stopped because it was cancelled.
    Cancelled,
    /// Given back.
    Released,
}

/// A failure, on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Failure {
    /// What kind.
    pub class: Class,
    /// In words.
    pub message: String,
    /// More.
    #[serde(default)]
    pub detail: serde_json::Value,
    /// The handler's wish for the next attempt, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

#[cfg(test)]
mod tests;

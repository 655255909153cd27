//! A task: what was asked for, where it is in its life, and how it ended.

use crate::agent::Who;
use crate::failure::{Class, UnknownWord};
use crate::id::TaskId;
use crate::json::Json;
use crate::life::Life;
use crate::name::{Kind, Lane};
use crate::retry::Overrides;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// What goes first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// As it comes.
    #[default]
    Normal,
    /// Before normal work.
    High,
    /// Before everything.
    Critical,
}

impl Priority {
    /// Every priority, lowest first.
    pub const ALL: [Priority; 4] = [
        Priority::Low,
        Priority::Normal,
        Priority::High,
        Priority::Critical,
    ];

    /// The name used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Critical => "critical",
        }
    }

    /// 0 (low) to 3 (critical), for stores.
    pub fn rank(self) -> u8 {
        self as u8
    }

    /// Back from a store's number; what is too large is critical.
    pub fn from_rank(rank: u8) -> Self {
        Priority::ALL
            .get(usize::from(rank))
            .copied()
            .unwrap_or(Priority::Critical)
    }
}

impl FromStr for Priority {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        Priority::ALL
            .into_iter()
            .find(|p| p.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "priority",
                word: s.into(),
            })
    }
}

/// What was asked for; does not change but for `input`, which an operator's retry may replace.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What sort of work it is.
    pub kind: Kind,
    /// Where it waits.
    pub lane: Lane,
    /// What goes first.
    pub priority: Priority,
    /// One line for people.
    pub title: String,
    /// The brief.
    pub description: String,
    /// What the handler gets.
    pub input: Json,
    /// For finding it again.
    pub labels: BTreeMap<String, String>,
    /// How long one attempt may run.
    pub timeout: Option<Duration>,
    /// Parts of the retry policies that are this task's own.
    pub retry: Overrides,
    /// The task that opened it.
    pub parent: Option<TaskId>,
    /// The workflow run it belongs to.
    pub run: Option<String>,
    /// The step of that run.
    pub step: Option<String>,
    /// Who wants to hear how it ends.
    pub requester: Option<Who>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// The recorded failure of the last attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskError {
    /// What kind.
    pub class: Class,
    /// What happened, in words (up to 4 KiB).
    pub message: String,
    /// More, as the handler gave it.
    #[serde(default)]
    pub detail: serde_json::Value,
    /// Groups failures that look alike.
    #[serde(default)]
    pub fingerprint: String,
}

/// How far the running attempt says it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Progress {
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What an attempt used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Tokens read.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub output_tokens: u64,
    /// Dollars, as a decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
}

/// A task as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What was asked for.
    pub spec: Spec,
    /// Where it is.
    pub life: Life,
    /// The result, once it succeeded.
    pub output: Option<Json>,
    /// The failure of the last attempt that failed.
    pub error: Option<TaskError>,
    /// How far the running attempt is.
    pub progress: Option<Progress>,
    /// What the attempt that ended used.
    pub usage: Option<Usage>,
    /// How many rows of history it has: grows by one with every transition, and with nothing else. Renewals count in
    /// `life.lease_seq`, and progress is no transition, so what a client read stays current while the task just runs.
    pub version: u64,
}

//! A request for a task, as JSON (contracts.md section 3), and its check: all mistakes at once, each with its place.

mod collaboration;
mod read;
pub use collaboration::{has_decision, with_decision};

use crate::agent::Who;
use crate::failure::Class;
use crate::id::TaskId;
use crate::json::Json;
use crate::life::Life;
use crate::limits;
use crate::name::{Kind, Lane};
use crate::retry::Overrides;
use crate::task::{Priority, Spec, Task};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What `POST /api/v1/tasks`, a line of a batch, and a `submit` message carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Submission {
    /// Required.
    #[cfg_attr(feature = "schema", schema(value_type = Kind, required))]
    pub kind: String,
    /// `default` unless said.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Lane>))]
    pub lane: Option<String>,
    /// One line.
    pub title: String,
    /// The brief.
    pub description: String,
    /// Any JSON.
    pub input: Json,
    /// `normal` unless said.
    pub priority: Priority,
    /// Not before this many ms from now; excludes `not_before`.
    pub delay_ms: Option<u64>,
    /// Not before this.
    pub not_before: Option<Timestamp>,
    /// Over after this; excludes `deadline_ms`.
    pub deadline: Option<Timestamp>,
    /// Over this many ms from now.
    pub deadline_ms: Option<u64>,
    /// How long one attempt may run, in ms.
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub timeout_ms: Option<u64>,
    /// Starts allowed in all, 1 to 10,000.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10000))]
    pub max_attempts: Option<u32>,
    /// Its own parts of the retry policies.
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<crate::failure::Class, crate::retry::Override>))]
    pub retry: Overrides,
    /// For finding it again.
    pub labels: BTreeMap<String, String>,
    /// `simple`: it is done whole, even if its kind is decomposed. Kept as the label `complexity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
    /// A question to agents before it starts: as the body of `POST /api/v1/sessions`. The decision is `input.decision`.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collaboration: Option<Json>,
    /// The task that opens it.
    pub parent_id: Option<TaskId>,
    /// Only in a batch: what `Idempotency-Key` is for one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Who wants to hear how it ends; only a message can say so.
    #[serde(skip)]
    pub requester: Option<Who>,
}

/// How much there is to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// It is done whole, even if its kind is decomposed.
    Simple,
    /// It is decomposed if its kind is.
    Complex,
}

impl Complexity {
    /// The word used in JSON and in the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Complexity::Simple => "simple",
            Complexity::Complex => "complex",
        }
    }
}

/// The fields of a [`Submission`].
pub const FIELDS: [&str; 18] = [
    "kind",
    "lane",
    "title",
    "description",
    "input",
    "priority",
    "delay_ms",
    "not_before",
    "deadline",
    "deadline_ms",
    "timeout_ms",
    "max_attempts",
    "retry",
    "labels",
    "complexity",
    "collaboration",
    "parent_id",
    "idempotency_key",
];

/// One mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mistake {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What, and what would be right.
    pub message: String,
}

impl Mistake {
    /// A mistake at this place.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

impl Submission {
    /// Checks everything and makes the task that would be accepted now.
    ///
    /// # Errors
    /// Every mistake, each with its place and the limit it breaks.
    pub fn check(&self, id: TaskId, now: Timestamp) -> Result<Task, Vec<Mistake>> {
        let mut mistakes = vec![];
        let kind = match self.kind.is_empty() {
            true => Err("is required: what sort of work it is".to_owned()),
            false => Kind::new(&self.kind).map_err(|error| error.to_string()),
        };
        let kind = keep(&mut mistakes, "/kind", kind);
        let lane = self.lane.as_deref().map_or(Ok(Lane::default()), Lane::new);
        let lane = keep(&mut mistakes, "/lane", lane);
        self.check_sizes(&mut mistakes);
        self.check_labels(&mut mistakes);
        self.check_retry(&mut mistakes);
        mistakes.extend(self.question().err().into_iter().flatten());
        let not_before = moment(
            &mut mistakes,
            ["not_before", "delay_ms"],
            self.not_before,
            self.delay_ms,
            now,
        );
        let deadline = moment(
            &mut mistakes,
            ["deadline", "deadline_ms"],
            self.deadline,
            self.deadline_ms,
            now,
        );
        if deadline.is_some_and(|at| at <= now) {
            mistakes.push(Mistake::at("/deadline", "has already passed"));
        }
        let (Some(kind), Some(lane), true) = (kind, lane, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let spec = Spec {
            kind,
            lane,
            priority: self.priority,
            title: self.title.clone(),
            description: self.description.clone(),
            input: self.input.clone(),
            labels: self.all_labels(),
            timeout: self.timeout_ms.map(Duration::from_millis),
            retry: self.retry.clone(),
            parent: self.parent_id,
            run: None,
            step: None,
            requester: self.requester.clone(),
            created_at: now,
        };
        let max_attempts = self.max_attempts.unwrap_or(limits::MAX_ATTEMPTS);
        let life = Life::new(now, max_attempts, not_before, deadline);
        Ok(Task {
            id,
            spec,
            life,
            output: None,
            error: None,
            progress: None,
            usage: None,
            version: 1,
        })
    }

    /// With what is asked for apart and kept as a label.
    fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let complexity = self.complexity.map(Complexity::as_str);
        labels.extend(complexity.map(|word| ("complexity".to_owned(), word.to_owned())));
        labels
    }

    fn check_sizes(&self, mistakes: &mut Vec<Mistake>) {
        let mut most = |pointer: &str, found: usize, limit: usize, unit: &str| {
            if found > limit {
                let message = format!("has {found} {unit}; the limit is {limit}");
                mistakes.push(Mistake::at(pointer, message));
            }
        };
        most(
            "/title",
            self.title.chars().count(),
            limits::TITLE_CHARS,
            "characters",
        );
        most(
            "/description",
            self.description.len(),
            limits::DESCRIPTION_BYTES,
            "bytes",
        );
        most(
            "/input",
            self.input.as_str().len(),
            limits::INPUT_BYTES,
            "bytes",
        );
        most(
            "/input",
            self.input.depth(),
            limits::JSON_DEPTH,
            "levels of nesting",
        );
        most("/labels", self.labels.len(), limits::LABELS, "labels");
        if self
            .max_attempts
            .is_some_and(|n| !(1..=limits::MAX_ATTEMPTS_MOST).contains(&n))
        {
            mistakes.push(Mistake::at("/max_attempts", "must be 1 to 10000"));
        }
        if self.timeout_ms == Some(0) {
            mistakes.push(Mistake::at("/timeout_ms", "must be at least 1"));
        }
        if self
            .timeout_ms
            .is_some_and(|ms| Duration::from_millis(ms) > limits::HORIZON)
        {
            mistakes.push(Mistake::at("/timeout_ms", "is more than 10 years"));
        }
        if let Some(Err(message)) = self.idempotency_key.as_deref().map(check_key) {
            mistakes.push(Mistake::at("/idempotency_key", message));
        }
    }

    fn check_labels(&self, mistakes: &mut Vec<Mistake>) {
        for (key, value) in &self.labels {
            let pointer = format!("/labels/{}", key.replace('~', "~0").replace('/', "~1"));
            let plain = !key.is_empty()
                && key.chars().count() <= limits::LABEL_KEY_CHARS
                && key
                    .chars()
                    .all(|c| !c.is_whitespace() && !c.is_control() && c != ':' && c != '"');
            if !plain {
                let message =
                    "a label's key is 1 to 48 characters without spaces, colons and quotes";
                mistakes.push(Mistake::at(pointer.clone(), message));
            }
            if value.chars().count() > limits::LABEL_VALUE_CHARS {
                mistakes.push(Mistake::at(pointer, "is over the limit of 256 characters"));
            }
        }
    }

    fn check_retry(&self, mistakes: &mut Vec<Mistake>) {
        for (class, change) in &self.retry {
            if matches!(class, Class::Interrupted) {
                let message = "interrupted is never counted, so it has no policy";
                mistakes.push(Mistake::at("/retry/interrupted", message));
            }
            for (field, ms) in [("base_ms", change.base_ms), ("max_ms", change.max_ms)] {
                if ms.is_some_and(|ms| Duration::from_millis(ms) > limits::HORIZON) {
                    let pointer = format!("/retry/{class}/{field}");
                    mistakes.push(Mistake::at(pointer, "is more than 10 years"));
                }
            }
        }
    }
}

/// Checks an idempotency key: 1 to 200 printable characters.
///
/// # Errors
/// What is wrong with it.
pub fn check_key(key: &str) -> Result<(), &'static str> {
    let length = key.chars().count();
    if length == 0 || length > limits::IDEMPOTENCY_KEY_CHARS || key.chars().any(char::is_control) {
        return Err("must be 1 to 200 printable characters");
    }
    Ok(())
}

/// The sentence for a field that does not exist, with the nearest that does.
pub fn unknown(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, k)) => format!("unknown field \"{name}\"; did you mean \"{k}\"?"),
        None => format!("unknown field \"{name}\"; known are {}", known.join(", ")),
    }
}

fn keep<T, E: ToString>(
    mistakes: &mut Vec<Mistake>,
    pointer: &str,
    result: Result<T, E>,
) -> Option<T> {
    result
        .map_err(|e| mistakes.push(Mistake::at(pointer, e.to_string())))
        .ok()
}

/// A time given as a point or as a span from now, not both, and not more than ten years away.
fn moment(
    mistakes: &mut Vec<Mistake>,
    [point_name, span_name]: [&str; 2],
    point: Option<Timestamp>,
    span: Option<u64>,
    now: Timestamp,
) -> Option<Timestamp> {
    if point.is_some() && span.is_some() {
        let message = format!("give {point_name} or {span_name}, not both");
        mistakes.push(Mistake::at(format!("/{span_name}"), message));
        return None;
    }
    let at = point.or_else(|| span.map(|ms| now.plus(Duration::from_millis(ms))))?;
    if at.since(now) > limits::HORIZON {
        let name = if point.is_some() {
            point_name
        } else {
            span_name
        };
        mistakes.push(Mistake::at(
            format!("/{name}"),
            "is more than 10 years away",
        ));
    }
    Some(at)
}

/// Serde's words without its line and column, which mean nothing to who sent the request.
pub(crate) fn trimmed(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;

//! A request for a schedule, as JSON, and its check: all mistakes at once, each with its place.

use super::{
    CATCH_UP, CatchUp, EVERY_MIN, Flow, LATE, Overlap, SLOTS_WAITING, Schedule, Target, When,
};
use crate::id::TaskId;
use crate::json::Json;
use crate::limits;
use crate::name::ScheduleName;
use crate::submission::{Mistake, Submission, trimmed, unknown};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What `POST /api/v1/schedules` carries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleRequest {
    /// Required.
    pub name: String,
    /// A cron pattern; or `every_ms`, or `at`.
    pub cron: Option<String>,
    /// The zone of the pattern; `UTC` unless said.
    pub time_zone: Option<String>,
    /// An interval.
    pub every_ms: Option<u64>,
    /// Its first slot; one interval from now unless said.
    pub from: Option<Timestamp>,
    /// One moment.
    pub at: Option<Timestamp>,
    /// See [`Overlap`].
    pub overlap: Overlap,
    /// See [`CatchUp`].
    pub catch_up: CatchUp,
    /// Of `all`: at most so many.
    pub catch_up_max: Option<usize>,
    /// A slot later than this was missed.
    pub late_ms: Option<u64>,
    /// It begins paused.
    pub paused: bool,
    /// What it submits; or `workflow`.
    pub task: Option<Submission>,
    /// The text of a workflow file.
    pub workflow: Option<String>,
    /// Values for the inputs of the workflow.
    pub inputs: Option<serde_json::Map<String, serde_json::Value>>,
}

const FIELDS: [&str; 14] = [
    "name",
    "cron",
    "time_zone",
    "every_ms",
    "from",
    "at",
    "overlap",
    "catch_up",
    "catch_up_max",
    "late_ms",
    "paused",
    "task",
    "workflow",
    "inputs",
];

/// What of a submission means one moment or one request, and cannot be said again for each slot.
const NOT_AGAIN: [(&str, &str); 4] = [
    ("not_before", "is one moment; say delay_ms"),
    ("deadline", "is one moment; say deadline_ms"),
    (
        "idempotency_key",
        "is the schedule's own: each slot is accepted once anyway",
    ),
    (
        "parent_id",
        "cannot be said here: a schedule outlives every task",
    ),
];

impl ScheduleRequest {
    /// Reads a request; unknown fields are mistakes with a suggestion.
    ///
    /// # Errors
    /// Every mistake of shape that the text has.
    pub fn read(text: &str) -> Result<ScheduleRequest, Vec<Mistake>> {
        let not = |e: serde_json::Error| vec![Mistake::at("", format!("not a JSON object: {e}"))];
        let fields: BTreeMap<String, Json> = serde_json::from_str(text).map_err(not)?;
        let mut mistakes: Vec<Mistake> = fields
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()))
            .map(|name| Mistake::at(format!("/{name}"), unknown(name, &FIELDS)))
            .collect();
        if let Some(Err(found)) = fields
            .get("task")
            .map(|task| Submission::read(task.as_str()))
        {
            let inner = |m: Mistake| Mistake::at(format!("/task{}", m.pointer), m.message);
            mistakes.extend(found.into_iter().map(inner));
        }
        for (name, value) in fields.iter().filter(|(name, _)| *name != "task") {
            let alone = serde_json::to_string(&BTreeMap::from([(name, value)]));
            let read = serde_json::from_str::<ScheduleRequest>(&alone.unwrap_or_default());
            if let Err(error) = read {
                mistakes.push(Mistake::at(format!("/{name}"), trimmed(&error)));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // From the text: numbers of an input keep their digits.
        serde_json::from_str(text).map_err(not)
    }

    /// Checks everything and makes the schedule that would be kept now.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn check(&self, now: Timestamp) -> Result<Schedule, Vec<Mistake>> {
        let mut mistakes = vec![];
        let name = ScheduleName::new(&self.name)
            .map_err(|error| mistakes.push(Mistake::at("/name", error.to_string())))
            .ok();
        let when = self
            .when(now)
            .map_err(|mistake| mistakes.push(mistake))
            .ok();
        self.check_bounds(&mut mistakes);
        let target = self
            .target(now)
            .map_err(|found| mistakes.extend(found))
            .ok();
        let next = when.as_ref().and_then(|when| when.after(now));
        if when.is_some() && next.is_none() {
            let pointer = if self.at.is_some() { "/at" } else { "/cron" };
            mistakes.push(Mistake::at(pointer, "is never due from now on"));
        }
        let (Some(name), Some(when), Some(target), true) =
            (name, when, target, mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        Ok(Schedule {
            name,
            created_at: now,
            version: 1,
            when,
            overlap: self.overlap,
            catch_up: self.catch_up,
            catch_up_max: self.catch_up_max.unwrap_or(CATCH_UP),
            late: self.late_ms.map_or(LATE, Duration::from_millis),
            target,
            paused_since: self.paused.then_some(now),
            done_until: now,
            next,
            waiting: VecDeque::new(),
            last_slot: None,
            last: None,
        })
    }

    fn when(&self, now: Timestamp) -> Result<When, Mistake> {
        if self.time_zone.is_some() && self.cron.is_none() {
            return Err(Mistake::at("/time_zone", "belongs to cron"));
        }
        if self.from.is_some() && self.every_ms.is_none() {
            return Err(Mistake::at("/from", "belongs to every_ms"));
        }
        match (&self.cron, self.every_ms, self.at) {
            (Some(pattern), None, None) => {
                let zone = self.time_zone.as_deref().unwrap_or("UTC");
                let wrong = |(field, why)| Mistake::at(format!("/{field}"), why);
                When::cron(pattern, zone).map_err(wrong)
            }
            (None, Some(every_ms), None) => {
                let every = Duration::from_millis(every_ms);
                if every < EVERY_MIN || every > limits::HORIZON {
                    return Err(Mistake::at("/every_ms", "must be 100 ms to 10 years"));
                }
                let from = self.from.unwrap_or(now.plus(every));
                Ok(When::Every { from, every_ms })
            }
            (None, None, Some(at)) => Ok(When::Once { at }),
            _ => Err(Mistake::at("", "say one of cron, every_ms and at")),
        }
    }

    fn check_bounds(&self, mistakes: &mut Vec<Mistake>) {
        for (field, at) in [("at", self.at), ("from", self.from)] {
            if at.is_some_and(|at| at > Timestamp::from_millis(FAR)) {
                mistakes.push(Mistake::at(format!("/{field}"), "is after the year 9000"));
            }
        }
        if self
            .catch_up_max
            .is_some_and(|n| !(1..=SLOTS_WAITING).contains(&n))
        {
            mistakes.push(Mistake::at("/catch_up_max", "must be 1 to 1000"));
        }
        if self
            .late_ms
            .is_some_and(|ms| Duration::from_millis(ms) > limits::HORIZON)
        {
            mistakes.push(Mistake::at("/late_ms", "is more than 10 years"));
        }
    }

    fn target(&self, now: Timestamp) -> Result<Target, Vec<Mistake>> {
        let no = |pointer: &str, why: &str| Err(vec![Mistake::at(pointer, why)]);
        match (&self.task, &self.workflow) {
            (Some(_), None) if self.inputs.is_some() => no("/inputs", "belongs to workflow"),
            (Some(task), None) => check_task(task, now).map(|()| Target::Task(task.clone().into())),
            (None, Some(file)) => Ok(Target::Workflow(Flow {
                file: file.clone(),
                inputs: self.inputs.clone().unwrap_or_default(),
            })),
            (Some(_), Some(_)) => no("/workflow", "cannot be said beside task"),
            (None, None) => no(
                "/task",
                "is missing: what the schedule submits; or workflow",
            ),
        }
    }
}

fn check_task(task: &Submission, now: Timestamp) -> Result<(), Vec<Mistake>> {
    let said = [
        task.not_before.is_some(),
        task.deadline.is_some(),
        task.idempotency_key.is_some(),
        task.parent_id.is_some(),
    ];
    let mut mistakes: Vec<Mistake> = NOT_AGAIN
        .into_iter()
        .zip(said)
        .filter(|(_, said)| *said)
        .map(|((field, why), _)| Mistake::at(format!("/task/{field}"), why))
        .collect();
    if let Err(found) = task.check(TaskId::new(now, [0; 10]), now) {
        let inner = |m: Mistake| Mistake::at(format!("/task{}", m.pointer), m.message);
        mistakes.extend(found.into_iter().map(inner));
    }
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(mistakes),
    }
}

/// The first moment that is too far away, in ms since 1970: arithmetic on calendars ends somewhere.
const FAR: i64 = 221_845_392_000_000;

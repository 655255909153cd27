//! The checker: pure. Rows of the store, lines of the witness and what the load was told go in; for each
//! property come out the places that break it. It believes no counter of the code under test.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::flow::Begun;
use super::ground::{RETRIES, RETRY_MS};
use super::load::{Accepted, Act};
use super::rows::{Event, FINAL, Rows, Task};
use super::witness::{Line, What};

pub(crate) mod runs;
mod sessions;
#[cfg(test)]
mod tests;

/// What is known after a run.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) rows: Rows,
    pub(crate) lines: Vec<Line>,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) acts: Vec<Act>,
    pub(crate) begun: Vec<Begun>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// None if it is about no single task.
    pub(crate) task: Option<String>,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn general(text: impl Into<String>) -> Finding {
        let (task, text) = (None, text.into());
        Finding { task, text }
    }
}

fn found(task: &str, text: impl Into<String>) -> Finding {
    let (task, text) = (Some(task.to_owned()), text.into());
    Finding { task, text }
}

/// A property: its name in the report, and what breaks it.
type Property = (&'static str, fn(&Evidence) -> Vec<Finding>);

/// Every property.
pub(crate) const PROPERTIES: &[Property] = &[
    ("lost", lost),
    ("stuck", stuck),
    ("double commits", double),
    ("results of another run", foreign_results),
    ("starts without a grant", ungranted),
    ("two starts of one grant", started_twice),
    ("accepted twice", accepted_twice),
    ("attempt or epoch out of order", out_of_order),
    ("moves after the end", after_the_end),
    ("answered acts not in the history", forgotten_acts),
    ("timers that fired early", early),
    ("dead before their limits", dead_early),
    ("failures that no program had", foreign_failures),
    ("unsound rows", unsound),
    ("runs unfinished", runs::unfinished),
    ("runs started twice", runs::started_twice),
    ("steps in a wrong state", runs::wrong_states),
    ("steps out of order", runs::out_of_order),
    ("joins not once", runs::joins),
    ("steps repeated", runs::repeated),
    ("sessions unfinished", sessions::unfinished),
    ("voices counted twice", sessions::voices),
    ("starts without a decision", sessions::decisions),
];

fn is_grant(event: &Event) -> bool {
    event.kind == "started" || event.kind == "superseded"
}

/// It is over, by this row.
fn ends(event: &Event) -> bool {
    FINAL.contains(&event.state.as_str())
}

fn tasks(evidence: &Evidence) -> impl Iterator<Item = (&str, &Task)> {
    let tasks = evidence.rows.tasks.iter();
    tasks.map(|(id, task)| (id.as_str(), task))
}

/// What breaks a rule of one task.
fn each(evidence: &Evidence, rule: impl Fn(&Task) -> Vec<String>) -> Vec<Finding> {
    let broken = |(id, task)| rule(task).into_iter().map(move |text| found(id, text));
    tasks(evidence).flat_map(broken).collect()
}

/// Accepted, and not there; or not final, and nobody answers for it (protocol.md, section 5).
fn lost(evidence: &Evidence) -> Vec<Finding> {
    let gone = evidence.accepted.iter().filter_map(|accepted| {
        let there = evidence.rows.tasks.contains_key(&accepted.id);
        (!there).then(|| found(&accepted.id, "accepted, and not in the store"))
    });
    let orphans = each(evidence, |task| {
        let answered_for = match task.state.as_str() {
            "ready" => true,
            "running" => task.lease.is_some(),
            "retrying" | "scheduled" => task.due_at.is_some(),
            _ => task.is_final(),
        };
        let text = format!("{}, and nobody answers for it", task.state);
        Vec::from_iter((!answered_for).then_some(text))
    });
    gone.chain(orphans).collect()
}

/// Not final although nothing was broken any more for the whole patience.
fn stuck(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let text = format!("still {} at the end", task.state);
        Vec::from_iter((!task.is_final()).then_some(text))
    })
}

fn double(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let commits = task.history.iter().filter(|e| e.kind == "succeeded");
        let epochs: Vec<u64> = commits.map(|event| event.epoch).collect();
        let text = format!("succeeded under the epochs {epochs:?}");
        Vec::from_iter((epochs.len() > 1).then_some(text))
    })
}

/// A success belongs to the newest grant, and its result to the program that ran under it.
fn foreign_results(evidence: &Evidence) -> Vec<Finding> {
    let ends: HashSet<(&str, u64, u32)> = evidence
        .lines
        .iter()
        .filter(|line| line.what == What::End)
        .map(|line| (line.task.as_str(), line.epoch, line.pid))
        .collect();
    let mut wrong = vec![];
    for (id, task) in tasks(evidence).filter(|(_, task)| task.state == "succeeded") {
        let success = task.history.iter().rposition(|e| e.kind == "succeeded");
        let Some(success) = success else {
            wrong.push(found(id, "succeeded without a row of history that says so"));
            continue;
        };
        let epoch = task.history[success].epoch;
        let grant = task.history[..success].iter().rfind(|e| is_grant(e));
        if grant.map(|grant| grant.epoch) != Some(epoch) {
            let text = format!("success of epoch {epoch}, newest grant was {grant:?}");
            wrong.push(found(id, text));
        }
        let output = task.output.as_deref().unwrap_or_default();
        let output: serde_json::Value = serde_json::from_str(output).unwrap_or_default();
        let pid = output["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        let own = output["task"] == id && output["epoch"] == epoch;
        if !own || !pid.is_some_and(|pid| ends.contains(&(id, epoch, pid))) {
            let text = format!("success of epoch {epoch} with the result {output}");
            wrong.push(found(id, text));
        }
    }
    wrong
}

/// A program ran that no row of history granted; or under another number, or elsewhere.
fn ungranted(evidence: &Evidence) -> Vec<Finding> {
    let starts = evidence.lines.iter().filter_map(|line| {
        if line.what == What::Odd {
            return Some(found(&line.task, "environment and task object differ"));
        }
        let task = evidence.rows.tasks.get(&line.task);
        let granted = task
            .into_iter()
            .flat_map(|task| &task.history)
            .any(|event| {
                is_grant(event)
                    && (event.epoch, event.attempt) == (line.epoch, line.attempt)
                    && event.agent.as_deref() == Some(line.agent.as_str())
            });
        let text = format!("started without a grant: {line:?}");
        (line.what == What::Start && !granted).then(|| found(&line.task, text))
    });
    starts.collect()
}

fn started_twice(evidence: &Evidence) -> Vec<Finding> {
    let mut seen: HashMap<(&str, u64), &Line> = HashMap::new();
    let starts = evidence
        .lines
        .iter()
        .filter(|line| line.what == What::Start);
    let twice = starts.filter_map(|line| {
        let first = seen.insert((&line.task, line.epoch), line)?;
        let text = format!(
            "epoch {} started as {} and as {}",
            line.epoch, first.pid, line.pid
        );
        Some(found(&line.task, text))
    });
    twice.collect()
}

/// Every key made one task, and every task comes from an answered submission, or from a run (see [`runs`]).
fn accepted_twice(evidence: &Evidence) -> Vec<Finding> {
    let known: BTreeSet<&str> = evidence.accepted.iter().map(|a| a.id.as_str()).collect();
    let made: BTreeSet<&str> = evidence
        .rows
        .runs
        .values()
        .flat_map(|run| &run.steps)
        .flat_map(|step| step.tasks.iter().map(String::as_str))
        .collect();
    let strangers = tasks(evidence)
        .filter(|(id, _)| !known.contains(id) && !made.contains(id))
        .map(|(id, task)| {
            let text = format!("nobody was told of it; its key is {:?}", task.key);
            found(id, text)
        });
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut twice = vec![];
    for accepted in &evidence.accepted {
        if let Some(other) = keys.insert(&accepted.key, &accepted.id) {
            twice.push(found(&accepted.id, format!("has the key of {other}")));
        }
        if !ids.insert(&accepted.id) {
            twice.push(found(&accepted.id, "was given to two keys"));
        }
        let stored = evidence.rows.tasks.get(&accepted.id);
        if stored.is_some_and(|task| task.key.as_deref() != Some(&accepted.key)) {
            twice.push(found(
                &accepted.id,
                format!("lost its key {}", accepted.key),
            ));
        }
    }
    strangers.chain(twice).collect()
}

/// Each grant is one attempt and one epoch more, of a task that was ready (or whose run is taken over); nothing
/// else changes them.
fn out_of_order(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let (mut attempt, mut epoch, mut state) = (0, 0, "");
        let mut wrong = vec![];
        for event in &task.history {
            if event.kind == "started" && state != "ready" {
                wrong.push(format!("granted while {state}"));
            }
            state = &event.state;
            let more = u64::from(is_grant(event));
            if (event.attempt, event.epoch) != (attempt + more, epoch + more) {
                let text = format!("after attempt {attempt}, epoch {epoch}: {event:?}");
                wrong.push(text);
            }
            (attempt, epoch) = (event.attempt, event.epoch);
        }
        if (task.attempt, task.epoch) != (attempt, epoch) {
            wrong.push(format!("its row says {} {}", task.attempt, task.epoch));
        }
        wrong
    })
}

/// A final state is left by a retry only, or for good by discarding a dead letter: nothing is granted
/// after a cancel.
fn after_the_end(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let pairs = task.history.windows(2);
        let wrong = pairs.filter(|pair| {
            let (before, next) = (pair[0].kind.as_str(), pair[1].kind.as_str());
            let over = FINAL.contains(&before) || FINAL.contains(&pair[0].state.as_str());
            let retried = next == "retried" && before != "succeeded";
            let discarded = before == "dead" && next == "cancelled";
            over && !retried && !discarded
        });
        let text = |pair: &[Event]| format!("{} and then {}", pair[0].kind, pair[1].kind);
        wrong.map(text).collect()
    })
}

/// What was answered with yes has a row each.
fn forgotten_acts(evidence: &Evidence) -> Vec<Finding> {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for act in &evidence.acts {
        let (id, kind) = match act {
            Act::Cancel(id) => (id, "cancelled"),
            Act::Retry(id) => (id, "retried"),
        };
        *told.entry((id, kind)).or_default() += 1;
    }
    let missing = told.into_iter().filter_map(|((id, kind), times)| {
        let history = evidence.rows.tasks.get(id).map(|task| &task.history);
        let rows = history
            .into_iter()
            .flatten()
            .filter(|e| e.kind == kind)
            .count();
        let text = format!("{kind} was answered {times} times and stands there {rows} times");
        (rows < times).then(|| found(id, text))
    });
    missing.collect()
}

/// No timer fires early: delays and deadlines (a person's retry ends both), and waits before a retry.
fn early(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let mut wrong = vec![];
        let mut early = |what: &str, ms: i64| {
            if ms > 0 {
                wrong.push(format!("{what} {ms} ms before its time"));
            }
        };
        for e in task.history.iter().take_while(|e| e.kind != "retried") {
            match e.kind.as_str() {
                "started" | "ready" => early(&e.kind, task.not_before.map_or(0, |at| at - e.at)),
                "expired" => early(&e.kind, task.deadline.map_or(0, |at| at - e.at)),
                _ => {}
            }
        }
        for pair in task.history.windows(2) {
            if pair[0].kind == "retrying" && pair[1].kind == "ready" {
                early("the retry", pair[0].at + RETRY_MS - pair[1].at);
            }
        }
        wrong
    })
}

/// Who is dead was lost, or has failed, as often as its policy allows.
fn dead_early(evidence: &Evidence) -> Vec<Finding> {
    each(evidence, |task| {
        let history = &task.history;
        let deaths = (0..history.len()).filter(|n| history[*n].kind == "dead");
        deaths
            .filter_map(|n| too_early(&history[..n], &history[n]))
            .collect()
    })
}

fn too_early(before: &[Event], death: &Event) -> Option<String> {
    let class = death.detail["class"].as_str().unwrap_or("lost");
    let used = if class == "lost" {
        // An operator's retry forgets them.
        let since = before
            .iter()
            .rposition(|e| e.kind == "retried")
            .unwrap_or(0);
        let losses = before[since..].iter();
        losses
            .filter(|e| e.kind == "lost" || e.kind == "superseded")
            .count()
    } else {
        let retries = before.iter().filter(|e| e.kind == "retrying");
        retries.filter(|e| e.detail["class"] == class).count()
    };
    let allowed = RETRIES.iter().find(|(name, _)| *name == class)?.1;
    (used < allowed).then(|| format!("dead of {class} after {used} retries of {allowed}"))
}

/// A failure in the history is one that the program of this task makes: nobody pays for another's crash.
fn foreign_failures(evidence: &Evidence) -> Vec<Finding> {
    let charged = evidence.accepted.iter().flat_map(|accepted| {
        let task = evidence.rows.tasks.get(&accepted.id);
        let history = task.into_iter().flat_map(|task| &task.history);
        let classes = history.filter_map(|event| event.detail["class"].as_str());
        let own = accepted.manner.class();
        // Who is lost is not charged with it: that is the agent's, or the server's.
        let foreign = classes.filter(move |class| *class != "lost" && Some(*class) != own);
        let manner = accepted.manner.as_str();
        foreign.map(move |class| found(&accepted.id, format!("{class}, but it works {manner}")))
    });
    charged.collect()
}

/// The file, its counts, and rows that contradict themselves.
fn unsound(evidence: &Evidence) -> Vec<Finding> {
    let general = evidence.rows.unsound.iter().map(Finding::general);
    let rows = each(evidence, |task| {
        let mut wrong = vec![];
        if task.lease.is_some() != (task.state == "running") {
            wrong.push(format!("{} with the lease {:?}", task.state, task.lease));
        }
        if task.offered && task.state != "ready" {
            wrong.push(format!("{} and offered", task.state));
        }
        if task.dead_reason.is_some() != (task.state == "dead") {
            wrong.push(format!("{} for {:?}", task.state, task.dead_reason));
        }
        let last = task.history.last().map(|event| event.state.as_str());
        if last != Some(&task.state) {
            wrong.push(format!("{}, its history ends {last:?}", task.state));
        }
        wrong
    });
    general.chain(rows).collect()
}

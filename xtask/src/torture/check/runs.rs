//! The rules for runs of workflows: pure, like the others. What was asked for, rows and witness go in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::flow::{Begun, Work, id};
use super::super::run_rows::{Run, Step};
use super::super::step::Manner;
use super::super::witness::{Line, What};
use super::{Evidence, Finding, Task, found, is_grant};

#[cfg(test)]
mod tests;

/// A step of a run: what was asked for, and its row.
struct Seat<'a> {
    begun: &'a Begun,
    run: &'a Run,
    n: usize,
    row: &'a Step,
}

impl<'a> Seat<'a> {
    fn asked(&self) -> &'a super::super::flow::Step {
        &self.begun.steps[self.n]
    }

    /// The rows of what it needs, each with whether a failure of it counts as done.
    fn needs(&self) -> impl Iterator<Item = (&'a Step, bool)> {
        let needs = self.asked().needs.iter();
        needs.filter_map(|n| Some((self.run.steps.get(*n)?, self.begun.steps[*n].continues)))
    }

    fn finding(&self, text: impl AsRef<str>) -> Finding {
        let Begun { id, key, .. } = self.begun;
        found(id, format!("{key} {}: {}", self.row.id, text.as_ref()))
    }

    /// It has tasks, or would have if it had any.
    fn has_begun(&self) -> bool {
        !matches!(self.row.state.as_str(), "pending" | "skipped")
    }
}

/// Each step of each run that is in the store.
fn seats(evidence: &Evidence) -> impl Iterator<Item = Seat<'_>> {
    evidence.begun.iter().flat_map(|begun| {
        let run = evidence.rows.runs.get(&begun.id);
        let known = move |(n, row)| {
            (n < begun.steps.len()).then_some(Seat {
                begun,
                run: run?,
                n,
                row,
            })
        };
        let steps = run.into_iter().flat_map(|run| run.steps.iter().enumerate());
        steps.filter_map(known)
    })
}

fn children<'a>(
    evidence: &'a Evidence,
    step: &'a Step,
) -> impl Iterator<Item = (&'a str, &'a Task)> {
    let tasks = step.children.iter();
    tasks.filter_map(|(_, id)| Some((id.as_str(), evidence.rows.tasks.get(id)?)))
}

/// Accepted, and not there or not over; or there, and nobody was told of it.
pub(super) fn unfinished(evidence: &Evidence) -> Vec<Finding> {
    let mut wrong = vec![];
    for begun in &evidence.begun {
        let Some(run) = evidence.rows.runs.get(&begun.id) else {
            wrong.push(found(
                &begun.id,
                "the run was accepted, and is not in the store",
            ));
            continue;
        };
        let over = ["succeeded", "failed", "cancelled"].contains(&run.state.as_str());
        if !over || !run.ended || run.active != 0 {
            let text = format!(
                "{} is {} with {} active steps",
                run.name, run.state, run.active
            );
            wrong.push(found(&begun.id, text));
        }
    }
    wrong
}

/// Every key started one run.
pub(super) fn started_twice(evidence: &Evidence) -> Vec<Finding> {
    let known: BTreeMap<&str, &str> = evidence
        .begun
        .iter()
        .map(|begun| (begun.id.as_str(), begun.key.as_str()))
        .collect();
    let strange = |(id, run): (&String, &Run)| {
        (known.get(id.as_str()) != Some(&run.name.as_str()))
            .then(|| found(id, format!("nobody was told of this run of {}", run.name)))
    };
    let strays = evidence.rows.strays.iter().map(Finding::general);
    evidence
        .rows
        .runs
        .iter()
        .filter_map(strange)
        .chain(strays)
        .collect()
}

/// Each step is where what it needs, its own tasks and its run say.
pub(super) fn wrong_states(evidence: &Evidence) -> Vec<Finding> {
    let steps = seats(evidence).flat_map(|seat| {
        let wrong = wrong_state(evidence, &seat);
        wrong
            .into_iter()
            .map(move |text| seat.finding(text))
            .collect::<Vec<_>>()
    });
    steps
        .chain(
            evidence
                .begun
                .iter()
                .flat_map(|begun| wrong_run(evidence, begun)),
        )
        .collect()
}

fn wrong_state(evidence: &Evidence, seat: &Seat<'_>) -> Vec<String> {
    let (asked, row) = (seat.asked(), seat.row);
    let cancelled = seat.run.state == "cancelled";
    let mut wrong = vec![];
    let mut must = |so: bool, text: &str| {
        if !so {
            wrong.push(format!("{}, but {text}", row.state));
        }
    };
    let bad = children(evidence, row)
        .filter(|(_, task)| task.state != "succeeded")
        .count();
    let over = children(evidence, row)
        .filter(|(_, task)| task.is_final())
        .count();
    // Of a cancelled run a step may be cancelled before it begins.
    let never = cancelled && row.state == "cancelled" && row.total == 0;
    let begun = seat.has_begun() && !never;
    let expected = if begun { asked.tasks() } else { 0 };
    must(row.id == id(seat.n), "it is another step");
    must(row.total == expected, "it has another number of tasks");
    must(
        (row.done, row.failed) == (over, bad),
        "its counts are not those of its tasks",
    );
    match row.state.as_str() {
        "pending" => {}
        "skipped" => must(!asked.when, "its `when` was true"),
        "succeeded" => must(
            asked.when && bad == 0,
            "not all of it went well, or it had to be left out",
        ),
        "failed" => must(asked.when && bad > 0, "all of it went well"),
        "cancelled" if cancelled => must(never || bad > 0, "all of it went well"),
        _ => must(false, "that is no end"),
    }
    if row.state != "pending" && !never {
        let free = seat
            .needs()
            .all(|(need, continues)| match need.state.as_str() {
                "succeeded" | "skipped" => true,
                "failed" => continues,
                _ => false,
            });
        must(free, "what it needs did not end well");
    }
    let fails = asked.manner == Manner::No && asked.tasks() > 0;
    must(
        !(fails && row.state == "succeeded"),
        "one of its programs fails",
    );
    wrong
}

/// A run has failed if a step has that must not, and has left nothing out otherwise.
fn wrong_run(evidence: &Evidence, begun: &Begun) -> Vec<Finding> {
    let Some(run) = evidence.rows.runs.get(&begun.id) else {
        return vec![];
    };
    let mut wrong = vec![];
    let rows = || run.steps.iter().zip(&begun.steps);
    let broken = rows().any(|(row, asked)| row.state == "failed" && !asked.continues);
    let waits = rows().any(|(row, _)| row.state == "pending");
    if run.steps.len() != begun.steps.len() {
        wrong.push(found(&begun.id, "it has another number of steps"));
    }
    match run.state.as_str() {
        "succeeded" if broken || waits => {
            wrong.push(found(
                &begun.id,
                "succeeded with a step that failed or never began",
            ));
        }
        "failed" if !broken => wrong.push(found(&begun.id, "failed without a step that did")),
        "cancelled" if !begun.doomed => {
            wrong.push(found(&begun.id, "cancelled, and nobody wanted that"));
        }
        _ => {}
    }
    wrong
}

/// A step begins after the end of all that it needs: by the history, and by what the programs wrote down.
pub(super) fn out_of_order(evidence: &Evidence) -> Vec<Finding> {
    let mut firsts: HashMap<&str, u64> = HashMap::new();
    let mut ends: HashMap<(&str, u64), u64> = HashMap::new();
    for line in &evidence.lines {
        let Line {
            task, epoch, at, ..
        } = line;
        match line.what {
            What::Start => {
                let first = firsts.entry(task).or_insert(*at);
                *first = (*first).min(*at);
            }
            What::End | What::Fail => {
                ends.insert((task, *epoch), *at);
            }
            What::Odd => {}
        }
    }
    let mut wrong = vec![];
    for seat in seats(evidence) {
        let begins = children(evidence, seat.row)
            .filter_map(|(_, task)| Some(task.history.first()?.n))
            .min();
        let first = seat
            .row
            .children
            .iter()
            .filter_map(|(_, task)| firsts.get(task.as_str()))
            .min();
        for (need, _) in seat.needs() {
            for (id, task) in children(evidence, need) {
                let Some(end) = task.history.last() else {
                    continue;
                };
                if begins.is_some_and(|n| n < end.n) {
                    wrong.push(
                        seat.finding(format!("created before the end of {id} of {}", need.id)),
                    );
                }
                // A program that was killed wrote no end.
                let said = ends.get(&(id, end.epoch));
                if let (Some(first), Some(said)) = (first, said)
                    && first < said
                {
                    wrong.push(seat.finding(format!("ran before the end of {id} of {}", need.id)));
                }
            }
            if first.is_some() && !["succeeded", "failed", "skipped"].contains(&need.state.as_str())
            {
                wrong.push(seat.finding(format!("ran, and {} is {}", need.id, need.state)));
            }
        }
    }
    wrong
}

/// The task of a join was created once, whatever was killed.
pub(super) fn joins(evidence: &Evidence) -> Vec<Finding> {
    let joins = seats(evidence).filter(|seat| seat.asked().is_join(&seat.begun.steps));
    joins
        .filter_map(|seat| {
            let expected = usize::from(seat.has_begun() && seat.row.total > 0);
            let (children, tasks) = (seat.row.children.len(), seat.row.tasks.len());
            let text =
                format!("a join with {children} children and {tasks} tasks, and not {expected}");
            ((children, tasks) != (expected, expected)).then(|| seat.finding(text))
        })
        .collect()
}

/// Nothing is made twice, and nothing that is over runs again.
pub(super) fn repeated(evidence: &Evidence) -> Vec<Finding> {
    let mut starts: HashMap<&str, u64> = HashMap::new();
    for line in evidence
        .lines
        .iter()
        .filter(|line| line.what == What::Start)
    {
        let newest = starts.entry(&line.task).or_default();
        *newest = (*newest).max(line.epoch);
    }
    let mut wrong = vec![];
    for seat in seats(evidence) {
        let items: Vec<usize> = seat.row.children.iter().map(|(item, _)| *item).collect();
        if items != Vec::from_iter(0..seat.row.total) {
            wrong.push(seat.finding(format!("its {} items are {items:?}", seat.row.total)));
        }
        let listed: BTreeSet<&String> = seat.row.children.iter().map(|(_, task)| task).collect();
        let made: BTreeSet<&String> = seat.row.tasks.iter().collect();
        if listed != made || listed.len() != seat.row.children.len() {
            wrong.push(seat.finding(format!("its children are {listed:?}, its tasks {made:?}")));
        }
        for (id, task) in children(evidence, seat.row) {
            let end = task.history.iter().position(super::ends);
            let Some(end) = end else { continue };
            let epoch = task.history[end].epoch;
            let again = task.history[end..].iter().any(is_grant);
            if again || starts.get(id).is_some_and(|newest| *newest > epoch) {
                wrong.push(
                    seat.finding(format!("{id} ended at epoch {epoch} and was started again")),
                );
            }
        }
    }
    wrong
}

/// Steps that were asked for, and joins that began.
pub(crate) fn counts(evidence: &Evidence) -> (usize, usize) {
    let is_join = |seat: &Seat<'_>| seat.asked().is_join(&seat.begun.steps) && seat.has_begun();
    (
        seats(evidence).count(),
        seats(evidence).filter(is_join).count(),
    )
}

/// Fan-outs that began with more than one task.
pub(crate) fn fans(evidence: &Evidence) -> usize {
    let is_fan =
        |seat: &Seat<'_>| matches!(seat.asked().work, Work::Each(n) if n > 1) && seat.has_begun();
    seats(evidence).filter(is_fan).count()
}

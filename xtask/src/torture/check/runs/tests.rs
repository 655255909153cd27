//! Every rule for runs is broken on purpose, once for each fault that it is there for.

use serde_json::json;

use super::super::super::flow::Step as Asked;
use super::super::super::rows::Event;
use super::super::PROPERTIES;
use super::*;

/// Which properties find something.
fn broken(evidence: &Evidence) -> Vec<&'static str> {
    let broken = PROPERTIES
        .iter()
        .filter(|(_, rule)| !rule(evidence).is_empty());
    broken.map(|(name, _)| *name).collect()
}

/// A task that ran once, with history from this number on.
fn task(id: &str, n: i64, ended: &str) -> Task {
    let event = |n, kind: &str, state: &str, grants| Event {
        n,
        kind: kind.into(),
        state: state.into(),
        attempt: grants,
        epoch: grants,
        agent: Some("a1".into()),
        ..Event::default()
    };
    Task {
        state: ended.into(),
        attempt: 1,
        epoch: 1,
        output: Some(json!({ "task": id, "epoch": 1, "pid": 7 }).to_string()),
        history: vec![
            event(n, "submitted", "ready", 0),
            event(n + 1, "started", "running", 1),
            event(n + 2, ended, ended, 1),
        ],
        ..Task::default()
    }
}

fn line(what: What, task: &str, at: u64) -> Line {
    Line {
        what,
        task: task.into(),
        attempt: 1,
        epoch: 1,
        pid: 7,
        at,
        agent: "a1".into(),
    }
}

fn step(n: usize, state: &str, tasks: &[&str], failed: usize) -> Step {
    Step {
        id: id(n),
        state: state.into(),
        total: tasks.len(),
        done: tasks.len(),
        failed,
        children: tasks
            .iter()
            .map(|task| (*task).to_owned())
            .enumerate()
            .collect(),
        tasks: tasks.iter().map(|task| (*task).to_owned()).collect(),
    }
}

/// s0 fans out to f0 and f1, s1 joins them, s2 was left out, s3 failed and must not, s4 waits for it.
fn sound() -> Evidence {
    let mut left_out = Asked::plain(&[1], Work::One);
    left_out.when = false;
    let mut fails = Asked::plain(&[2], Work::One);
    fails.manner = Manner::No;
    let steps = vec![
        Asked::plain(&[], Work::Each(2)),
        Asked::plain(&[0], Work::One),
        left_out,
        fails,
        Asked::plain(&[0, 3], Work::One),
    ];
    let run = Run {
        name: "k".into(),
        state: "failed".into(),
        active: 0,
        ended: true,
        steps: vec![
            step(0, "succeeded", &["f0", "f1"], 0),
            step(1, "succeeded", &["j"], 0),
            step(2, "skipped", &[], 0),
            step(3, "failed", &["x"], 1),
            step(4, "pending", &[], 0),
        ],
    };
    let mut evidence = Evidence {
        begun: vec![Begun {
            doomed: false,
            id: "r".into(),
            key: "k".into(),
            steps,
        }],
        ..Evidence::default()
    };
    evidence.rows.runs.insert("r".into(), run);
    let ends = ["succeeded", "succeeded", "succeeded", "failed"];
    for ((at, name), end) in (1_u64..).zip(["f0", "f1", "j", "x"]).zip(ends) {
        let n = i64::try_from(at * 10).unwrap();
        evidence.rows.tasks.insert(name.into(), task(name, n, end));
        let what = if end == "failed" {
            What::Fail
        } else {
            What::End
        };
        evidence.lines.extend([
            line(What::Start, name, at * 10),
            line(what, name, at * 10 + 5),
        ]);
    }
    evidence
}

#[track_caller]
fn finds(property: &str, change: impl FnOnce(&mut Evidence)) {
    let mut evidence = sound();
    change(&mut evidence);
    let broken = broken(&evidence);
    assert!(
        broken.contains(&property),
        "{property} is not in {broken:?}"
    );
}

fn run(evidence: &mut Evidence) -> &mut Run {
    evidence.rows.runs.get_mut("r").unwrap()
}

#[test]
fn a_sound_run_breaks_nothing() {
    assert_eq!(broken(&sound()), [""; 0]);
    assert_eq!((counts(&sound()), fans(&sound())), ((5, 1), 1));
}

#[test]
fn a_run_that_is_gone_or_not_over_is_unfinished() {
    finds("runs unfinished", |e| e.rows.runs.clear());
    finds("runs unfinished", |e| run(e).state = "running".into());
    finds("runs unfinished", |e| run(e).ended = false);
    finds("runs unfinished", |e| run(e).active = 1);
}

#[test]
fn a_run_that_nobody_was_told_of_was_started_twice() {
    finds("runs started twice", |e| {
        let again = run(e).clone();
        e.rows.runs.insert("s".into(), again);
    });
    finds("runs started twice", |e| {
        e.rows.strays.push("the task t of no step".into())
    });
}

#[test]
fn a_step_that_is_not_where_its_tasks_and_needs_say_is_in_a_wrong_state() {
    let wrong = "steps in a wrong state";
    finds(wrong, |e| run(e).steps[0].state = "failed".into());
    finds(wrong, |e| run(e).steps[0].state = "running".into());
    finds(wrong, |e| run(e).steps[0].total = 3);
    finds(wrong, |e| run(e).steps[0].done = 1);
    finds(wrong, |e| run(e).steps[1].failed = 1);
    finds(wrong, |e| run(e).steps[1] = step(1, "skipped", &[], 0));
    finds(wrong, |e| run(e).steps[2] = step(2, "succeeded", &[], 0));
    finds(wrong, |e| run(e).steps[3].state = "succeeded".into());
    finds(wrong, |e| e.begun[0].steps[0].manner = Manner::No);
    // What waits for a failed step began.
    finds(wrong, |e| run(e).steps[4] = step(4, "succeeded", &[], 0));
    finds(wrong, |e| run(e).state = "succeeded".into());
    finds(wrong, |e| e.begun[0].steps[3].continues = true);
    finds(wrong, |e| drop(run(e).steps.pop()));
}

#[test]
fn a_step_that_began_before_what_it_needs_was_over_is_out_of_order() {
    let order = "steps out of order";
    finds(order, |e| {
        e.rows.tasks.get_mut("j").unwrap().history[0].n = 21
    });
    finds(order, |e| e.lines[4].at = 24);
    finds(order, |e| run(e).steps[0].state = "running".into());
}

#[test]
fn a_join_without_its_task_or_with_two_is_not_once() {
    let joins = "joins not once";
    finds(joins, |e| run(e).steps[1].tasks.push("y".into()));
    finds(joins, |e| run(e).steps[1].children.push((1, "y".into())));
    finds(joins, |e| run(e).steps[1].tasks.clear());
    finds(joins, |e| run(e).steps[4].tasks.push("y".into()));
}

#[test]
fn what_was_made_twice_or_ran_after_its_end_is_repeated() {
    let again = "steps repeated";
    finds(again, |e| run(e).steps[0].tasks.push("f2".into()));
    finds(again, |e| run(e).steps[0].children[1].0 = 0);
    finds(again, |e| run(e).steps[0].children[1].1 = "f0".into());
    finds(again, |e| {
        e.lines.push(Line {
            epoch: 2,
            ..line(What::Start, "f0", 90)
        });
    });
    finds(again, |e| {
        let history = &mut e.rows.tasks.get_mut("f0").unwrap().history;
        let grant = history[1].clone();
        history.push(grant);
    });
}

#[test]
fn a_run_is_cancelled_only_where_somebody_wanted_that() {
    let wrong = "steps in a wrong state";
    let cancelled = |e: &mut Evidence| {
        run(e).state = "cancelled".into();
        run(e).steps[4] = step(4, "cancelled", &[], 0);
        e.begun[0].doomed = true;
    };
    let mut evidence = sound();
    cancelled(&mut evidence);
    assert_eq!(broken(&evidence), [""; 0]);
    finds(wrong, |e| {
        cancelled(e);
        e.begun[0].doomed = false;
    });
    // In a run that is not, and though all of it went well.
    finds(wrong, |e| run(e).steps[4] = step(4, "cancelled", &[], 0));
    finds(wrong, |e| {
        cancelled(e);
        run(e).steps[0].state = "cancelled".into();
    });
}

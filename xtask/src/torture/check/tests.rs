//! Every property is broken on purpose once: a checker that finds nothing in a broken run is worse than none.

use serde_json::json;

use super::super::step::Manner;
use super::*;

/// Which properties find something.
fn broken(evidence: &Evidence) -> Vec<&'static str> {
    let broken = PROPERTIES
        .iter()
        .filter(|(_, rule)| !rule(evidence).is_empty());
    broken.map(|(name, _)| *name).collect()
}

fn event(kind: &str, state: &str, grants: u64) -> Event {
    Event {
        kind: kind.into(),
        state: state.into(),
        attempt: grants,
        epoch: grants,
        agent: Some("a1".into()),
        ..Event::default()
    }
}

fn line(what: What, epoch: u64) -> Line {
    Line {
        what,
        task: "t".into(),
        attempt: epoch,
        epoch,
        pid: 7,
        at: epoch,
        agent: "a1".into(),
    }
}

/// One task that was lost once, was started again, and succeeded.
fn sound() -> Evidence {
    let history = vec![
        event("submitted", "ready", 0),
        event("started", "running", 1),
        event("lost", "ready", 1),
        event("started", "running", 2),
        event("succeeded", "succeeded", 2),
    ];
    let task = Task {
        state: "succeeded".into(),
        attempt: 2,
        epoch: 2,
        key: Some("k".into()),
        output: Some(json!({ "task": "t", "epoch": 2, "pid": 7 }).to_string()),
        history,
        ..Task::default()
    };
    let mut evidence = Evidence {
        lines: vec![
            line(What::Start, 1),
            line(What::Start, 2),
            line(What::End, 2),
        ],
        accepted: vec![Accepted {
            asks: false,
            id: "t".into(),
            key: "k".into(),
            manner: Manner::Well,
        }],
        ..Evidence::default()
    };
    evidence.rows.tasks.insert("t".into(), task);
    evidence
}

fn with(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = sound();
    change(&mut evidence);
    broken(&evidence)
}

fn task(evidence: &mut Evidence) -> &mut Task {
    evidence.rows.tasks.get_mut("t").unwrap()
}

#[test]
fn a_sound_run_breaks_nothing() {
    assert_eq!(with(|_| {}), [""; 0]);
}

#[test]
fn what_is_not_there_or_orphaned_is_lost() {
    assert!(with(|e| e.rows.tasks.clear()).contains(&"lost"));
    let orphan = with(|e| task(e).state = "running".into());
    assert!(
        orphan.contains(&"lost") && orphan.contains(&"stuck"),
        "{orphan:?}"
    );
    let waiting = with(|e| task(e).state = "retrying".into());
    assert!(waiting.contains(&"lost"), "{waiting:?}");
    let ready = with(|e| task(e).state = "ready".into());
    assert!(
        !ready.contains(&"lost") && ready.contains(&"stuck"),
        "{ready:?}"
    );
}

#[test]
fn a_second_success_is_a_double_commit() {
    let twice = with(|e| task(e).history.push(event("succeeded", "succeeded", 2)));
    assert_eq!(twice, ["double commits", "moves after the end"]);
}

#[test]
fn a_success_under_an_old_grant_or_with_a_strange_result_is_foreign() {
    let old = with(|e| task(e).history[4].epoch = 1);
    assert!(old.contains(&"results of another run"), "{old:?}");
    for output in [
        json!({ "task": "t", "epoch": 1, "pid": 7 }),
        json!({ "task": "t", "epoch": 2, "pid": 8 }),
        json!({ "task": "u", "epoch": 2, "pid": 7 }),
        json!(null),
    ] {
        let foreign = with(|e| task(e).output = Some(output.to_string()));
        assert_eq!(foreign, ["results of another run"], "{output}");
    }
}

#[test]
fn a_start_needs_its_own_grant() {
    let never = with(|e| e.lines.push(line(What::Start, 3)));
    assert_eq!(never, ["starts without a grant"]);
    assert_eq!(
        with(|e| e.lines[0].agent = "a2".into()),
        ["starts without a grant"]
    );
    assert_eq!(with(|e| e.lines[0].attempt = 2), ["starts without a grant"]);
    assert_eq!(
        with(|e| e.lines.push(line(What::Odd, 2))),
        ["starts without a grant"]
    );
    assert_eq!(
        with(|e| e.lines.push(line(What::Start, 2))),
        ["two starts of one grant"]
    );
}

#[test]
fn a_key_makes_one_task_and_somebody_was_told_of_it() {
    let unknown = with(|e| {
        let other = task(e).clone();
        e.rows.tasks.insert("u".into(), other);
    });
    assert!(unknown.contains(&"accepted twice"), "{unknown:?}");
    let again = with(|e| e.accepted.push(e.accepted[0].clone()));
    assert_eq!(again, ["accepted twice"]);
    assert_eq!(with(|e| task(e).key = None), ["accepted twice"]);
}

#[test]
fn numbers_neither_fall_nor_jump() {
    for (n, epoch) in [(1, 0), (1, 2), (2, 0), (4, 3)] {
        let wrong = with(|e| task(e).history[n].epoch = epoch);
        assert!(
            wrong.contains(&"attempt or epoch out of order"),
            "{n} {epoch}: {wrong:?}"
        );
    }
    assert_eq!(
        with(|e| task(e).epoch = 3),
        ["attempt or epoch out of order"]
    );
}

#[test]
fn nothing_follows_a_cancel_but_a_retry() {
    let story = |between: Option<Event>| {
        with(|e| {
            let history = &mut task(e).history;
            history[2] = event("cancelled", "cancelled", 1);
            if let Some(event) = between {
                history.insert(3, event);
            }
        })
    };
    assert!(story(None).contains(&"moves after the end"));
    // A cancel that leaves the task where it can be granted is none.
    let open = with(|e| {
        let history = &mut task(e).history;
        history[2] = event("cancelled", "ready", 1);
    });
    assert_eq!(open, ["moves after the end"]);
    assert_eq!(story(Some(event("retried", "ready", 1))), [""; 0]);
}

#[test]
fn an_answered_act_stands_in_the_history() {
    let cancel = with(|e| e.acts.push(Act::Cancel("t".into())));
    assert_eq!(cancel, ["answered acts not in the history"]);
    let retry = with(|e| e.acts.push(Act::Retry("t".into())));
    assert_eq!(retry, ["answered acts not in the history"]);
}

#[test]
fn timers_do_not_fire_early() {
    assert_eq!(
        with(|e| task(e).not_before = Some(1)),
        ["timers that fired early"]
    );
    assert_eq!(with(|e| task(e).not_before = Some(0)), [""; 0]);
    let expired = |deadline| {
        with(|e| {
            let task = task(e);
            task.history[4] = event("expired", "expired", 2);
            task.state = "expired".into();
            task.deadline = Some(deadline);
        })
    };
    assert_eq!(expired(5), ["timers that fired early"]);
    assert_eq!(expired(0), [""; 0]);
    let retry = |after: i64| {
        with(|e| {
            e.accepted[0].manner = Manner::NetworkOnce;
            let history = &mut task(e).history;
            history[2] = event("retrying", "retrying", 1);
            history.insert(3, event("ready", "ready", 1));
            history[3..].iter_mut().for_each(|e| e.at = after);
        })
    };
    assert_eq!(retry(RETRY_MS - 1), ["timers that fired early"]);
    assert_eq!(retry(RETRY_MS), [""; 0]);
}

#[test]
fn only_a_ready_task_is_granted() {
    let twice = with(|e| task(e).history[2].state = "running".into());
    assert_eq!(twice, ["attempt or epoch out of order"]);
}

#[test]
fn who_is_dead_used_up_its_retries() {
    let death = |class: Option<&str>, losses: usize| {
        with(|e| {
            let task = task(e);
            task.state = "dead".into();
            task.dead_reason = Some("exhausted".into());
            let grants = |n: usize| u64::try_from(n).unwrap();
            let mut history = vec![event("submitted", "ready", 0)];
            for n in 1..=losses {
                history.push(event("started", "running", grants(n)));
                history.push(event("lost", "ready", grants(n)));
            }
            history.push(event("started", "running", grants(losses + 1)));
            let mut death = event("dead", "dead", grants(losses + 1));
            death.detail = class.map_or(json!({}), |class| json!({ "class": class }));
            history.push(death);
            (task.attempt, task.epoch) = (grants(losses + 1), grants(losses + 1));
            task.history = history;
            e.lines.clear();
        })
    };
    assert_eq!(death(None, 3), [""; 0]);
    assert_eq!(death(None, 2), ["dead before their limits"]);
    let crash = death(Some("crash"), 3);
    assert!(crash.contains(&"dead before their limits"), "{crash:?}");
}

#[test]
fn nobody_is_charged_with_a_failure_that_it_did_not_have() {
    let lost_as = |manner| {
        with(|e| {
            e.accepted[0].manner = manner;
            task(e).history[2].detail = json!({ "class": "crash" });
        })
    };
    assert_eq!(lost_as(Manner::Well), ["failures that no program had"]);
    assert_eq!(lost_as(Manner::CrashOnce), [""; 0]);
}

#[test]
fn rows_that_contradict_themselves_are_unsound() {
    assert_eq!(
        with(|e| task(e).lease = Some("a1".into())),
        ["unsound rows"]
    );
    assert_eq!(with(|e| task(e).offered = true), ["unsound rows"]);
    assert_eq!(
        with(|e| task(e).dead_reason = Some("poison".into())),
        ["unsound rows"]
    );
    assert_eq!(
        with(|e| e.rows.unsound.push("torn".into())),
        ["unsound rows"]
    );
}

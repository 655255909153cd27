//! Schedules: each slot starts its task once, whoever looks; clocks jump, tasks overlap, people act.

use crate::harness::{ANY, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use warrener_backend::fault::{Fault, Plan, point};
use warrener_engine::Error;
use warrener_model::name::ScheduleName;
use warrener_model::run::RunState;
use warrener_model::schedule::{Firing, Outcome, Schedule, ScheduleRequest, Work};
use warrener_model::{State, TaskId, Timestamp};

const HOUR: i64 = 3_600_000;

fn name() -> ScheduleName {
    ScheduleName::new("s").unwrap()
}

impl World {
    async fn schedule(&self, fields: &str) -> Schedule {
        let text = format!(r#"{{"name":"s","task":{{"kind":"work"}},{fields}}}"#);
        let request = ScheduleRequest::read(&text).unwrap();
        self.orchestrator.create_schedule(&request).await.unwrap()
    }

    /// What became of its slots, oldest first, once it is so many rows.
    async fn fired(&self, rows: usize) -> Vec<Firing> {
        let mut changed = self.orchestrator.changed();
        for _ in 0..600 {
            changed.mark_unchanged();
            let found = self.orchestrator.firings(&name(), None, 1_000).await;
            let found = found.unwrap();
            if found.len() >= rows {
                return found.into_iter().rev().map(|row| row.firing).collect();
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), changed.changed()).await;
        }
        panic!("fewer than {rows} firings");
    }
}

#[track_caller]
fn task(work: Option<Work>) -> TaskId {
    work.and_then(Work::task).unwrap()
}

fn slots(firings: &[Firing]) -> Vec<Timestamp> {
    firings.iter().map(|firing| firing.slot.at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_one_fires_each_slot() {
    let world = World::new(ANY).await;
    let plan = Plan::default();
    let _others = [world.second(&plan).await, world.second(&plan).await];
    let made = world
        .schedule(r#""every_ms":100,"overlap":"cancel","catch_up":"all","catch_up_max":1000"#)
        .await;
    let found = slots(&world.fired(20).await);
    let first = made.next.unwrap().as_millis();
    let every: Vec<Timestamp> = (0..found.len() as i64)
        .map(|n| Timestamp::from_millis(first + n * 100))
        .collect();
    assert_eq!(found, every, "each slot, and each once");
    world.orchestrator.pause_schedule(&name()).await.unwrap();
    let rows = world.fired(20).await;
    let tasks: BTreeSet<_> = rows.iter().filter_map(|row| row.work).collect();
    let ledger = world.store.ledger().await.unwrap();
    assert_eq!(
        ledger.accepted,
        tasks.len() as u64,
        "no task without a slot"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_makes_up_for_the_last_slot_only() {
    let world = World::new(ANY).await;
    world.schedule(r#""every_ms":600000"#).await;
    world.skew.store(HOUR + 60_000, Ordering::SeqCst);
    let rows = world.fired(2).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.outcome, row.count)).collect();
    assert_eq!(seen, [(Outcome::Missed, 5), (Outcome::Started, 1)]);
    assert_eq!(world.store.ledger().await.unwrap().accepted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_waits_in_line_for_the_end_of_the_task_before() {
    let world = World::new(ANY).await;
    let fields = r#""cron":"0 0 1 1 *","overlap":"queue""#;
    let next = world.schedule(fields).await.next;
    let run = async || world.orchestrator.run_schedule(&name(), "user:test").await;
    let first = task(run().await.unwrap().last);
    let row = run().await.unwrap();
    assert_eq!((row.waiting.len(), row.last), (1, Some(Work::Task(first))));
    assert_eq!(row.next, next, "by hand no slot is used up");
    world
        .orchestrator
        .cancel(first, "", "user:test")
        .await
        .unwrap();
    let rows = world.fired(2).await;
    let second = task(rows[1].work);
    assert_ne!(second, first);
    let waited = world.until(second, State::Ready).await.task;
    assert_eq!(waited.spec.labels["schedule"], "s");
    assert_eq!(waited.spec.labels["slot"], rows[1].slot.at.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_skips_is_busy_and_what_cancels_takes_its_place() {
    let world = World::new(ANY).await;
    world
        .schedule(r#""cron":"0 0 1 1 *","overlap":"skip""#)
        .await;
    let run = async || world.orchestrator.run_schedule(&name(), "user:test").await;
    let first = task(run().await.unwrap().last);
    let busy = run().await.unwrap_err();
    assert!(matches!(busy, Error::ScheduleBusy { work, .. } if work == Work::Task(first)));
    world.orchestrator.delete_schedule(&name()).await.unwrap();
    world
        .schedule(r#""cron":"0 0 1 1 *","overlap":"cancel""#)
        .await;
    let first = task(run().await.unwrap().last);
    let second = task(run().await.unwrap().last);
    world.until(first, State::Cancelled).await;
    world.until(second, State::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_schedule_starts_nothing_and_a_restart_forgets_none() {
    let world = World::new(ANY).await;
    world
        .schedule(r#""every_ms":100,"overlap":"cancel","catch_up":"all""#)
        .await;
    world.fired(2).await;
    world.orchestrator.pause_schedule(&name()).await.unwrap();
    let before = world.fired(2).await.len();
    let world = world.restart().await;
    assert!(
        world
            .orchestrator
            .schedule(&name())
            .await
            .unwrap()
            .paused_since
            .is_some()
    );
    let resumed = world.orchestrator.resume_schedule(&name()).await.unwrap();
    let rows = world.fired(before + 2).await;
    assert!(
        rows[before].slot.at >= resumed.next.unwrap(),
        "the slots of the pause are gone"
    );
    let unique: BTreeSet<_> = slots(&rows).into_iter().collect();
    assert_eq!(unique.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_kept_are_refused() {
    let world = World::new(ANY).await;
    world.schedule(r#""every_ms":600000"#).await;
    let text = r#"{"name":"s","every_ms":1000,"task":{"kind":"work"}}"#;
    let again = ScheduleRequest::read(text).unwrap();
    let refused = world
        .orchestrator
        .create_schedule(&again)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::ScheduleExists(name) if name == "s"));
    let labels: Vec<String> = (0..31).map(|n| format!(r#""l{n}":"""#)).collect();
    let labels = labels.join(",");
    let text =
        format!(r#"{{"name":"t","every_ms":1000,"task":{{"kind":"work","labels":{{{labels}}}}}}}"#);
    let request = ScheduleRequest::read(&text).unwrap();
    let refused = world
        .orchestrator
        .create_schedule(&request)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Invalid(found) if found[0].pointer == "/task/labels"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_fail_and_answers_that_get_lost_neither_lose_a_slot_nor_double_one() {
    let world = World::new(ANY).await;
    world
        .schedule(r#""every_ms":100,"overlap":"cancel","catch_up":"all","catch_up_max":1000"#)
        .await;
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        world.faults.odds(point::COMMIT, fault, 0.25);
    }
    world.fired(15).await;
    world.faults.heal();
    world.orchestrator.pause_schedule(&name()).await.unwrap();
    let rows = world.fired(15).await;
    let found = slots(&rows);
    let every: Vec<_> = (0..found.len() as i64)
        .map(|n| Timestamp::from_millis(found[0].as_millis() + n * 100))
        .collect();
    assert_eq!(found, every, "each slot, and each once");
    let tasks: BTreeSet<_> = rows.iter().filter_map(|row| row.work).collect();
    let ledger = world.store.ledger().await.unwrap();
    assert_eq!(ledger.accepted, tasks.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_runs_once_for_each_slot_and_its_end_lets_the_next_one_begin() {
    let world = World::new(ANY).await;
    let file = "name: two\ninputs: { of: { type: integer, required: true } }\nsteps:\n  \
        - { id: a, kind: work, input: { of: \"{{ inputs.of }}\" } }\n  - { id: b, kind: work, needs: [a] }\n";
    let make = async |inputs: Value| {
        let text = json!({ "name": "s", "cron": "0 0 1 1 *", "overlap": "queue", "workflow": file, "inputs": inputs });
        let request = ScheduleRequest::read(&text.to_string()).unwrap();
        world.orchestrator.create_schedule(&request).await
    };
    let wrong = make(json!({})).await.unwrap_err();
    assert!(matches!(wrong, Error::Invalid(found) if found[0].pointer == "/inputs/of"));
    make(json!({ "of": 3 })).await.unwrap();
    let run = async || world.orchestrator.run_schedule(&name(), "user:test").await;
    let first = run().await.unwrap().last;
    let row = run().await.unwrap();
    assert_eq!(
        (row.waiting.len(), row.last),
        (1, first),
        "it waits in line"
    );
    let (_agent, _starts) = crate::runs::witness(&world, "ann");
    let rows = world.fired(2).await;
    let runs: Vec<_> = rows
        .iter()
        .map(|row| row.work.and_then(Work::run).unwrap())
        .collect();
    assert_ne!(runs[0], runs[1]);
    for run in runs {
        let view = crate::runs::end(&world, run).await;
        assert_eq!(view.run.head.state, RunState::Succeeded);
    }
    assert_eq!(world.store.ledger().await.unwrap().accepted, 4);
}

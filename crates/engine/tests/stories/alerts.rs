//! What a person is told, when, and what not.

use crate::harness::{ANY, MODES, World, echo};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use warrener_backend::fault::{Fault, point};
use warrener_engine::{Alert, Options, TaskError};
use warrener_model::State;
use warrener_model::event::{Cursor, EventKind};

fn quick(options: &mut Options) {
    options.patience.no_capable_agent = Duration::from_millis(100);
    options.patience.broker_blocked = Duration::from_millis(100);
    options.patience.every = Duration::from_millis(20);
}

async fn next(alerts: &mut Receiver<Alert>) -> Alert {
    let alert = tokio::time::timeout(Duration::from_secs(30), alerts.recv()).await;
    alert.expect("an alert comes").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_no_agent_of_its_lane_serves_is_told_and_others_are_not() {
    for mode in MODES {
        let world = World::with(mode, quick).await;
        let mut alerts = world.orchestrator.alerts();
        let _agent = world.agent("a", 1, echo);
        world.joined("a").await;
        // The lane is served, the kind is not; "a" says that it runs only `work`.
        world.submit(r#"{"kind":"paint"}"#).await;
        world.submit(r#"{"kind":"paint"}"#).await;
        let served = world.submit(r#"{"kind":"work"}"#).await;
        let alert = next(&mut alerts).await;
        assert_eq!(
            (alert.alert.as_str(), alert.subject.as_str()),
            ("no_capable_agent", "default/paint"),
            "{mode:?}"
        );
        assert!(alert.message.starts_with("2 task(s)"), "{}", alert.message);
        world.end(served).await;
        // A lane that nobody serves at all.
        world.submit(r#"{"kind":"work","lane":"attic"}"#).await;
        assert_eq!(next(&mut alerts).await.subject, "attic/work");
        assert!(alerts.try_recv().is_err(), "each subject once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_nothing_is_told_and_again_if_it_was_well_in_between() {
    let world = World::with(ANY, quick).await;
    let mut alerts = world.orchestrator.alerts();
    for _ in 0..2 {
        world.faults.always(point::HEALTH, Fault::FailBefore);
        let alert = next(&mut alerts).await;
        let told = (alert.alert.as_str(), alert.severity.as_str());
        assert_eq!(told, ("broker_blocked", "critical"));
        // It lasts: told once, however often it is looked at.
        let looks = world.faults.calls(point::HEALTH);
        while world.faults.calls(point::HEALTH) < looks + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(alerts.try_recv().is_err());
        world.faults.heal();
        let looks = world.faults.calls(point::HEALTH);
        while world.faults.calls(point::HEALTH) < looks + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_for_want_of_a_resource_says_so_in_the_history_and_is_no_alert() {
    let world = World::with(ANY, quick).await;
    let mut alerts = world.orchestrator.alerts();
    let _agent = world.agent("a", 1, |_, _| async {
        Err(TaskError::resource("no memory"))
    });
    let text = r#"{"kind":"work","retry":{"resource":{"retries":2,"base_ms":1,"max_ms":1}}}"#;
    let id = world.submit(text).await;
    assert_eq!(world.end(id).await.task.life.state, State::Dead);
    let rows = world.orchestrator.events(Cursor(0), Some(id), 100).await;
    let said: Vec<EventKind> = rows
        .unwrap()
        .iter()
        .filter(|row| row.event.detail["scale_up"] == true)
        .map(|row| row.event.kind)
        .collect();
    let expected = [EventKind::Retrying, EventKind::Retrying, EventKind::Dead];
    assert_eq!(said, expected, "each time");
    while let Ok(alert) = alerts.try_recv() {
        assert_ne!(alert.alert, "scale_up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_follow_each_other_are_told_together_and_none_is_left_out() {
    let world = World::with(ANY, |options| {
        quick(options);
        options.patience.quiet = Duration::from_millis(300);
    })
    .await;
    let mut alerts = world.orchestrator.alerts();
    let _agent = world.agent("a", 1, |_, input: serde_json::Value| async move {
        Err(match input == 1 {
            true => TaskError::network("away"),
            false => TaskError::critical(format!("number {input}")),
        })
    });
    world.joined("a").await;
    let first = world
        .submit(r#"{"kind":"work","input":1,"max_attempts":1}"#)
        .await;
    world.end(first).await;
    for input in 2..5 {
        let text = format!(r#"{{"kind":"work","input":{input}}}"#);
        let id = world.submit(&text).await;
        world.end(id).await;
    }
    let mut told = 0;
    let mut last = String::new();
    while told < 4 {
        let alert = next(&mut alerts).await;
        if alert.alert != "dead_letters" {
            continue;
        }
        assert_eq!(alert.subject, "default/work");
        last = alert.message;
        let more = last.split_once(" more; the newest: ");
        told += more.map_or(1, |(count, _)| count.parse::<u64>().unwrap());
    }
    assert!(
        told == 4 && last.contains("(critical): number 4"),
        "{told} {last}"
    );
}

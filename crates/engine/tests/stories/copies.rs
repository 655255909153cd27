//! Copies of events: those who watch see them in order; without watchers, or without a broker, the work goes on.

use crate::harness::{ANY, MODES, World, echo};
use std::time::Duration;
use warrener_backend::broker::Subscribe;
use warrener_backend::fault::{Fault, point};
use warrener_backend::{Address, Subscription};
use warrener_engine::TaskError;
use warrener_engine::orchestrator::StateWrite;
use warrener_model::message::{self, StateCopy, TaskCopy};
use warrener_model::name::{Space, StateKey};
use warrener_model::{Json, State};

async fn watch(world: &World, pattern: &str) -> Subscription {
    let watch = Subscribe {
        from: Address::Topic(pattern.into()),
        credit: 100,
        will: None,
    };
    world.broker.subscribe(watch).await.unwrap()
}

/// The next copy of a task.
async fn next(copies: &mut Subscription) -> TaskCopy {
    let next = tokio::time::timeout(Duration::from_secs(30), copies.next()).await;
    let delivery = next.expect("a copy comes").unwrap();
    let copy = message::decode(&delivery.message.body).unwrap();
    delivery.ack();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_the_life_of_a_task_in_its_order() {
    for mode in MODES {
        let world = World::new(mode).await;
        let mut copies = watch(&world, "task.*").await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let _agent = world.agent("a", 1, echo);
        let mut words = vec![];
        let mut place = None;
        loop {
            let copy = next(&mut copies).await;
            assert_eq!(copy.task_id, id);
            assert!(copy.cursor > place, "{mode:?}: out of order");
            place = copy.cursor;
            words.push(copy.event);
            if copy.state.is_final() {
                break;
            }
        }
        // In a fast lane nothing is stored of a start.
        words.retain(|word| word != "started");
        assert_eq!(words, ["submitted", "succeeded"], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_why_an_attempt_failed() {
    for mode in MODES {
        let world = World::new(mode).await;
        let mut copies = watch(&world, "task.*").await;
        let _agent = world.agent("a", 1, |_, _| async {
            Err::<serde_json::Value, _>(TaskError::network("no route"))
        });
        let quick = r#"{"kind":"work","retry":{"network":{"retries":1,"base_ms":1}}}"#;
        world.submit(quick).await;
        for event in ["retrying", "dead"] {
            let copy = loop {
                let copy = next(&mut copies).await;
                if copy.event == event {
                    break copy;
                }
                assert_eq!(copy.detail, None, "{mode:?} {}", copy.event);
            };
            let detail = copy.detail.unwrap().value();
            let why = (&detail["class"], &detail["message"]);
            assert_eq!(why, (&"network".into(), &"no route".into()), "{mode:?}");
            assert_eq!(detail["dead_reason"] == "exhausted", event == "dead");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_cannot_be_published_are_counted_and_the_next_ones_come() {
    let world = World::new(ANY).await;
    let mut copies = watch(&world, "task.submitted").await;
    world.faults.always(point::COPY, Fault::FailBefore);
    let lost = world.submit(r#"{"kind":"other"}"#).await;
    while !world.orchestrator.refusals().contains_key("copy/broker") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.faults.heal();
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let copy = next(&mut copies).await;
    assert_eq!(copy.task_id, id, "and not {lost}");
    let _agent = world.agent("a", 1, echo);
    assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_of_each_change_of_shared_state_without_its_value() {
    for mode in MODES {
        let world = World::new(mode).await;
        let mut copies = watch(&world, "state.team.#").await;
        let write = |value: Option<&str>| StateWrite {
            space: Space::new("team").unwrap(),
            key: StateKey::new("a.b").unwrap(),
            value: value.map(|value| Json::parse(value.into()).unwrap()),
            ttl: None,
            expect: None,
            fence: None,
            request: None,
        };
        // The first ones may come before the copies have their place.
        let mut first = None;
        while first.is_none() {
            let write = write(Some("1"));
            world
                .orchestrator
                .write_state(write, "user:x")
                .await
                .unwrap();
            let soon = Duration::from_millis(100);
            first = tokio::time::timeout(soon, state_copy(&mut copies))
                .await
                .ok();
        }
        let mut last = first.unwrap();
        let made = world.orchestrator.write_state(write(None), "user:x").await;
        let made = made.unwrap();
        while last.cursor < made.cursor.0 {
            let next = state_copy(&mut copies).await;
            assert_eq!(next.version, last.version + 1, "{mode:?}: one was left out");
            last = next;
        }
        assert_eq!((last.version, last.deleted), (made.version, true));
        assert_eq!(last.key.as_str(), "a.b");
    }
}

async fn state_copy(copies: &mut Subscription) -> StateCopy {
    let delivery = copies.next().await.unwrap();
    assert!(!String::from_utf8_lossy(&delivery.message.body).contains("value"));
    let copy = message::decode(&delivery.message.body).unwrap();
    delivery.ack();
    copy
}

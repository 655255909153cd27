//! Failures: each class with its policy.

use crate::ground::CLAIMED;
use crate::harness::{ANY, MODES, Mode, World};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use warrener_engine::TaskError;
use warrener_model::event::EventKind;
use warrener_model::failure::DeadReason;
use warrener_model::{Class, State};

/// Retries that do not wait.
const QUICK: &str = r#""retry":{"network":{"base_ms":20,"max_ms":80},"crash":{"base_ms":1},"timeout":{"base_ms":1},"rate_limit":{"base_ms":1},"resource":{"base_ms":1}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn scenario_d_a_task_that_fails_twice_succeeds_on_the_third_attempt_with_growing_delays() {
    for mode in MODES {
        let world = World::new(mode).await;
        let calls = Arc::new(AtomicU32::new(0));
        let _agent = world.agent("a", 1, move |_, input| {
            let n = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                if n < 2 {
                    Err(TaskError::network("no route"))
                } else {
                    Ok(input)
                }
            }
        });
        let text = r#"{"kind":"work","retry":{"network":{"base_ms":100,"jitter":"none"}}}"#;
        let id = world.submit(text).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        assert_eq!(view.task.life.attempt, 3);
        let events = world
            .orchestrator
            .events(Default::default(), Some(id), 100)
            .await
            .unwrap();
        let at = |kind: EventKind| {
            let kinds = events.iter().filter(move |e| e.event.kind == kind);
            kinds.map(|e| e.event.at.as_millis()).collect::<Vec<_>>()
        };
        // In a fast lane the offer is all that is known of a start.
        let start = match mode {
            Mode::Fast => EventKind::Offered,
            Mode::Direct | Mode::Claim => EventKind::Started,
        };
        let (failed, started) = (at(EventKind::Retrying), at(start));
        assert!(started[1] - failed[0] >= 100, "first delay");
        assert!(started[2] - failed[1] >= 200, "second delay: it grows");
    }
}

/// In a fast lane the first delivery starts it, whoever reads that.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_failed_is_tried_by_another_one_that_has_room() {
    const TASKS: u32 = 12;
    for mode in CLAIMED {
        let world = World::new(mode).await;
        // Whoever has a task first fails it.
        let failed: Arc<Mutex<HashMap<u64, &str>>> = Arc::default();
        let again = Arc::new(Mutex::new(vec![]));
        let agent = |name: &'static str| {
            let (failed, again) = (failed.clone(), again.clone());
            world.agent(name, TASKS, move |_, input: serde_json::Value| {
                let n = input.as_u64().unwrap_or_default();
                let before = failed.lock().unwrap().insert(n, name);
                again
                    .lock()
                    .unwrap()
                    .extend(before.map(|before| (before, name)));
                async move {
                    match before {
                        None => Err(TaskError::network("no route")),
                        Some(_) => Ok(input),
                    }
                }
            })
        };
        let _agents = [agent("one"), agent("other")];
        world.joined("one").await;
        world.joined("other").await;
        let mut ids = vec![];
        for n in 0..TASKS {
            let text = format!(r#"{{"kind":"work","input":{n},{QUICK}}}"#);
            ids.push(world.submit(&text).await);
        }
        for id in ids {
            world.end(id).await;
        }
        let again = again.lock().unwrap();
        assert_eq!(again.len(), TASKS as usize, "{mode:?}");
        // A queue gives an offer to anybody: after ten wrong ones anybody may have it.
        let same = again.iter().filter(|(before, now)| before == now).count();
        assert!(same <= 1, "{mode:?}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_1_the_attempts_of_a_task_that_always_fails_are_bounded() {
    for mode in MODES {
        let world = World::new(mode).await;
        let calls = Arc::new(AtomicU32::new(0));
        let count = calls.clone();
        let _agent = world.agent("a", 1, move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Err(TaskError::network("never")) }
        });
        let id = world.submit(&format!(r#"{{"kind":"work",{QUICK}}}"#)).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Dead, "{mode:?}");
        assert_eq!(view.task.life.dead_reason, Some(DeadReason::Exhausted));
        assert_eq!(calls.load(Ordering::SeqCst), 6, "starts = retries + 1");
        assert_eq!(view.task.error.unwrap().message, "never");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_class_ends_as_the_contract_says() {
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 4, |_, input| async move {
        let class: Class = input.as_str().unwrap().parse().unwrap();
        Err(TaskError::new(class, "on purpose"))
    });
    let table = [
        (Class::Network, State::Dead, Some(DeadReason::Exhausted), 6),
        (Class::Timeout, State::Dead, Some(DeadReason::Exhausted), 4),
        (Class::Invalid, State::Dead, Some(DeadReason::Invalid), 1),
        (
            Class::RateLimit,
            State::Dead,
            Some(DeadReason::Exhausted),
            11,
        ),
        (Class::Resource, State::Dead, Some(DeadReason::Exhausted), 4),
        (Class::Business, State::Failed, None, 1),
        (Class::Critical, State::Dead, Some(DeadReason::Critical), 1),
        (Class::Crash, State::Dead, Some(DeadReason::Poison), 4),
    ];
    for (class, state, reason, attempts) in table {
        let id = world
            .submit(&format!(r#"{{"kind":"work","input":"{class}",{QUICK}}}"#))
            .await;
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.dead_reason), (state, reason), "{class}");
        assert_eq!(life.attempt, attempts, "{class}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_crash_and_a_run_over_time_a_timeout() {
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 2, |_, input| async move {
        assert!(input != "panic", "boom");
        tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
        Ok(input)
    });
    let text = format!(r#"{{"kind":"work","input":"panic","max_attempts":1,{QUICK}}}"#);
    let view = world.submit(&text).await;
    let error = world.end(view).await.task.error.unwrap();
    assert_eq!(error.class, Class::Crash);
    assert!(error.message.contains("boom"));
    let text =
        format!(r#"{{"kind":"work","input":"slow","timeout_ms":50,"max_attempts":2,{QUICK}}}"#);
    let view = world.submit(&text).await;
    let task = world.end(view).await.task;
    assert_eq!(
        (task.error.unwrap().class, task.life.attempt),
        (Class::Timeout, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_the_kind_gives_the_task_back_and_three_refusals_end_it() {
    let world = World::new(Mode::Claim).await;
    let _agent = world.agent("a", 1, crate::harness::echo);
    world.joined("a").await;
    let id = world.submit(r#"{"kind":"other"}"#).await;
    // Nobody that says it runs this kind is there: the task is not even offered.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let view = world.orchestrator.task(id).await.unwrap();
    assert_eq!(view.task.life.state, State::Ready);
    assert_eq!(
        serde_json::to_value(view.waiting_for).unwrap(),
        "no_capable_agent"
    );
}

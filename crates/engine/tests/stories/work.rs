//! Work gets done: by one agent, by many, each task once, best first.

use crate::harness::{ANY, MODES, Mode, World, echo};
use serde_json::json;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_model::State;
use warrener_model::event::EventKind;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_done_and_its_history_says_so() {
    for mode in MODES {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 2, echo);
        let id = world.submit(r#"{"kind":"work","input":{"n":1}}"#).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        assert_eq!(view.task.output.unwrap().value(), json!({"n": 1}));
        assert_eq!(view.task.life.attempt, 1);
        let mut kinds = vec![
            EventKind::Submitted,
            EventKind::Started,
            EventKind::Succeeded,
        ];
        if mode == Mode::Fast {
            // Nothing is written between the offer and the outcome.
            kinds.remove(1);
        }
        assert_eq!(world.history(id).await, kinds, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_tasks_are_each_started_once() {
    for mode in MODES {
        let world = World::new(mode).await;
        let seen = Arc::new(Mutex::new(vec![]));
        let members: Vec<_> = (0..3)
            .map(|n| {
                let seen = seen.clone();
                world.agent(&format!("a{n}"), 4, move |ctx, input| {
                    seen.lock().unwrap().push(ctx.task_id());
                    async move { Ok(input) }
                })
            })
            .collect();
        let mut ids = vec![];
        for n in 0..300 {
            ids.push(
                world
                    .submit(&format!(r#"{{"kind":"work","input":{n}}}"#))
                    .await,
            );
        }
        for id in &ids {
            assert_eq!(
                world.end(*id).await.task.life.state,
                State::Succeeded,
                "{mode:?}"
            );
        }
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        ids.sort_unstable();
        assert_eq!(
            seen, ids,
            "I7: without a fault a task starts once ({mode:?})"
        );
        let books = world.orchestrator.books().await.unwrap();
        assert_eq!(
            (books.accepted, books.of(State::Succeeded), books.open),
            (300, 300, 0)
        );
        drop(members);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_j_a_critical_task_behind_fifty_low_ones_is_next_to_start() {
    for mode in MODES {
        let world = World::new(mode).await;
        for _ in 0..50 {
            world
                .submit(r#"{"kind":"work","priority":"low","input":"low"}"#)
                .await;
        }
        let critical = world
            .submit(r#"{"kind":"work","priority":"critical","input":"c"}"#)
            .await;
        let started = Arc::new(Mutex::new(vec![]));
        let order = started.clone();
        let _agent = world.agent("a", 1, move |ctx, input| {
            order.lock().unwrap().push(ctx.task_id());
            async move { Ok(input) }
        });
        world.end(critical).await;
        assert_eq!(started.lock().unwrap()[0], critical, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_waits_for_an_agent_and_says_so() {
    let world = World::new(ANY).await;
    let id = world.submit(r#"{"kind":"work","lane":"gpu"}"#).await;
    let view = world.orchestrator.task(id).await.unwrap();
    let word = serde_json::to_value(view.waiting_for).unwrap();
    assert_eq!(word, "no_capable_agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_drains_finishes_what_it_has_and_gives_back_the_rest() {
    for mode in MODES {
        let world = World::new(mode).await;
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let slow = move |ctx: warrener_engine::TaskContext, input: serde_json::Value| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                if input == json!("long") {
                    ctx.stopped().await;
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(input)
            }
        };
        let member = world.agent("a", 2, slow);
        world.joined("a").await;
        let short = world.submit(r#"{"kind":"work","input":"short"}"#).await;
        let long = world.submit(r#"{"kind":"work","input":"long"}"#).await;
        while starts.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stopped = member.drain().await;
        assert_eq!(
            stopped,
            warrener_engine::agent::Stopped::Drained,
            "{mode:?}"
        );
        assert_eq!(world.end(short).await.task.life.state, State::Succeeded);
        let back = world.until(long, State::Ready).await;
        assert_eq!(
            back.task.life.max_attempts, 26,
            "a task given back is not charged"
        );
        assert!(world.history(long).await.contains(&EventKind::Released));
        let _other = world.agent("b", 1, echo);
        assert_eq!(
            world.end(long).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_progress_of_a_run_can_be_read() {
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 1, |ctx, input| async move {
        ctx.log("first line").await;
        ctx.progress(0.5, "half").await;
        Ok(input)
    });
    let id = world.submit(r#"{"kind":"work"}"#).await;
    world.end(id).await;
    for _ in 0..200 {
        let rows = world.orchestrator.logs(id, Some(1), 0, 10).await.unwrap();
        if let Some(row) = rows.first() {
            assert_eq!(row.chunk.text, "first line\n");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no log arrived");
}

//! Joins: what becomes of a step that needs many, by how those ended; it is begun once, or not at all.

use crate::harness::{ANY, MODES, World};
use crate::runs::{end, output, start};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_engine::TaskError;
use warrener_model::id::RunId;
use warrener_model::run::{RunState, StepState};
use warrener_model::{State, TaskId};

/// Items that are words: `hang` waits to be cancelled, `die` dies, the others come back.
const FILE: &str = "
name: joined
inputs: { items: { type: array } }
steps:
  - { id: each, kind: work, for_each: '{{ inputs.items }}', input: '{{ item }}', on_failure: ON_FAILURE }
  - { id: join, kind: work, needs: [each], input: '{{ steps.each.outputs }}' }
";

/// An agent of a whole team, and how often it was asked for a join.
fn team(world: &World) -> (crate::harness::Member, Arc<AtomicU32>) {
    let joins = Arc::new(AtomicU32::new(0));
    let count = joins.clone();
    let agent = world.agent("a", 8, move |ctx, input: Value| {
        if ctx.task().step.as_deref() == Some("join") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        async move {
            match input.as_str() {
                Some("die") => Err(TaskError::critical("no more")),
                Some("hang") => std::future::pending().await,
                _ => Ok(input),
            }
        }
    });
    (agent, joins)
}

/// The task of an item, once it runs.
async fn running(world: &World, run: RunId, item: usize) -> TaskId {
    for _ in 0..3_000 {
        let children = world.store.run_children(run, 0, true).await.unwrap();
        if let Some(child) = children.get(item) {
            world.until(child.task, State::Running).await;
            return child.task;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no item {item}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_goes_by_how_its_items_ended() {
    let (ok, none) = (json!("ok"), Value::Null);
    for (items, goes_on, comes) in [
        (vec!["ok"], false, Some(json!([ok]))),
        (vec!["ok"], true, Some(json!([ok]))),
        (vec!["ok", "die", "ok"], false, None),
        (vec!["ok", "die", "ok"], true, Some(json!([ok, none, ok]))),
        (vec!["ok", "hang", "ok"], false, None),
        (vec!["ok", "hang", "ok"], true, Some(json!([ok, none, ok]))),
        (vec!["hang"], true, Some(json!([none]))),
    ] {
        let world = World::new(ANY).await;
        let (_team, joins) = team(&world);
        let file = FILE.replace("ON_FAILURE", if goes_on { "continue" } else { "fail" });
        let run = start(&world, &file, json!({ "items": items })).await;
        if let Some(item) = items.iter().position(|item| *item == "hang") {
            let hangs = running(&world, run, item).await;
            let cancelled = world.orchestrator.cancel(hangs, "", "user:test").await;
            cancelled.unwrap();
        }
        let view = end(&world, run).await;
        let begun = joins.load(Ordering::SeqCst);
        match comes {
            Some(parts) => {
                assert_eq!(view.run.head.state, RunState::Succeeded, "{items:?}");
                assert_eq!(output(&view), json!({ "join": parts }), "{items:?}");
                assert_eq!(begun, 1, "{items:?}");
            }
            None => {
                assert_eq!(view.run.head.state, RunState::Failed, "{items:?}");
                assert_eq!(view.steps[0].state, StepState::Failed, "{items:?}");
                assert_eq!(view.steps[0].done, 3, "its siblings went on: {items:?}");
                assert_eq!(begun, 0, "{items:?}");
            }
        }
        let books = world.orchestrator.books().await.unwrap();
        assert_eq!(books.open, 0, "{items:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_are_joined_once_and_one_more_is_too_many() {
    const MOST: usize = 10_000;
    for mode in MODES {
        let world = World::new(mode).await;
        // Over sockets, and in a build for tests, all of them take minutes.
        let count = match world.broker.capabilities().durable {
            true => MOST / 10,
            false => MOST,
        };
        let (_team, joins) = team(&world);
        let items: Vec<usize> = (0..count).collect();
        let file = FILE.replace("ON_FAILURE", "fail");
        let file = file.replace("outputs }}", "outputs | sum }}");
        let run = start(&world, &file, json!({ "items": items })).await;
        while !world
            .orchestrator
            .run(run)
            .await
            .unwrap()
            .run
            .head
            .state
            .is_final()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let view = end(&world, run).await;
        let sum = count * (count - 1) / 2;
        assert_eq!(output(&view), json!({ "join": sum }), "{mode:?}");
        assert_eq!(joins.load(Ordering::SeqCst), 1, "{mode:?}");
        let books = world.orchestrator.books().await.unwrap();
        let all = count as u64 + 1;
        assert_eq!((books.accepted, books.of(State::Succeeded)), (all, all));
    }
    let world = World::new(ANY).await;
    let items = vec![0; MOST + 1];
    let file = FILE.replace("ON_FAILURE", "fail");
    let run = start(&world, &file, json!({ "items": items })).await;
    let view = end(&world, run).await;
    let error = view.steps[0].error.clone().unwrap_or_default();
    assert!(error.contains("10001 items; at most 10000"), "{error}");
    assert_eq!(world.orchestrator.books().await.unwrap().accepted, 0);
}

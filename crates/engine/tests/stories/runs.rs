//! Runs of workflows: steps in their order, fan-out and join, what failed tried again, cancel, a server that comes back.

use crate::harness::{MODES, Mode, World};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use warrener_engine::orchestrator::{RunMistakes, RunView};
use warrener_engine::{Error, TaskContext, TaskError};
use warrener_model::State;
use warrener_model::filter::Filter;
use warrener_model::id::RunId;
use warrener_model::run::{RunState, StepState};

const FAN: &str = r#"
name: fan
inputs: { items: { type: array, required: true } }
steps:
  - { id: list, kind: work, input: "{{ inputs.items }}" }
  - { id: each, kind: work, needs: [list], for_each: "{{ steps.list.output }}", input: { n: "{{ item }}", at: "{{ index }}" } }
  - { id: join, kind: work, needs: [each], input: { parts: "{{ steps.each.outputs }}" } }
output: { all: "{{ steps.join.output.parts }}" }
"#;

pub(crate) async fn start(world: &World, file: &str, inputs: Value) -> RunId {
    let inputs = inputs.as_object().cloned().unwrap_or_default();
    let started = world.orchestrator.start_run(file.into(), inputs, None);
    started.await.unwrap().view.run.spec.id
}

/// Waits for the run to end.
pub(crate) async fn end(world: &World, run: RunId) -> RunView {
    let within = Duration::from_secs(30);
    let view = world
        .orchestrator
        .wait_run(run, None, within)
        .await
        .unwrap();
    assert!(view.run.head.state.is_final(), "{view:#?}");
    view
}

fn step_of(ctx: &TaskContext) -> String {
    ctx.task().step.clone().unwrap_or_default()
}

fn states(view: &RunView) -> Vec<(&str, StepState)> {
    let steps = view.steps.iter();
    steps.map(|step| (step.id.as_str(), step.state)).collect()
}

pub(crate) fn output(view: &RunView) -> Value {
    let output = view.run.head.output.as_ref();
    output.map(|output| output.value()).unwrap_or_default()
}

/// What each step was started with, in order.
pub(crate) type Starts = Arc<Mutex<Vec<(String, Value)>>>;

pub(crate) fn count(starts: &Starts, step: &str) -> usize {
    let starts = starts.lock().unwrap();
    starts.iter().filter(|(id, _)| id == step).count()
}

pub(crate) fn witness(world: &World, name: &str) -> (crate::harness::Member, Starts) {
    let starts = Starts::default();
    let seen = starts.clone();
    let agent = world.agent(name, 4, move |ctx, input: Value| {
        seen.lock().unwrap().push((step_of(&ctx), input.clone()));
        async move { Ok(input) }
    });
    (agent, starts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_out_is_joined_in_the_order_of_its_items() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (_agent, starts) = witness(&world, "a");
        let items: Vec<Value> = (0..40).map(|n| json!(format!("i{n}"))).collect();
        let run = start(&world, FAN, json!({ "items": items })).await;
        let view = end(&world, run).await;
        assert_eq!(
            view.run.head.state,
            RunState::Succeeded,
            "{mode:?} {view:#?}"
        );
        let parts: Vec<Value> = items
            .iter()
            .enumerate()
            .map(|(at, n)| json!({ "n": n, "at": at }))
            .collect();
        assert_eq!(output(&view), json!({ "all": parts }));
        assert_eq!(count(&starts, "list"), 1, "{mode:?}");
        assert_eq!(count(&starts, "each"), 40, "{mode:?}");
        assert_eq!(count(&starts, "join"), 1, "a join fires once ({mode:?})");
        assert_eq!((view.steps[1].total, view.steps[1].done), (40, 40));
        let books = world.orchestrator.books().await.unwrap();
        assert_eq!((books.accepted, books.open), (42, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_joined_at_once_and_a_step_may_be_left_out() {
    let world = World::new(Mode::Claim).await;
    let (_agent, starts) = witness(&world, "a");
    let run = start(&world, FAN, json!({ "items": [] })).await;
    let view = end(&world, run).await;
    assert_eq!(output(&view), json!({ "all": [] }));
    assert_eq!((count(&starts, "each"), count(&starts, "join")), (0, 1));

    let file = r#"
name: out
steps:
  - { id: first, kind: work, input: 1 }
  - { id: never, kind: work, needs: [first], when: "{{ steps.first.output > 1 }}" }
  - { id: last, kind: work, needs: [never], input: { was: "{{ steps.never.output }}", state: "{{ steps.never.state }}" } }
"#;
    let run = start(&world, file, json!({})).await;
    let view = end(&world, run).await;
    assert_eq!(view.steps[1].state, StepState::Skipped);
    assert_eq!(count(&starts, "never"), 0);
    assert_eq!(
        output(&view),
        json!({ "last": { "was": null, "state": "skipped" } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_steps_that_end_together_are_joined_once() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (_agent, starts) = witness(&world, "a");
        let (_other, more) = witness(&world, "b");
        let ids: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
        let mut file = "name: wide\nsteps:\n".to_owned();
        for id in &ids {
            file += &format!("  - {{ id: {id}, kind: work, input: \"{id}\" }}\n");
        }
        file += &format!(
            "  - {{ id: join, kind: work, needs: [{}], input: \"{{{{ steps.s7.output }}}}\" }}\n",
            ids.join(", ")
        );
        let run = start(&world, &file, json!({})).await;
        let view = end(&world, run).await;
        assert_eq!(output(&view), json!({ "join": "s7" }), "{mode:?}");
        assert_eq!(count(&starts, "join") + count(&more, "join"), 1);
    }
}

const BREAKS: &str = r#"
name: breaks
steps:
  - { id: fine, kind: work, input: fine }
  - { id: bad, kind: work, for_each: [1, 2, 3], input: "{{ item }}" }
  - { id: after, kind: work, needs: [fine, bad], input: "{{ steps.bad.outputs }}" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_nothing_else() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (broken, starts) = (Arc::new(AtomicBool::new(true)), Starts::default());
        let (is_broken, seen) = (broken.clone(), starts.clone());
        let _agent = world.agent("a", 2, move |ctx, input: Value| {
            seen.lock().unwrap().push((step_of(&ctx), input.clone()));
            let fails = input == json!(2) && is_broken.load(Ordering::SeqCst);
            async move {
                match fails {
                    true => Err(TaskError::business("not this one")),
                    false => Ok(input),
                }
            }
        });
        let run = start(&world, BREAKS, json!({})).await;
        let view = end(&world, run).await;
        assert_eq!(view.run.head.state, RunState::Failed, "{mode:?}");
        assert_eq!(
            states(&view),
            [
                ("fine", StepState::Succeeded),
                ("bad", StepState::Failed),
                ("after", StepState::Pending)
            ]
        );
        let error = view.run.head.error.clone().unwrap();
        assert!(
            error.contains("1 of 3 tasks") && error.contains("not this one"),
            "{error}"
        );
        assert!(world.orchestrator.cancel_run(run, "").await.is_err());

        broken.store(false, Ordering::SeqCst);
        world
            .orchestrator
            .retry_failed(run, "user:test")
            .await
            .unwrap();
        let view = end(&world, run).await;
        assert_eq!(view.run.head.state, RunState::Succeeded, "{mode:?}");
        assert_eq!(output(&view), json!({ "after": [1, 2, 3] }));
        assert_eq!(view.run.head.error, None);
        assert_eq!(
            (count(&starts, "fine"), count(&starts, "bad")),
            (1, 4),
            "{mode:?}"
        );
        assert_eq!(count(&starts, "after"), 1);
        let again = world.orchestrator.retry_failed(run, "user:test").await;
        assert!(matches!(again, Err(Error::RunOver { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_may_fail_holds_nothing_up_and_is_not_tried_behind_the_back_of_the_run() {
    let world = World::new(Mode::Claim).await;
    let _agent = world.agent("a", 2, |_, input: Value| async move {
        match input == json!(2) {
            true => Err(TaskError::business("no")),
            false => Ok(input),
        }
    });
    let file = BREAKS.replace(
        "for_each: [1, 2, 3],",
        "for_each: [1, 2, 3], on_failure: continue,",
    );
    let run = start(&world, &file, json!({})).await;
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Succeeded, "{view:#?}");
    assert_eq!(output(&view), json!({ "after": [1, null, 3] }));
    let filter = Filter::parse(&format!("run:{run} state:failed")).unwrap();
    let failed = world.orchestrator.count(filter, 10).await.unwrap();
    assert_eq!(failed, 1);
    let children = world.store.run_children(run, 1, true).await.unwrap();
    let refused = world
        .orchestrator
        .retry(children[1].task, None, false, "user:test")
        .await;
    assert!(
        matches!(refused, Err(Error::IllegalState { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_what_runs_and_begins_nothing() {
    for mode in MODES {
        let world = World::new(mode).await;
        let begun = Arc::new(AtomicU32::new(0));
        let count = begun.clone();
        let _agent = world.agent("a", 2, move |ctx, input: Value| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                let _ = ctx;
                std::future::pending::<()>().await;
                Ok(input)
            }
        });
        let run = start(&world, BREAKS, json!({})).await;
        crate::harness::begun(&begun).await;
        let view = world.orchestrator.cancel_run(run, "enough").await.unwrap();
        assert_eq!(view.run.head.cancel.as_deref(), Some("enough"));
        let view = end(&world, run).await;
        assert_eq!(
            view.run.head.state,
            RunState::Cancelled,
            "{mode:?} {view:#?}"
        );
        assert_eq!(view.steps[2].state, StepState::Pending);
        let books = world.orchestrator.books().await.unwrap();
        assert_eq!((books.of(State::Cancelled), books.open), (4, 0), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_where_it_was_after_the_server_came_back() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (agent, starts) = witness(&world, "a");
        let items: Vec<Value> = (0..60).map(|n| json!(n)).collect();
        let run = start(&world, FAN, json!({ "items": items })).await;
        // In the middle of the fan-out.
        while count(&starts, "each") < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let world = world.restart().await;
        drop(agent);
        let (_agent, more) = witness(&world, "b");
        let view = end(&world, run).await;
        assert_eq!(
            view.run.head.state,
            RunState::Succeeded,
            "{mode:?} {view:#?}"
        );
        assert_eq!(
            count(&more, "list"),
            0,
            "a step that is over is not repeated"
        );
        assert_eq!(count(&more, "join") + count(&starts, "join"), 1, "{mode:?}");
        assert_eq!(output(&view)["all"].as_array().unwrap().len(), 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_wants_a_yes_waits_for_it() {
    let world = World::new(Mode::Claim).await;
    let (_agent, starts) = witness(&world, "a");
    let file = "name: ask\nsteps:\n  - { id: ship, kind: work, approve: true, input: 1 }\n";
    let run = start(&world, file, json!({})).await;
    let view = world.orchestrator.run(run).await.unwrap();
    let waiting = (
        view.waiting.open,
        view.waiting.parked,
        count(&starts, "ship"),
    );
    assert_eq!(waiting, (1, 1, 0));
    let task = world.store.run_children(run, 0, true).await.unwrap()[0].task;
    world
        .orchestrator
        .approve(task, "", "user:test")
        .await
        .unwrap();
    assert_eq!(end(&world, run).await.run.head.state, RunState::Succeeded);

    let run = start(&world, file, json!({})).await;
    let task = world.store.run_children(run, 0, true).await.unwrap()[0].task;
    world
        .orchestrator
        .reject(task, "too risky", "user:test")
        .await
        .unwrap();
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Failed);
    let error = world
        .orchestrator
        .task(task)
        .await
        .unwrap()
        .task
        .error
        .unwrap();
    assert_eq!(
        (error.class.as_str(), error.message.as_str()),
        ("business", "rejected: too risky")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_starts_no_second_run() {
    let world = World::new(Mode::Claim).await;
    let ask = |items: Value| {
        let inputs: Map<String, Value> = [("items".to_owned(), items)].into_iter().collect();
        let key = Some("once".to_owned());
        world.orchestrator.start_run(FAN.into(), inputs, key)
    };
    let first = ask(json!([1])).await.unwrap();
    let second = ask(json!([1])).await.unwrap();
    assert!(!first.existing && second.existing);
    assert_eq!(first.view.run.spec.id, second.view.run.spec.id);
    assert!(matches!(
        ask(json!([2])).await,
        Err(RunMistakes::KeyTaken(_))
    ));
    let books = world.orchestrator.books().await.unwrap();
    assert_eq!(books.accepted, 1);
    let wrong = world
        .orchestrator
        .start_run("name: x\nstep: []\n".into(), Map::new(), None);
    assert!(matches!(wrong.await, Err(RunMistakes::File(mistakes)) if mistakes.len() > 1));
    let missing = world.orchestrator.start_run(FAN.into(), Map::new(), None);
    assert!(matches!(
        missing.await,
        Err(RunMistakes::Other(Error::Invalid(_)))
    ));
}

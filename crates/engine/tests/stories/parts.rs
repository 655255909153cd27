//! Decomposition: tasks whose parts are done in their place, by a template or as their agent says.

use crate::harness::{MODES, Member, Mode, World};
use crate::runs::Starts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use warrener_engine::{Decompose, Options, TaskError};
use warrener_model::event::EventKind;
use warrener_model::run::RunState;
use warrener_model::{Class, Kind, State, TaskId};

const FEATURE: &str = r#"
name: feature
inputs: { title: { type: string, required: true }, module: { type: string, required: true } }
steps:
  - { id: design, kind: design, input: "{{ inputs.title }}" }
  - { id: code, kind: code, needs: [design], input: "{{ inputs.module }}" }
  - { id: tests, kind: tests, needs: [code], input: "{{ steps.code.output }}" }
output: { tested: "{{ steps.tests.output }}" }
"#;

fn by_template(options: &mut Options) {
    let kind = Kind::new("feature").unwrap();
    let way = Decompose::Template(FEATURE.into());
    options.decompose = BTreeMap::from([(kind, way)]);
}

fn by_agent(options: &mut Options) {
    let kind = Kind::new("plan").unwrap();
    options.decompose = BTreeMap::from([(kind, Decompose::Agent)]);
}

/// Gives back its input, and remembers kind and input.
fn worker(world: &World) -> (Member, Starts) {
    let starts = Starts::default();
    let seen = starts.clone();
    let agent = world.agent_of(
        "a",
        KINDS,
        world.options.timers,
        move |ctx, input: Value| {
            let kind = ctx.task().kind.to_string();
            seen.lock().unwrap().push((kind, input.clone()));
            async move { Ok(input) }
        },
    );
    (agent, starts)
}

fn kinds(starts: &Starts) -> Vec<String> {
    let starts = starts.lock().unwrap();
    starts.iter().map(|(kind, _)| kind.clone()).collect()
}

/// What the agents of these stories run.
const KINDS: &str = "work plan feature chore design code tests last";

const ONE: &str = r#"{"kind":"feature","title":"Dark mode","input":{"module":"ui"}}"#;

/// The run that is done in the place of a task.
async fn parts(world: &World, task: TaskId) -> warrener_model::run::Run {
    loop {
        let runs = world.orchestrator.runs(vec![], None, 100).await.unwrap();
        for run in runs {
            let whole = world.orchestrator.run(run.spec.id).await.unwrap();
            if whole.run.spec.parent == Some(task) {
                return whole.run;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_kind_with_a_template_is_done_as_its_parts() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        let (_agent, starts) = worker(&world);
        let id = world.submit(ONE).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        let output = view.task.output.as_ref().unwrap().value();
        assert_eq!(output, json!({ "tested": "ui" }));
        let starts = starts.lock().unwrap().clone();
        let seen: Vec<(&str, &Value)> = starts.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let (title, module) = (json!("Dark mode"), json!("ui"));
        assert_eq!(
            seen,
            [("design", &title), ("code", &module), ("tests", &module)]
        );
        assert_eq!(
            world.history(id).await,
            [
                EventKind::Submitted,
                EventKind::Decomposed,
                EventKind::Succeeded
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_simple_or_of_another_kind_stays_one_task() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        let (_agent, starts) = worker(&world);
        let simple = ONE.replace("\"title\"", "\"complexity\":\"simple\",\"title\"");
        let labelled = ONE.replace(
            "\"title\"",
            "\"labels\":{\"complexity\":\"simple\"},\"title\"",
        );
        let other = ONE.replace("feature", "chore");
        for text in [&simple, &labelled, &other] {
            let id = world.submit(text).await;
            let view = world.end(id).await;
            assert_eq!(
                view.task.output.unwrap().value(),
                json!({ "module": "ui" }),
                "{mode:?}"
            );
        }
        assert_eq!(kinds(&starts), ["feature", "feature", "chore"]);
        assert!(
            world
                .orchestrator
                .runs(vec![], None, 9)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_what_its_template_needs_fails_and_says_what() {
    let world = World::with(Mode::Claim, by_template).await;
    let id = world
        .submit(r#"{"kind":"feature","title":"Dark mode"}"#)
        .await;
    let view = world.end(id).await;
    assert_eq!(view.task.life.state, State::Failed);
    let error = view.task.error.unwrap();
    assert_eq!(error.class, Class::Invalid);
    assert!(
        error.message.contains("/inputs/module is required"),
        "{}",
        error.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_task_that_is_tried_again_only_what_failed_is_done_again() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        let broken = Arc::new(AtomicBool::new(true));
        let (is_broken, starts) = (broken.clone(), Starts::default());
        let seen = starts.clone();
        let _agent = world.agent_of(
            "a",
            KINDS,
            world.options.timers,
            move |ctx, input: Value| {
                let kind = ctx.task().kind.to_string();
                let fails = kind == "code" && is_broken.load(Ordering::SeqCst);
                seen.lock().unwrap().push((kind, input.clone()));
                async move {
                    match fails {
                        true => Err(TaskError::business("no compiler")),
                        false => Ok(input),
                    }
                }
            },
        );
        let id = world.submit(ONE).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Failed, "{mode:?}");
        let error = view.task.error.unwrap().message;
        assert!(
            error.contains("\"code\"") && error.contains("no compiler"),
            "{error}"
        );
        broken.store(false, Ordering::SeqCst);
        world
            .orchestrator
            .retry(id, None, true, "user:test")
            .await
            .unwrap();
        let view = world.until(id, State::Succeeded).await;
        assert_eq!(view.task.output.unwrap().value(), json!({ "tested": "ui" }));
        assert_eq!(
            kinds(&starts),
            ["design", "code", "code", "tests"],
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_run_is_tried_again_waits_for_it_again() {
    let world = World::with(Mode::Claim, by_template).await;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let _agent = world.agent_of("a", KINDS, world.options.timers, move |_, input: Value| {
        let fails = is_broken.load(Ordering::SeqCst);
        async move {
            match fails {
                true => Err(TaskError::business("not yet")),
                false => Ok(input),
            }
        }
    });
    let id = world.submit(ONE).await;
    world.until(id, State::Failed).await;
    broken.store(false, Ordering::SeqCst);
    let run = parts(&world, id).await.spec.id;
    world
        .orchestrator
        .retry_failed(run, "user:test")
        .await
        .unwrap();
    world.until(id, State::Succeeded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_cancelled_task_are_cancelled() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        // Nobody works.
        let id = world.submit(ONE).await;
        world.until(id, State::Blocked).await;
        let run = parts(&world, id).await.spec.id;
        world
            .orchestrator
            .cancel(id, "not wanted", "user:test")
            .await
            .unwrap();
        let within = std::time::Duration::from_secs(30);
        let view = world
            .orchestrator
            .wait_run(run, None, within)
            .await
            .unwrap();
        assert_eq!(view.run.head.state, RunState::Cancelled, "{mode:?}");
        assert_eq!(view.waiting.open, 0);
        assert_eq!(world.end(id).await.task.life.state, State::Cancelled);
        let reason = view.run.head.cancel.unwrap();
        assert!(reason.contains(&id.to_string()), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_on_after_a_restart_and_their_task_ends_with_them() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        let id = world.submit(ONE).await;
        world.until(id, State::Blocked).await;
        let world = world.restart().await;
        let (_agent, starts) = worker(&world);
        assert_eq!(
            world.end(id).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
        assert_eq!(kinds(&starts), ["design", "code", "tests"]);
    }
}

const PLANNED: &str = r#"
name: planned
inputs: { files: { type: array, required: true } }
steps:
  - { id: each, kind: work, for_each: "{{ inputs.files }}", input: "{{ item }}" }
output: "{{ steps.each.outputs }}"
"#;

/// Plans as it is told, and works.
fn planner(world: &World, answer: Value) -> (Member, Starts) {
    let starts = Starts::default();
    let seen = starts.clone();
    let agent = world.agent_of(
        "a",
        KINDS,
        world.options.timers,
        move |ctx, input: Value| {
            let kind = ctx.task().kind.to_string();
            seen.lock().unwrap().push((kind.clone(), input.clone()));
            let answer = if kind == "plan" {
                answer.clone()
            } else {
                input
            };
            async move { Ok(answer) }
        },
    );
    (agent, starts)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_with_a_workflow_that_is_done_in_the_place_of_its_task() {
    for mode in MODES {
        let world = World::with(mode, by_agent).await;
        let answer = json!({ "workflow": PLANNED, "inputs": { "files": ["a", "b"] } });
        let (_agent, starts) = planner(&world, answer);
        let id = world.submit(r#"{"kind":"plan"}"#).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        assert_eq!(view.task.output.unwrap().value(), json!(["a", "b"]));
        assert_eq!(kinds(&starts), ["plan", "work", "work"]);
        let children = world
            .orchestrator
            .run(parts(&world, id).await.spec.id)
            .await;
        assert_eq!(children.unwrap().run.head.state, RunState::Succeeded);
        // The answer of one that is simple is an answer.
        let simple = world
            .submit(r#"{"kind":"plan","complexity":"simple"}"#)
            .await;
        let output = world.end(simple).await.task.output.unwrap().value();
        assert_eq!(output["inputs"]["files"], json!(["a", "b"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_with_mistakes_is_the_failure_of_the_agent_that_answers_with_it() {
    for mode in MODES {
        let world = World::with(mode, by_agent).await;
        let file =
            json!({ "name": "x", "steps": [{ "id": "one", "kind": "work", "needs": ["none"] }] });
        let (_agent, _) = planner(&world, json!({ "workflow": file }));
        let id = world.submit(r#"{"kind":"plan"}"#).await;
        let view = world.end(id).await;
        assert!(
            matches!(view.task.life.state, State::Failed | State::Dead),
            "{mode:?}"
        );
        let error = view.task.error.unwrap();
        assert_eq!(error.class, Class::Invalid);
        assert!(error.message.contains("none"), "{}", error.message);
        assert!(view.task.output.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_decomposed_for_ever_ends() {
    let world = World::with(Mode::Claim, by_agent).await;
    let file = json!({ "name": "x", "steps": [{ "id": "again", "kind": "plan" }] });
    let (_agent, starts) = planner(&world, json!({ "workflow": file }));
    let id = world.submit(r#"{"kind":"plan"}"#).await;
    let view = world.end(id).await;
    assert_eq!(view.task.life.state, State::Failed);
    let error = view.task.error.unwrap().message;
    assert!(error.contains("generations"), "{error}");
    assert_eq!(
        kinds(&starts).len(),
        1 + warrener_model::limits::SPAWN_DEPTH
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_workflow_may_be_decomposed_too() {
    for mode in MODES {
        let world = World::with(mode, by_template).await;
        let (_agent, starts) = worker(&world);
        let file = "name: outer\nsteps:\n  - { id: a, kind: feature, title: T, input: { module: m } }\n  - { id: b, kind: last, needs: [a], input: \"{{ steps.a.output }}\" }\n";
        let run = crate::runs::start(&world, file, json!({})).await;
        let view = crate::runs::end(&world, run).await;
        assert_eq!(view.run.head.state, RunState::Succeeded, "{mode:?}");
        assert_eq!(
            crate::runs::output(&view),
            json!({ "b": { "tested": "m" } })
        );
        assert_eq!(kinds(&starts), ["design", "code", "tests", "last"]);
    }
}

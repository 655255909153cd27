//! What a run gets of its task and may do by its token, where the delivery is the claim and where agents claim.

use crate::harness::{ANY, CLAIMED, World, boot};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use warrener_engine::agent::{AgentOptions, CommandExecutor};
use warrener_engine::command::Program;
use warrener_engine::token::TaskRight;
use warrener_engine::{Agent, Error};
use warrener_model::event::Cursor;
use warrener_model::{Kind, State, Submission, TaskId};

/// An agent that runs this script of sh in this folder.
async fn program(world: &World, folder: &Path, script: &str) -> CancellationToken {
    let argv = ["sh", "-c", script].map(Into::into).to_vec();
    let program = Program {
        cwd: Some(folder.into()),
        ..Program::new(argv, folder.into(), folder.join("work"))
    };
    let executor = CommandExecutor::new(program, Some("http://nowhere".into()), vec![]);
    let who = boot("ann");
    let options = AgentOptions {
        name: "ann".into(),
        instance: Some(who.instance.clone()),
        kinds: vec!["*".into()],
        timers: world.options.timers,
        drain: Duration::from_millis(300),
        ..AgentOptions::default()
    };
    let agent = Agent::new(world.ground.agent(&who), Arc::new(executor), options);
    let stop = CancellationToken::new();
    tokio::spawn(agent.run(stop.clone()));
    world.joined("ann").await;
    stop
}

/// Waits for a file with a whole first line.
async fn said(file: &Path) -> String {
    for _ in 0..3_000 {
        if let Ok(text) = std::fs::read_to_string(file)
            && let Some((line, _)) = text.split_once('\n')
        {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody wrote {}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_task_as_it_was_granted_and_a_token_for_it() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let folder = TempDir::new().unwrap();
        let script = "if [ \"$WARRENER_ATTEMPT\" = 1 ]; then exit 75; fi
            task=$(cat); printf '%s\\n' \"$task\" > stdin; printf '%s\\n' \"$WARRENER_TASK_TOKEN\" > token
            while [ ! -e go ]; do sleep 0.02; done";
        let stop = program(&world, folder.path(), script).await;
        let id = world
            .submit(r#"{"kind":"work","delay_ms":5,"retry":{"network":{"base_ms":1}}}"#)
            .await;
        let stdin: Value = serde_json::from_str(&said(&folder.path().join("stdin")).await).unwrap();
        let task = world.orchestrator.task(id).await.unwrap().task;
        assert_eq!(task.life.state, State::Running, "{mode:?}");
        let wanted = [
            ("version", json!(task.version)),
            ("attempt", json!(2)),
            ("epoch", json!(task.life.epoch)),
            ("replays", json!(0)),
            ("not_before", json!(task.life.not_before)),
            ("ready_at", json!(task.life.ready_at)),
            ("started_at", json!(task.life.started_at)),
            ("waiting_since", json!(task.life.since)),
            ("error", json!(task.error)),
        ];
        for (field, value) in wanted {
            assert_eq!(stdin[field], value, "{mode:?} {field}");
            assert!(!value.is_null(), "{mode:?} {field}");
        }
        let token = said(&folder.path().join("token")).await;
        let epoch = task.life.epoch;
        let right = world.orchestrator.task_right(&token).await.unwrap();
        assert_eq!(right, Some(TaskRight { task: id, epoch }), "{mode:?}");
        std::fs::write(folder.path().join("go"), "").unwrap();
        assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
        let over = world.orchestrator.task_right(&token).await.unwrap_err();
        assert!(matches!(over, Error::AttemptOver { .. }), "{over}");
        stop.cancel();
    }
}

/// A world in which `work` may open children, and a run that waits.
async fn lead() -> (World, TaskRight) {
    let world = may_spawn().await;
    let right = run(&world).await;
    (world, right)
}

async fn may_spawn() -> World {
    let world = World::with(ANY, |options| {
        options.may_spawn.insert(Kind::new("work").unwrap());
    })
    .await;
    world.agent("ann", 1, |context, _| async move {
        context.stopped().await;
        Ok(json!(null))
    });
    world
}

async fn run(world: &World) -> TaskRight {
    let task = world.submit(r#"{"kind":"work"}"#).await;
    let epoch = world.until(task, State::Running).await.task.life.epoch;
    TaskRight { task, epoch }
}

fn child() -> Submission {
    Submission::read(r#"{"kind":"other"}"#).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_child_is_accepted_once_its_run_is_over_however_early_it_asked() {
    let (world, right) = lead().await;
    let engine = &world.orchestrator;
    let spawner = engine.spawner(right).await.unwrap();
    let accepted = engine.spawn(spawner, child(), None).await.unwrap();
    assert_eq!(accepted.view.task.spec.parent, Some(right.task));
    engine.cancel(right.task, "", "user:test").await.unwrap();
    let over = engine.spawn(spawner, child(), None).await.unwrap_err();
    assert!(matches!(over, Error::AttemptOver { .. }), "{over}");
    let over = engine
        .spawn_batch(spawner, vec![child()])
        .await
        .unwrap_err();
    assert!(over.to_string().contains("it is cancelled"), "{over}");
    assert_eq!(engine.books().await.unwrap().accepted, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_and_children_at_once_leave_no_child_after_the_cancel() {
    let world = may_spawn().await;
    let engine = &world.orchestrator;
    for _ in 0..20 {
        let right = run(&world).await;
        let spawner = engine.spawner(right).await.unwrap();
        let spawns = (0..6).map(|_| engine.spawn(spawner, child(), None));
        let cancel = engine.cancel(right.task, "", "user:test");
        let (spawned, cancelled) = tokio::join!(futures_util::future::join_all(spawns), cancel);
        cancelled.unwrap();
        let history = engine.events(Cursor(0), Some(right.task), 100).await;
        let end = history.unwrap().last().unwrap().cursor;
        for accepted in spawned.into_iter().flatten() {
            let id = accepted.view.task.id;
            let history = engine.events(Cursor(0), Some(id), 1).await.unwrap();
            assert!(history[0].cursor < end, "opened after the cancel");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_accepted_while_heartbeats_move_the_parents_row_and_leave_no_trace_in_its_history()
 {
    let (world, right) = lead().await;
    let engine = &world.orchestrator;
    let before = world.history(right.task).await;
    let spawner = engine.spawner(right).await.unwrap();
    let mut opened: Vec<TaskId> = vec![];
    let spawns = (0..32).map(|_| engine.spawn(spawner, child(), None));
    for accepted in futures_util::future::join_all(spawns).await {
        opened.push(accepted.unwrap().view.task.id);
    }
    assert_eq!(world.history(right.task).await, before);
    let rows = engine.events(Cursor(0), Some(opened[0]), 10).await.unwrap();
    assert_eq!(rows[0].event.actor, format!("task:{}", right.task));
    let books = engine.books().await.unwrap();
    assert_eq!(books.accepted, 33);
}

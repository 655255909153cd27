//! Waiting: whoever waits is woken by the end it waits for and reads nothing else; there is a bound.

use crate::ground::Ground;
use crate::harness::{ANY, World};
use crate::runs::start;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::Store;
use warrener_backend::fault::{FaultyStore, Plan, point};
use warrener_engine::supervise::Scope;
use warrener_engine::{Error, Options, Orchestrator};
use warrener_model::session::OpenSession;
use warrener_model::{Submission, TaskId};
use warrener_sqlite::SqliteStore;

const LONG: Duration = Duration::from_secs(60);

async fn submit(orchestrator: &Orchestrator) -> TaskId {
    let request = Submission {
        kind: "work".into(),
        ..Submission::default()
    };
    let done = orchestrator.submit(request, None, "user:test").await;
    done.unwrap().view.task.id
}

#[tokio::test]
async fn commits_of_others_cost_a_waiter_no_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(warrener_sqlite::Options::new(folder.path())).unwrap();
    let plan = Plan::seeded(1);
    let store: Arc<dyn Store> = Arc::new(FaultyStore::new(Arc::new(store), plan.clone()));
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let ground = Ground::new(ANY).await;
    let broker = ground.server().await;
    let orchestrator = Orchestrator::start(store, broker, Options::default(), &mut scope).await;
    let orchestrator = orchestrator.unwrap();
    let engine = tokio::spawn(scope.run(LONG));

    let waited = [submit(&orchestrator).await, submit(&orchestrator).await];
    let first_look = plan.calls(point::TASKS) + 1;
    let handle = orchestrator.clone();
    let waiter = tokio::spawn(async move { handle.wait(&waited, false, LONG).await });
    while plan.calls(point::TASKS) < first_look {
        tokio::task::yield_now().await;
    }
    let others = 100;
    for _ in 0..others {
        let id = submit(&orchestrator).await;
        orchestrator.cancel(id, "", "user:test").await.unwrap();
    }
    // Each cancel reads its own task; the waiter may have had its regular look at a slow machine.
    let reads = plan.calls(point::TASKS) - first_look;
    assert!(
        reads < 2 * others,
        "{reads} reads for {others} tasks of others"
    );
    for id in waited {
        orchestrator.cancel(id, "", "user:test").await.unwrap();
    }
    let (done, pending) = waiter.await.unwrap().unwrap();
    assert_eq!((done.len(), pending.len()), (2, 0));
    stop.cancel();
    engine.await.unwrap();
}

#[tokio::test]
async fn more_waiters_than_there_is_room_for_are_refused_until_one_goes() {
    let world = World::with(ANY, |options| options.waiters = 2).await;
    let id = submit(&world.orchestrator).await;
    let file = "{ name: parked, steps: [{ id: one, kind: work }] }";
    let run = start(&world, file, json!({})).await;
    let question = OpenSession {
        question: "Which?".into(),
        required: vec!["agent:ann".into()],
        ..OpenSession::default()
    };
    let session = world.orchestrator.open_session(&question).await.unwrap().id;
    let waiters = [(); 2].map(|()| {
        let handle = world.orchestrator.clone();
        tokio::spawn(async move { handle.wait(&[id], false, LONG).await })
    });
    // On one thread, each of them begins now, and takes its place.
    tokio::task::yield_now().await;
    let refused = world.orchestrator.wait(&[id], false, LONG).await;
    assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
    // Who waits for a run or a session needs a place as well; who only looks does not.
    let orchestrator = &world.orchestrator;
    for within in [Duration::ZERO, LONG] {
        let of_run = orchestrator.wait_run(run, None, within).await.err();
        let of_session = orchestrator.wait_session(session, within).await.err();
        let refused = [of_run, of_session].map(|e| matches!(e, Some(Error::Overloaded)));
        assert_eq!(refused, [within == LONG; 2]);
    }
    let cancelled = world.orchestrator.cancel(id, "", "user:test").await;
    cancelled.unwrap();
    for waiter in waiters {
        let (done, _) = waiter.await.unwrap().unwrap();
        assert_eq!(done.len(), 1);
    }
    let answer = world.orchestrator.wait(&[id], false, LONG).await;
    assert_eq!(answer.unwrap().0.len(), 1);
}

//! Tasks that go round: an offer that comes to the wrong agent, to one that drains, is full or paused, or to nobody, rests
//! before it is made again, costs no other task its place, and comes to an end.

use crate::harness::{Mode, World, echo};
use crate::puppet::Puppet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_backend::fault::{Fault, point};
use warrener_engine::{TaskContext, TaskError};
use warrener_model::event::Cursor;
use warrener_model::life::State;
use warrener_model::{AgentId, Lane, TaskId};

/// More rows than a task has that rests between its rounds for two seconds (20 ms, 40 ms, … 2 s), and fewer than one
/// that does not.
const ROWS: usize = 60;

async fn rows(world: &World, id: TaskId) -> usize {
    let events = world.orchestrator.events(Cursor(0), Some(id), 1_000_000);
    events.await.unwrap().len()
}

async fn forever(_: TaskContext, _: serde_json::Value) -> Result<serde_json::Value, TaskError> {
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    Ok(().into())
}

async fn drained(world: &World, name: &str) {
    world.joined(name).await;
    let id = AgentId::new(name).unwrap();
    world.orchestrator.drain_agent(&id, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_task_comes_to_an_agent_that_runs_its_kind() {
    let world = World::new(Mode::Fast).await;
    let _a = world.agent("a", 4, echo);
    let work = |_: TaskContext, input: serde_json::Value| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, TaskError>(input)
    };
    let _b = world.agent_of("b", "other", world.options.timers, work);
    world.joined("a").await;
    world.joined("b").await;
    let mut ids = vec![];
    for _ in 0..10 {
        ids.push(world.submit(r#"{"kind":"other"}"#).await);
    }
    for id in ids {
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.refusals), (State::Succeeded, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_agent_in_a_fast_lane_does_not_keep_the_backlog_going_round() {
    let world = World::new(Mode::Fast).await;
    let _a = world.agent("a", 4, echo);
    drained(&world, "a").await;
    let _b = world.agent("b", 1, forever);
    world.joined("b").await;
    let mut ids = vec![];
    for _ in 0..5 {
        ids.push(world.submit(r#"{"kind":"work"}"#).await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for id in ids {
        assert!(rows(&world, id).await < ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_kills_its_agents_ends_beside_a_drained_one() {
    let world = World::new(Mode::Fast).await;
    let _d = world.agent("d", 4, echo);
    drained(&world, "d").await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let starts = Arc::new(AtomicU32::new(0));
    for n in 1..30u32 {
        let counted = starts.clone();
        let victim = world.agent(
            &format!("v{n}"),
            1,
            move |_: TaskContext, _: serde_json::Value| {
                let counted = counted.clone();
                async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                    forever_value().await
                }
            },
        );
        let before = starts.load(Ordering::SeqCst);
        let over = || async {
            world
                .orchestrator
                .task(id)
                .await
                .unwrap()
                .task
                .life
                .state
                .is_final()
        };
        while starts.load(Ordering::SeqCst) == before && !over().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        victim.task.abort();
        let _ = victim.task.await;
        if over().await {
            break;
        }
    }
    let life = world.end(id).await.task.life;
    assert_eq!(life.state, State::Dead);
    assert!(
        starts.load(Ordering::SeqCst) <= 4,
        "the first and three retries"
    );
}

async fn forever_value() -> Result<serde_json::Value, TaskError> {
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_caller_went_away_takes_no_room() {
    let world = World::new(Mode::Claim).await;
    let mut a = Puppet::join(&world, "a", 1).await;
    let first = world.submit(r#"{"kind":"work"}"#).await;
    let (_offer, delivery) = a.offer().await;
    world.faults.script(point::COMMIT, [Fault::HangAfter]);
    let cancel = world.orchestrator.cancel(first, "", "user:x");
    let gone = tokio::time::timeout(Duration::from_millis(300), cancel).await;
    assert!(gone.is_err());
    delivery.ack();
    world.until(first, State::Cancelled).await;
    let second = world.submit(r#"{"kind":"work"}"#).await;
    a.beat(&[]).await;
    let (offer, delivery) = a.offer().await;
    assert_eq!(offer.task_id, second);
    delivery.ack();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_not_tried_without_a_pause() {
    for mode in [Mode::Claim, Mode::Fast] {
        let world = World::new(mode).await;
        let a = Puppet::join(&world, "a", 4).await;
        let refused = std::iter::repeat_n(Fault::FailBefore, 100_000);
        world.faults.script(point::PUBLISH, refused);
        let id = world.submit(r#"{"kind":"work"}"#).await;
        for _ in 0..20 {
            a.beat(&[]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let rows = rows(&world, id).await;
        assert!(rows < ROWS, "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_full_does_not_keep_a_task_going_round() {
    let world = World::new(Mode::Claim).await;
    let _a = world.agent("a", 1, forever);
    world.joined("a").await;
    let one = world.submit(r#"{"kind":"work"}"#).await;
    world.until(one, State::Running).await;
    // It counts as free, and reads nothing.
    let mut b = Puppet::join(&world, "b", 1).await;
    b.reads_no_offers();
    let id = world.submit(r#"{"kind":"work"}"#).await;
    for _ in 0..20 {
        b.beat(&[]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rows = rows(&world, id).await;
    assert!(rows < ROWS, "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_a_lane_that_was_paused_meanwhile_is_refused() {
    let world = World::new(Mode::Claim).await;
    let mut a = Puppet::join(&world, "a", 1).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (offer, delivery) = a.offer().await;
    let lane = Lane::default();
    world.orchestrator.pause_lane(&lane, None).await.unwrap();
    let claim = a.claim_of(&offer, false);
    assert_eq!(a.refused(&claim).await, "paused");
    delivery.ack();
    let life = world.orchestrator.task(id).await.unwrap().task.life;
    assert_eq!((life.state, life.attempt), (State::Ready, 0));
    world.orchestrator.resume_lane(&lane).await.unwrap();
    let (offer, _delivery) = a.offer().await;
    let claim = a.claim_of(&offer, false);
    a.granted(&claim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_progress_of_a_fast_run_is_kept() {
    let world = World::new(Mode::Fast).await;
    let _a = world.agent(
        "a",
        1,
        |context: TaskContext, _: serde_json::Value| async move {
            context.progress(0.5, "half").await;
            forever_value().await
        },
    );
    world.joined("a").await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let half = || async { world.orchestrator.task(id).await.unwrap().task.progress };
    while half().await.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_hands_over_by_the_servers_time_when_that_is_shorter() {
    let world = World::with(Mode::Fast, |options| {
        options.timers.handoff = Duration::from_millis(200);
        options.timers.fast_overdue = Duration::from_millis(600);
    })
    .await;
    let starts = Arc::new(AtomicU32::new(0));
    let counted = starts.clone();
    let work = move |_: TaskContext, input: serde_json::Value| {
        let counted = counted.clone();
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok::<_, TaskError>(input)
        }
    };
    let timers = warrener_engine::Timers {
        handoff: Duration::from_secs(60),
        ..world.options.timers
    };
    let _a = world.agent_of("a", "work", timers, work);
    world.joined("a").await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let life = world.end(id).await.task.life;
    assert_eq!((life.state, life.losses), (State::Succeeded, 0));
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

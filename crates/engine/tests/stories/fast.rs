//! Fast lanes: one commit, not one start. What the stories told in every mode do not say about them.

use crate::harness::{Mode, World, begun, echo};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Outgoing};
use warrener_engine::{TaskContext, TaskError};
use warrener_model::event::EventKind;
use warrener_model::{Lane, State, TaskId};

type Answer = Result<serde_json::Value, TaskError>;

/// Says that it is gone.
struct Last(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Last {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Counts its starts, and takes so long.
fn slow(
    starts: &Arc<AtomicU32>,
    span: Duration,
) -> impl Fn(TaskContext, serde_json::Value) -> futures_util::future::BoxFuture<'static, Answer>
+ Send
+ Sync
+ 'static {
    let count = starts.clone();
    move |_, input| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(span).await;
            Ok(input)
        })
    }
}

/// The kinds of all its events, those of offers too.
async fn all(world: &World, id: TaskId) -> Vec<EventKind> {
    let rows = world
        .orchestrator
        .events(Default::default(), Some(id), 1_000)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.event.kind).collect()
}

fn offers() -> Address {
    Address::Offers(Lane::default())
}

/// Takes the next offer from the queue, as another agent would.
async fn take(world: &World) -> warrener_backend::Message {
    let subscribe = Subscribe {
        from: offers(),
        credit: 1,
        will: None,
    };
    let mut taken = world.broker.subscribe(subscribe).await.unwrap();
    let delivery = taken.next().await.unwrap();
    let message = delivery.message.clone();
    delivery.ack();
    taken.close();
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_task_is_an_offer_and_an_outcome() {
    let world = World::new(Mode::Fast).await;
    let _agent = world.agent("a", 1, echo);
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let life = world.end(id).await.task.life;
    assert_eq!((life.attempt, life.epoch, life.offer), (1, 1, 1));
    assert_eq!(life.last.unwrap().as_str(), "a");
    assert!(life.started_at.is_some());
    let kinds = [
        EventKind::Submitted,
        EventKind::Offered,
        EventKind::Succeeded,
    ];
    assert_eq!(all(&world, id).await, kinds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_long_is_handed_over_to_its_lease() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let _agent = world.agent("a", 1, slow(&starts, Duration::from_millis(1_200)));
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let life = world.until(id, State::Running).await.task.life;
    assert_eq!((life.attempt, life.epoch), (1, 1));
    assert!(life.lease.unwrap().confirmed);
    // From then on no delivery stands behind it.
    for _ in 0..600 {
        if world.ground.depth(&offers()).await.unsettled == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.ground.depth(&offers()).await.unsettled, 0);
    let life = world.end(id).await.task.life;
    assert_eq!((life.state, life.epoch), (State::Succeeded, 1));
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_of_an_agent_that_dies_before_its_outcome_costs_a_loss_and_no_attempt() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let first = world.agent("first", 1, slow(&starts, Duration::from_secs(3_600)));
    let id = world.submit(r#"{"kind":"work"}"#).await;
    begun(&starts).await;
    first.task.abort();
    let _ = first.task.await;
    let _second = world.agent("second", 1, echo);
    let life = world.end(id).await.task.life;
    assert_eq!(life.state, State::Succeeded);
    assert_eq!((life.attempt, life.epoch, life.losses), (1, 2, 1));
    assert!(all(&world, id).await.contains(&EventKind::Superseded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_kills_every_agent_is_given_up_in_a_fast_lane_too() {
    let world = World::new(Mode::Fast).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let starts = Arc::new(AtomicU32::new(0));
    for n in 1..20 {
        let victim = world.agent(
            &format!("v{n}"),
            1,
            slow(&starts, Duration::from_secs(3_600)),
        );
        while starts.load(Ordering::SeqCst) < n
            && !world
                .orchestrator
                .task(id)
                .await
                .unwrap()
                .task
                .life
                .state
                .is_final()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        victim.task.abort();
        let _ = victim.task.await;
        if world
            .orchestrator
            .task(id)
            .await
            .unwrap()
            .task
            .life
            .state
            .is_final()
        {
            break;
        }
    }
    let task = world.end(id).await.task;
    assert_eq!((task.life.state, task.life.losses), (State::Dead, 4));
    assert_eq!(task.error.unwrap().class, warrener_model::Class::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_final_and_stops_the_run_within_a_heartbeat() {
    let world = World::new(Mode::Fast).await;
    let (told, mut stopped) = tokio::sync::mpsc::unbounded_channel();
    let starts = Arc::new(AtomicU32::new(0));
    let count = starts.clone();
    let _agent = world.agent("a", 1, move |ctx, input| {
        count.fetch_add(1, Ordering::SeqCst);
        let told = told.clone();
        async move {
            if input == json!("long") {
                // A handler that is told to stop may be dropped where it waits.
                let _last = Last(told);
                ctx.stopped().await;
            }
            Ok(input)
        }
    });
    let id = world.submit(r#"{"kind":"work","input":"long"}"#).await;
    begun(&starts).await;
    let cancelled = world.orchestrator.cancel(id, "no", "user:test").await;
    assert_eq!(cancelled.unwrap().view.task.life.state, State::Cancelled);
    stopped.recv().await.unwrap();
    // The slot is free again, and what the run said at its end changed nothing.
    let next = world.submit(r#"{"kind":"work"}"#).await;
    assert_eq!(world.end(next).await.task.life.state, State::Succeeded);
    let life = world.orchestrator.task(id).await.unwrap().task.life;
    assert_eq!(life.state, State::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_starts_after_a_cancel_is_refused_at_its_commit() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let _agent = world.agent("a", 1, slow(&starts, Duration::from_millis(300)));
    let first = world.submit(r#"{"kind":"work"}"#).await;
    begun(&starts).await;
    // Waits behind the first one, in the queue.
    let second = world.submit(r#"{"kind":"work"}"#).await;
    while world.ground.depth(&offers()).await.ready == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world
        .orchestrator
        .cancel(second, "", "user:test")
        .await
        .unwrap();
    world.end(first).await;
    loop {
        // Its heartbeat, or its outcome, whichever is first.
        let refusals = world.orchestrator.refusals();
        let words = ["heartbeat/not_entitled", "outcome/cancelled"];
        if words.iter().any(|word| refusals.contains_key(*word)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(starts.load(Ordering::SeqCst), 2);
    let life = world.orchestrator.task(second).await.unwrap().task.life;
    assert_eq!(life.state, State::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_copies_that_start_one_commits() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let _a = world.agent("a", 1, slow(&starts, Duration::from_millis(300)));
    let _b = world.agent("b", 1, slow(&starts, Duration::from_millis(300)));
    world.joined("a").await;
    world.joined("b").await;
    // Both are busy, so that the copy can be made while the message waits.
    for _ in 0..2 {
        world.submit(r#"{"kind":"work"}"#).await;
    }
    while starts.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let message = take(&world).await;
    let copy = || Outgoing {
        to: offers(),
        message: message.clone(),
        expires: None,
    };
    world.broker.publish(vec![copy(), copy()]).await.unwrap();
    let life = world.end(id).await.task.life;
    assert_eq!(life.state, State::Succeeded);
    assert_eq!((life.attempt, life.epoch), (1, 1));
    while starts.load(Ordering::SeqCst) < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ends = all(&world, id).await;
    let ends = ends.iter().filter(|kind| **kind == EventKind::Succeeded);
    assert_eq!(ends.count(), 1, "one commit, though two have started");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_vanished_is_made_again_once_its_queue_has_passed_it() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let _agent = world.agent("a", 1, slow(&starts, Duration::from_millis(100)));
    let first = world.submit(r#"{"kind":"work"}"#).await;
    begun(&starts).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    // Somebody takes it and never speaks of it.
    let body = take(&world).await.body;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let taken: TaskId = body["task_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(taken, id, "the first one runs already");
    world.end(first).await;
    let life = world.end(id).await.task.life;
    assert_eq!(life.state, State::Succeeded);
    assert_eq!((life.offer, life.attempt, life.max_attempts), (2, 2, 26));
    assert!(all(&world, id).await.contains(&EventKind::Unoffered));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_waits_in_its_queue_is_not_overdue_however_long() {
    let world = World::with(Mode::Fast, |options| {
        options.timers.fast_overdue = Duration::from_millis(1_200);
    })
    .await;
    let starts = Arc::new(AtomicU32::new(0));
    let _agent = world.agent("a", 1, slow(&starts, Duration::from_millis(100)));
    let mut ids = vec![];
    for _ in 0..40 {
        ids.push(world.submit(r#"{"kind":"work"}"#).await);
    }
    for id in ids {
        let life = world.end(id).await.task.life;
        assert_eq!(life.offer, 1, "{:?}", all(&world, id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_slot_of_a_busy_agent_goes_to_another_in_time() {
    let world = World::new(Mode::Fast).await;
    let starts = Arc::new(AtomicU32::new(0));
    let _busy = world.agent("busy", 1, slow(&starts, Duration::from_secs(3_600)));
    let first = world.submit(r#"{"kind":"work"}"#).await;
    begun(&starts).await;
    let second = world.submit(r#"{"kind":"work"}"#).await;
    // Once the first one is handed over the next one is delivered; it waits there for a slot that does not come.
    world.until(first, State::Running).await;
    loop {
        let depth = world.ground.depth(&offers()).await;
        if (depth.ready, depth.unsettled) == (0, 1) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _free = world.agent("free", 1, echo);
    let life = world.end(second).await.task.life;
    assert_eq!(life.state, State::Succeeded);
    assert_eq!(life.last.unwrap().as_str(), "free");
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_offers_are_out_than_the_window_allows() {
    let world = World::with(Mode::Fast, |options| {
        let lane = options.lanes.get_mut(&Lane::default()).unwrap();
        lane.window = 3;
    })
    .await;
    let starts = Arc::new(AtomicU32::new(0));
    let _agent = world.agent("a", 1, slow(&starts, Duration::from_millis(30)));
    let mut ids = vec![];
    for _ in 0..12 {
        ids.push(world.submit(r#"{"kind":"work"}"#).await);
    }
    for id in ids {
        let out = world.store.offers_out(Lane::default()).await.unwrap();
        assert!(out <= 3, "{out} offers are out");
        assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
    }
}

//! Where the delivery is the claim: what has no meaning on brokers with queues, and so is told on the memory broker alone.

use crate::desk::{Desk, grant, recorded};
use crate::harness::{Gate, Mode, World, echo};
use crate::puppet::Puppet;
use serde_json::json;
use std::time::Duration;
use warrener_backend::fault::point;
use warrener_engine::{LaneOptions, Options, TaskContext, TaskError, Timers};
use warrener_model::agent::Presence;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::life::Start;
use warrener_model::message::{Claim, ClaimRefused, Outcome};
use warrener_model::{AgentId, Lane};

async fn done(_: TaskContext) -> Result<serde_json::Value, TaskError> {
    Ok(json!("done"))
}

/// Nothing of an offer or a lease is over before the test says so.
fn long(options: &mut Options) {
    options.timers.lease = Duration::from_secs(60);
    options.timers.offer_overdue = Duration::from_secs(60);
}

/// Runs on one thread, so that holding it up is what a stopped process is.
#[tokio::test]
async fn h27_grants_that_waited_while_the_agent_was_stopped_are_claimed_before_they_start() {
    let timers = Timers {
        grant_fresh: Duration::from_millis(300),
        claim_repeat: Duration::from_secs(30),
        ..Timers::short()
    };
    let mut desk = Desk::new(Mode::Direct, timers, done).await;
    let who = desk.welcome().await;
    let sure = desk.offer("0");
    desk.hand(&who, &sure, 1).await;
    assert_eq!(desk.started.recv().await.unwrap(), json!(0));
    let (gone, ours) = (desk.offer("1"), desk.offer("2"));
    desk.hand(&who, &gone, 2).await;
    desk.hand(&who, &ours, 3).await;
    std::thread::sleep(timers.grant_fresh * 3);
    for _ in 0..2 {
        let claim: Claim = desk.hear().await;
        assert!(!claim.started);
        let task_id = claim.task_id;
        if task_id == gone.task_id {
            let reason = "held".into();
            let claim = claim.claim;
            let body = ClaimRefused {
                task_id,
                claim,
                reason,
            };
            desk.say(&who, &body).await;
        } else {
            desk.say(&who, &grant(&ours, claim.claim, 3)).await;
        }
    }
    assert_eq!(desk.started.recv().await.unwrap(), json!(2), "still ours");
    // It joins again; what is handed to it after the welcome starts at once.
    assert_eq!(desk.welcome().await, who, "the same boot");
    let fresh = desk.offer("3");
    desk.hand(&who, &fresh, 4).await;
    loop {
        let outcome: Outcome = desk.hear().await;
        desk.say(&who, &recorded(&outcome)).await;
        if outcome.task_id == fresh.task_id {
            break;
        }
    }
    assert_eq!(desk.started.recv().await.unwrap(), json!(3));
    assert!(
        desk.started.try_recv().is_err(),
        "the lost one never starts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t4_a_grant_that_a_cancel_overtakes_starts_nothing() {
    let world = World::with(Mode::Direct, long).await;
    let (say, mut started) = tokio::sync::mpsc::unbounded_channel();
    let _agent = world.agent("a", 1, move |context, input| {
        say.send(context.epoch()).unwrap();
        async move { Ok(input) }
    });
    world.joined("a").await;
    // A heartbeat says that it has its welcome: the next message is the grant.
    while world
        .orchestrator
        .agents()
        .iter()
        .any(|view| view.agent.seen_at == view.agent.joined_at)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let gate = Gate::at(&world.faults, point::PUBLISH);
    let id = world.submit(r#"{"kind":"work"}"#).await;
    gate.held().await;
    let cancelled = world.orchestrator.cancel(id, "", "user:test").await;
    assert!(cancelled.unwrap().stopping);
    gate.open();
    let retried = world.orchestrator.retry(id, None, true, "user:test").await;
    retried.unwrap();
    world.end(id).await;
    assert_eq!(
        started.recv().await,
        Some(2),
        "only what was granted after it"
    );
    assert!(started.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_delivery_is_the_claim_a_fast_lane_is_like_any_other() {
    let world = World::with(Mode::Direct, |options| {
        let start = Start::Fast;
        let lane = LaneOptions {
            start,
            ..LaneOptions::default()
        };
        options.lanes.insert(Lane::default(), lane);
    })
    .await;
    let _agent = world.agent("a", 1, echo);
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let life = world.end(id).await.task.life;
    assert_eq!((life.offer, life.attempt, life.epoch), (0, 1, 1));
    let kinds = [
        EventKind::Submitted,
        EventKind::Started,
        EventKind::Succeeded,
    ];
    let rows = world.orchestrator.events(Cursor(0), Some(id), 100).await;
    let told = rows.unwrap().into_iter().map(|row| row.event.kind);
    assert_eq!(told.collect::<Vec<_>>(), kinds);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_up_when_the_server_stopped_counts_as_gone_since_its_start() {
    let world = World::new(Mode::Direct).await;
    let _puppet = Puppet::join(&world, "a", 1).await;
    let id = AgentId::new("a").unwrap();
    let before = world.orchestrator.agent(&id).unwrap().agent.seen_at;
    let world = world.restart().await;
    let agent = world.orchestrator.agent(&id).unwrap().agent;
    assert_eq!(agent.presence, Presence::Lost);
    assert!(agent.seen_at > before, "not since its last row was written");
    let stored = world.store.agents().await.unwrap();
    assert_eq!(
        stored,
        [agent],
        "and the store says so, or it would begin anew"
    );
}

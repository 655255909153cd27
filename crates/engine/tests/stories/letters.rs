//! What the broker gives up (row 12): taken back, counted, dead the third time; what means nothing here changes nothing.

use crate::harness::{Mode, World};
use crate::puppet::Puppet;
use std::time::Duration;
use warrener_backend::fault::{Fault, point};
use warrener_backend::{Address, Inbox, Message, Outgoing};
use warrener_engine::Options;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::failure::DeadReason;
use warrener_model::id::StoreId;
use warrener_model::{State, TaskId};

/// The brokers with queues.
const QUEUES: [Mode; 2] = [Mode::Claim, Mode::Fast];

/// Nothing of an offer or a lease is over before the test says so: only a dead letter takes an offer back.
fn long(options: &mut Options) {
    options.timers.lease = Duration::from_secs(60);
    options.timers.offer_overdue = Duration::from_secs(60);
    options.timers.fast_overdue = Duration::from_secs(120);
}

/// Puts a message among the dead letters, as a broker does.
async fn bury(world: &World, message: Message) {
    let out = Outgoing {
        to: Address::Dead,
        message,
        expires: None,
    };
    world.broker.publish(vec![out]).await.unwrap();
}

/// Waits until every dead letter is acknowledged.
async fn all_read(world: &World) {
    world.all_read(&Address::Dead).await;
}

/// What is left of the reason of an agent that rejects.
fn told(world: &World, said: &str) -> String {
    let reasons = world.broker.capabilities().reasons;
    let said = if reasons { said } else { "rejected" };
    format!("{said} (from offers/default)")
}

/// The reasons for which offers of this task were taken back or given up.
async fn reasons(world: &World, id: TaskId) -> Vec<String> {
    let events = world.orchestrator.events(Cursor(0), Some(id), 1_000).await;
    let of = |kind| matches!(kind, EventKind::Unoffered | EventKind::Dead);
    let rows = events.unwrap().into_iter().map(|row| row.event);
    rows.filter(|event| of(event.kind))
        .map(|event| event.detail["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_an_agent_rejects_is_made_again() {
    for mode in QUEUES {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let (first, delivery) = puppet.offer().await;
        delivery.reject("no such version");
        let (second, delivery) = puppet.offer().await;
        assert_eq!(second.task_id, id, "{mode:?}");
        assert!(second.offer > first.offer, "{mode:?}");
        let epoch = match second.epoch {
            Some(epoch) => epoch,
            None => puppet.granted(&puppet.claim_of(&second, false)).await.epoch,
        };
        delivery.ack();
        let outcome = puppet.outcome(id, epoch, "done");
        puppet.say(Inbox::Results, &outcome).await;
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.refusals), (State::Succeeded, 1));
        let left = life.max_attempts - life.attempt;
        assert_eq!(left, life.allowance - 1, "{mode:?}: charged for one start");
        let said = told(&world, "no such version");
        assert_eq!(reasons(&world, id).await, [said], "{mode:?}");
        all_read(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_rejected_three_times_is_a_dead_letter() {
    for mode in QUEUES {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        for _ in 0..3 {
            let (offer, delivery) = puppet.offer().await;
            assert_eq!(offer.task_id, id, "{mode:?}");
            delivery.reject("no");
        }
        let life = world.end(id).await.task.life;
        assert_eq!(life.state, State::Dead, "{mode:?}");
        assert_eq!(life.dead_reason, Some(DeadReason::Rejected), "{mode:?}");
        let said = vec![told(&world, "no"); 3];
        assert_eq!(reasons(&world, id).await, said, "{mode:?}");
        all_read(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_a_letter_of_another_time_or_store_or_of_nothing_changes_nothing() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 2).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (offer, delivery) = puppet.offer().await;
    let letter = delivery.message.clone();
    let before = world.orchestrator.task(id).await.unwrap().task;

    let other = Some(StoreId::from_bytes([7; 16]));
    let foreign = |store| Message {
        store,
        ..letter.clone()
    };
    bury(&world, foreign(other)).await;
    bury(&world, foreign(None)).await;
    let malformed = Message {
        body: "not JSON".into(),
        ..letter.clone()
    };
    bury(&world, malformed).await;
    let result = Message {
        kind: "outcome".into(),
        ..letter.clone()
    };
    bury(&world, result).await;
    all_read(&world).await;
    let after = world.orchestrator.task(id).await.unwrap().task;
    assert_eq!(after, before, "the offer is still out");

    let granted = puppet.granted(&puppet.claim_of(&offer, false)).await;
    delivery.ack();
    let running = world.orchestrator.task(id).await.unwrap().task;
    bury(&world, letter.clone()).await;
    all_read(&world).await;
    let after = world.orchestrator.task(id).await.unwrap().task;
    assert_eq!(after, running, "a dead letter ends no run");
    let outcome = puppet.outcome(id, granted.epoch, "done");
    puppet.say(Inbox::Results, &outcome).await;
    assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
    bury(&world, letter).await;
    all_read(&world).await;

    let refusals = world.orchestrator.refusals();
    let count = |why: &str| refusals.get(&format!("dead/{why}")).copied();
    assert_eq!(count("foreign"), Some(2), "{refusals:?}");
    assert_eq!(count("malformed"), Some(1), "{refusals:?}");
    assert_eq!(count("no_offer"), Some(1), "{refusals:?}");
    assert_eq!(count("stale"), Some(1), "{refusals:?}");
    assert_eq!(count("final"), Some(1), "{refusals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_kept_until_the_store_has_it() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 1).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (first, delivery) = puppet.offer().await;
    world.faults.always(point::COMMIT, Fault::FailBefore);
    delivery.reject("no");
    while world.ground.depth(&Address::Dead).await.unsettled == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let tried = world.faults.calls(point::COMMIT);
    while world.faults.calls(point::COMMIT) < tried + 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let depth = world.ground.depth(&Address::Dead).await;
    assert_eq!(depth.unsettled, 1, "not acknowledged");
    world.faults.heal();
    let (second, _delivery) = puppet.offer().await;
    assert_eq!((second.task_id, second.offer), (id, first.offer + 1));
    let life = world.orchestrator.task(id).await.unwrap().task.life;
    assert_eq!(life.refusals, 1, "counted once");
    all_read(&world).await;
}

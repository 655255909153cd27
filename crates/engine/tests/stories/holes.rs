//! The holes of protocol.md section 10 that a server could have: the agents are played by hand, so that they say
//! exactly what the hole needs. What the decisions alone show is in the model's tests of the same names.

use crate::ground::SHORT_LEASE;
use crate::harness::{CLAIMED, Gate, Mode, World, echo};
use crate::puppet::Puppet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use warrener_backend::Inbox;
use warrener_backend::fault::{Fault, Plan, point};
use warrener_engine::Options;
use warrener_model::State;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::message::{Outcome, Recorded, Revoke, Status};

/// A lease that a test can wait for.
fn short_lease(options: &mut Options) {
    options.timers.lease = SHORT_LEASE;
    options.timers.caught_up = Duration::from_millis(50);
}

/// Nothing of an offer or a lease is over before the test says so.
fn long(options: &mut Options) {
    options.timers.lease = Duration::from_secs(60);
    options.timers.offer_overdue = Duration::from_secs(60);
}

/// After this the next publish of the server comes to a broker that lost every address of offers.
fn lose_offers_once(world: &World) {
    let (ground, armed) = (world.ground.clone(), AtomicBool::new(true));
    world.faults.before(point::PUBLISH, move |_| {
        let (ground, now) = (ground.clone(), armed.swap(false, Ordering::SeqCst));
        async move {
            if now {
                ground.lose_offers().await;
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn h03_work_that_cannot_be_delivered_is_not_taken_for_delivered() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "gone", 1).await;
        match mode {
            // It is gone without a word, and the server does not know it yet.
            Mode::Direct => puppet.die(),
            Mode::Claim | Mode::Fast => {
                // Its reader would be that of the next queue of this name (seen on RabbitMQ 3.10).
                puppet.reads_no_offers();
                lose_offers_once(&world);
            }
        }
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let taken_back = |kind| matches!(kind, EventKind::Unoffered | EventKind::Released);
        loop {
            let rows = world.orchestrator.events(Cursor(0), Some(id), 100).await;
            if rows.unwrap().iter().any(|row| taken_back(row.event.kind)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _agent = world.agent("a", 1, echo);
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.losses), (State::Succeeded, 0), "{mode:?}");
        let left = life.max_attempts - life.attempt;
        assert_eq!(left, life.allowance - 1, "{mode:?}: charged for one start");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_an_outage_ends_no_lease_however_long_it_lasts() {
    for mode in CLAIMED {
        for down in [point::HEALTH, point::DEPTH, point::QUERY] {
            let world = World::with(mode, short_lease).await;
            let mut puppet = Puppet::join(&world, "a", 1).await;
            let id = world.submit(r#"{"kind":"work"}"#).await;
            let granted = puppet.take().await;
            world.faults.always(down, Fault::FailBefore);
            tokio::time::sleep(world.options.timers.lease * 3).await;
            world.faults.heal();
            puppet.beat(&[(id, granted.epoch)]).await;
            let outcome = puppet.outcome(id, granted.epoch, "done");
            puppet.say(Inbox::Results, &outcome).await;
            let life = world.end(id).await.task.life;
            assert_eq!(
                (life.state, life.losses),
                (State::Succeeded, 0),
                "{mode:?} {down}"
            );
        }
        // The same silence without an outage is the end of the run.
        let world = World::with(mode, short_lease).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        puppet.take().await;
        let mut losses = 0;
        while losses == 0 {
            losses = world.orchestrator.task(id).await.unwrap().task.life.losses;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_the_next_boot_of_an_agent_does_not_keep_what_it_does_not_run() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let mut first = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let lost = first.take().await;
        first.die();
        let mut second = Puppet::join(&world, "a", 1).await;
        second.beat(&[]).await;
        let again = second.take().await;
        assert_eq!(
            (again.task_id, again.epoch),
            (id, lost.epoch + 1),
            "{mode:?}"
        );
        let life = world.orchestrator.task(id).await.unwrap().task.life;
        assert_eq!(life.lease.unwrap().instance, second.who.instance);
        assert_eq!(life.losses, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_a_lease_does_not_end_while_its_outcome_waits_to_be_recorded() {
    for mode in CLAIMED {
        let world = World::with(mode, short_lease).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let granted = puppet.take().await;
        let gate = Gate::at(&world.faults, point::COMMIT);
        let outcome = puppet.outcome(id, granted.epoch, "done");
        puppet.say(Inbox::Results, &outcome).await;
        gate.held().await;
        // The agent says nothing more, and every other commit goes through: a sweep could take the task.
        tokio::time::sleep(world.options.timers.lease * 3).await;
        let life = world.orchestrator.task(id).await.unwrap().task.life;
        assert_eq!((life.state, life.losses), (State::Running, 0), "{mode:?}");
        gate.open();
        let recorded: Recorded = puppet.hear().await;
        assert_eq!(recorded.leases[0].task_id, id);
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.losses), (State::Succeeded, 0), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_words_about_what_was_never_offered_charge_nobody() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        world
            .orchestrator
            .pause_lane(&Default::default(), None)
            .await
            .unwrap();
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let before = world.orchestrator.task(id).await.unwrap().task;
        let real = crate::desk::task(id);
        let mut claim = puppet.claim_of(&real, false);
        for offer in [1, 7, u64::MAX >> 1] {
            claim.offer = offer;
            assert_eq!(puppet.refused(&claim).await, "stale", "{mode:?}");
        }
        let unknown = warrener_model::TaskId::from_bytes([9; 16]);
        claim.task_id = unknown;
        assert_eq!(puppet.refused(&claim).await, "unknown", "{mode:?}");
        for (task, epoch) in [(id, 0), (id, 1), (id, 9), (unknown, 1)] {
            let outcome = puppet.outcome(task, epoch, "forged");
            puppet.say(Inbox::Results, &outcome).await;
            let revoke: Revoke = puppet.hear().await;
            assert_eq!((revoke.task_id, revoke.epoch), (task, epoch));
        }
        puppet.beat(&[(id, 1), (unknown, 1)]).await;
        puppet.hear::<Revoke>().await;
        puppet.hear::<Revoke>().await;
        let after = world.orchestrator.task(id).await.unwrap().task;
        assert_eq!(after, before, "{mode:?}: untouched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_a_claim_that_comes_again_gets_the_same_grant() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 1).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (offer, delivery) = puppet.offer().await;
    let claim = puppet.claim_of(&offer, false);
    let first = puppet.granted(&claim).await;
    // Though its one slot is full now: with the very task that it asks for.
    for _ in 0..3 {
        assert_eq!(puppet.granted(&claim).await, first);
    }
    delivery.ack();
    let outcome = puppet.outcome(id, first.epoch, "done");
    puppet.say(Inbox::Results, &outcome).await;
    let life = world.end(id).await.task.life;
    assert_eq!((life.attempt, life.epoch), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_what_a_stalled_publisher_sends_after_cancel_and_retry_is_stale() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 4).await;
    let gate = Gate::at(&world.faults, point::PUBLISH);
    let id = world.submit(r#"{"kind":"work"}"#).await;
    gate.held().await;
    world
        .orchestrator
        .cancel(id, "", "user:test")
        .await
        .unwrap();
    let retried = world.orchestrator.retry(id, None, true, "user:test").await;
    retried.unwrap();
    gate.open();
    // Nothing says in which order two publishes reach a lane when one of them stalled.
    let mut offers = [puppet.offer().await, puppet.offer().await];
    offers.sort_by_key(|(offer, _)| offer.offer);
    let [(stalled, first), (fresh, second)] = offers;
    assert_eq!(
        puppet.refused(&puppet.claim_of(&stalled, false)).await,
        "stale"
    );
    let granted = puppet.granted(&puppet.claim_of(&fresh, false)).await;
    first.ack();
    second.ack();
    assert_eq!((stalled.offer, granted.epoch), (1, 1), "one start in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_a_slow_servers_mark_does_not_hit_the_next_offer() {
    let world = World::with(Mode::Claim, |options| {
        options.timers.lease = Duration::from_secs(60);
        options.timers.offer_overdue = Duration::from_millis(100);
    })
    .await;
    let mut puppet = Puppet::join(&world, "a", 4).await;
    // The offer is out, but this server hears of it late, and that it is not known whether it is out.
    let gate = Gate::after(&world.faults, point::PUBLISH);
    world.faults.script(point::PUBLISH, [Fault::FailAfter]);
    let id = world.submit(r#"{"kind":"work"}"#).await;
    gate.held().await;
    let (first, copy) = puppet.offer().await;
    // Another server finds it overdue, and offers it again.
    let second = Plan::default();
    let _server = world.second(&second).await;
    puppet.hello().await;
    let (offer, delivery) = puppet.offer().await;
    assert_eq!((first.offer, offer.task_id), (1, id));
    assert!(offer.offer > 1);
    gate.open();
    assert_eq!(
        puppet.refused(&puppet.claim_of(&first, false)).await,
        "stale"
    );
    let claim = puppet.claim_of(&offer, false);
    puppet.say(Inbox::Results, &claim).await;
    copy.ack();
    delivery.ack();
    let life = world.until(id, State::Running).await.task.life;
    assert_eq!(life.lease.unwrap().claim, claim.claim);
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_neither_a_retry_nor_a_restart_counts_from_the_beginning() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let first = puppet.take().await;
        let failed = Outcome {
            status: Status::Failed,
            error: Some(crate::desk::critical()),
            ..puppet.outcome(id, first.epoch, "")
        };
        puppet.say(Inbox::Results, &failed).await;
        world.until(id, State::Dead).await;
        puppet.die();
        let world = world.restart().await;
        let retried = world.orchestrator.retry(id, None, true, "user:test").await;
        let life = retried.unwrap().task.life;
        assert_eq!(
            (life.attempt, life.epoch, life.replays),
            (1, 1, 1),
            "{mode:?}"
        );
        let mut puppet = Puppet::join(&world, "b", 1).await;
        let second = puppet.take().await;
        assert_eq!((second.attempt, second.epoch), (2, 2), "{mode:?}");
        // What the first run says now is nobody's word.
        let late = puppet.outcome(id, first.epoch, "late");
        puppet.say(Inbox::Results, &late).await;
        puppet.hear::<Revoke>().await;
        world.until(id, State::Running).await;
    }
}

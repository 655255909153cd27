//! More holes of protocol.md section 10: what is lost, doubled or read late between a server and its agents.

use crate::ground::SHORT_LEASE;
use crate::harness::{CLAIMED, Gate, Mode, World, echo};
use crate::puppet::Puppet;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use warrener_backend::Inbox;
use warrener_backend::fault::{Fault, Plan, point};
use warrener_engine::Options;
use warrener_model::State;
use warrener_model::agent::Who;
use warrener_model::message::{Outcome, Recorded, Revoke, Status};

/// Nothing of an offer or a lease is over before the test says so.
fn long(options: &mut Options) {
    options.timers.lease = Duration::from_secs(60);
    options.timers.offer_overdue = Duration::from_secs(60);
}

#[tokio::test(flavor = "multi_thread")]
async fn h22_work_that_is_published_twice_starts_once() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let agent = world.agent("a", 2, move |_, input| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                // So long that the second copy is read while it runs.
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(input)
            }
        });
        world.joined("a").await;
        world.faults.script(point::PUBLISH, [Fault::Duplicate]);
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let life = world.end(id).await.task.life;
        assert_eq!(
            (life.state, life.attempt),
            (State::Succeeded, 1),
            "{mode:?}"
        );
        // Everything that was delivered has been answered when it leaves.
        agent.drain().await;
        assert_eq!(starts.load(Ordering::SeqCst), 1, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h23_a_cancel_that_was_lost_on_its_way_is_said_again_by_the_next_heartbeat() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let (told, mut stopped) = tokio::sync::mpsc::unbounded_channel();
        let (say, mut started) = tokio::sync::mpsc::unbounded_channel();
        let _agent = world.agent("a", 1, move |context, input| {
            say.send(()).unwrap();
            let (told, guard) = (told.clone(), Said(told.clone()));
            async move {
                let _guard = guard;
                context.stopped().await;
                drop(told);
                Ok(input)
            }
        });
        let id = world.submit(r#"{"kind":"work"}"#).await;
        started.recv().await.unwrap();
        world.faults.script(point::PUBLISH, [Fault::Drop]);
        let cancelled = world.orchestrator.cancel(id, "", "user:test").await;
        assert!(cancelled.unwrap().stopping, "{mode:?}");
        let heard = tokio::time::timeout(Duration::from_secs(30), stopped.recv()).await;
        heard.expect("it is stopped all the same").unwrap();
        assert_eq!(world.orchestrator.refusals()["heartbeat/not_entitled"], 1);
    }
}

/// Says when it is dropped: a handler that is stopped may be dropped before it notices.
struct Said(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Said {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h26_a_grant_to_an_agent_that_is_dead_costs_a_loss_and_no_start() {
    for mode in CLAIMED {
        let world = World::with(mode, |options| {
            options.timers.lease = SHORT_LEASE;
        })
        .await;
        let mut puppet = Puppet::join(&world, "dead", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        match mode {
            // The grant is in its socket when it dies.
            Mode::Direct => {
                puppet.take().await;
            }
            // It claimed, and died before the server came back from an outage and read that.
            Mode::Claim | Mode::Fast => {
                let (offer, delivery) = puppet.offer().await;
                let gate = Gate::at(&world.faults, point::COMMIT);
                puppet
                    .say(Inbox::Results, &puppet.claim_of(&offer, false))
                    .await;
                delivery.ack();
                gate.held().await;
                gate.open();
                world.until(id, State::Running).await;
            }
        }
        puppet.die();
        let _agent = world.agent("a", 1, echo);
        let life = world.end(id).await.task.life;
        assert_eq!((life.state, life.losses), (State::Succeeded, 1), "{mode:?}");
        let left = life.max_attempts - life.attempt;
        assert_eq!(left, life.allowance - 1, "{mode:?}: charged for one start");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_an_outcome_that_is_sent_twice_counts_once_and_both_are_answered() {
    for mode in CLAIMED {
        let world = World::with(mode, long).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let granted = puppet.take().await;
        for text in ["first", "second"] {
            let outcome = puppet.outcome(id, granted.epoch, text);
            puppet.say(Inbox::Results, &outcome).await;
            let recorded: Recorded = puppet.hear().await;
            assert_eq!(recorded.leases[0].task_id, id, "{mode:?}");
        }
        let task = world.end(id).await.task;
        assert_eq!(task.output.unwrap().value(), json!("first"), "{mode:?}");
        assert_eq!(world.orchestrator.refusals()["outcome/final"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_a_run_that_ended_while_its_connection_was_lost_is_reported_over_the_next_one() {
    for mode in CLAIMED {
        let world = World::with(mode, |options| {
            long(options);
            options.timers.grace = Duration::from_secs(30);
        })
        .await;
        let plan = Plan::default();
        let (say, mut started) = tokio::sync::mpsc::unbounded_channel();
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        let _agent = world.agent_by(&plan, "a", 1, move |_, input| {
            say.send(()).unwrap();
            let over = over.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                over.store(true, Ordering::SeqCst);
                Ok(input)
            }
        });
        let id = world.submit(r#"{"kind":"work","input":5}"#).await;
        started.recv().await.unwrap();
        let lease = world.until(id, State::Running).await.task.life.lease;
        let lease = lease.unwrap();
        plan.always(point::PUBLISH, Fault::FailBefore);
        plan.always(point::SUBSCRIBE, Fault::FailBefore);
        world.ground.cut(&Who {
            agent: lease.agent,
            instance: lease.instance,
        });
        // It ends, and tries to say so, while nobody hears it.
        let tried = plan.calls(point::SUBSCRIBE);
        while plan.calls(point::SUBSCRIBE) < tried + 3 || !ended.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        plan.heal();
        let task = world.end(id).await.task;
        let life = &task.life;
        assert_eq!(
            (life.state, life.attempt),
            (State::Succeeded, 1),
            "{mode:?}"
        );
        assert!(started.try_recv().is_err(), "{mode:?}: once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_a_claim_of_a_dead_run_that_is_read_after_a_grant_takes_nothing() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 2).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (offer, delivery) = puppet.offer().await;
    let dead = puppet.claim_of(&offer, false);
    let granted = puppet.granted(&puppet.claim_of(&offer, false)).await;
    delivery.ack();
    assert_eq!(puppet.refused(&dead).await, "held");
    let outcome = puppet.outcome(id, granted.epoch, "done");
    puppet.say(Inbox::Results, &outcome).await;
    let life = world.end(id).await.task.life;
    assert_eq!((life.state, life.epoch), (State::Succeeded, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_a_second_copy_of_a_claim_that_is_read_after_its_run_starts_nothing() {
    let world = World::with(Mode::Claim, long).await;
    let mut puppet = Puppet::join(&world, "a", 1).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    let (offer, delivery) = puppet.offer().await;
    let claim = puppet.claim_of(&offer, false);
    let granted = puppet.granted(&claim).await;
    delivery.ack();
    world
        .orchestrator
        .pause_lane(&offer.lane, None)
        .await
        .unwrap();
    let back = Outcome {
        status: Status::Released,
        ..puppet.outcome(id, granted.epoch, "")
    };
    puppet.say(Inbox::Results, &back).await;
    world.until(id, State::Ready).await;
    assert_eq!(
        puppet.refused(&claim).await,
        "stale",
        "it waits for an offer"
    );
    world.orchestrator.resume_lane(&offer.lane).await.unwrap();
    let granted = puppet.take().await;
    assert_eq!((granted.attempt, granted.epoch), (2, 2));
    assert_eq!(puppet.refused(&claim).await, "stale", "the next run has it");
    let outcome = puppet.outcome(id, granted.epoch, "done");
    puppet.say(Inbox::Results, &outcome).await;
    world.end(id).await;
    assert_eq!(puppet.refused(&claim).await, "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_what_a_grant_names_that_was_never_started_is_given_to_somebody_again() {
    for mode in CLAIMED {
        let world = World::with(mode, |options| {
            options.timers.lease = Duration::from_millis(400);
        })
        .await;
        // It heard its grant, lost its connection before it started, and lists nothing.
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let first = puppet.take().await;
        for _ in 0..10 {
            puppet.beat(&[]).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let second = puppet.take().await;
        assert_eq!(
            (second.task_id, second.epoch),
            (id, first.epoch + 1),
            "{mode:?}"
        );
        puppet.beat(&[(id, first.epoch)]).await;
        let revoke: Revoke = puppet.hear().await;
        assert_eq!(revoke.epoch, first.epoch, "{mode:?}");
    }
}

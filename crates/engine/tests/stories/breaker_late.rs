//! What was under way when a circuit breaker changed: runs, offers, probes.

use crate::breaker::{LONG, SHORT, breaker, opens, times, until_waits, work};
use crate::harness::{CLAIMED, Mode, World};
use crate::puppet::Puppet;
use warrener_backend::Inbox;
use warrener_engine::orchestrator::Phase;
use warrener_model::message::{Failure, Outcome, Recorded, Status};
use warrener_model::{Class, State, TaskId};

impl Puppet {
    /// The run failed for a reason outside.
    async fn fails(&mut self, id: TaskId, epoch: u64) {
        let failure = Failure {
            class: Class::Network,
            message: "no route".into(),
            detail: serde_json::Value::Null,
            retry_after_ms: None,
        };
        let outcome = Outcome {
            status: Status::Failed,
            output: None,
            error: Some(failure),
            ..self.outcome(id, epoch, "")
        };
        self.say(Inbox::Results, &outcome).await;
        self.hear::<Recorded>().await;
    }
}

/// Tried again later than any test lasts.
const ONCE: &str = r#"{"kind":"work","retry":{"network":{"base_ms":3600000,"jitter":"none"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_late_success_is_recorded_and_says_nothing_of_now() {
    for mode in CLAIMED {
        let world = World::with(mode, opens(LONG)).await;
        let mut puppet = Puppet::join(&world, "a", 4).await;
        let mut runs = vec![];
        for _ in 0..4 {
            world.submit(ONCE).await;
            let granted = puppet.take().await;
            runs.push((granted.task_id, granted.epoch));
        }
        for (id, epoch) in &runs[..3] {
            puppet.fails(*id, *epoch).await;
        }
        let (late, epoch) = runs[3];
        let outcome = puppet.outcome(late, epoch, "done");
        puppet.say(Inbox::Results, &outcome).await;
        puppet.hear::<Recorded>().await;
        assert_eq!(world.end(late).await.task.life.state, State::Succeeded);
        let view = breaker(&world);
        assert_eq!(
            (view.phase, times(&view, Phase::Open)),
            (Phase::Open, 1),
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_offered_before_it_opened_is_refused_and_not_charged() {
    let world = World::with(Mode::Claim, opens(LONG)).await;
    let mut puppet = Puppet::join(&world, "a", 4).await;
    let mut runs = vec![];
    for _ in 0..3 {
        world.submit(ONCE).await;
        let granted = puppet.take().await;
        runs.push((granted.task_id, granted.epoch));
    }
    let id = world.submit(ONCE).await;
    let (offer, delivery) = puppet.offer().await;
    for (id, epoch) in runs {
        puppet.fails(id, epoch).await;
    }
    assert_eq!(
        puppet.refused(&puppet.claim_of(&offer, false)).await,
        "paused"
    );
    delivery.ack();
    until_waits(&world, id, "circuit_open").await;
    let life = world.orchestrator.task(id).await.unwrap().task.life;
    assert_eq!(
        (life.state, life.attempt, life.offered_at),
        (State::Ready, 0, None)
    );
    assert_eq!((life.max_attempts, life.refusals), (life.allowance, 0));
    assert_eq!(world.orchestrator.refusals()["claim/paused"], 1);
    world
        .orchestrator
        .reset_breaker(&work(), None)
        .await
        .unwrap();
    let granted = puppet.take().await;
    assert_eq!((granted.task_id, granted.attempt), (id, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_cancelled_makes_room_for_another() {
    for mode in CLAIMED {
        let world = World::with(mode, opens(SHORT)).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        for _ in 0..3 {
            world.submit(ONCE).await;
            let granted = puppet.take().await;
            puppet.fails(granted.task_id, granted.epoch).await;
        }
        // One after the other, since there is one slot: the last one says that it works.
        for turn in 0..4 {
            let id = world.submit(ONCE).await;
            let granted = puppet.take().await;
            assert_eq!(granted.task_id, id);
            assert_eq!(breaker(&world).phase, Phase::HalfOpen, "{mode:?}");
            if turn < 3 {
                world
                    .orchestrator
                    .cancel(id, "", "user:test")
                    .await
                    .unwrap();
                assert_eq!(breaker(&world).phase, Phase::HalfOpen, "{mode:?}");
                continue;
            }
            let outcome = puppet.outcome(id, granted.epoch, "done");
            puppet.say(Inbox::Results, &outcome).await;
            world.end(id).await;
            puppet.hear::<Recorded>().await;
            assert_eq!(breaker(&world).phase, Phase::Closed, "{mode:?}");
        }
    }
}

//! What an agent makes of what it is told, in the orders that a network makes possible: the server is played by hand.

use crate::desk::{Desk, grant, recorded};
use crate::harness::{CLAIMED, Mode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use warrener_backend::Address;
use warrener_engine::{TaskContext, TaskError, Timers};
use warrener_model::life::RevokeReason;
use warrener_model::message::{Cancel, Claim, ClaimRefused, Drain, Offer, Outcome, Revoke, Status};
use warrener_model::{Lane, Timestamp};

/// Times that no busy machine runs into by itself.
fn calm() -> Timers {
    Timers {
        grant_fresh: Duration::from_secs(30),
        claim_repeat: Duration::from_secs(30),
        ..Timers::short()
    }
}

async fn done(_: TaskContext) -> Result<serde_json::Value, TaskError> {
    Ok(json!("done"))
}

fn revoke(offer: &Offer, epoch: u64) -> Revoke {
    Revoke {
        task_id: offer.task_id,
        epoch,
        reason: RevokeReason::Superseded,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t4_a_run_whose_cancel_or_revoke_comes_before_its_grant_does_not_start() {
    for mode in CLAIMED {
        let mut desk = Desk::new(mode, calm(), done).await;
        let who = desk.welcome().await;
        let offers = [r#""cancelled""#, r#""revoked""#, r#""free""#].map(|input| desk.offer(input));
        let cancel = Cancel {
            task_id: offers[0].task_id,
            epoch: 7,
            reason: "changed my mind".into(),
            grace_ms: 100,
        };
        desk.say(&who, &cancel).await;
        desk.say(&who, &revoke(&offers[1], 8)).await;
        desk.hand(&who, &offers[0], 7).await;
        desk.hand(&who, &offers[1], 8).await;
        desk.hand(&who, &offers[2], 9).await;
        let outcome: Outcome = desk.hear().await;
        assert_eq!(outcome.task_id, offers[2].task_id, "{mode:?}");
        assert_eq!(desk.started.recv().await.unwrap(), json!("free"));
        assert!(desk.started.try_recv().is_err(), "{mode:?}: nothing else");
        // The next grant of a task that was taken back once is another one.
        desk.hand(&who, &offers[1], 10).await;
        assert_eq!(desk.started.recv().await.unwrap(), json!("revoked"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h23_a_run_that_is_revoked_stops_and_says_nothing() {
    for mode in CLAIMED {
        let mut desk = Desk::new(mode, calm(), |context| async move {
            context.stopped().await;
            Ok(json!("too late"))
        })
        .await;
        let who = desk.welcome().await;
        let (first, second) = (desk.offer("1"), desk.offer("2"));
        desk.hand(&who, &first, 1).await;
        desk.started.recv().await.unwrap();
        desk.say(&who, &revoke(&first, 1)).await;
        desk.hand(&who, &second, 1).await;
        desk.started.recv().await.unwrap();
        desk.stop.cancel();
        // The drain gives the second back: it is the only word about either.
        let outcome: Outcome = desk.hear().await;
        assert_eq!(outcome.task_id, second.task_id, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_a_grant_for_a_run_that_was_dropped_with_its_connection_starts_nothing() {
    let mut desk = Desk::new(Mode::Claim, calm(), done).await;
    let who = desk.welcome().await;
    let offer = desk.offer("1");
    desk.send(Address::Offers(Lane::default()), &offer).await;
    let first: Claim = desk.hear().await;
    desk.ground.cut(&who);
    desk.hello().await;
    desk.say(&who, &grant(&offer, first.claim, 1)).await;
    desk.greet(&who).await;
    // The broker gives the copy out again, and the agent asks anew.
    let again: Claim = desk.hear().await;
    assert!(again.redelivered && !again.started);
    assert_ne!(again.claim, first.claim, "another run");
    assert!(desk.started.try_recv().is_err());
    desk.say(&who, &grant(&offer, again.claim, 2)).await;
    let outcome: Outcome = desk.hear().await;
    assert_eq!(outcome.epoch, 2);
    desk.started.recv().await.unwrap();
    assert!(desk.started.try_recv().is_err(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_an_outcome_that_the_broker_lost_is_said_again_under_the_same_id() {
    for mode in CLAIMED {
        let mut desk = Desk::new(mode, calm(), done).await;
        let who = desk.welcome().await;
        let offer = desk.offer("1");
        desk.hand(&who, &offer, 1).await;
        let first: Outcome = desk.hear().await;
        let again: Outcome = desk.hear().await;
        assert_eq!(first, again, "{mode:?}");
        desk.say(&who, &recorded(&again)).await;
        desk.stop.cancel();
        let stopped = tokio::time::timeout(Duration::from_secs(30), &mut desk.agent).await;
        let drained = warrener_engine::agent::Stopped::Drained;
        assert_eq!(stopped.unwrap().unwrap(), drained, "it owes nothing more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h07_a_refused_copy_is_acknowledged_and_does_not_come_round_again() {
    let mut desk = Desk::new(Mode::Claim, calm(), done).await;
    let who = desk.welcome().await;
    let lane = Address::Offers(Lane::default());
    for reason in ["final", "held", "stale", "no_slot", "unknown"] {
        let offer = desk.offer("1");
        desk.send(lane.clone(), &offer).await;
        let claim: Claim = desk.hear().await;
        let body = ClaimRefused {
            task_id: offer.task_id,
            claim: claim.claim,
            reason: reason.into(),
        };
        desk.say(&who, &body).await;
        desk.heeded(&who).await;
        desk.settled(&lane).await;
    }
    assert_eq!(desk.ground.depth(&Address::Dead).await.ready, 0);
    let last = desk.offer("2");
    desk.hand(&who, &last, 1).await;
    let outcome: Outcome = desk.hear().await;
    assert_eq!(
        outcome.task_id, last.task_id,
        "no claim of the refused ones"
    );
    assert_eq!(desk.started.recv().await.unwrap(), json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn h24_the_end_of_a_run_settles_no_copy_that_came_over_another_connection() {
    let mut desk = Desk::new(Mode::Claim, calm(), |context| async move {
        context.stopped().await;
        Ok(json!(null))
    })
    .await;
    let who = desk.welcome().await;
    let lane = Address::Offers(Lane::default());
    let offer = desk.offer("1");
    let run = desk.hand(&who, &offer, 1).await;
    desk.started.recv().await.unwrap();
    desk.ground.cut(&who);
    desk.welcome().await;
    let mut claims: [Claim; 2] = [desk.hear().await, desk.hear().await];
    claims.sort_by_key(|claim| !claim.started);
    let [held, copy] = claims;
    assert_eq!((held.claim, held.started), (run, true), "the run goes on");
    assert!(
        copy.redelivered && copy.claim != run,
        "and its copy came again"
    );
    desk.say(&who, &revoke(&offer, 1)).await;
    desk.heeded(&who).await;
    let depth = desk.ground.depth(&lane).await;
    assert_eq!(depth.unsettled, 1, "unanswered, so not acknowledged");
    let refused = ClaimRefused {
        task_id: offer.task_id,
        claim: copy.claim,
        reason: "stale".into(),
    };
    desk.say(&who, &refused).await;
    desk.settled(&lane).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_counts_from_when_it_was_said_whatever_the_clocks_say() {
    for mode in CLAIMED {
        let go = Arc::new(Notify::new());
        let gate = go.clone();
        let mut desk = Desk::new(mode, calm(), move |_| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(json!("in time"))
            }
        })
        .await;
        let who = desk.welcome().await;
        let offer = desk.offer("1");
        desk.hand(&who, &offer, 1).await;
        desk.started.recv().await.unwrap();
        let drain = Drain {
            // By this clock it was over half a century ago.
            deadline: Some(Timestamp::from_millis(1)),
            within_ms: Some(600_000),
            reason: "test".into(),
            stay: false,
        };
        desk.say(&who, &drain).await;
        // A run whose time is over is stopped at the next tick; this one goes on over several.
        for _ in 0..5 {
            desk.beat("draining").await;
        }
        go.notify_one();
        let outcome: Outcome = desk.hear().await;
        assert_eq!(outcome.status, Status::Succeeded, "{mode:?}");
    }
}

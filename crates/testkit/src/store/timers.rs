//! Timers and leases: what a server looks for when time passes.

use super::Harness;
use super::sample::{assign, at, done, failed, happen, outcome, read, submit, task, waiting, who};
use warrener_backend::store::{Move, Op};
use warrener_model::Class;
use warrener_model::life::{Event, Life, State};

/// Delays, deadlines and retries alike; without bodies; not a moment too early.
pub async fn what_is_due_comes_most_overdue_first<H: Harness>(h: H) {
    let store = h.open().await;
    let (mut delayed, mut bounded, mut retried, idle) = (task(), task(), task(), task());
    delayed.life = waiting(2_000);
    bounded.life = Life::new(at(0), 25, None, Some(at(1_000)));
    retried.life.max_attempts = 9;
    let all = [&delayed, &bounded, &retried, &idle].map(Clone::clone);
    submit(&*store, &all).await;
    let run = happen(&*store, retried.id, &assign("one"), 1, None).await;
    let over = outcome(&run, failed(Class::Timeout));
    let retried = happen(&*store, retried.id, &over, 2, None).await;
    assert_eq!(retried.life.retry_at, Some(at(5_002)));
    let due = async |ms, limit| {
        let found = store.due(at(ms), limit).await.expect("due");
        found.iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert!(due(999, 10).await.is_empty());
    assert_eq!(due(1_000, 10).await, [bounded.id]);
    assert_eq!(due(9_000, 10).await, [bounded.id, delayed.id, retried.id]);
    assert_eq!(due(9_000, 2).await, [bounded.id, delayed.id]);
    let found = store.due(at(9_000), 1).await.expect("due");
    assert_eq!(found[0].spec.input.as_str(), "null");
    happen(&*store, bounded.id, &Event::Due, 1_000, None).await;
    assert_eq!(due(9_000, 10).await, [delayed.id, retried.id]);
}

/// None when none is set.
pub async fn the_next_timer_is_the_earliest<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(store.next_due().await.expect("next"), None);
    let (mut soon, mut later) = (task(), task());
    soon.life = waiting(1_000);
    later.life = waiting(2_000);
    submit(&*store, &[later.clone(), soon.clone(), task()]).await;
    assert_eq!(store.next_due().await.expect("next"), Some(at(1_000)));
    happen(&*store, soon.id, &Event::Due, 1_000, None).await;
    assert_eq!(store.next_due().await.expect("next"), Some(at(2_000)));
    happen(&*store, later.id, &Event::Cancel, 1_001, None).await;
    assert_eq!(store.next_due().await.expect("next"), None);
}

/// Those that were offered before, and still are.
pub async fn offers_that_nobody_took_are_found<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = [task(), task(), task(), task()];
    submit(&*store, &tasks).await;
    for (one, ms) in tasks.iter().zip([30, 10, 20]) {
        happen(&*store, one.id, &Event::Offer, ms, None).await;
    }
    let found = async |ms, limit| {
        let found = store.offered_before(at(ms), limit).await.expect("offered");
        found.iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert_eq!(found(30, 10).await, [tasks[1].id, tasks[2].id]);
    assert_eq!(found(31, 2).await, [tasks[1].id, tasks[2].id]);
    happen(
        &*store,
        tasks[1].id,
        &Event::Unoffer {
            offer: 1,
            again: false,
        },
        40,
        None,
    )
    .await;
    assert_eq!(found(99, 10).await, [tasks[2].id, tasks[0].id]);
}

/// Of that lane, however they start; and what was read of one is what was written.
pub async fn the_offers_of_a_lane_are_counted_and_say_how_they_start<H: Harness>(h: H) {
    let store = h.open().await;
    let (one, two, mut other) = (task(), task(), task());
    other.spec.lane = "other".parse().expect("a lane");
    submit(&*store, &[one.clone(), two.clone(), other.clone(), task()]).await;
    let out = async || {
        let lane = one.spec.lane.clone();
        store.offers_out(lane).await.expect("a count")
    };
    assert_eq!(out().await, 0);
    happen(&*store, one.id, &Event::Offer, 1, None).await;
    let fast = happen(&*store, two.id, &Event::OfferFast, 1, None).await;
    happen(&*store, other.id, &Event::OfferFast, 1, None).await;
    assert_eq!(out().await, 2);
    assert!(fast.life.is_fast());
    happen(
        &*store,
        one.id,
        &Event::Unoffer {
            offer: 1,
            again: false,
        },
        2,
        None,
    )
    .await;
    assert!(!read(&*store, one.id).await.life.is_fast());
    happen(&*store, two.id, &Event::Cancel, 2, None).await;
    assert_eq!(out().await, 0);
}

/// Every lease, with the numbers that a sweep compares; a renewal needs no history.
pub async fn what_runs_is_held<H: Harness>(h: H) {
    let store = h.open().await;
    let (one, two) = (task(), task());
    submit(&*store, &[one.clone(), two.clone(), task()]).await;
    happen(&*store, one.id, &assign("one"), 1, None).await;
    let run = happen(&*store, two.id, &assign("two"), 1, None).await;
    let mut life = run.life.clone();
    life.lease_seq += 1;
    if let Some(lease) = &mut life.lease {
        lease.confirmed = true;
    }
    let renewal = Move {
        task: two.id,
        version: run.version,
        lease_seq: run.life.lease_seq,
        life,
        event: None,
        ending: None,
        input: None,
    };
    done(&*store, Op::Move(Box::new(renewal))).await;
    let mut held = store.held().await.expect("held");
    held.sort_by_key(|lease| lease.who.clone());
    assert_eq!(held.len(), 2);
    let second = read(&*store, two.id).await;
    let lease = second.life.lease.expect("a lease");
    assert!(lease.confirmed);
    assert_eq!((held[1].task, held[1].claim), (two.id, lease.claim));
    assert_eq!(
        (&held[1].who, held[1].epoch, held[1].lease_seq),
        (&who("two"), 1, 2)
    );
    assert_eq!(held[1].lane, two.spec.lane);
    let cancelled = happen(&*store, one.id, &Event::Cancel, 2, None).await;
    assert_eq!(cancelled.life.state, State::Cancelled);
    assert_eq!(store.held().await.expect("held").len(), 1);
}

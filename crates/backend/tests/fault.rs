//! The decorators: each fault does what it says, and no more.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of its test functions this is a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use warrener_backend::MemoryBroker;
use warrener_backend::broker::{Broker, Health, Outgoing, Receipt, Subscribe};
use warrener_backend::error::Error;
use warrener_backend::fault::{Fault, FaultyBroker, Plan, point};
use warrener_testkit::broker::talk::{depth_is, note, offers, read, readers_are, take, to};

async fn faulty() -> (Arc<dyn Broker>, Arc<dyn Broker>, Plan) {
    let memory = MemoryBroker::default();
    memory.ensure(&[offers("one")]).await.unwrap();
    let plan = Plan::seeded(7);
    let inner: Arc<dyn Broker> = Arc::new(memory);
    let outer = Arc::new(FaultyBroker::new(inner.clone(), plan.clone()));
    (outer, inner, plan)
}

fn one(n: u64) -> Vec<Outgoing> {
    vec![to(&offers("one"), note(n))]
}

fn ask() -> Subscribe {
    Subscribe {
        from: offers("one"),
        credit: 1,
        will: None,
    }
}

#[tokio::test]
async fn a_plan_without_faults_only_counts() {
    let (broker, _, plan) = faulty().await;
    assert_eq!(broker.publish(one(1)).await.unwrap(), [Receipt::Confirmed]);
    let mut reader = read(&broker, &offers("one"), 1).await;
    assert_eq!(take(&mut reader).await, 1);
    assert_eq!(broker.health().await, Health::Up);
    assert_eq!(plan.calls(point::PUBLISH), 1);
    assert_eq!(plan.calls(point::SUBSCRIBE), 1);
    assert_eq!(plan.calls(point::HEALTH), 1);
    assert_eq!(plan.calls(point::COMMIT), 0);
}

#[tokio::test]
async fn a_script_decides_call_by_call() {
    let (broker, inner, plan) = faulty().await;
    plan.script(
        point::PUBLISH,
        [
            Fault::None,
            Fault::FailBefore,
            Fault::FailAfter,
            Fault::Duplicate,
            Fault::Drop,
        ],
    );
    assert_eq!(broker.publish(one(1)).await.unwrap(), [Receipt::Confirmed]);
    let result = broker.publish(one(2)).await;
    assert!(
        matches!(result, Err(Error::Unavailable { .. })),
        "{result:?}"
    );
    assert_eq!(broker.publish(one(3)).await.unwrap(), [Receipt::Unknown]);
    assert_eq!(broker.publish(one(4)).await.unwrap(), [Receipt::Confirmed]);
    assert_eq!(broker.publish(one(5)).await.unwrap(), [Receipt::Confirmed]);
    assert_eq!(broker.publish(one(6)).await.unwrap(), [Receipt::Confirmed]);
    depth_is(&inner, &offers("one"), 5, 0).await;
    let mut reader = read(&inner, &offers("one"), 1).await;
    for expected in [1, 3, 4, 4, 6] {
        assert_eq!(take(&mut reader).await, expected);
    }
}

#[tokio::test]
async fn a_failed_subscription_leaves_nobody_reading() {
    let (broker, inner, plan) = faulty().await;
    plan.script(point::SUBSCRIBE, [Fault::FailBefore, Fault::FailAfter]);
    for _ in 0..2 {
        let result = broker.subscribe(ask()).await;
        assert!(
            matches!(result, Err(Error::Unavailable { .. })),
            "{result:?}"
        );
    }
    readers_are(&inner, &offers("one"), 0).await;
    broker.subscribe(ask()).await.unwrap();
}

#[tokio::test]
async fn always_lasts_until_it_is_healed() {
    let (broker, _, plan) = faulty().await;
    plan.always(point::HEALTH, Fault::FailAfter);
    plan.always(point::DEPTH, Fault::FailBefore);
    for _ in 0..3 {
        assert!(matches!(broker.health().await, Health::Down(_)));
        assert!(broker.depth(&offers("one")).await.is_err());
    }
    plan.heal();
    assert_eq!(broker.health().await, Health::Up);
    assert!(broker.depth(&offers("one")).await.is_ok());
    assert_eq!(plan.calls(point::DEPTH), 4);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_happen_later_and_hanging_ones_never_come_back() {
    let (broker, inner, plan) = faulty().await;
    let span = Duration::from_secs(5);
    plan.script(
        point::PUBLISH,
        [Fault::Slow(span), Fault::HangBefore, Fault::HangAfter],
    );
    let began = Instant::now();
    broker.publish(one(1)).await.unwrap();
    assert!(began.elapsed() >= span);
    for n in 2..4 {
        let result = timeout(Duration::from_secs(3_600), broker.publish(one(n))).await;
        assert!(result.is_err());
    }
    let mut reader = read(&inner, &offers("one"), 1).await;
    for expected in [1, 3] {
        assert_eq!(take(&mut reader).await, expected);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (broker, _, plan) = faulty().await;
        plan.odds(point::PUBLISH, Fault::FailBefore, 0.2).odds(
            point::PUBLISH,
            Fault::FailAfter,
            0.3,
        );
        let mut run = Vec::new();
        for n in 0..500 {
            run.push(match broker.publish(one(n)).await {
                Ok(receipts) => receipts[0].clone(),
                Err(_) => Receipt::Unroutable,
            });
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    let count = |receipt| runs[0].iter().filter(|r| **r == receipt).count();
    assert!((60..140).contains(&count(Receipt::Unroutable)));
    assert!((100..200).contains(&count(Receipt::Unknown)));
    assert!((200..300).contains(&count(Receipt::Confirmed)));
}

#[tokio::test]
async fn hooks_see_each_call_before_and_after_it_happened() {
    let (broker, inner, plan) = faulty().await;
    let before = Arc::new(AtomicU64::new(9));
    let after = Arc::new(AtomicU64::new(9));
    for (seen, is_before) in [(&before, true), (&after, false)] {
        let (seen, inner) = (seen.clone(), inner.clone());
        let hook = move |call: warrener_backend::fault::Call| {
            let (seen, inner) = (seen.clone(), inner.clone());
            async move {
                assert_eq!(call.number, 1);
                let depth = inner.depth(&offers("one")).await.unwrap();
                seen.store(depth.ready, Ordering::SeqCst);
            }
        };
        if is_before {
            plan.before(point::PUBLISH, hook);
        } else {
            plan.after(point::PUBLISH, hook);
        }
    }
    broker.publish(one(1)).await.unwrap();
    assert_eq!(before.load(Ordering::SeqCst), 0);
    assert_eq!(after.load(Ordering::SeqCst), 1);
}

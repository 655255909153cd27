//! The system's clock jumps: nobody's lease is taken, nothing stands still, nothing starts before its time.

use crate::harness::{ANY, MODES, World, begun};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_engine::TaskError;
use warrener_model::State;

const HOUR: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn h09_a_clock_that_jumps_takes_no_lease() {
    for mode in MODES {
        for jump in [HOUR, -HOUR, 24 * HOUR, -24 * HOUR] {
            let world = World::new(mode).await;
            let starts = Arc::new(AtomicU32::new(0));
            let count = starts.clone();
            let _agent = world.agent("a", 1, move |_, input| {
                count.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    Ok(input)
                }
            });
            let id = world.submit(r#"{"kind":"work"}"#).await;
            begun(&starts).await;
            world.skew.store(jump, Ordering::SeqCst);
            let life = world.end(id).await.task.life;
            assert_eq!(life.state, State::Succeeded, "{mode:?} {jump}");
            assert_eq!(
                (life.losses, starts.load(Ordering::SeqCst)),
                (0, 1),
                "{mode:?} {jump}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_holds_up_no_retry() {
    for mode in MODES {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, |ctx, input| async move {
            if ctx.attempt() < 3 {
                Err(TaskError::network("no route"))
            } else {
                Ok(input)
            }
        });
        world.skew.store(-24 * HOUR, Ordering::SeqCst);
        let text = r#"{"kind":"work","retry":{"network":{"base_ms":50,"jitter":"none"}}}"#;
        let id = world.submit(text).await;
        let life = world.end(id).await.task.life;
        assert_eq!(
            (life.state, life.attempt),
            (State::Succeeded, 3),
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_starts_no_delayed_task_early() {
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 1, |_, input| async move { Ok(input) });
    world.skew.store(-HOUR, Ordering::SeqCst);
    let id = world.submit(r#"{"kind":"work","delay_ms":300}"#).await;
    let life = world.end(id).await.task.life;
    assert!(life.started_at.unwrap() >= life.not_before.unwrap());
}

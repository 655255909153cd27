//! The server restarts: what was accepted is still there, what runs goes on, what was offered is offered again.

use crate::harness::{MODES, World, begun, echo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_model::State;

#[tokio::test(flavor = "multi_thread")]
async fn work_that_waited_is_done_after_a_restart() {
    for mode in MODES {
        let world = World::new(mode).await;
        let ready = world.submit(r#"{"kind":"work"}"#).await;
        let later = world.submit(r#"{"kind":"work","delay_ms":200}"#).await;
        let world = world.restart().await;
        let _agent = world.agent("a", 1, echo);
        for id in [ready, later] {
            assert_eq!(
                world.end(id).await.task.life.state,
                State::Succeeded,
                "{mode:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_the_server_and_its_outcome_is_recorded_by_the_next() {
    for mode in MODES {
        let world = World::new(mode).await;
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let _agent = world.agent("a", 1, move |_, input| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Ok(input)
            }
        });
        let id = world.submit(r#"{"kind":"work","input":5}"#).await;
        begun(&starts).await;
        let world = world.restart().await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        assert_eq!(
            starts.load(Ordering::SeqCst),
            1,
            "{mode:?}: {:?}",
            world.history(id).await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_offers_that_the_broker_loses_are_made_again() {
    for mode in MODES {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, |_, input| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(input)
        });
        let mut ids = vec![];
        for n in 0..20 {
            ids.push(
                world
                    .submit(&format!(r#"{{"kind":"work","input":{n}}}"#))
                    .await,
            );
            if n % 5 == 4 {
                world.ground.lose_messages().await;
            }
        }
        for id in ids {
            assert_eq!(
                world.end(id).await.task.life.state,
                State::Succeeded,
                "{mode:?}"
            );
        }
    }
}

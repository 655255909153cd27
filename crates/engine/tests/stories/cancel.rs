//! Cancel in every state.

use crate::harness::{ANY, MODES, World, echo};
use std::time::Duration;
use warrener_engine::Error;
use warrener_model::State;

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_task_is_cancelled_and_never_starts() {
    for mode in MODES {
        let world = World::new(mode).await;
        let ready = world.submit(r#"{"kind":"work"}"#).await;
        let later = world.submit(r#"{"kind":"work","delay_ms":60000}"#).await;
        for id in [ready, later] {
            let cancelled = world
                .orchestrator
                .cancel(id, "no", "user:test")
                .await
                .unwrap();
            assert!(!cancelled.stopping);
            assert_eq!(cancelled.view.task.life.state, State::Cancelled);
            let again = world
                .orchestrator
                .cancel(id, "no", "user:test")
                .await
                .unwrap_err();
            assert!(matches!(
                again,
                Error::IllegalState {
                    state: State::Cancelled,
                    ..
                }
            ));
        }
        let _agent = world.agent("a", 1, echo);
        let other = world.submit(r#"{"kind":"work"}"#).await;
        world.end(other).await;
        assert_eq!(
            world
                .orchestrator
                .task(ready)
                .await
                .unwrap()
                .task
                .life
                .attempt,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_cancelled_and_its_handler_stopped() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (told, mut stopped) = tokio::sync::mpsc::unbounded_channel();
        let _agent = world.agent("a", 1, move |ctx, input| {
            let told = told.clone();
            async move {
                ctx.stopped().await;
                told.send(ctx.attempt()).unwrap();
                Ok(input)
            }
        });
        let id = world.submit(r#"{"kind":"work"}"#).await;
        world.until(id, State::Running).await;
        let cancelled = world
            .orchestrator
            .cancel(id, "changed my mind", "user:test")
            .await
            .unwrap();
        assert!(cancelled.stopping, "{mode:?}");
        // Either the handler hears it, or it was dropped before it listened: then the next task runs.
        let heard = tokio::time::timeout(Duration::from_secs(2), stopped.recv()).await;
        let next = world.submit(r#"{"kind":"work"}"#).await;
        world.until(next, State::Running).await;
        assert_eq!(
            world.orchestrator.task(id).await.unwrap().task.life.state,
            State::Cancelled
        );
        drop(heard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_can_be_tried_again() {
    let world = World::new(ANY).await;
    let id = world.submit(r#"{"kind":"work"}"#).await;
    world
        .orchestrator
        .cancel(id, "", "user:test")
        .await
        .unwrap();
    let _agent = world.agent("a", 1, echo);
    let input = warrener_model::Json::parse("42".into()).unwrap();
    world
        .orchestrator
        .retry(id, Some(input), true, "user:test")
        .await
        .unwrap();
    let view = world.end(id).await;
    assert_eq!(view.task.life.state, State::Succeeded);
    assert_eq!(view.task.output.unwrap().as_str(), "42");
    assert_eq!(view.task.life.replays, 1);
}

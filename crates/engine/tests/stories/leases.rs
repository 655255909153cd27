//! Lost agents: what they held is found again, what they say too late is refused.

use crate::harness::{CLAIMED, MODES, Mode, World, echo};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use warrener_backend::fault::{Fault, Plan};
use warrener_model::event::EventKind;
use warrener_model::{AgentId, State};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn scenario_c_the_task_of_an_agent_that_dies_is_done_by_another() {
    for mode in MODES {
        let world = World::new(mode).await;
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let first = world.agent("first", 1, move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        });
        let id = world.submit(r#"{"kind":"work","input":7}"#).await;
        while starts.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The process is gone without a word: its tasks end, its connection ends.
        first.task.abort();
        let _ = first.task.await;
        let _second = world.agent("second", 1, echo);
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        assert_eq!(view.task.life.losses, 1);
        let history = world.history(id).await;
        let lost = |k: &EventKind| matches!(k, EventKind::Lost | EventKind::Superseded);
        assert_eq!(history.iter().filter(|k| lost(k)).count(), 1, "{history:?}");
        assert_eq!(starts.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_its_connection_and_is_not_started_again() {
    for mode in MODES {
        // A busy machine may take its time to reconnect; the grace has to be longer than that.
        let world = World::with(mode, |options| {
            options.timers.grace = PATIENCE;
            options.timers.lease = PATIENCE;
        })
        .await;
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let _agent = world.agent("a", 1, move |_, input| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(900)).await;
                Ok(input)
            }
        });
        let id = world.submit(r#"{"kind":"work"}"#).await;
        while starts.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let view = world.until(id, State::Running).await;
        let lease = view.task.life.lease.unwrap();
        let who = warrener_model::agent::Who {
            agent: lease.agent,
            instance: lease.instance,
        };
        // Cut as soon as it runs: the agent comes back, claims with `started`, and goes on.
        world.ground.cut(&who);
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded, "{mode:?}");
        let history = world
            .orchestrator
            .events(Default::default(), Some(id), 100)
            .await
            .unwrap();
        assert_eq!(starts.load(Ordering::SeqCst), 1, "{mode:?}: {history:#?}");
        assert_eq!(view.task.life.attempt, 1, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_a_zombies_outcome_is_refused_after_its_lease_went_to_another() {
    for mode in MODES {
        let world = World::new(mode).await;
        // An agent whose every word is lost once it runs, as if it were stopped: only its handler goes on.
        let plan = Plan::seeded(1);
        let zombie = world.agent_by(&plan, "zombie", 1, move |_, _| async move {
            tokio::time::sleep(Duration::from_millis(2_000)).await;
            Ok(json!("zombie"))
        });
        let id = world.submit(r#"{"kind":"work"}"#).await;
        world.until(id, State::Running).await;
        plan.always("publish", Fault::FailBefore);
        let _other = world.agent("other", 1, |_, _| async move {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            Ok(json!("other"))
        });
        let mut changed = world.orchestrator.changed();
        loop {
            let life = world.orchestrator.task(id).await.unwrap().task.life;
            if life
                .lease
                .is_some_and(|l| l.agent == AgentId::new("other").unwrap())
            {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), changed.changed()).await;
        }
        plan.heal();
        let view = world.end(id).await;
        assert_eq!(
            view.task.output.unwrap().value(),
            json!("other"),
            "{mode:?}"
        );
        // In a fast lane the zombie may have got the next offer too: nobody asks it first.
        let epoch = view.task.life.epoch;
        assert!(epoch == 2 || (mode == Mode::Fast && epoch > 2), "{mode:?}");
        drop(zombie);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h21_a_task_that_kills_every_agent_is_given_up() {
    // Its story in a fast lane is in `fast.rs`: there the epoch says nothing of a start.
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let mut n = 0;
        while !world
            .orchestrator
            .task(id)
            .await
            .unwrap()
            .task
            .life
            .state
            .is_final()
        {
            n += 1;
            assert!(n < 20, "it goes on for ever");
            let victim = world.agent(&format!("v{n}"), 1, |_, _| std::future::pending());
            let before = world.orchestrator.task(id).await.unwrap().task.life.epoch;
            loop {
                let life = world.orchestrator.task(id).await.unwrap().task.life;
                if life.epoch > before || life.state.is_final() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            victim.task.abort();
            let _ = victim.task.await;
        }
        let life = world.end(id).await.task.life;
        assert_eq!(life.state, State::Dead, "{mode:?}");
        assert_eq!(life.losses, 4, "three retries after the first start");
    }
}

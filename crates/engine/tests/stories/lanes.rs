//! Lanes: pause and resume, their addresses; agents: drain and resume; names that are taken.

use crate::harness::{ANY, MODES, Mode, World, echo};
use std::time::Duration;
use warrener_backend::fault::{Fault, point};
use warrener_model::agent::Presence;
use warrener_model::{AgentId, Lane, State};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_paused_lane_starts_until_it_is_resumed() {
    for mode in MODES {
        let world = World::new(mode).await;
        let lane = Lane::default();
        world
            .orchestrator
            .pause_lane(&lane, Some("deploy".into()))
            .await
            .unwrap();
        let _agent = world.agent("a", 1, echo);
        world.joined("a").await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let view = world.orchestrator.task(id).await.unwrap();
        assert_eq!(serde_json::to_value(view.waiting_for).unwrap(), "paused");
        let world = world.restart().await;
        let lanes = world.orchestrator.lane(&lane).await.unwrap();
        assert!(lanes.settings.paused, "a pause outlives the server");
        world.orchestrator.resume_lane(&lane).await.unwrap();
        assert_eq!(
            world.end(id).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_agent_takes_nothing_until_it_is_resumed() {
    for mode in MODES {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, echo);
        world.joined("a").await;
        let name = AgentId::new("a").unwrap();
        world.orchestrator.drain_agent(&name, None).await.unwrap();
        let id = world.submit(r#"{"kind":"work"}"#).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(
            world.orchestrator.task(id).await.unwrap().task.life.state,
            State::Ready
        );
        world.orchestrator.resume_agent(&name, None).await.unwrap();
        assert_eq!(
            world.end(id).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_leaves() {
    let world = World::new(ANY).await;
    let member = world.agent("a", 1, echo);
    world.joined("a").await;
    let name = AgentId::new("a").unwrap();
    world
        .orchestrator
        .stop_agent(&name, Duration::from_millis(100), None)
        .await
        .unwrap();
    assert_eq!(
        member.task.await.unwrap(),
        warrener_engine::agent::Stopped::Drained
    );
    for _ in 0..200 {
        if world.orchestrator.agent(&name).unwrap().agent.presence == Presence::Left {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_13_a_second_agent_of_the_same_name_waits_until_the_first_is_gone() {
    for mode in MODES {
        let world = World::new(mode).await;
        let first = world.agent("twin", 1, echo);
        world.joined("twin").await;
        let instance = |world: &World| {
            let view = world
                .orchestrator
                .agent(&AgentId::new("twin").unwrap())
                .unwrap();
            view.agent.card.who.instance.clone()
        };
        let one = instance(&world);
        let _second = world.agent("twin", 1, echo);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(instance(&world), one, "the first is not pushed out");
        first.drain().await;
        for _ in 0..500 {
            if instance(&world) != one {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_ne!(instance(&world), one);
        let id = world.submit(r#"{"kind":"work"}"#).await;
        assert_eq!(
            world.end(id).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_lane_is_made_once_and_again_when_an_offer_fails() {
    for mode in [Mode::Claim, Mode::Fast] {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, echo);
        world.joined("a").await;
        let work = r#"{"kind":"work"}"#;
        world.end(world.submit(work).await).await;
        let made = world.faults.calls(point::ENSURE);
        for _ in 0..5 {
            world.end(world.submit(work).await).await;
        }
        assert_eq!(world.faults.calls(point::ENSURE), made, "{mode:?}");
        world.faults.always(point::PUBLISH, Fault::FailBefore);
        let id = world.submit(work).await;
        let again = async {
            while world.faults.calls(point::ENSURE) == made {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let again = tokio::time::timeout(Duration::from_secs(30), again).await;
        assert!(again.is_ok(), "{mode:?}: the address may be gone");
        world.faults.heal();
        let state = world.end(id).await.task.life.state;
        assert_eq!(state, State::Succeeded, "{mode:?}");
    }
}

//! The rows of agents: an operator's wish lasts, and those that are gone are forgotten in time.

use crate::harness::{CLAIMED, Gate, World};
use crate::puppet::Puppet;
use std::time::Duration;
use warrener_backend::Inbox;
use warrener_backend::fault::point;
use warrener_engine::Error;
use warrener_model::AgentId;
use warrener_model::agent::Presence;
use warrener_model::message::Bye;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_races_a_hello_outlives_a_restart() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let puppet = Puppet::join(&world, "a", 1).await;
        // The next commit is the hello's: it is held until the drain was asked for.
        let gate = Gate::at(&world.faults, point::COMMIT);
        puppet.hello().await;
        gate.held().await;
        let orchestrator = world.orchestrator.clone();
        let id = AgentId::new("a").unwrap();
        let asked = id.clone();
        let mut drain =
            tokio::spawn(async move { orchestrator.drain_agent(&asked, None).await.unwrap() });
        // One that does not wait for the hello is written by now.
        let early = tokio::time::timeout(Duration::from_millis(300), &mut drain).await;
        gate.open();
        let view = match early {
            Ok(view) => view.unwrap(),
            Err(_) => drain.await.unwrap(),
        };
        assert!(view.agent.drain, "{mode:?}");
        // A hello may be under way again; what is asked last counts.
        puppet.hello().await;
        let world = world.restart().await;
        let agent = world.orchestrator.agent(&id).unwrap().agent;
        assert!(agent.drain, "{mode:?}: the wish is in the store");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hellos_that_piled_up_are_not_answered_one_by_one() {
    const MANY: usize = 200;
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut puppet = Puppet::join(&world, "a", 1).await;
        let gate = Gate::at(&world.faults, point::COMMIT);
        puppet.hello().await;
        gate.held().await;
        for _ in 0..MANY {
            puppet.hello().await;
        }
        // What only one that is welcome is told ends the count.
        let unknown = warrener_model::TaskId::from_bytes([7; 16]);
        puppet.beat(&[(unknown, 1)]).await;
        gate.open();
        let told = puppet.told_until("revoke").await;
        let welcomes = told.iter().filter(|kind| *kind == "welcome").count();
        // The one that was held, and one for each batch that was read of the others.
        assert!((1..20).contains(&welcomes), "{mode:?}: {welcomes} welcomes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_heard_though_its_connection_ends_right_after_it() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let puppet = Puppet::join(&world, "a", 1).await;
        let gate = Gate::at(&world.faults, point::COMMIT);
        puppet.hello().await;
        gate.held().await;
        // Both are read at once, when what is held goes on.
        for reason in ["stop", "gone"] {
            let (who, reason) = (puppet.who.clone().into(), reason.into());
            puppet.say(Inbox::Presence, &Bye { who, reason }).await;
        }
        gate.open();
        let id = AgentId::new("a").unwrap();
        let presence = loop {
            match world.orchestrator.agent(&id).unwrap().agent.presence {
                Presence::Up => tokio::time::sleep(Duration::from_millis(5)).await,
                gone => break gone,
            }
        };
        assert_eq!(presence, Presence::Left, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_gone_are_shown_for_a_while_and_then_forgotten() {
    for mode in CLAIMED {
        let world = World::with(mode, |options| {
            options.retention.agents = Duration::from_secs(1);
            options.retention.every = Duration::from_millis(50);
        })
        .await;
        let never = |_, input| async move { Ok(input) };
        let stays = world.agent("stays", 1, never);
        let leaves = world.agent("leaves", 1, never);
        let wanted = world.agent("wanted", 1, never);
        for name in ["stays", "leaves", "wanted"] {
            world.joined(name).await;
        }
        let id = |name| AgentId::new(name).unwrap();
        // What an operator wants of an agent is kept until somebody takes it back.
        let wish = world.orchestrator.drain_agent(&id("wanted"), None).await;
        wish.unwrap();
        wanted.drain().await;
        leaves.drain().await;
        let gone = loop {
            match world.orchestrator.agent(&id("leaves")) {
                Ok(view) if view.agent.presence == Presence::Left => break true,
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(_) => break false,
            }
        };
        assert!(gone, "{mode:?}: shown as left");
        let error = loop {
            match world.orchestrator.agent(&id("leaves")) {
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        let known = |world: &World| -> Vec<String> {
            let views = world.orchestrator.agents();
            let names = views
                .iter()
                .map(|view| view.agent.card.who.agent_id.to_string());
            names.collect()
        };
        assert_eq!(known(&world), ["stays", "wanted"], "{mode:?}");
        stays.drain().await;
        let rows = world.store.clone();
        let world = world.restart().await;
        drop(rows);
        assert!(!known(&world).contains(&"leaves".to_owned()), "{mode:?}");
    }
}

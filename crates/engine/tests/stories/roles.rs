//! Roles: what an agent may not do is refused by the server, whatever the broker lets through.

use crate::desk::letter;
use crate::harness::{ANY, CLAIMED, World};
use crate::puppet::Puppet;
use crate::refused::kept;
use std::time::Duration;
use warrener_backend::{Inbox, Message};
use warrener_model::agent::{Card, Role, WhoFields};
use warrener_model::message::{Claim, StateAsk};
use warrener_model::name::{Space, StateKey};
use warrener_model::{AgentId, ClaimId, Json, Lane, State};

fn card(puppet: &Puppet, role: Role) -> Card {
    Card {
        who: puppet.who.clone().into(),
        name: String::new(),
        role,
        lanes: vec![Lane::default()],
        kinds: vec!["*".into()],
        capabilities: Default::default(),
        slots: 1,
        version: String::new(),
        host: String::new(),
    }
}

/// As somebody asks for a key to be set.
fn set(who: WhoFields, value: i64) -> StateAsk {
    StateAsk {
        request_id: format!("r-{value}"),
        who,
        op: "set".into(),
        space: "team".into(),
        key: "goal".into(),
        value: Json::of(&value).ok(),
        if_version: None,
        ttl_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_neither_claims_nor_is_given_work() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut watcher = Puppet::adviser(&world, "watcher").await;
        watcher
            .say(Inbox::Presence, &card(&watcher, Role::Monitor))
            .await;
        watcher.hear::<warrener_model::message::Welcome>().await;
        let id = world.submit(r#"{"kind":"work"}"#).await;
        let claim = Claim {
            task_id: id,
            offer: 1,
            claim: ClaimId::from_bytes([1; 16]),
            who: watcher.who.clone().into(),
            redelivered: false,
            started: false,
        };
        watcher.say(Inbox::Results, &claim).await;
        let row = kept(&world, 1).await.remove(0).message;
        assert_eq!(row.class, "role");
        assert!(
            row.reason.contains("monitor may not execute"),
            "{}",
            row.reason
        );
        let task = world.orchestrator.task(id).await.unwrap().task;
        assert_eq!((task.life.state, task.life.epoch), (State::Ready, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_state_is_written_by_agents_that_are_known_and_may() {
    let world = World::new(ANY).await;
    let watcher = Puppet::adviser(&world, "watcher").await;
    watcher
        .say(Inbox::Presence, &card(&watcher, Role::Monitor))
        .await;
    let ann = Puppet::adviser(&world, "ann").await;
    let stranger = WhoFields {
        agent_id: AgentId::new("stranger").unwrap(),
        ..ann.who.clone().into()
    };
    let from_stranger = Message {
        sender: AgentId::new("stranger").ok(),
        ..letter(&set(stranger, 1))
    };
    let broker = &world.broker;
    let out = warrener_backend::Outgoing {
        to: warrener_backend::Address::Inbox(Inbox::Results),
        message: from_stranger,
        expires: None,
    };
    broker.publish(vec![out]).await.unwrap();
    watcher
        .say(Inbox::Results, &set(watcher.who.clone().into(), 2))
        .await;
    ann.say(Inbox::Results, &set(ann.who.clone().into(), 3))
        .await;
    for _ in 0..3_000 {
        if world.orchestrator.refusals().get("state/not_allowed") == Some(&2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (space, key) = (Space::new("team").unwrap(), StateKey::new("goal").unwrap());
    for _ in 0..3_000 {
        let found = world.orchestrator.state(&space, &key).await;
        if let Ok(found) = found {
            assert_eq!((found.version, found.value), (1, Json::of(&3).ok()));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("ann may write, and nothing came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_is_named_has_no_voice() {
    let world = World::new(ANY).await;
    let mut watcher = Puppet::adviser(&world, "watcher").await;
    watcher
        .say(Inbox::Presence, &card(&watcher, Role::Monitor))
        .await;
    watcher.hear::<warrener_model::message::Welcome>().await;
    let question = warrener_model::session::OpenSession {
        question: "which?".into(),
        options: vec!["red".into(), "blue".into()],
        required: vec!["agent:watcher".into()],
        quorum: 0.0,
        deadline_ms: 60_000,
        ..Default::default()
    };
    let id = world.orchestrator.open_session(&question).await.unwrap().id;
    let answer = warrener_model::message::SessionAnswer {
        session_id: id,
        round: 1,
        agent_id: None,
        instance: None,
        answer: warrener_model::decision::Answer {
            choice: Some("red".into()),
            ..Default::default()
        },
    };
    watcher.say(Inbox::Results, &answer).await;
    while world.orchestrator.refusals().get("answer/not_invited") != Some(&1) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(
        world
            .orchestrator
            .session(id)
            .await
            .unwrap()
            .contributions
            .is_empty()
    );
}

//! Messages that are refused: by class, counted, kept; no reader stops for them, and no flood of them stops the work.

use crate::desk::letter;
use crate::harness::{ANY, CLAIMED, World, echo};
use crate::puppet::Puppet;
use std::collections::BTreeMap;
use std::time::Duration;
use warrener_backend::fault::{Fault, point};
use warrener_backend::refused::RefusedRow;
use warrener_backend::{Address, Inbox, Message, Outgoing};
use warrener_model::agent::Card;
use warrener_model::id::StoreId;
use warrener_model::message::{Bye, Claim, Hello, Signal, SubmitCancel, Unwelcome};
use warrener_model::{AgentId, State, TaskId};

async fn publish(world: &World, to: Address, messages: Vec<Message>) {
    let out = |message| Outgoing {
        to: to.clone(),
        message,
        expires: None,
    };
    let batch = messages.into_iter().map(out).collect();
    world.broker.publish(batch).await.unwrap();
}

/// More than any test has refused.
const ALL: usize = 10_000;

/// Waits until so many are kept; gives them back, oldest first.
pub(crate) async fn kept(world: &World, count: usize) -> Vec<RefusedRow> {
    loop {
        let rows = world.orchestrator.refused(None, ALL, true).await;
        let mut rows = rows.unwrap();
        if rows.len() >= count {
            rows.reverse();
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn works(world: &World) {
    let id = world.submit(r#"{"kind":"work"}"#).await;
    assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
}

fn nobodys_task() -> TaskId {
    TaskId::from_bytes([7; 16])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_foreign_or_forged_is_refused_by_class_and_kept() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, echo);
        let puppet = Puppet::join(&world, "ann", 1).await;
        let ann = puppet.who.clone();
        let bye = letter(&Bye {
            who: ann.clone().into(),
            reason: "stop".into(),
        });
        let claim = letter(&Claim {
            task_id: nobodys_task(),
            offer: 1,
            claim: warrener_model::ClaimId::from_bytes([1; 16]),
            who: ann.clone().into(),
            redelivered: false,
            started: false,
        });
        let cancel = letter(&SubmitCancel {
            task_id: nobodys_task(),
            reason: String::new(),
        });
        let signal = letter(&Signal {
            task_id: nobodys_task(),
            epoch: 1,
            seq: 0,
            kind: "log".into(),
            stream: None,
            text: None,
            fraction: None,
        });
        let mut expected = BTreeMap::new();
        for (inbox, place, counted, good) in [
            (Inbox::Results, "results", "result", claim),
            (Inbox::Presence, "presence", "presence", bye),
            (Inbox::Signals, "signals", "signal", signal),
            (Inbox::Submit, "submit", "submit", cancel),
        ] {
            // Ann is a worker; who is not known may be a leader.
            let name = if inbox == Inbox::Submit {
                "lead"
            } else {
                "ann"
            };
            let good = Message {
                sender: AgentId::new(name).ok(),
                ..good
            };
            let with = |body: &str| Message {
                body: body.to_owned().into(),
                ..good.clone()
            };
            let other_version = String::from_utf8(good.body.to_vec()).unwrap();
            let other_version = other_version.replace("\"v\":1", "\"v\":2");
            let other_type = Message {
                kind: "gossip".into(),
                ..good.clone()
            };
            let foreign = Message {
                store: Some(StoreId::from_bytes([9; 16])),
                ..good.clone()
            };
            let mut messages = vec![with("\u{1}garbage"), with(&other_version), foreign];
            let mut classes = vec!["malformed", "version", "foreign"];
            // A broker that finds the way by the type has none for this one.
            if !world.broker.capabilities().durable {
                messages.push(other_type);
                classes.push("malformed");
            }
            if inbox != Inbox::Signals {
                let body = format!(
                    r#"{{"v":1,"agent_id":"{}","instance":"00000009"}}"#,
                    ann.agent
                );
                let body = match inbox {
                    Inbox::Submit => body,
                    _ => String::from_utf8(good.body.to_vec()).unwrap(),
                };
                messages.push(Message {
                    sender: AgentId::new("eve").ok(),
                    ..with(&body)
                });
                messages.push(Message {
                    sender: None,
                    ..with(&body)
                });
                classes.extend(["forged"; 2]);
            }
            for class in &classes {
                *expected.entry(format!("{counted}/{class}")).or_insert(0) += 1;
                *expected.entry(format!("{place} {class}")).or_insert(0) += 1;
            }
            publish(&world, Address::Inbox(inbox), messages).await;
        }
        let total = expected.iter().filter(|(key, _)| key.contains(' '));
        let total = total.map(|(_, count)| *count).sum::<u64>();
        let rows = kept(&world, usize::try_from(total).unwrap()).await;
        let mut found = world.orchestrator.refusals();
        for row in &rows {
            let message = &row.message;
            *found
                .entry(format!("{} {}", message.inbox, message.class))
                .or_insert(0) += 1;
            assert!(!message.reason.is_empty());
            assert_eq!(message.size, message.body.len() as u64);
        }
        assert_eq!(found, expected, "{mode:?}");
        for row in rows.iter().filter(|row| row.message.body == b"\x01garbage") {
            let sender = match row.message.inbox.as_str() {
                "submit" => "lead",
                _ => "ann",
            };
            assert_eq!(row.message.sender, AgentId::new(sender).ok());
        }
        works(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_garbage_is_counted_and_neither_kept_whole_nor_in_the_way_of_work() {
    const FLOOD: u64 = 5_000;
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 1, echo);
    let garbage = |n: u64| Message {
        body: format!("garbage {n}").into(),
        ..letter(&Bye {
            who: warrener_model::agent::WhoFields {
                agent_id: AgentId::new("x").unwrap(),
                instance: warrener_model::id::InstanceId::random(1),
            },
            reason: String::new(),
        })
    };
    let flood = (0..FLOOD).map(garbage).collect();
    publish(&world, Address::Inbox(Inbox::Presence), flood).await;
    works(&world).await;
    let count = |key: &str| world.orchestrator.refusals().get(key).copied().unwrap_or(0);
    while count("presence/malformed") < FLOOD {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let dropped = count("kept/full");
    assert!(dropped > 0, "a buffer without a bound");
    let rows = kept(&world, usize::try_from(FLOOD - dropped).unwrap()).await;
    assert_eq!(rows.len() as u64, FLOOD - dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_while_the_store_takes_nothing_is_kept_later() {
    let world = World::new(ANY).await;
    world.faults.always(point::COMMIT, Fault::FailBefore);
    let mut garbage = letter(&SubmitCancel {
        task_id: nobodys_task(),
        reason: String::new(),
    });
    garbage.body = "garbage".into();
    let tried = world.faults.calls(point::COMMIT);
    publish(&world, Address::Inbox(Inbox::Submit), vec![garbage]).await;
    while world.faults.calls(point::COMMIT) < tried + 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let submit = Address::Inbox(Inbox::Submit);
    let depth = world.ground.depth(&submit).await;
    assert_eq!(depth.unsettled, 1, "not acknowledged before it is kept");
    world.faults.heal();
    assert_eq!(kept(&world, 1).await[0].message.class, "malformed");
    world.all_read(&submit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_cannot_be_read_is_answered_and_kept() {
    let world = World::new(ANY).await;
    let mut puppet = Puppet::join(&world, "ann", 1).await;
    let hello = |change: fn(&mut serde_json::Value)| {
        let card = Card {
            who: puppet.who.clone().into(),
            name: String::new(),
            role: Default::default(),
            lanes: vec![Default::default()],
            kinds: vec!["*".into()],
            capabilities: Default::default(),
            slots: 1,
            version: String::new(),
            host: String::new(),
        };
        let mut message = letter::<Hello>(&card);
        let mut body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        change(&mut body);
        message.body = body.to_string().into();
        message
    };
    let cases: [(Message, &str); 3] = [
        (hello(|body| body["v"] = 2.into()), "version_unsupported"),
        (
            hello(|body| body["lanes"] = ["No"].into_iter().collect()),
            "unknown_lane",
        ),
        (
            hello(|body| body["role"] = "boss".into()),
            "role_not_allowed",
        ),
    ];
    for (message, code) in cases {
        puppet.send(Inbox::Presence, message).await;
        let no: Unwelcome = puppet.hear().await;
        assert_eq!(no.code, code, "{}", no.message);
    }
    let classes: Vec<String> = kept(&world, 3)
        .await
        .into_iter()
        .map(|row| row.message.class)
        .collect();
    assert_eq!(classes, ["version", "malformed", "malformed"]);
}

//! Who may say what: signals only of the own run, submissions only from leaders.

use crate::desk::letter;
use crate::harness::{ANY, CLAIMED, World, boot};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use warrener_backend::{Address, Inbox, Message, Outgoing};
use warrener_engine::Worker;
use warrener_model::agent::Role;
use warrener_model::message::Signal;
use warrener_model::{AgentId, State, TaskId};

async fn send(world: &World, inbox: Inbox, sender: Option<&str>, message: Message) {
    let sender = sender.map(|name| AgentId::new(name).unwrap());
    let out = Outgoing {
        to: Address::Inbox(inbox),
        message: Message { sender, ..message },
        expires: None,
    };
    world.broker.publish(vec![out]).await.unwrap();
}

fn line(task_id: TaskId, epoch: u64, text: &str) -> Message {
    letter(&Signal {
        task_id,
        epoch,
        seq: 0,
        kind: "log".into(),
        stream: Some("stderr".into()),
        text: Some(text.into()),
        fraction: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agent_of_a_run_writes_its_log() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let go = Arc::new(Notify::new());
        let gate = go.clone();
        let _ann = world.agent("ann", 1, move |context, input| {
            let gate = gate.clone();
            async move {
                if context.attempt() == 1 {
                    return Err(warrener_engine::TaskError::network("again"));
                }
                gate.notified().await;
                Ok(input)
            }
        });
        let id = world
            .submit(r#"{"kind":"work","retry":{"network":{"base_ms":1}}}"#)
            .await;
        while world.orchestrator.task(id).await.unwrap().task.life.epoch < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let signals = [
            (Some("ben"), 2, "forged"),
            (None, 2, "nobody's"),
            (Some("ben"), 1, "forged late"),
            (Some("ann"), 9, "of no run"),
            (Some("ann"), 1, "late"),
            (Some("ann"), 2, "now"),
        ];
        for (sender, epoch, text) in signals {
            send(&world, Inbox::Signals, sender, line(id, epoch, text)).await;
        }
        let logs = loop {
            let logs = world.orchestrator.logs(id, None, 0, 100).await.unwrap();
            let said: Vec<(u32, String)> = logs
                .iter()
                .map(|chunk| (chunk.chunk.attempt, chunk.chunk.text.clone()))
                .collect();
            if said.iter().any(|(_, text)| text == "now") {
                break said;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let expected = [(1, "late".to_owned()), (2, "now".to_owned())];
        assert_eq!(logs, expected, "{mode:?}");
        let refusals = world.orchestrator.refusals();
        assert_eq!(refusals["signal/forged"], 3, "{refusals:?}");
        assert_eq!(refusals["signal/stale"], 1, "{refusals:?}");
        go.notify_one();
        assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_a_leader_submits_once_however_often_it_says_so_and_a_worker_not_at_all() {
    let world = World::new(ANY).await;
    for (name, role) in [("lead", Role::Leader), ("ann", Role::Worker)] {
        let who = boot(name);
        let worker = Worker::builder(world.ground.agent(&who), name)
            .options(|options| {
                options.instance = Some(who.instance);
                options.role = role;
            })
            .build();
        tokio::spawn(worker.run(tokio_util::sync::CancellationToken::new()));
        world.joined(name).await;
    }
    let submission = || {
        let mut message = letter(&warrener_model::message::Resume {
            reason: String::new(),
        });
        message.kind = "submit".into();
        message.body = json!({ "kind": "other", "input": 1 }).to_string().into();
        message
    };
    send(&world, Inbox::Submit, Some("ann"), submission()).await;
    let twice = submission();
    send(&world, Inbox::Submit, Some("lead"), twice.clone()).await;
    send(&world, Inbox::Submit, Some("lead"), twice).await;
    send(&world, Inbox::Submit, None, submission()).await;
    world.all_read(&Address::Inbox(Inbox::Submit)).await;
    assert_eq!(world.orchestrator.books().await.unwrap().accepted, 2);
    assert_eq!(world.orchestrator.refusals()["submit/role"], 1);
    let kept = world.orchestrator.refused(None, 10, false).await.unwrap();
    assert_eq!(kept.len(), 1, "for people to look at");
    assert_eq!(kept[0].message.class, "role");
}

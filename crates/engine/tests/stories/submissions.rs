//! Leaders ask over the broker, and are answered on the control address they name: once, however often they ask.

use crate::desk::{heard, letter};
use crate::harness::{ANY, CLAIMED, World, boot, echo, up};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::Subscribe;
use warrener_backend::fault::{Fault, point};
use warrener_backend::{Address, Broker, Inbox, Message, Outgoing, Subscription};
use warrener_model::agent::Who;
use warrener_model::message::{Resume, SubmitAccepted, SubmitRefused, TaskEnded};
use warrener_model::{AgentId, State, TaskId};

async fn publish(broker: &dyn Broker, message: &Message) {
    let out = Outgoing {
        to: Address::Inbox(Inbox::Submit),
        message: message.clone(),
        expires: None,
    };
    broker.publish(vec![out]).await.unwrap();
}

/// A client that never says hello: it has a control address, and submits.
struct Leader {
    who: Who,
    broker: Arc<dyn Broker>,
    control: Subscription,
}

impl Leader {
    async fn new(world: &World) -> Self {
        Leader::named(world, "lead").await
    }

    async fn named(world: &World, name: &str) -> Self {
        let who = boot(name);
        let broker = world.ground.agent(&who);
        up(&*broker).await;
        let control = Subscribe {
            from: Address::Control(who.clone()),
            credit: 100,
            will: None,
        };
        let control = broker.subscribe(control).await.unwrap();
        Leader {
            who,
            broker,
            control,
        }
    }

    fn message(&self, kind: &str, mut body: Value) -> Message {
        body["v"] = 1.into();
        body["agent_id"] = self.who.agent.as_str().into();
        body["instance"] = self.who.instance.to_string().into();
        Message {
            kind: kind.into(),
            sender: Some(self.who.agent.clone()),
            body: body.to_string().into(),
            ..letter(&Resume {
                reason: String::new(),
            })
        }
    }

    async fn send(&self, message: &Message) {
        publish(&*self.broker, message).await;
    }

    async fn accepted(&mut self, message: &Message) -> SubmitAccepted {
        self.send(message).await;
        let answer: SubmitAccepted = heard(&mut self.control).await;
        assert_eq!(answer.message_id, message.id);
        answer
    }

    async fn refused(&mut self, message: &Message) -> SubmitRefused {
        self.send(message).await;
        let answer: SubmitRefused = heard(&mut self.control).await;
        assert_eq!(answer.message_id, message.id);
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_answered_on_its_control_address_and_a_resend_makes_nothing() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut lead = Leader::new(&world).await;
        let request = lead.message("submit", json!({ "kind": "other", "input": [1] }));
        let first = lead.accepted(&request).await;
        assert!(!first.duplicate);
        let again = lead.accepted(&request).await;
        assert_eq!((again.task_id, again.duplicate), (first.task_id, true));
        let task = world.orchestrator.task(first.task_id).await.unwrap().task;
        assert_eq!(task.spec.input.as_str(), "[1]");
        assert_eq!(world.orchestrator.books().await.unwrap().accepted, 1);

        let other = lead.message("submit", json!({ "kind": "another" }));
        let other = Message {
            id: request.id,
            ..other
        };
        let no = lead.refused(&other).await.problem;
        assert_eq!(no.code, "idempotency_conflict");
        assert_eq!(no.task_id, Some(first.task_id));

        let wrong = lead.message("submit", json!({ "kind": "NO", "lane": "high" }));
        let no = lead.refused(&wrong).await.problem;
        assert_eq!(no.code, "invalid");
        let places: Vec<&str> = no.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(places, ["/kind", "/lane"]);
        let kept = world.orchestrator.refused(None, 10, false).await.unwrap();
        let classes: Vec<&str> = kept.iter().map(|row| row.message.class.as_str()).collect();
        assert_eq!(classes, ["invalid", "idempotency_conflict"], "newest first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cancels_and_hears_so() {
    let world = World::new(ANY).await;
    let mut lead = Leader::new(&world).await;
    let id = world.submit(r#"{"kind":"other"}"#).await;
    let cancel = lead.message("cancel", json!({ "task_id": id, "reason": "enough" }));
    let first = lead.accepted(&cancel).await;
    assert_eq!((first.task_id, first.duplicate), (id, false));
    let task = world.orchestrator.task(id).await.unwrap().task;
    assert_eq!(task.life.state, State::Cancelled);
    assert!(lead.accepted(&cancel).await.duplicate);
    let nobody = TaskId::from_bytes([7; 16]);
    let cancel = lead.message("cancel", json!({ "task_id": nobody }));
    assert_eq!(lead.refused(&cancel).await.problem.code, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_acknowledged_after_its_commit_and_answered_then() {
    let world = World::new(ANY).await;
    let mut lead = Leader::new(&world).await;
    world.faults.always(point::COMMIT, Fault::FailBefore);
    let request = lead.message("submit", json!({ "kind": "other" }));
    let tried = world.faults.calls(point::COMMIT);
    lead.send(&request).await;
    while world.faults.calls(point::COMMIT) < tried + 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let submit = Address::Inbox(Inbox::Submit);
    assert_eq!(world.ground.depth(&submit).await.unsettled, 1);
    assert!(lead.control.try_next().is_none(), "answered too early");
    world.faults.heal();
    let answer: SubmitAccepted = heard(&mut lead.control).await;
    assert!(world.orchestrator.task(answer.task_id).await.is_ok());
    world.all_read(&submit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_submission_makes_nothing_and_its_victim_hears_nothing() {
    let world = World::new(ANY).await;
    let mut lead = Leader::new(&world).await;
    let forged = Message {
        sender: AgentId::new("eve").ok(),
        ..lead.message("submit", json!({ "kind": "other" }))
    };
    publish(&*world.broker, &forged).await;
    let other_version = Message {
        body: forged.body.clone(),
        ..lead.message("submit", json!({}))
    };
    let text = String::from_utf8(forged.body.to_vec()).unwrap();
    let other_version = Message {
        body: text.replace("\"v\":1", "\"v\":7").into(),
        ..other_version
    };
    // The first word that it hears is the answer to its own message.
    assert_eq!(
        lead.refused(&other_version).await.problem.code,
        "bad_request"
    );
    assert_eq!(world.orchestrator.books().await.unwrap().accepted, 0);
    let kept = world.orchestrator.refused(None, 10, false).await.unwrap();
    let mut classes: Vec<&str> = kept.iter().map(|row| row.message.class.as_str()).collect();
    classes.sort_unstable();
    assert_eq!(classes, ["forged", "version"]);
}

/// The next end that is told, whatever else is said before.
async fn ended(leader: &mut Leader) -> TaskEnded {
    heard(&mut leader.control).await
}

fn hears(leader: &Leader, ends: &[&TaskEnded]) -> Message {
    let ends: Vec<Value> = ends
        .iter()
        .map(|end| json!({ "task_id": end.task_id, "version": end.version }))
        .collect();
    leader.message("heard", json!({ "ends": ends }))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_leader_hears_how_its_own_tasks_ended_until_it_says_that_it_heard() {
    for mode in CLAIMED {
        let world = World::with(mode, |options| {
            options.timers.hello = Duration::from_millis(100)
        })
        .await;
        let worker = world.agent("w", 4, echo);
        let mut ann = Leader::named(&world, "ann").await;
        let mut bob = Leader::named(&world, "bob").await;
        let ask = |leader: &Leader, input: u64| {
            leader.message(
                "submit",
                json!({ "kind": "work", "input": input, "result": true, "labels": { "n": "1" } }),
            )
        };
        let of_bob = ask(&bob, 2);
        bob.send(&of_bob).await;
        let of_ann = ann.accepted(&ask(&ann, 1)).await.task_id;
        let quiet = ann.message("submit", json!({ "kind": "work", "input": 3 }));
        ann.send(&quiet).await;
        let end = ended(&mut ann).await;
        assert_eq!(
            (end.task_id, end.state, end.attempt),
            (of_ann, State::Succeeded, 1)
        );
        assert_eq!(end.output.as_ref().map(|o| o.as_str()), Some("1"));
        assert_eq!(end.labels["n"], "1");
        // Who did it, and how long it took.
        assert_eq!(end.agent.as_ref().map(|agent| agent.as_str()), Some("w"));
        assert!(end.started_at.is_some() && end.started_at <= end.finished_at);
        // Not heard yet: told again, just so; also by the next server.
        assert_eq!(ended(&mut ann).await, end);
        let end_of_bob = ended(&mut bob).await;
        assert_eq!(end_of_bob.output.as_ref().map(|o| o.as_str()), Some("2"));
        drop((worker, ann, bob));
        let world = world.restart().await;
        let mut ann = Leader::named(&world, "ann").await;
        // It comes back under another address, and says so.
        ann.send(&hears(&ann, &[])).await;
        assert_eq!(ended(&mut ann).await, end);
        // Nobody hears for somebody else.
        let forged = Message {
            sender: Some(AgentId::new("eve").unwrap()),
            ..hears(&ann, &[&end])
        };
        publish(&*world.broker, &forged).await;
        assert_eq!(ended(&mut ann).await, end);
        ann.send(&hears(&ann, &[&end])).await;
        until_heard(&world, "ann").await;
        assert_eq!(world.orchestrator.books().await.unwrap().accepted, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_tried_again_ends_again_and_a_wish_that_nobody_can_be_told_is_refused() {
    let world = World::with(ANY, |options| {
        options.timers.hello = Duration::from_millis(100)
    })
    .await;
    let mut lead = Leader::new(&world).await;
    let request = lead.message("submit", json!({ "kind": "other", "result": true }));
    let task = lead.accepted(&request).await.task_id;
    world
        .orchestrator
        .cancel(task, "", "user:test")
        .await
        .unwrap();
    let first = ended(&mut lead).await;
    assert_eq!((first.state, &first.output), (State::Cancelled, &None));
    world
        .orchestrator
        .retry(task, None, false, "user:test")
        .await
        .unwrap();
    until_heard(&world, "lead").await;
    world
        .orchestrator
        .cancel(task, "", "user:test")
        .await
        .unwrap();
    let again = ended(&mut lead).await;
    assert!(again.version > first.version, "{again:?}");
    // What is heard of the end before is not heard of this one.
    lead.send(&hears(&lead, &[&first])).await;
    assert_eq!(ended(&mut lead).await, again);
    lead.send(&hears(&lead, &[&again])).await;
    until_heard(&world, "lead").await;
    let odd = lead.message("submit", json!({ "kind": "other", "result": "yes" }));
    let no = lead.refused(&odd).await.problem;
    assert_eq!(
        (no.code.as_str(), no.errors[0].pointer.as_str()),
        ("invalid", "/result")
    );
}

/// Nothing is to be told any more.
async fn until_heard(world: &World, name: &str) {
    let agent = AgentId::new(name).unwrap();
    let store = &world.store;
    for _ in 0..3_000 {
        if store.notices(agent.clone(), 1).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} is still told something");
}

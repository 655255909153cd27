//! Tasks that put a question to agents before they start.

use crate::asked::vote;
use crate::harness::{ANY, CLAIMED, Member, World};
use crate::puppet::Puppet;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use warrener_model::message::Invite;
use warrener_model::session::{Session, SessionState};
use warrener_model::{SessionId, State, Submission, TaskId};

/// Inputs of what was started.
type Inputs = Arc<Mutex<Vec<Value>>>;

fn worker(world: &World, name: &str) -> (Member, Inputs) {
    let inputs = Inputs::default();
    let seen = inputs.clone();
    let agent = world.agent(name, 2, move |_, input: Value| {
        seen.lock().unwrap().push(input.clone());
        async move { Ok(input) }
    });
    (agent, inputs)
}

/// A task that asks those who are required.
fn ask(required: &str, deadline_ms: u64) -> String {
    let question = json!({
        "question": "red or blue?", "options": ["red", "blue"], "required": [required], "deadline_ms": deadline_ms,
    });
    let task =
        json!({ "kind": "work", "title": "Paint", "input": { "n": 1 }, "collaboration": question });
    task.to_string()
}

async fn session(world: &World, task: TaskId) -> Session {
    let id = SessionId::from_bytes(*task.as_bytes());
    world.orchestrator.session(id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_asks_before_it_starts_and_finds_the_decision_in_its_input() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut ann = Puppet::adviser(&world, "ann").await;
        let (_worker, inputs) = worker(&world, "w");
        let id = world.submit(&ask("agent:ann", 60_000)).await;
        let invite: Invite = ann.hear().await;
        assert_eq!(
            (invite.topic.as_str(), invite.question.as_str()),
            ("Paint", "red or blue?")
        );
        let view = world.orchestrator.task(id).await.unwrap();
        assert_eq!(view.task.life.state, State::Parked);
        assert_eq!(
            serde_json::to_value(view.waiting_for).unwrap(),
            json!("input")
        );
        vote(&ann, &invite, "blue").await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Succeeded);
        let inputs = inputs.lock().unwrap().clone();
        let [input] = &inputs[..] else {
            panic!("{inputs:?}")
        };
        let decision = &input["decision"];
        assert_eq!(
            (&input["n"], &decision["decision"]),
            (&json!(1), &json!("blue"))
        );
        assert_eq!(decision["participants"], json!(["ann"]));
        assert_eq!(decision["session_id"], json!(id));
        assert_eq!(session(&world, id).await.state, SessionState::Decided);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_decision_the_task_starts_and_is_told_why() {
    let world = World::new(ANY).await;
    let (_worker, inputs) = worker(&world, "w");
    let nobody = world.submit(&ask("cap:painting", 60_000)).await;
    let silent = world.submit(&ask("agent:ann", 100)).await;
    for id in [nobody, silent] {
        world.end(id).await;
        assert_eq!(session(&world, id).await.state, SessionState::NoDecision);
    }
    for input in inputs.lock().unwrap().iter() {
        let decision = &input["decision"];
        assert_eq!(decision["decision"], json!(null));
        assert_eq!(decision["reason"], json!("no_answers"), "{decision}");
    }
    assert_eq!(inputs.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_goes_on_with_the_question_of_a_task() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::adviser(&world, "ann").await;
    let id = world.submit(&ask("agent:ann", 60_000)).await;
    ann.hear::<Invite>().await;
    let world = world.restart().await;
    let (_worker, inputs) = worker(&world, "w");
    let mut ann = ann.back(&world).await;
    let invite: Invite = ann.hear().await;
    vote(&ann, &invite, "red").await;
    world.end(id).await;
    let inputs = inputs.lock().unwrap();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0]["decision"]["decision"], json!("red"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_any_more_calls_the_session_off() {
    let world = World::new(ANY).await;
    let (_worker, inputs) = worker(&world, "w");
    let given_up = world.submit(&ask("agent:ann", 60_000)).await;
    let told = world.submit(&ask("agent:ann", 60_000)).await;
    let orchestrator = &world.orchestrator;
    orchestrator
        .cancel(given_up, "not needed", "user:test")
        .await
        .unwrap();
    let by_hand = warrener_model::Json::of(&json!({ "n": 2 })).unwrap();
    orchestrator
        .answer(told, by_hand, "user:test")
        .await
        .unwrap();
    world.end(told).await;
    assert_eq!(*inputs.lock().unwrap(), [json!({ "n": 2 })]);
    for id in [given_up, told] {
        let id = SessionId::from_bytes(*id.as_bytes());
        let within = Duration::from_secs(30);
        let session = orchestrator.wait_session(id, within).await.unwrap();
        assert_eq!(session.state, SessionState::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_task_is_over_is_found_by_the_next_server() {
    let world = World::new(ANY).await;
    let id = world.submit(&ask("agent:ann", 60_000)).await;
    let orchestrator = &world.orchestrator;
    orchestrator
        .cancel(id, "not needed", "user:test")
        .await
        .unwrap();
    // As if the server had ended before it came to the session: it is open again.
    let mut open = session(&world, id).await;
    let within = Duration::from_secs(30);
    let over = orchestrator.wait_session(open.id, within).await.unwrap();
    (open.version, open.state) = (over.version, SessionState::Open);
    let op = warrener_backend::session::SessionOp::Move(Box::new(Session {
        version: over.version + 1,
        ..open
    }));
    let op = warrener_backend::store::Op::Session(op);
    world.store.commit(vec![op.into()]).await.unwrap();
    assert_eq!(session(&world, id).await.state, SessionState::Open);
    let world = world.restart().await;
    let found = SessionId::from_bytes(*id.as_bytes());
    let session = world.orchestrator.wait_session(found, within).await;
    assert_eq!(session.unwrap().state, SessionState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_asks_once_and_each_task_of_a_batch_asks_for_itself() {
    let world = World::new(ANY).await;
    let submission = || Submission::read(&ask("agent:ann", 60_000)).unwrap();
    let submit = || {
        let key = Some("k".to_owned());
        world.orchestrator.submit(submission(), key, "user:test")
    };
    let (first, second) = (submit().await.unwrap(), submit().await.unwrap());
    assert!(second.existing && first.view.task.id == second.view.task.id);
    let batch = vec![submission(), submission()];
    world
        .orchestrator
        .submit_batch(batch, "user:test")
        .await
        .unwrap();
    let sessions = world.orchestrator.sessions(None, None, 10).await.unwrap();
    assert_eq!(sessions.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_question_has_its_place() {
    let text = r#"{"kind":"work","input":[1],"collaboration":{"question":" ","options":["one"],"dedline_ms":1}}"#;
    let world = World::new(ANY).await;
    let places = async |text: &str| {
        let submission = Submission::read(text).unwrap();
        let answer = world.orchestrator.submit(submission, None, "user:test");
        let Err(warrener_engine::Error::Invalid(mistakes)) = answer.await else {
            panic!("{text} was accepted")
        };
        let places: Vec<String> = mistakes.into_iter().map(|one| one.pointer).collect();
        places
    };
    assert_eq!(places(text).await, ["/input", "/collaboration/dedline_ms"]);
    let text = text
        .replace(r#","dedline_ms":1"#, "")
        .replace("[1]", r#"{"decision":1}"#);
    assert_eq!(
        places(&text).await,
        [
            "/input/decision",
            "/collaboration/question",
            "/collaboration/options"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_cancelled_while_agents_were_asked_is_told_so_when_it_is_tried_again() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::adviser(&world, "ann").await;
    let (_worker, inputs) = worker(&world, "w");
    let id = world.submit(&ask("agent:ann", 60_000)).await;
    ann.hear::<Invite>().await;
    let orchestrator = &world.orchestrator;
    orchestrator.cancel(id, "lunch", "user:test").await.unwrap();
    orchestrator
        .retry(id, None, false, "user:test")
        .await
        .unwrap();
    assert_eq!(world.end(id).await.task.life.state, State::Succeeded);
    let inputs = inputs.lock().unwrap().clone();
    let decision = &inputs[0]["decision"];
    assert_eq!(
        (&inputs[0]["n"], &decision["decision"]),
        (&json!(1), &json!(null))
    );
    assert_eq!(decision["state"], "cancelled");
    // It is told once: what it has stays.
    orchestrator
        .retry(id, None, false, "user:test")
        .await
        .unwrap_err();
}

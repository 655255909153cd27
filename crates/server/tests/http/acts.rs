//! Acts on a task: cancel, retry, reassign, approve, reject, answer.

use crate::support::{Reply, Server};
use serde_json::{Value, json};
use warrener_backend::store::{Committed, Move, Op};
use warrener_model::life::Parked;
use warrener_model::{State, TaskId};

fn act(server: &Server, id: &str, verb: &str, body: Value) -> Reply {
    server.post(&format!("/api/v1/tasks/{id}/{verb}"), body)
}

#[test]
fn cancel_ends_a_waiting_task_and_a_second_one_is_a_conflict() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "a"}));
    let task = act(&server, &id, "cancel", json!({"reason": "changed my mind"})).ok();
    assert_eq!(
        (&task["state"], &task["stopping"]),
        (&json!("cancelled"), &json!(false))
    );
    act(&server, &id, "cancel", json!({})).problem(409, "illegal_state");
    let events = server.get(&format!("/api/v1/tasks/{id}/events")).ok();
    let last = events["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["kind"], "cancelled");
    assert_eq!(last["detail"]["reason"], "changed my mind");
    assert!(last["actor"].as_str().unwrap().starts_with("user:"));
}

#[test]
fn cancel_needs_no_body() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "a"}));
    let request = server.request("POST", &format!("/api/v1/tasks/{id}/cancel"));
    assert_eq!(server.send(request, b"").ok()["state"], "cancelled");
}

#[test]
fn cancel_while_it_runs_says_that_the_run_is_being_stopped() {
    let server = Server::start();
    server.worker("ann");
    let id = server.running();
    let task = act(&server, &id, "cancel", json!({})).ok();
    assert_eq!(
        (&task["state"], &task["stopping"]),
        (&json!("cancelled"), &json!(true))
    );
    server.until("/api/v1/agents/ann", |agent| agent["busy"] == 0);
    assert_eq!(server.task(&id)["state"], "cancelled");
    assert!(server.task(&id).get("stopping").is_none());
}

#[test]
fn retry_brings_back_what_ended_badly_and_nothing_else() {
    let server = Server::start();
    server.worker("ann");
    let failed = server.submit(json!({"kind": "fail"}));
    server.ended(&failed);
    let again = act(&server, &failed, "retry", json!({})).ok();
    assert_eq!(
        (&again["final"], &again["replays"]),
        (&json!(false), &json!(1))
    );
    let task = server.until(&format!("/api/v1/tasks/{failed}"), |task| {
        task["final"] == true
    });
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("failed"), &json!(2))
    );
    let dead = server.dead();
    let again = act(
        &server,
        &dead,
        "retry",
        json!({"input": {"b": 2}, "reset_attempts": true}),
    )
    .ok();
    assert_eq!(again["input"], json!({"b": 2}));
    let done = server.submit(json!({"kind": "echo"}));
    server.ended(&done);
    act(&server, &done, "retry", json!({})).problem(409, "illegal_state");
    let large = json!({"input": "x".repeat(300_000)});
    let problem = act(&server, &failed, "retry", large).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/input");
}

#[test]
fn reassign_moves_a_run_to_the_agent_that_is_named() {
    let server = Server::start();
    server.worker("ann");
    let id = server.running();
    assert_eq!(server.task(&id)["agent"], "ann");
    server.worker("bob");
    act(&server, &id, "reassign", json!({"agent": "bob"})).ok();
    let path = format!("/api/v1/tasks/{id}");
    let task = server.until(&path, |task| {
        task["state"] == "running" && task["agent"] == "bob"
    });
    assert_eq!(task["attempt"], 2);
    act(&server, &id, "reassign", json!({"agent": "nobody"})).problem(404, "not_found");
    let problem = act(&server, &id, "reassign", json!({"agent": "NO!"})).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/agent");
    act(&server, &id, "reassign", json!({})).problem(422, "invalid");
    act(&server, &id, "cancel", json!({})).ok();
    act(&server, &id, "reassign", json!({"agent": "bob"})).problem(409, "illegal_state");
}

#[test]
fn approve_reject_and_answer_are_for_tasks_that_wait_for_them() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "a"}));
    for verb in ["approve", "reject", "answer"] {
        act(&server, &id, verb, json!({})).problem(409, "not_waiting");
    }
    let large = json!({"answer": "x".repeat(300_000)});
    act(&server, &id, "answer", large).problem(422, "invalid");
    assert_eq!(server.task(&id)["state"], "ready");
}

/// A task that waits for a person: nothing here parks, so its row is moved by hand.
fn parked(server: &Server, why: Parked) -> String {
    let id = server.submit(json!({"kind": "nobody", "input": 1}));
    let change = async {
        let task: TaskId = id.parse().unwrap();
        let row = server
            .store
            .tasks(&[task])
            .await
            .unwrap()
            .pop()
            .unwrap()
            .unwrap();
        let mut life = row.life;
        life.state = State::Parked;
        life.parked = Some(why);
        let change = Op::Move(Box::new(Move {
            task,
            version: row.version,
            lease_seq: life.lease_seq,
            life,
            event: None,
            ending: None,
            input: None,
        }));
        server.store.commit(vec![change.into()]).await.unwrap()
    };
    let done = server.runtime.block_on(change);
    assert!(matches!(done[0], Committed::Done { .. }));
    id
}

#[test]
fn a_parked_task_is_approved_rejected_or_answered_once() {
    let server = Server::start();
    let id = parked(&server, Parked::Approval);
    assert_eq!(server.task(&id)["waiting_for"], "approval");
    let task = act(&server, &id, "approve", json!({"reason": "looks good"})).ok();
    assert_eq!(task["state"], "ready");
    act(&server, &id, "approve", json!({})).problem(409, "not_waiting");
    let id = parked(&server, Parked::Approval);
    let task = act(&server, &id, "reject", json!({"reason": "too risky"})).ok();
    assert_eq!(
        (&task["state"], &task["final"]),
        (&json!("failed"), &json!(true))
    );
    let id = parked(&server, Parked::Input);
    assert_eq!(server.task(&id)["waiting_for"], "input");
    let task = act(&server, &id, "answer", json!({"answer": {"colour": "red"}})).ok();
    assert_eq!(
        (&task["state"], &task["input"]),
        (&json!("ready"), &json!({"colour": "red"}))
    );
}

#[test]
fn a_parked_task_moves_only_by_the_act_it_waits_for() {
    let server = Server::start();
    for (why, word, body) in [
        (Parked::Input, "approve", json!({})),
        (Parked::Approval, "answer", json!({"answer": 1})),
        (Parked::Budget, "reject", json!({})),
    ] {
        let id = parked(&server, why);
        act(&server, &id, word, body).problem(409, "not_waiting");
        assert_eq!(server.task(&id)["state"], "parked", "{word}");
    }
}

//! Agents: list, get, drain, resume, stop.

use crate::support::Server;
use serde_json::json;

#[test]
fn agents_are_listed_with_what_they_do() {
    let server = Server::start();
    assert_eq!(
        server.get("/api/v1/agents").ok(),
        json!({"items": [], "next": null})
    );
    server.worker("bob");
    server.worker_with("ann", |builder| builder.concurrency(2));
    let list = server.get("/api/v1/agents").ok();
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][1]["id"]),
        (&json!("ann"), &json!("bob"))
    );
    let ann = server.get("/api/v1/agents/ann").ok();
    assert_eq!(
        (&ann["slots"], &ann["busy"], &ann["presence"]),
        (&json!(2), &json!(0), &json!("up"))
    );
    assert_eq!(ann["lanes"], json!(["default"]));
    let page = server.get("/api/v1/agents?limit=1").ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let next = page["next"].as_str().unwrap();
    let page = server
        .get(&format!("/api/v1/agents?limit=1&cursor={next}"))
        .ok();
    assert_eq!(
        (&page["items"][0]["id"], &page["next"]),
        (&json!("bob"), &json!(null))
    );
    let id = server.running();
    let holder = server.task(&id)["agent"].as_str().unwrap().to_owned();
    let agent = server.get(&format!("/api/v1/agents/{holder}")).ok();
    assert_eq!((&agent["busy"], &agent["tasks"]), (&json!(1), &json!([id])));
}

#[test]
fn a_drained_agent_takes_nothing_until_it_is_resumed() {
    let server = Server::start();
    server.worker("ann");
    let agent = server
        .post("/api/v1/agents/ann/drain", json!({"reason": "maintenance"}))
        .ok();
    assert_eq!(
        (&agent["drain"], &agent["presence"]),
        (&json!(true), &json!("draining"))
    );
    let id = server.submit(json!({"kind": "echo"}));
    // A later task in the same store proves that the dispatcher went round meanwhile.
    server.worker_with("other", |builder| builder.lane("elsewhere").unwrap());
    let elsewhere = server.submit(json!({"kind": "echo", "lane": "elsewhere"}));
    server.ended(&elsewhere);
    assert_eq!(server.task(&id)["attempt"], 0);
    let agent = server.post("/api/v1/agents/ann/resume", json!({})).ok();
    assert_eq!(agent["drain"], false);
    assert_eq!(server.ended(&id)["state"], "succeeded");
}

#[test]
fn a_stopped_agent_leaves() {
    let server = Server::start();
    server.worker("ann");
    server
        .post("/api/v1/agents/ann/stop", json!({"deadline_ms": 100}))
        .ok();
    server.until("/api/v1/agents/ann", |agent| agent["presence"] == "left");
}

#[test]
fn only_stop_takes_a_deadline() {
    let server = Server::start();
    server.worker("ann");
    for verb in ["drain", "resume"] {
        let reply = server.post(
            &format!("/api/v1/agents/ann/{verb}"),
            json!({"deadline_ms": 5}),
        );
        let problem = reply.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/deadline_ms");
    }
    let far = json!({"deadline_ms": 400_000_000_000_u64});
    server
        .post("/api/v1/agents/ann/stop", far)
        .problem(422, "invalid");
}

//! Lanes: list, get, pause, resume.

use crate::support::Server;
use serde_json::json;

#[test]
fn a_lane_is_counted_paused_and_resumed() {
    let server = Server::start();
    server.worker_with("ann", |builder| builder.lane("bulk").unwrap());
    let lane = server
        .post("/api/v1/lanes/bulk/pause", json!({"reason": "deploy"}))
        .ok();
    assert_eq!(
        (&lane["paused"], &lane["reason"]),
        (&json!(true), &json!("deploy"))
    );
    assert!(lane["paused_at"].is_string());
    assert_eq!(lane["start"], "claim");
    let id = server.submit(json!({"kind": "echo", "lane": "bulk"}));
    let task = server.task(&id);
    assert_eq!(
        (&task["state"], &task["waiting_for"]),
        (&json!("ready"), &json!("paused"))
    );
    let lane = server.get("/api/v1/lanes/bulk").ok();
    assert_eq!(
        (&lane["counts"]["ready"], &lane["agents"], &lane["slots"]),
        (&json!(1), &json!(1), &json!(4))
    );
    assert!(lane["oldest_ready_at"].is_string());
    let lane = server.post("/api/v1/lanes/bulk/resume", json!({})).ok();
    assert_eq!(
        (&lane["paused"], &lane["reason"], &lane["paused_at"]),
        (&json!(false), &json!(null), &json!(null))
    );
    assert_eq!(server.ended(&id)["state"], "succeeded");
}

#[test]
fn lanes_are_listed_by_name_and_a_lane_may_be_paused_before_its_first_task() {
    let server = Server::start();
    server.submit(json!({"kind": "a", "lane": "zebra"}));
    server.post("/api/v1/lanes/early/pause", json!({})).ok();
    let list = server.get("/api/v1/lanes").ok();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lane| lane["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["early", "zebra"]);
    server
        .post("/api/v1/lanes/NO!/pause", json!({}))
        .problem(400, "bad_request");
    let problem = server
        .post("/api/v1/lanes/early/pause", json!({"raeson": "x"}))
        .problem(422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("reason"));
}

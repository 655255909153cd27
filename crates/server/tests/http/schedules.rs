//! Schedules: make, look at, pause, resume, run now, delete, and what became of their slots.

use crate::support::Server;
use serde_json::{Value, json};

const ALL: &str = "/api/v1/schedules";

fn yearly(name: &str) -> Value {
    json!({
        "name": name, "cron": "30 6 1 1 *", "time_zone": "Europe/Berlin",
        "task": {"kind": "echo", "input": {"n": 1}, "labels": {"a": "b"}},
    })
}

#[test]
fn a_schedule_is_made_shown_paused_run_and_deleted() {
    let server = Server::start();
    let made = server.post(ALL, yearly("new-year"));
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(
        (&made["overlap"], &made["catch_up"]),
        (&json!("skip"), &json!("last"))
    );
    let next = made["next"].as_array().unwrap();
    assert_eq!(next.len(), 5);
    assert!(
        next.iter()
            .all(|slot| slot.as_str().unwrap().ends_with("-01-01T05:30:00.000Z"))
    );
    let one = server.get(&format!("{ALL}/new-year")).ok();
    assert_eq!(one, made);
    let list = server.get(ALL).ok();
    assert_eq!(
        list["items"][0]["task"],
        json!({"kind": "echo", "priority": "normal", "labels": {"a": "b"}})
    );
    let paused = server
        .post(&format!("{ALL}/new-year/pause"), json!({}))
        .ok();
    assert_eq!(
        (&paused["paused"], &paused["paused_at"].is_string()),
        (&json!(true), &true)
    );
    let run = server.post(&format!("{ALL}/new-year/run"), json!({})).ok();
    let task = run["last_task_id"].as_str().unwrap();
    assert_eq!(server.task(task)["labels"]["schedule"], "new-year");
    let busy = server.post(&format!("{ALL}/new-year/run"), json!({}));
    assert_eq!(busy.problem(409, "illegal_state")["task_id"], task);
    let resumed = server
        .post(&format!("{ALL}/new-year/resume"), json!({}))
        .ok();
    assert_eq!(resumed["paused"], false);
    let firings = server.get(&format!("{ALL}/new-year/firings")).ok();
    let row = &firings["items"][0];
    assert_eq!(
        (&row["outcome"], &row["cause"], &row["task_id"]),
        (&json!("started"), &json!("hand"), &json!(task))
    );
    let path = format!("{ALL}/new-year");
    server.send(server.request("DELETE", &path), b"").ok();
    server.get(&path).problem(404, "not_found");
    server
        .get(&format!("{path}/firings"))
        .problem(404, "not_found");
}

#[test]
fn pages_of_firings_go_on_where_one_ended() {
    let server = Server::start();
    let mut request = yearly("s");
    request["overlap"] = "cancel".into();
    assert_eq!(server.post(ALL, request).status, 201);
    for _ in 0..3 {
        server.post(&format!("{ALL}/s/run"), json!({})).ok();
    }
    let first = server.get(&format!("{ALL}/s/firings?limit=2")).ok();
    let cursor = first["next"].as_str().unwrap();
    let rest = server
        .get(&format!("{ALL}/s/firings?limit=2&cursor={cursor}"))
        .ok();
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&rest)), (2, 1));
    assert_eq!(rest["next"], Value::Null);
    server
        .get(&format!("{ALL}/s/firings?cursor=x"))
        .problem(400, "cursor_invalid");
}

#[test]
fn mistakes_are_told_all_at_once_with_their_places() {
    let server = Server::start();
    let wrong = json!({
        "name": "Nightly", "cron": "61 * * * *", "overlapp": "skip", "task": {"kind": "echo", "lan": "x"},
    });
    let problem = server.post(ALL, wrong).problem(422, "invalid");
    let places: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/overlapp", "/task/lan"]);
    let wrong = json!({"name": "Nightly", "cron": "61 * * * *", "task": {"kind": "echo"}});
    let problem = server.post(ALL, wrong).problem(422, "invalid");
    let places: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/name", "/cron"]);
    assert_eq!(server.post(ALL, yearly("a")).status, 201);
    server.post(ALL, yearly("a")).problem(409, "name_taken");
    server
        .get(&format!("{ALL}/NO!"))
        .problem(400, "bad_request");
    server
        .post(&format!("{ALL}/b/pause"), json!({}))
        .problem(404, "not_found");
}

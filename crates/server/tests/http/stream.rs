//! `GET /api/v1/stream`.

use crate::support::Server;
use serde_json::json;

#[test]
fn a_task_is_followed_from_its_acceptance_to_its_end() {
    let server = Server::start();
    server.worker("ann");
    let mut stream = server.listen("/api/v1/stream?topics=tasks", None);
    let id = server.submit(json!({"kind": "echo", "title": "T", "input": "secret"}));
    let first = stream.next().unwrap();
    assert_eq!(
        (first.name.as_str(), &first.data["event"]),
        ("task", &json!("submitted"))
    );
    assert_eq!(
        (&first.data["id"], &first.data["title"]),
        (&json!(id), &json!("T"))
    );
    assert_eq!(first.id, first.data["cursor"].as_u64());
    let mut last = first.id;
    loop {
        let event = stream.next().unwrap();
        assert!(event.id > last, "cursors grow");
        assert!(!event.data.to_string().contains("secret"), "no payloads");
        last = event.id;
        if event.data["final"] == true {
            assert_eq!(
                (&event.data["state"], &event.data["agent"]),
                (&json!("succeeded"), &json!("ann"))
            );
            return;
        }
    }
}

#[test]
fn a_client_that_comes_again_misses_nothing_and_sees_nothing_twice() {
    let server = Server::start();
    let mut stream = server.listen("/api/v1/stream", None);
    let mut ids = vec![];
    let mut seen = vec![];
    let mut last = String::new();
    for round in 0..4 {
        // More than one read of the history at once.
        let batch: Vec<_> = (0..150)
            .map(|n| json!({"kind": "a", "input": n + round * 1_000}))
            .collect();
        let items = server.post("/api/v1/tasks/batch", json!(batch)).json()["items"].clone();
        ids.extend(
            items
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].clone()),
        );
        for _ in 0..100 {
            let event = stream.next().unwrap();
            last = event.id.unwrap().to_string();
            seen.push(event.data["id"].clone());
        }
        drop(stream);
        server.submit(json!({"kind": "b"}));
        stream = server.listen("/api/v1/stream", Some(&last));
    }
    let end = server.submit(json!({"kind": "end"}));
    loop {
        let event = stream.next().unwrap();
        if event.data["id"] == end.as_str() {
            break;
        }
        seen.push(event.data["id"].clone());
    }
    let distinct: std::collections::BTreeSet<String> =
        seen.iter().map(ToString::to_string).collect();
    assert_eq!((seen.len(), distinct.len()), (604, 604));
    assert!(ids.iter().all(|id| distinct.contains(&id.to_string())));
    drop(last);
}

#[test]
fn a_client_is_told_where_it_stands_before_anything_happens() {
    let server = Server::start();
    server.submit(json!({"kind": "a"}));
    let mut stream = server.listen("/api/v1/stream", None);
    let id = std::iter::from_fn(|| stream.line())
        .find_map(|line| line.strip_prefix("id: ").map(String::from));
    drop(stream);
    let missed = server.submit(json!({"kind": "b"}));
    let mut stream = server.listen("/api/v1/stream", id.as_deref());
    stream.find("task", |data| data["id"] == missed.as_str());
}

#[test]
fn a_cursor_of_another_store_means_resync_and_garbage_is_refused() {
    let server = Server::start();
    let mut stream = server.listen("/api/v1/stream", Some("999999"));
    let event = stream.next().unwrap();
    assert_eq!(event.name, "resync");
    assert!(event.id.unwrap() < 999_999);
    let id = server.submit(json!({"kind": "a"}));
    assert_eq!(stream.next().unwrap().data["id"], id);
    let request = server
        .request("GET", "/api/v1/stream")
        .header("last-event-id", "yesterday");
    server.send(request, b"").problem(400, "cursor_invalid");
    let problem = server
        .get("/api/v1/stream?topics=tasks,weather")
        .problem(400, "bad_request");
    assert_eq!(problem["errors"][0]["pointer"], "topics");
}

#[test]
fn topics_choose_one_task_or_the_dead() {
    let server = Server::start();
    server.worker("ann");
    let (other, mine) = (
        server.submit(json!({"kind": "echo"})),
        server.submit(json!({"kind": "echo"})),
    );
    server.ended(&other);
    server.ended(&mine);
    let mut stream = server.listen(&format!("/api/v1/stream?topics=task:{mine}"), Some("0"));
    loop {
        let event = stream.next().unwrap();
        assert_eq!(event.data["id"], mine);
        if event.data["final"] == true {
            break;
        }
    }
    let dead = server.dead();
    server
        .post("/api/v1/dead/requeue", json!({"ids": [dead]}))
        .ok();
    let mut stream = server.listen("/api/v1/stream?topics=dead", Some("0"));
    for kind in ["dead", "retried"] {
        let event = stream.next().unwrap();
        assert_eq!(
            (&event.data["id"], &event.data["event"]),
            (&json!(dead), &json!(kind))
        );
    }
}

#[test]
fn lanes_agents_and_alerts_are_told_when_they_change() {
    let server = Server::start();
    let mut stream = server.listen("/api/v1/stream?topics=lanes,agents,alerts", None);
    let stop = server.worker("ann");
    let agent = stream.find("agent", |data| data["presence"] == "up");
    assert_eq!((&agent.data["id"], agent.id), (&json!("ann"), None));
    server.post("/api/v1/lanes/bulk/pause", json!({})).ok();
    let lane = stream.find("lane", |data| data["name"] == "bulk");
    assert_eq!(lane.data["paused"], true);
    server.submit(json!({"kind": "stop"}));
    let alert = stream.find("alert", |_| true);
    assert_eq!(
        (&alert.data["alert"], &alert.data["v"]),
        (&json!("dead_letters"), &json!(1))
    );
    stop.cancel();
    stream.find("agent", |data| data["presence"] == "left");
}

#[test]
fn a_silent_stream_is_kept_alive_and_ends_with_the_server() {
    let server = Server::start();
    let mut stream = server.listen("/api/v1/stream?topics=alerts", None);
    while !stream.line().unwrap().starts_with(':') {}
    server.stop.cancel();
    while stream.line().is_some() {}
}

#[test]
fn streams_have_a_bound_and_give_their_place_back() {
    let server = Server::with(|options, _| options.streams = 1);
    let mut stream = server.listen("/api/v1/stream", None);
    stream.line();
    server.get("/api/v1/stream").problem(503, "overloaded");
    let id = server.submit(json!({"kind": "a"}));
    server
        .get(&format!("/api/v1/tasks/{id}/logs?follow=true"))
        .problem(503, "overloaded");
    drop(stream);
    // The server sees that the client is gone when it speaks to it next: the keep-alive.
    loop {
        let request = server.request("GET", "/api/v1/stream");
        let request = request.header("authorization", format!("Bearer {}", crate::support::TOKEN));
        let response = crate::support::agent()
            .run(request.body(()).unwrap())
            .unwrap();
        if response.status() == 200 {
            return;
        }
    }
}

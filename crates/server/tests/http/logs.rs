//! Logs of a task: pages and following.

use crate::support::Server;
use serde_json::{Value, json};

fn text(pieces: &[Value]) -> String {
    pieces
        .iter()
        .map(|piece| piece["text"].as_str().unwrap())
        .collect()
}

#[test]
fn a_log_is_followed_to_its_end_and_then_read_in_pages() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "talk"}));
    let mut stream = server.listen(&format!("/api/v1/tasks/{id}/logs?follow=true"), None);
    server.worker("ann");
    let mut pieces = vec![];
    loop {
        let event = stream.next().unwrap();
        if event.name == "end" {
            break;
        }
        assert_eq!(
            (event.name.as_str(), event.id),
            ("log", event.data["n"].as_u64())
        );
        pieces.push(event.data);
    }
    assert_eq!(text(&pieces), "one\ntwo\nthree\n");
    assert!(stream.next().is_none());
    let path = format!("/api/v1/tasks/{id}/logs");
    let all = server.get(&path).ok();
    assert_eq!(all["items"], json!(pieces));
    assert!(all["next"].is_null());
    let first = server.get(&format!("{path}?limit=1")).ok();
    assert_eq!(first["items"][0], pieces[0]);
    let after = first["next"].as_str().unwrap();
    let rest = server.get(&format!("{path}?after={after}")).ok();
    assert_eq!(rest["items"], json!(pieces[1..]));
    assert_eq!(
        server.get(&format!("{path}?attempt=1")).ok()["items"],
        all["items"]
    );
    assert_eq!(
        server.get(&format!("{path}?attempt=2")).ok()["items"],
        json!([])
    );
    for bad in [
        "attempt=0",
        "attempt=x",
        "after=-1",
        "limit=0",
        "follow=maybe",
    ] {
        server
            .get(&format!("{path}?{bad}"))
            .problem(400, "bad_request");
    }
    let mut again = server.listen(&format!("{path}?follow=true&after={after}"), None);
    assert_eq!(again.next().unwrap().data, pieces[1]);
}

#[test]
fn a_task_without_a_log_has_an_empty_one() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "a"}));
    let page = server.get(&format!("/api/v1/tasks/{id}/logs")).ok();
    assert_eq!(page, json!({"items": [], "next": null}));
}

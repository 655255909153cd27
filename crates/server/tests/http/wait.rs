//! Waiting: `?wait=` and `POST /api/v1/tasks/wait`.

use crate::support::{Server, TOKEN};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_task_is_waited_for_and_shown_as_it_is_when_the_time_is_over() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "echo"}));
    let path = format!("/api/v1/tasks/{id}");
    let early = server.get(&format!("{path}?wait=10ms")).ok();
    assert_eq!(early["final"], false);
    assert_eq!(early["waiting_for"], "no_capable_agent");
    server.worker("ann");
    assert_eq!(server.ended(&id)["state"], "succeeded");
    assert_eq!(server.get(&format!("{path}?wait=0s")).ok()["final"], true);
    for bad in ["61s", "soon", "-1s", "5"] {
        let problem = server
            .get(&format!("{path}?wait={bad}"))
            .problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["pointer"], "wait");
    }
}

#[test]
fn more_waiters_than_there_is_room_for_are_told_when_to_come_back() {
    let server = Server::with(|_, engine| engine.waiters = 0);
    let id = server.submit(json!({"kind": "nobody"}));
    let path = format!("/api/v1/tasks/{id}");
    for reply in [
        server.get(&format!("{path}?wait=30s")),
        server.post(
            "/api/v1/tasks/wait",
            json!({"ids": [id], "wait_ms": 30_000}),
        ),
    ] {
        reply.problem(503, "overloaded");
        assert_eq!(reply.headers["retry-after"], "1");
    }
    assert_eq!(server.get(&path).ok()["final"], false);
}

#[test]
fn several_are_waited_for_in_the_order_asked() {
    let server = Server::start();
    server.worker("ann");
    let ids: Vec<String> = (0..4)
        .map(|n| server.submit(json!({"kind": "echo", "input": n})))
        .collect();
    let answer = server
        .post("/api/v1/tasks/wait", json!({"ids": ids, "wait_ms": 60_000}))
        .ok();
    let done: Vec<&str> = answer["done"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["id"].as_str().unwrap())
        .collect();
    assert_eq!(done, ids);
    assert!(answer["done"][0].get("output").is_none());
    assert_eq!(answer["pending"], json!([]));
}

#[test]
fn any_is_enough_when_one_has_ended() {
    let server = Server::start();
    server.worker("ann");
    let open = server.submit(json!({"kind": "nobody-runs-this"}));
    let ends = server.submit(json!({"kind": "echo"}));
    let body = json!({"ids": [open, ends], "wait_ms": 60_000, "any": true});
    let answer = server.post("/api/v1/tasks/wait", body).ok();
    assert_eq!(answer["done"][0]["id"], ends);
    assert_eq!(answer["pending"], json!([open]));
    let at_once = server
        .post("/api/v1/tasks/wait", json!({"ids": [open]}))
        .ok();
    assert_eq!(at_once["pending"], json!([open]));
}

#[test]
fn waiting_has_limits_and_needs_tasks_that_exist() {
    let server = Server::start();
    let wait = |body| server.post("/api/v1/tasks/wait", body);
    let nobody = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";
    wait(json!({"ids": [nobody]})).problem(404, "not_found");
    let problem = wait(json!({"ids": [], "wait_ms": 60_001})).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/wait_ms");
    let problem = wait(json!({"ids": ["x"]})).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/ids");
    wait(json!({"wait_ms": 1})).problem(422, "invalid");
    wait(json!({"ids": vec![nobody; 10_001]})).problem(413, "too_large");
    assert_eq!(
        wait(json!({"ids": []})).ok(),
        json!({"done": [], "pending": []})
    );
}

#[test]
fn a_wait_ends_when_the_server_stops() {
    let mut server = Server::start();
    let id = server.submit(json!({"kind": "echo"}));
    let mut stream = server.listen("/api/v1/stream", None);
    let body = json!({"ids": [id], "wait_ms": 60_000}).to_string();
    let mut socket = TcpStream::connect(&server.url["http://".len()..]).unwrap();
    write!(
        socket,
        "POST /api/v1/tasks/wait HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The server asks for the body, so it is at work on this request.
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).unwrap();
    server.get("/livez").ok();
    server.stop.cancel();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains(&format!("\"pending\":[\"{id}\"]")), "{text}");
    while stream.line().is_some() {}
    let served = server.served.take().unwrap();
    server.runtime.block_on(served).unwrap().unwrap();
}

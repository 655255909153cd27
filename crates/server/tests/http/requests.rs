//! What is wrong with a request before it is about anything: bodies, parameters, routes, ids.

use crate::support::Server;
use serde_json::json;

const NOBODY: &str = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";

#[test]
fn garbage_is_a_bad_request() {
    let server = Server::start();
    let bodies: [&[u8]; 7] = [
        b"",
        b"nonsense",
        b"{",
        b"{\"kind\":\"a\"} x",
        b"\xff\xfe",
        b"\0\0\0",
        b"{'kind':1}",
    ];
    for path in [
        "/api/v1/tasks",
        "/api/v1/tasks/wait",
        "/api/v1/dead/requeue",
    ] {
        for body in bodies {
            if body.is_empty() && path != "/api/v1/tasks" {
                continue;
            }
            server
                .send(server.request("POST", path), body)
                .problem(400, "bad_request");
        }
    }
    for body in ["[]", "7", "null", "\"kind\""] {
        let reply = server.send(server.request("POST", "/api/v1/tasks"), body.as_bytes());
        reply.problem(422, "invalid");
    }
    let reply = server.send(
        server.request("POST", "/api/v1/tasks"),
        br#"{"kind":"a","kind":"b"}"#,
    );
    reply.problem(422, "invalid");
}

#[test]
fn a_body_that_is_too_large_is_refused_also_when_its_length_is_not_told() {
    let server = Server::with(|options, _| options.body_bytes = 64 * 1024);
    let body = json!({"kind": "a", "input": "x".repeat(100_000)}).to_string();
    let reply = server.send(server.request("POST", "/api/v1/tasks"), body.as_bytes());
    let problem = reply.problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("65536"));
    let request = server
        .request("POST", "/api/v1/tasks")
        .header("authorization", format!("Bearer {}", crate::support::TOKEN));
    let chunked = ureq::SendBody::from_owned_reader(std::io::Cursor::new(body.into_bytes()));
    let response = crate::support::agent()
        .run(request.body(chunked).unwrap())
        .unwrap();
    crate::support::reply(response).problem(413, "too_large");
    let id = server.submit(json!({"kind": "a"}));
    let act = json!({"reason": "x".repeat(100_000)});
    server
        .post(&format!("/api/v1/tasks/{id}/cancel"), act)
        .problem(413, "too_large");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    use std::io::{Read, Write};
    let server =
        Server::with(|options, _| options.body_time = std::time::Duration::from_millis(200));
    let mut socket = std::net::TcpStream::connect(&server.url["http://".len()..]).unwrap();
    let token = crate::support::TOKEN;
    write!(
        socket,
        "POST /api/v1/tasks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-length: 100\r\nconnection: close\r\n\r\n{{"
    )
    .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert!(text.contains("did not come"), "{text}");
}

#[test]
fn an_unknown_route_and_a_wrong_method_are_problems() {
    let server = Server::start();
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v2/tasks",
        "/api/v1/tasks/",
        "/api/v1/tasks/x/y/z",
    ] {
        server.get(path).problem(404, "not_found");
    }
    let reply = server.send(server.request("DELETE", "/api/v1/tasks"), b"");
    reply.problem(405, "bad_request");
    let allow = reply.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    server.post("/livez", json!({})).problem(405, "bad_request");
}

#[test]
fn ids_that_are_none_are_bad_and_those_of_nobody_not_found() {
    let server = Server::start();
    for bad in [
        "x",
        "01931b66",
        "01931b667d507c8ab7a564d2f14f8c11",
        "%00",
        "%ff",
    ] {
        server
            .get(&format!("/api/v1/tasks/{bad}"))
            .problem(400, "bad_request");
    }
    for path in [
        "",
        "/events",
        "/logs",
        "/logs?follow=true",
        "/events?limit=1",
        "?wait=1s",
    ] {
        server
            .get(&format!("/api/v1/tasks/{NOBODY}{path}"))
            .problem(404, "not_found");
    }
    for act in ["cancel", "retry", "approve", "reject", "answer"] {
        server
            .post(&format!("/api/v1/tasks/{NOBODY}/{act}"), json!({}))
            .problem(404, "not_found");
    }
    for path in ["/api/v1/agents/nobody", "/api/v1/lanes/nowhere"] {
        server.get(path).problem(404, "not_found");
    }
    for path in ["/api/v1/agents/NO!", "/api/v1/lanes/dead"] {
        server.get(path).problem(400, "bad_request");
    }
    for act in ["drain", "resume", "stop"] {
        server
            .post(&format!("/api/v1/agents/nobody/{act}"), json!({}))
            .problem(404, "not_found");
    }
}

#[test]
fn unknown_parameters_and_fields_are_refused_with_a_suggestion() {
    let server = Server::start();
    let problem = server
        .get("/api/v1/tasks?fliter=state:dead")
        .problem(400, "bad_request");
    assert_eq!(problem["errors"][0]["pointer"], "fliter");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean \"filter\"?")
    );
    server
        .get("/api/v1/tasks?limit=1&limit=2")
        .problem(400, "bad_request");
    server.get("/api/v1/books?x=1").problem(400, "bad_request");
    let id = server.submit(json!({"kind": "a"}));
    let problem = server.post(&format!("/api/v1/tasks/{id}/cancel"), json!({"reson": "x"}));
    let problem = problem.problem(422, "invalid");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean \"reason\"?")
    );
    assert_eq!(server.task(&id)["state"], "ready");
}

#[test]
fn a_request_id_is_echoed_or_made() {
    let server = Server::start();
    let with = |id: &str| {
        let reply = server.send(
            server.request("GET", "/livez").header("x-request-id", id),
            b"",
        );
        reply.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("abc-123"), "abc-123");
    for odd in ["with space", &"x".repeat(129)] {
        assert_ne!(with(odd), odd);
    }
    let ids = [(); 2].map(|()| server.get("/livez").headers["x-request-id"].clone());
    assert_ne!(ids[0], ids[1]);
    let request = server
        .request("GET", "/api/v1/nothing")
        .header("x-request-id", "mine");
    let problem = server.send(request, b"").problem(404, "not_found");
    assert_eq!(problem["request_id"], "mine");
}

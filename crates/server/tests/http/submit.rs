//! `POST /api/v1/tasks`.

use crate::support::Server;
use serde_json::json;
use warrener_model::Kind;

#[test]
fn a_task_is_accepted_with_all_its_fields_and_without_an_agent() {
    let server = Server::start();
    let reply = server.post(
        "/api/v1/tasks",
        json!({"kind": "review", "lane": "nobody-serves-this", "title": "T", "description": "D", "input": {"a": 1.5},
            "priority": "high", "delay_ms": 60_000, "deadline_ms": 3_600_000, "timeout_ms": 5_000, "max_attempts": 3,
            "retry": {"network": {"retries": 1}}, "labels": {"batch": "42"}}),
    );
    assert_eq!(reply.status, 201, "{}", reply.text);
    let task = reply.json();
    assert_eq!(task["state"], "scheduled");
    assert_eq!(task["waiting_for"], "not_before");
    assert_eq!(task["final"], false);
    assert_eq!(task["priority"], "high");
    assert_eq!(task["labels"]["batch"], "42");
    assert_eq!(task["input"], json!({"a": 1.5}));
    assert_eq!(server.task(task["id"].as_str().unwrap()), task);
}

#[test]
fn a_task_runs_and_its_output_is_read() {
    let server = Server::start();
    server.worker("ann");
    let id = server.submit(json!({"kind": "echo", "input": {"x": [1, 2]}}));
    let task = server.ended(&id);
    assert_eq!(task["state"], "succeeded");
    assert_eq!(task["output"], json!({"x": [1, 2]}));
    assert_eq!(task["attempt"], 1);
    assert!(task["waiting_for"].is_null());
}

#[test]
fn the_same_key_and_body_is_the_same_task_and_another_body_a_conflict() {
    let server = Server::start();
    let send = |key: &str, body: serde_json::Value| {
        let request = server
            .request("POST", "/api/v1/tasks")
            .header("Idempotency-Key", key);
        server.send(request, body.to_string().as_bytes())
    };
    let first = send("order 7", json!({"kind": "pay", "input": 1}));
    assert_eq!(first.status, 201);
    let again = send("order 7", json!({"kind": "pay", "input": 1}));
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["id"], first.json()["id"]);
    let other =
        send("order 7", json!({"kind": "pay", "input": 2})).problem(409, "idempotency_conflict");
    assert_eq!(other["task_id"], first.json()["id"]);
    assert_eq!(
        send("order 8", json!({"kind": "pay", "input": 2})).status,
        201
    );
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 2);
}

#[test]
fn a_key_is_one_text_of_1_to_200_printable_characters() {
    let server = Server::start();
    let body = br#"{"kind":"a"}"#;
    let request = || server.request("POST", "/api/v1/tasks");
    let long = request().header("Idempotency-Key", "k".repeat(201));
    let problem = server.send(long, body).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/idempotency_key");
    assert_eq!(
        server
            .send(request().header("Idempotency-Key", "k".repeat(200)), body)
            .status,
        201
    );
    assert_eq!(
        server
            .send(request().header("Idempotency-Key", "schlüssel"), body)
            .status,
        201
    );
    server
        .send(request().header("Idempotency-Key", ""), body)
        .problem(422, "invalid");
    let twice = request()
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    server.send(twice, body).problem(400, "bad_request");
    let bytes = ureq::http::HeaderValue::from_bytes(&[0xff]).unwrap();
    server
        .send(request().header("Idempotency-Key", bytes), body)
        .problem(400, "bad_request");
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_a_suggestion() {
    let server = Server::start();
    let body = json!({"kind": "No", "lane": "dead", "max_attempts": 0, "labels": {"a b": "x"}});
    let problem = server.post("/api/v1/tasks", body).problem(422, "invalid");
    let places: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/kind", "/lane", "/max_attempts", "/labels/a b"]);
    let body = json!({"kind": "a", "priorty": "high"});
    let problem = server.post("/api/v1/tasks", body).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/priorty");
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("did you mean \"priority\"?"), "{message}");
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 0);
}

#[test]
fn limits_are_named_before_anything_is_accepted() {
    let server = Server::start();
    for (body, part) in [
        (json!({"kind": "a", "title": "x".repeat(201)}), "200"),
        (
            json!({"kind": "a", "description": "x".repeat(16 * 1024 + 1)}),
            "16384",
        ),
        (
            json!({"kind": "a", "input": "x".repeat(256 * 1024)}),
            "262144",
        ),
        (
            json!({"kind": "a", "delay_ms": 400_000_000_000_u64}),
            "10 years",
        ),
        (
            json!({"kind": "a", "labels": {"a": "x".repeat(257)}}),
            "256",
        ),
    ] {
        let problem = server.post("/api/v1/tasks", body).problem(422, "invalid");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
    let deep = format!(
        r#"{{"kind":"a","input":{}{}}}"#,
        "[".repeat(65),
        "]".repeat(65)
    );
    let reply = server.send(server.request("POST", "/api/v1/tasks"), deep.as_bytes());
    reply.problem(422, "invalid");
    let deeper = format!(
        r#"{{"kind":"a","input":{}{}}}"#,
        "[".repeat(90_000),
        "]".repeat(90_000)
    );
    let reply = server.send(server.request("POST", "/api/v1/tasks"), deeper.as_bytes());
    assert!((400..500).contains(&reply.status), "{}", reply.status);
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 0);
}

#[test]
fn the_schema_of_a_kind_is_checked() {
    let schema = json!({"type": "object", "required": ["path"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let server = Server::with(|_, engine| {
        engine
            .schemas
            .insert(Kind::new("review").unwrap(), validator.into());
    });
    let problem = server
        .post("/api/v1/tasks", json!({"kind": "review", "input": {}}))
        .problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/input");
    assert!(problem["detail"].as_str().unwrap().contains("path"));
    server.submit(json!({"kind": "review", "input": {"path": "/"}}));
}

#[test]
fn a_draining_server_and_a_full_one_say_so() {
    let server = Server::start();
    server.orchestrator.drain();
    let reply = server.post("/api/v1/tasks", json!({"kind": "a"}));
    reply.problem(503, "draining");
    server
        .post("/api/v1/tasks/batch", json!([{"kind": "a"}]))
        .problem(503, "draining");
    let full = Server::with(|_, engine| engine.submissions = 0);
    let reply = full.post("/api/v1/tasks", json!({"kind": "a"}));
    reply.problem(503, "overloaded");
    assert_eq!(reply.headers["retry-after"], "1");
}

#[test]
fn a_store_that_is_away_is_unavailable_and_says_so_in_readyz() {
    let server = Server::start();
    let id = server.submit(json!({"kind": "a"}));
    let close = server.store.close(std::time::Duration::from_secs(5));
    server.runtime.block_on(close).unwrap();
    server
        .get(&format!("/api/v1/tasks/{id}"))
        .problem(503, "unavailable");
    server
        .post("/api/v1/tasks", json!({"kind": "a"}))
        .problem(503, "unavailable");
    let health = server.get("/readyz");
    assert_eq!(health.status, 503);
    let checks = health.json()["checks"].as_array().unwrap().clone();
    let store = checks
        .iter()
        .find(|check| check["name"] == "store")
        .unwrap();
    assert_eq!(store["ok"], false);
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn a_task_that_fails_shows_its_error_and_a_dead_one_its_reason() {
    let server = Server::start();
    server.worker("ann");
    let failed = server.ended(&server.submit(json!({"kind": "fail"})));
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"]["class"], "business");
    assert_eq!(failed["error"]["message"], "the answer is no");
    let dead = server.task(&server.dead());
    assert_eq!(dead["dead_reason"], "invalid");
}

//! `POST /api/v1/tasks/batch`: all or nothing.

use crate::support::{Reply, Server};
use serde_json::{Value, json};

const BATCH: &str = "/api/v1/tasks/batch";

fn lines(server: &Server, text: &str) -> Reply {
    let request = server
        .request("POST", BATCH)
        .header("content-type", "application/x-ndjson; charset=utf-8");
    server.send(request, text.as_bytes())
}

fn pointers(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect()
}

fn nothing_was_accepted(server: &Server) {
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 0);
}

#[test]
fn an_array_and_lines_are_accepted_in_order() {
    let server = Server::start();
    let array: Vec<Value> = (0..5).map(|n| json!({"kind": format!("k{n}")})).collect();
    let reply = server.post(BATCH, json!(array));
    assert_eq!(reply.status, 201, "{}", reply.text);
    for (n, item) in reply.json()["items"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&item["index"], &item["duplicate"]),
            (&json!(n), &json!(false))
        );
        assert_eq!(
            server.task(item["id"].as_str().unwrap())["kind"],
            format!("k{n}")
        );
    }
    let reply = lines(&server, "{\"kind\":\"a\"}\r\n\n  \n{\"kind\":\"b\"}");
    assert_eq!(reply.status, 201, "{}", reply.text);
    let items = reply.json()["items"].clone();
    assert_eq!(items[1]["index"], 1);
    assert_eq!(server.task(items[1]["id"].as_str().unwrap())["kind"], "b");
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 7);
    assert_eq!(server.post(BATCH, json!([])).status, 201);
}

#[test]
fn one_bad_item_refuses_all_and_every_mistake_is_placed() {
    let server = Server::start();
    let batch =
        json!([{"kind": "a"}, {"knid": "a"}, {"kind": "A"}, 7, {"kind": "a", "lane": "dead"}]);
    let problem = server.post(BATCH, batch).problem(422, "invalid");
    assert_eq!(pointers(&problem), ["/1/knid", "/2/kind", "/3", "/4/lane"]);
    let problem = server
        .post(BATCH, json!([{"kind": "a"}, {"kind": "A"}]))
        .problem(422, "invalid");
    assert_eq!(pointers(&problem), ["/1/kind"]);
    let problem = lines(&server, "{\"kind\":\"a\"}\n{\"kind\":").problem(422, "invalid");
    assert_eq!(pointers(&problem), ["/1"]);
    nothing_was_accepted(&server);
}

#[test]
fn at_most_the_first_100_errors_are_told() {
    let server = Server::start();
    let rules: Vec<Value> = (0..150).map(|_| json!({"kind": "A"})).collect();
    let problem = server.post(BATCH, json!(rules)).problem(422, "invalid");
    assert_eq!(pointers(&problem).len(), 100);
    assert_eq!(pointers(&problem)[99], "/99/kind");
    let shapes: Vec<Value> = (0..150)
        .map(|n| json!({"kind": "a", "x": n, "y": n}))
        .collect();
    let problem = server.post(BATCH, json!(shapes)).problem(422, "invalid");
    assert_eq!(pointers(&problem).len(), 100);
    nothing_was_accepted(&server);
}

#[test]
fn items_may_carry_keys() {
    let server = Server::start();
    let item = |key: &str, input: u32| json!({"kind": "a", "input": input, "idempotency_key": key});
    let reply = server.post(BATCH, json!([item("x", 1), item("x", 1), item("y", 1)]));
    assert_eq!(reply.status, 201, "{}", reply.text);
    let items = reply.json()["items"].clone();
    assert_eq!(items[0]["id"], items[1]["id"]);
    assert_eq!(items[1]["duplicate"], true);
    assert_eq!(items[2]["duplicate"], false);
    let problem = server.post(BATCH, json!([item("new", 1), item("x", 2)]));
    let problem = problem.problem(409, "idempotency_conflict");
    assert_eq!(problem["task_id"], items[0]["id"]);
    assert_eq!(pointers(&problem), ["/1/idempotency_key"]);
    let again = server
        .post(BATCH, json!([item("y", 1), item("x", 1)]))
        .json()["items"]
        .clone();
    assert_eq!(
        (&again[0]["id"], &again[1]["id"]),
        (&items[2]["id"], &items[0]["id"])
    );
    // Neither item is there yet: no task can be named.
    let problem = server.post(BATCH, json!([item("z", 1), item("z", 2)]));
    let problem = problem.problem(422, "invalid");
    assert_eq!(pointers(&problem), ["/1/idempotency_key"]);
    assert_eq!(problem["task_id"], json!(null));
    let keyed = server.request("POST", BATCH).header("idempotency-key", "k");
    server
        .send(keyed, b"[{\"kind\":\"a\"}]")
        .problem(400, "bad_request");
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 2);
}

#[test]
fn a_batch_has_at_most_10000_items_and_its_bytes() {
    let server = Server::with(|options, _| options.batch_bytes = 512 * 1024);
    let line = "{\"kind\":\"a\"}\n";
    let problem = lines(&server, &line.repeat(10_001)).problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("10000"));
    let problem = lines(&server, &line.repeat(50_000)).problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("524288"));
    nothing_was_accepted(&server);
    let reply = lines(&server, &line.repeat(10_000));
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json()["items"].as_array().unwrap().len(), 10_000);
}

#[test]
fn what_is_no_array_is_a_bad_request() {
    let server = Server::start();
    for body in ["", "{}", "{\"kind\":\"a\"}", "[", "7"] {
        let reply = server.send(server.request("POST", BATCH), body.as_bytes());
        reply.problem(400, "bad_request");
    }
    nothing_was_accepted(&server);
}

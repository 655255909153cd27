//! Shared state over HTTP: versions, conditions, lists and watches, restores, locks.

use crate::support::{Reply, Server};
use serde_json::{Value, json};

fn put(server: &Server, at: &str, value: Value, header: Option<(&str, &str)>) -> Reply {
    let request = server.request("PUT", at);
    let request = match header {
        Some((name, text)) => request.header(name, text),
        None => request,
    };
    server.send(request, value.to_string().as_bytes())
}

fn delete(server: &Server, at: &str) -> Reply {
    server.send(server.request("DELETE", at), b"")
}

#[test]
fn a_key_is_written_under_a_condition_and_says_where_it_is() {
    let server = Server::start();
    let at = "/api/v1/state/team/goal";
    let first = put(
        &server,
        at,
        json!({"n": 1.50}),
        Some(("if-none-match", "*")),
    );
    assert_eq!(first.headers["etag"], "\"1\"");
    assert_eq!(first.ok()["version"], 1);
    let again = put(&server, at, json!(2), Some(("if-none-match", "*")));
    assert_eq!(again.problem(409, "version_conflict")["version"], 1);
    put(&server, at, json!(2), Some(("if-match", "\"1\""))).ok();
    let late = put(&server, at, json!(3), Some(("if-match", "\"1\"")));
    assert_eq!(late.problem(409, "version_conflict")["version"], 2);
    put(&server, at, json!(3), Some(("if-match", "1"))).problem(400, "bad_request");
    let found = server.get(at);
    assert_eq!(found.headers["etag"], "\"2\"");
    let found = found.ok();
    assert_eq!(
        (&found["value"], &found["cause"], &found["deleted"]),
        (&json!(2), &json!("set"), &json!(false))
    );
    assert_eq!(delete(&server, at).ok()["version"], 3);
    delete(&server, at).problem(404, "not_found");
    server.get(at).problem(404, "not_found");
    let history = server.get(&format!("{at}/history")).ok();
    let texts = history["items"].as_array().unwrap().iter();
    let causes: Vec<&str> = texts.map(|one| one["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["deleted", "set", "set"]);
}

#[test]
fn the_same_request_writes_once() {
    let server = Server::start();
    let at = "/api/v1/state/team/goal";
    for _ in 0..2 {
        let reply = put(&server, at, json!(1), Some(("idempotency-key", "k")));
        assert_eq!(reply.ok()["version"], 1);
    }
    // Another write under its id is none.
    let other = put(&server, at, json!(2), Some(("idempotency-key", "k")));
    let problem = other.problem(409, "idempotency_conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("version 1"),
        "{problem}"
    );
    let long = "x".repeat(201);
    put(&server, at, json!(1), Some(("idempotency-key", &long))).problem(422, "invalid");
    // With a time to live, it goes when the first answer said.
    let at = "/api/v1/state/team/short?ttl=1h";
    let first = put(&server, at, json!(1), Some(("idempotency-key", "t"))).ok();
    let again = put(&server, at, json!(1), Some(("idempotency-key", "t"))).ok();
    assert_eq!(first["expires_at"], again["expires_at"]);
    assert!(first["expires_at"].is_string());
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_place() {
    let server = Server::start();
    let large = "x".repeat(256 * 1024);
    put(&server, "/api/v1/state/team/goal", json!(large), None).problem(413, "too_large");
    put(&server, "/api/v1/state/Team/goal", json!(1), None).problem(400, "bad_request");
    put(&server, "/api/v1/state/team/Goal", json!(1), None).problem(400, "bad_request");
    put(&server, "/api/v1/state/team/goal?ttl=soon", json!(1), None).problem(400, "bad_request");
    put(&server, "/api/v1/state/team/goal?ttl=0s", json!(1), None).problem(422, "invalid");
    put(&server, "/api/v1/state/team/goal?lock=a", json!(1), None).problem(400, "bad_request");
    let nothing = server.send(server.request("PUT", "/api/v1/state/team/goal"), b"");
    nothing.problem(400, "bad_request");
    server
        .get("/api/v1/state/team?watch=99")
        .problem(400, "cursor_invalid");
    server
        .get("/api/v1/state/team?watch=x")
        .problem(400, "cursor_invalid");
    server
        .get("/api/v1/state/team?watch=0&at=1")
        .problem(400, "bad_request");
    server
        .get("/api/v1/state/team?cursor=00")
        .problem(400, "cursor_invalid");
    let restore = json!({"cursor": "99"});
    server
        .post("/api/v1/state/team", restore)
        .problem(400, "cursor_invalid");
}

fn keys(page: &Value) -> Vec<(String, Value)> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|one| {
            (
                one["key"].as_str().unwrap().to_owned(),
                one["value"].clone(),
            )
        })
        .collect()
}

#[test]
fn pages_are_of_one_moment_and_a_watch_goes_on_from_it() {
    let server = Server::start();
    for n in 0..5 {
        put(
            &server,
            &format!("/api/v1/state/team/a.{n}"),
            json!(n),
            None,
        )
        .ok();
    }
    put(&server, "/api/v1/state/team/b", json!(9), None).ok();
    put(&server, "/api/v1/state/other/a.9", json!(9), None).ok();
    let first = server.get("/api/v1/state/team?prefix=a.&limit=3").ok();
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    put(&server, "/api/v1/state/team/a.4", json!("later"), None).ok();
    delete(&server, "/api/v1/state/team/a.3").ok();
    let next = first["next"].as_str().unwrap();
    let second = server
        .get(&format!(
            "/api/v1/state/team?prefix=a.&limit=3&cursor={next}"
        ))
        .ok();
    let all = [keys(&first), keys(&second)].concat();
    let wanted: Vec<(String, Value)> = (0..5).map(|n| (format!("a.{n}"), json!(n))).collect();
    assert_eq!((all, &second["next"]), (wanted.clone(), &json!(null)));
    assert_eq!(second["cursor"], json!(cursor));
    let watch = |after: &str| {
        let at = format!("/api/v1/state/team?prefix=a.&watch={after}&wait=10ms");
        server.get(&at).ok()
    };
    let seen = watch(&cursor);
    assert_eq!(
        keys(&seen),
        [("a.4".into(), json!("later")), ("a.3".into(), json!(null))]
    );
    let end = seen["cursor"].as_str().unwrap();
    assert_eq!(keys(&watch(end)), []);
    let changed = server
        .post("/api/v1/state/team", json!({ "cursor": cursor }))
        .ok();
    assert_eq!(changed["changed"], 2);
    assert_eq!(
        keys(&server.get("/api/v1/state/team?prefix=a.").ok()),
        wanted
    );
    assert_eq!(watch(end)["items"][0]["cause"], "restored");
}

#[test]
fn a_watch_wakes_and_a_value_that_is_over_goes() {
    let server = Server::start();
    put(&server, "/api/v1/state/team/a?ttl=100ms", json!(1), None).ok();
    let page = server.get("/api/v1/state/team?watch=1&wait=60s").ok();
    let gone = &page["items"][0];
    assert_eq!(
        (&gone["cause"], &gone["version"]),
        (&json!("expired"), &json!(2))
    );
    assert_eq!(
        (&gone["deleted"], &gone["actor"]),
        (&json!(true), &json!("server"))
    );
    server.get("/api/v1/state/team/a").problem(404, "not_found");
}

#[test]
fn a_lock_has_one_holder_and_guards_what_is_written_under_it() {
    let server = Server::start();
    let at = "/api/v1/state/team/door/lock";
    let take = |holder: &str| server.post(at, json!({"holder": holder, "lease_ms": 60_000}));
    assert_eq!(take("ann").ok()["token"], 1);
    assert_eq!(take("ann").ok()["token"], 1);
    let held = take("bob").problem(409, "locked");
    assert!(held["detail"].as_str().unwrap().contains("locked by ann"));
    assert_eq!(server.get(at).ok()["holder"], "ann");
    let keep = |token: u64| {
        let body = json!({"token": token, "lease_ms": 60_000}).to_string();
        server.send(server.request("PUT", at), body.as_bytes())
    };
    assert_eq!(keep(1).ok()["token"], 1);
    delete(&server, &format!("{at}?token=1")).ok();
    keep(1).problem(409, "lock_lost");
    assert_eq!(take("bob").ok()["token"], 2);
    delete(&server, &format!("{at}?token=1")).problem(409, "lock_lost");
    delete(&server, at).problem(400, "bad_request");
    let write = |token: u64| {
        let at = format!("/api/v1/state/team/a?lock=door&token={token}");
        put(&server, &at, json!(1), None)
    };
    write(1).problem(409, "lock_lost");
    assert_eq!(write(2).ok()["version"], 1);
    server
        .post(at, json!({"holder": "", "lease_ms": 0}))
        .problem(422, "invalid");
}

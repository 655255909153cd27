//! What a running program may do with its task token: progress, log, children, and until when.

use crate::support::{Reply, Server};
use serde_json::{Value, json};
use warrener_model::{Kind, limits};

/// A server on which tasks of kind `wait` may open children, a running one of them, and its token.
fn parent() -> (Server, String, String) {
    let server = Server::with(|_, options| {
        options.may_spawn.insert(Kind::new("wait").unwrap());
    });
    server.worker_with("ann", |worker| worker.concurrency(16));
    let id = server.running();
    let token = token(&server, &id);
    (server, id, token)
}

fn token(server: &Server, id: &str) -> String {
    let epoch = server.task(id)["epoch"].as_u64().unwrap();
    server.tokens.mint(id.parse().unwrap(), epoch)
}

fn ask(server: &Server, token: &str, request: (&str, &str), body: &Value) -> Reply {
    let (method, path) = request;
    let request = server
        .request(method, path)
        .header("authorization", format!("Bearer {token}"));
    server.send(request, body.to_string().as_bytes())
}

fn log(server: &Server, id: &str) -> Vec<(String, String)> {
    let page = server.get(&format!("/api/v1/tasks/{id}/logs")).ok();
    let text = |piece: &Value, field: &str| piece[field].as_str().unwrap().to_owned();
    let pieces = page["items"].as_array().unwrap().iter();
    pieces
        .map(|piece| (text(piece, "stream"), text(piece, "text")))
        .collect()
}

#[test]
fn a_run_writes_its_progress_and_only_what_makes_sense_is_taken() {
    let (server, id, token) = parent();
    let at = format!("/api/v1/tasks/{id}/progress");
    let say = |token: &str, body: Value| ask(&server, token, ("POST", &at), &body);
    let written = say(&token, json!({"fraction": 0.4, "message": "half, nearly"}));
    assert_eq!((written.status, written.text.as_str()), (204, ""));
    let wanted = json!({"fraction": 0.4, "message": "half, nearly"});
    assert_eq!(server.task(&id)["progress"], wanted);
    assert_eq!(say(&token, json!({"message": "more"})).status, 204);
    let wanted = json!({"fraction": null, "message": "more"});
    assert_eq!(server.task(&id)["progress"], wanted);
    let long = "x".repeat(limits::PROGRESS_MESSAGE_BYTES + 1);
    for (body, place) in [
        (json!({}), ""),
        (json!({"fraction": 1.5}), "/fraction"),
        (json!({"fraction": -0.1}), "/fraction"),
        (json!({"fraction": "half"}), "/fraction"),
        (json!({"message": long}), "/message"),
        (json!({"mesage": "x"}), "/mesage"),
    ] {
        let problem = say(&token, body).problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
    }
    assert_eq!(server.task(&id)["progress"], wanted);
    // The operator's token may, too, of a task that runs.
    assert_eq!(server.post(&at, json!({"fraction": 1})).status, 204);
    assert_eq!(server.task(&id)["progress"]["fraction"], 1.0);
    let open = server.submit(json!({"kind": "nobody"}));
    let at = format!("/api/v1/tasks/{open}/progress");
    server
        .post(&at, json!({"fraction": 1}))
        .problem(409, "illegal_state");
    ask(&server, &token, ("POST", &at), &json!({"fraction": 1})).problem(403, "not_allowed");
}

#[test]
fn a_run_writes_its_log_as_json_or_as_text_in_the_order_it_came() {
    let (server, id, token) = parent();
    let at = format!("/api/v1/tasks/{id}/logs");
    let plain = |text: &str| {
        let request = server
            .request("POST", &at)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "text/plain; charset=utf-8");
        server.send(request, text.as_bytes())
    };
    let say = |body: Value| ask(&server, &token, ("POST", &at), &body);
    assert_eq!(say(json!({"text": "one\n"})).status, 204);
    assert_eq!(plain("{\"text\": two}\n").status, 204);
    assert_eq!(
        say(json!({"text": "three\n", "stream": "model-1"})).status,
        204
    );
    assert_eq!(plain("").status, 204);
    let wanted = [
        ("stderr", "one\n"),
        ("stderr", "{\"text\": two}\n"),
        ("model-1", "three\n"),
    ];
    let wanted = wanted.map(|(stream, text)| (stream.to_owned(), text.to_owned()));
    assert_eq!(log(&server, &id), wanted);
    for (body, place) in [
        (json!({}), ""),
        (json!({"text": 1}), "/text"),
        (json!({"text": "x", "stream": "No"}), "/stream"),
        (json!({"text": "x", "stream": "warrener"}), "/stream"),
    ] {
        let problem = say(body).problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
    }
    assert_eq!(log(&server, &id), wanted);
    let open = server.submit(json!({"kind": "nobody"}));
    server
        .post(
            &format!("/api/v1/tasks/{open}/logs"),
            json!({"text": "for whom?"}),
        )
        .problem(409, "illegal_state");
}

#[test]
fn the_log_of_an_attempt_keeps_its_limit_over_http_too() {
    let (server, id, token) = parent();
    let request = || {
        server
            .request("POST", &format!("/api/v1/tasks/{id}/logs"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "text/plain")
    };
    let line = format!("{}\n", "x".repeat(1_023));
    for _ in 0..12 {
        assert_eq!(
            server.send(request(), line.repeat(1_000).as_bytes()).status,
            204
        );
    }
    assert_eq!(server.send(request(), b"the last words\n").status, 204);
    let (mut size, mut after, mut last) = (0, "0".to_owned(), String::new());
    loop {
        let page = server
            .get(&format!("/api/v1/tasks/{id}/logs?limit=50&after={after}"))
            .ok();
        for piece in page["items"].as_array().unwrap() {
            last = piece["text"].as_str().unwrap().to_owned();
            size += last.len();
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert!(
        size <= limits::LOG_BYTES && size > limits::LOG_BYTES - 100_000,
        "{size}"
    );
    assert_eq!(last, "the last words\n");
}

#[test]
fn a_run_opens_children_of_its_own_and_reads_them() {
    let (server, id, token) = parent();
    let ask = |request, body: &Value| ask(&server, &token, request, body);
    let child = ask(("POST", "/api/v1/tasks"), &json!({"kind": "echo"}));
    assert_eq!(child.status, 201, "{}", child.text);
    let child = child.json();
    assert_eq!(child["parent_id"], id.as_str());
    let same = ask(
        ("POST", "/api/v1/tasks"),
        &json!({"kind": "echo", "parent_id": id}),
    );
    assert_eq!(same.status, 201);
    let batch = json!([{"kind": "echo", "input": 1}, {"kind": "echo", "input": 2}]);
    let batch = ask(("POST", "/api/v1/tasks/batch"), &batch);
    assert_eq!(batch.status, 201, "{}", batch.text);
    for item in batch.json()["items"].as_array().unwrap() {
        let task = server.task(item["id"].as_str().unwrap());
        assert_eq!(task["parent_id"], id.as_str());
    }
    let child = child["id"].as_str().unwrap();
    let events = server.get(&format!("/api/v1/tasks/{child}/events")).ok();
    assert_eq!(events["items"][0]["actor"], format!("task:{id}"));
    // What it opened it may wait for and read; its own parent's, or anybody else's, it may not.
    let path = format!("/api/v1/tasks/{child}?wait=30s");
    assert_eq!(ask(("GET", &path), &json!({})).ok()["state"], "succeeded");
    let waited = ask(
        ("POST", "/api/v1/tasks/wait"),
        &json!({"ids": [child, id], "wait_ms": 0}),
    );
    assert_eq!(waited.ok()["done"][0]["id"], child);
    let other = server.submit(json!({"kind": "echo"}));
    let wait = json!({"ids": [child, other]});
    ask(("POST", "/api/v1/tasks/wait"), &wait).problem(403, "not_allowed");
    let path = format!("/api/v1/tasks/{other}");
    ask(("GET", &path), &json!({})).problem(403, "not_allowed");
}

#[test]
fn a_child_of_another_parent_is_refused_with_its_place() {
    let (server, id, token) = parent();
    let other = server.submit(json!({"kind": "nobody"}));
    let count = || server.get("/api/v1/books").ok()["accepted"].clone();
    let before = count();
    let body = json!({"kind": "echo", "parent_id": other});
    let problem = ask(&server, &token, ("POST", "/api/v1/tasks"), &body).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/parent_id");
    let words = problem["errors"][0]["message"].as_str().unwrap();
    assert!(words.contains(&id), "{words}");
    let batch = json!([{"kind": "echo"}, body]);
    let problem =
        ask(&server, &token, ("POST", "/api/v1/tasks/batch"), &batch).problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/1/parent_id");
    assert_eq!(count(), before, "nothing was accepted");
}

#[test]
fn a_repeated_key_opens_one_child_and_a_kind_that_may_not_opens_none() {
    let (server, id, token) = parent();
    let submit = |token: &str| {
        let request = server
            .request("POST", "/api/v1/tasks")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", format!("{id}-part-1"));
        server.send(request, br#"{"kind":"echo"}"#)
    };
    let (first, again) = (submit(&token), submit(&token));
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["id"], again.json()["id"]);
    // The same words of somebody else are another request: the parent is a part of it.
    let request = server
        .request("POST", "/api/v1/tasks")
        .header("idempotency-key", format!("{id}-part-1"));
    server
        .send(request, br#"{"kind":"echo"}"#)
        .problem(409, "idempotency_conflict");

    let plain = Server::start();
    plain.worker("ann");
    let token = self::token(&plain, &plain.running());
    for (path, body) in [
        ("/api/v1/tasks", json!({"kind": "echo"})),
        ("/api/v1/tasks/batch", json!([{"kind": "echo"}])),
        ("/api/v1/tasks", json!("not even a request")),
    ] {
        let problem = ask(&plain, &token, ("POST", path), &body).problem(403, "not_allowed");
        let hint = problem["hint"].as_str().unwrap();
        assert!(
            hint.contains("may_spawn = true under [kind.wait]"),
            "{hint}"
        );
    }
}

#[test]
fn a_token_whose_attempt_is_over_writes_and_opens_nothing_and_hears_why() {
    let (server, id, token) = parent();
    let epoch = server.task(&id)["epoch"].as_u64().unwrap();
    let stale = server.tokens.mint(id.parse().unwrap(), epoch + 1);
    let paths = [
        (
            format!("/api/v1/tasks/{id}/progress"),
            json!({"fraction": 1}),
        ),
        (format!("/api/v1/tasks/{id}/logs"), json!({"text": "x"})),
        ("/api/v1/tasks".into(), json!({"kind": "echo"})),
        ("/api/v1/tasks/batch".into(), json!([{"kind": "echo"}])),
    ];
    let refused = |token: &str, why: &str| {
        for (path, body) in &paths {
            let problem = ask(&server, token, ("POST", path), body).problem(401, "unauthenticated");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(why), "{detail}");
        }
    };
    refused(&stale, "it runs under epoch 1 now");
    server
        .post(&format!("/api/v1/tasks/{id}/cancel"), json!({}))
        .ok();
    refused(&token, "it is cancelled");
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 1);
}

#[test]
fn a_task_that_opens_itself_for_ever_ends_at_the_depth_limit() {
    let (server, first, _) = parent();
    let mut id = first;
    for depth in 0..=limits::SPAWN_DEPTH {
        server.until(&format!("/api/v1/tasks/{id}"), |task| {
            task["state"] == "running"
        });
        let token = token(&server, &id);
        let reply = ask(
            &server,
            &token,
            ("POST", "/api/v1/tasks"),
            &json!({"kind": "wait"}),
        );
        if depth == limits::SPAWN_DEPTH {
            let problem = reply.problem(403, "not_allowed");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("5 generations"), "{detail}");
        } else {
            assert_eq!(reply.status, 201, "{}", reply.text);
            id = reply.json()["id"].as_str().unwrap().to_owned();
        }
    }
    // A beginning that is not kept any more makes the depth unknown.
    let gone = "01890a5d-ac96-774b-bcce-b302099a8057";
    let id = server.submit(json!({"kind": "wait", "parent_id": gone}));
    server.until(&format!("/api/v1/tasks/{id}"), |task| {
        task["state"] == "running"
    });
    let token = token(&server, &id);
    let body = json!({"kind": "wait"});
    let problem =
        ask(&server, &token, ("POST", "/api/v1/tasks"), &body).problem(403, "not_allowed");
    assert!(problem["detail"].as_str().unwrap().contains("is not kept"));
}

//! The OpenAPI document: everything that is served is in it, and everything in it is served as it says.

use crate::support::{Reply, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The routes of contracts.md section 3 that exist so far.
const ROUTES: &str = "POST /api/v1/tasks; GET /api/v1/tasks; POST /api/v1/tasks/batch; POST /api/v1/tasks/wait;
    GET /api/v1/tasks/{id}; GET /api/v1/tasks/{id}/events; GET /api/v1/tasks/{id}/logs; POST /api/v1/tasks/{id}/logs;
    POST /api/v1/tasks/{id}/progress; POST /api/v1/tasks/{id}/cancel;
    POST /api/v1/tasks/{id}/retry; POST /api/v1/tasks/{id}/reassign; POST /api/v1/tasks/{id}/approve;
    POST /api/v1/tasks/{id}/reject; POST /api/v1/tasks/{id}/answer; GET /api/v1/agents; GET /api/v1/agents/{id};
    POST /api/v1/agents/{id}/drain; POST /api/v1/agents/{id}/resume; POST /api/v1/agents/{id}/stop; GET /api/v1/lanes;
    GET /api/v1/lanes/{lane}; POST /api/v1/lanes/{lane}/pause; POST /api/v1/lanes/{lane}/resume;
    GET /api/v1/dead/groups; POST /api/v1/dead/requeue; POST /api/v1/dead/discard; GET /api/v1/refused; GET /api/v1/books;
    POST /api/v1/runs; GET /api/v1/runs; GET /api/v1/runs/{id}; POST /api/v1/runs/{id}/cancel; POST /api/v1/runs/{id}/retry-failed;
    GET /api/v1/state/{space}; POST /api/v1/state/{space}; GET /api/v1/state/{space}/{key}; PUT /api/v1/state/{space}/{key};
    DELETE /api/v1/state/{space}/{key}; GET /api/v1/state/{space}/{key}/history; GET /api/v1/state/{space}/{key}/lock;
    POST /api/v1/state/{space}/{key}/lock; PUT /api/v1/state/{space}/{key}/lock; DELETE /api/v1/state/{space}/{key}/lock;
    POST /api/v1/sessions; GET /api/v1/sessions; GET /api/v1/sessions/{id}; POST /api/v1/sessions/{id}/answer; POST /api/v1/sessions/{id}/cancel;
    GET /api/v1/schedules; POST /api/v1/schedules; GET /api/v1/schedules/{name}; DELETE /api/v1/schedules/{name};
    POST /api/v1/schedules/{name}/pause; POST /api/v1/schedules/{name}/resume; POST /api/v1/schedules/{name}/run;
    GET /api/v1/schedules/{name}/firings; GET /api/v1/breakers; POST /api/v1/breakers/{kind}/reset;
    GET /api/v1/stream; GET /api/v1/link;
    POST /api/v1/login; POST /api/v1/login/codes; POST /api/v1/logout; GET /livez; GET /readyz; GET /metrics; GET /openapi.json";

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = vec![];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_document_has_every_route_of_the_contract_and_no_other() {
    let server = Server::start();
    let document = server.get("/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let found: BTreeSet<String> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let wanted: BTreeSet<String> = ROUTES
        .split(';')
        .map(|route| route.trim().to_owned())
        .collect();
    assert_eq!(found, wanted);
    let ours: Value = serde_json::from_str(&warrener_server::openapi().to_json().unwrap()).unwrap();
    assert_eq!(ours, document);
}

#[test]
fn every_reference_of_the_document_leads_somewhere_and_ids_are_unique() {
    let server = Server::start();
    let document = server.get("/openapi.json").ok();
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(Into::into));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut references = vec![];
    walk(&document, &mut references);
    assert!(references.len() > 30);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} is there twice");
        assert!(
            operation["summary"].is_string(),
            "{method} {path} has no summary"
        );
    }
}

/// Checks an answer against what the document says of it.
fn check(document: &Value, operation: &Value, reply: &Reply) {
    let responses = &operation["responses"];
    let said = match responses.get(reply.status.to_string()) {
        Some(said) => said,
        None if reply.status >= 400 => &responses["default"],
        None => panic!("{} is not documented: {}", reply.status, reply.text),
    };
    let kind = reply.headers["content-type"].to_str().unwrap();
    let kind = kind.split(';').next().unwrap();
    let content = &said["content"][kind];
    assert!(
        !content.is_null(),
        "{kind} is not documented for {}: {said}",
        reply.status
    );
    if !kind.ends_with("json") {
        return;
    }
    let mut schema = content["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let body = reply.json();
    let errors: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {body}");
}

#[test]
fn every_documented_route_answers_as_documented() {
    let server = crate::breakers::server();
    let document = server.get("/openapi.json").ok();
    server.worker("ann");
    let (dead, open) = (
        server.dead(),
        server.submit(json!({"kind": "nobody", "input": [1]})),
    );
    server.ended(&server.submit(json!({"kind": "talk"})));
    let workflow = json!({"workflow": "name: w\nsteps: [{ id: a, kind: nobody }]"});
    let run = server.post("/api/v1/runs", workflow.clone()).json()["id"].clone();
    let question = json!({"question": "which?", "required": ["agent:ann"], "deadline_ms": 60_000});
    let session = server.post("/api/v1/sessions", question.clone()).json()["id"].clone();
    let yearly = |name| json!({"name": name, "cron": "0 0 1 1 *", "overlap": "queue", "task": {"kind": "nobody"}});
    for (method, path, operation) in operations(&document) {
        let at = path.replace("{lane}", "default").replace("{kind}", "flaky");
        let id = match at.split('/').nth(3) {
            Some("agents") => "ann",
            Some("runs") => run.as_str().unwrap(),
            Some("sessions") => session.as_str().unwrap(),
            _ => &open,
        };
        let at = at.replace("{id}", id).replace("{name}", "yearly");
        let at = at.replace("{space}", "team").replace("{key}", "goal");
        if path.starts_with("/api/v1/state") {
            let put = server.request("PUT", "/api/v1/state/team/goal");
            server.send(put, b"1").ok();
        }
        if path.contains("{name}") {
            // One of the routes deletes it.
            server.post("/api/v1/schedules", yearly("yearly"));
        }
        if path.ends_with("/stream") {
            // An answer without an end; the tests of the stream read it.
            server.listen(&at, None);
            continue;
        }
        let body = match path.as_str() {
            "/api/v1/tasks" => json!({"kind": "a"}),
            "/api/v1/runs" => workflow.clone(),
            "/api/v1/schedules" => yearly("another"),
            "/api/v1/sessions" => question.clone(),
            "/api/v1/sessions/{id}/answer" => json!({"agent_id": "ann", "suggestion": "this"}),
            "/api/v1/tasks/batch" => json!([{"kind": "a"}]),
            "/api/v1/tasks/wait" => json!({"ids": [dead, open]}),
            "/api/v1/tasks/{id}/reassign" => json!({"agent": "ann"}),
            "/api/v1/dead/requeue" | "/api/v1/dead/discard" => {
                json!({"ids": [dead, open], "dry_run": true})
            }
            "/api/v1/state/{space}" => json!({"cursor": "1"}),
            "/api/v1/state/{space}/{key}/lock" if method == "PUT" => {
                json!({"token": 9, "lease_ms": 1})
            }
            "/api/v1/state/{space}/{key}/lock" => json!({"holder": "ann", "lease_ms": 1}),
            _ => json!({}),
        };
        let reply = match method.as_str() {
            "GET" => server.get(&at),
            "DELETE" => server.send(server.request("DELETE", &at), b""),
            _ => server.send(server.request(&method, &at), body.to_string().as_bytes()),
        };
        assert!(
            !matches!(reply.status, 404 | 405 | 500),
            "{method} {at}: {}",
            reply.text
        );
        check(&document, &operation, &reply);
        // A question that nobody can answer is a documented answer, too.
        let wrong = server.request(&method, &format!("{at}?no-such-parameter=1"));
        let wrong = server.send(wrong, body.to_string().as_bytes());
        assert_eq!(wrong.status, 400, "{method} {at}");
        check(&document, &operation, &wrong);
    }
}

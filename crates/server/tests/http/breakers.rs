//! Circuit breakers: list, reset.

use crate::support::Server;
use serde_json::{Value, json};
use std::time::Duration;
use warrener_engine::{TaskContext, TaskError};
use warrener_model::Kind;
use warrener_model::breaker::Rule;

/// One failure of kind `flaky` opens its breaker for an hour; other kinds have none.
pub(crate) fn server() -> Server {
    Server::with(|_, options| {
        let hour = Duration::from_secs(3_600);
        let rule = Rule {
            failures: 1,
            window: hour,
            open: hour,
            probes: 1,
        };
        let kind = Kind::new("flaky").unwrap();
        options.breakers.kinds.insert(kind, Some(rule));
    })
}

async fn flaky(_: TaskContext, input: Value) -> Result<Value, TaskError> {
    match input == "works" {
        true => Ok(input),
        false => Err(TaskError::network("no route")),
    }
}

#[test]
fn a_kind_that_keeps_failing_is_shown_and_closed_by_hand() {
    let server = server();
    server.worker_with("ann", |builder| builder.handle("flaky", flaky).unwrap());
    let calm = json!({"kind": "flaky", "state": "closed", "since": null, "probe_at": null, "failures": 0, "error": null});
    let list = server.get("/api/v1/breakers").ok();
    assert_eq!(list, json!({"items": [calm], "next": null}));
    let fails = json!({"kind": "flaky", "retry": {"network": {"retries": 0}}});
    assert_eq!(server.ended(&server.submit(fails))["state"], "dead");
    let waits = server.submit(json!({"kind": "flaky", "input": "works"}));
    let task = server.task(&waits);
    assert_eq!(
        (&task["state"], &task["waiting_for"], &task["attempt"]),
        (&json!("ready"), &json!("circuit_open"), &json!(0))
    );
    let breaker = server.get("/api/v1/breakers").ok()["items"][0].clone();
    assert_eq!(
        (&breaker["state"], &breaker["error"]),
        (&json!("open"), &json!("no route"))
    );
    assert!(breaker["since"].is_string() && breaker["probe_at"].is_string());
    let metrics = server.get("/metrics").text;
    let line = "warrener_circuit_breaker_state{breaker=\"flaky\",state=\"open\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    let reason = json!({"reason": "the route is back"});
    let breaker = server.post("/api/v1/breakers/flaky/reset", reason).ok();
    assert_eq!(
        (&breaker["state"], &breaker["probe_at"]),
        (&json!("closed"), &json!(null))
    );
    assert_eq!(server.ended(&waits)["state"], "succeeded");
}

#[test]
fn what_has_no_breaker_is_not_found_and_mistakes_are_told() {
    let server = server();
    server
        .post("/api/v1/breakers/echo/reset", json!({}))
        .problem(404, "not_found");
    server
        .post("/api/v1/breakers/NO!/reset", json!({}))
        .problem(400, "bad_request");
    let problem = server
        .post("/api/v1/breakers/flaky/reset", json!({"raeson": "x"}))
        .problem(422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("reason"));
}

//! What servers and agents really say on the broker, held against the document that promises it.

use crate::harness::{Place, Process, until};
use crate::python::script;
use crate::stage;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves a word in the log; fails, runs for ever or succeeds as its task says.
const WORK: &str = r#"task=$(cat); echo working >&2; echo '{"progress":{"fraction":0.5}}' >&3
case "$task" in *'"no"'*) exit 1 ;; *'"endless"'*) exec sleep 3600 ;; esac; echo '{"done":true}'"#;

/// What this story cannot do without. Refusals and revokes depend on who was faster.
const HEARD: &str = "hello welcome heartbeat task claim claim.granted signal outcome recorded cancel drain resume bye";

fn spoken(tap: &Process) -> Vec<Value> {
    let out = tap.out();
    let lines = out.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("JSON")).collect()
}

fn schemas(document: &Value) -> BTreeMap<String, Validator> {
    let messages = document["components"]["messages"].as_object().unwrap();
    let made = messages.keys().map(|key| {
        let root = json!({
            "allOf": [{ "$ref": format!("#/components/messages/{key}/payload") }],
            "components": document["components"],
        });
        let options = jsonschema::options().with_draft(Draft::Draft7);
        let options = options.should_validate_formats(true);
        (key.clone(), options.build(&root).unwrap())
    });
    made.collect()
}

#[test]
fn what_is_said_on_the_broker_is_what_the_document_says() {
    let vhost = stage::vhost();
    vhost.trace();
    let place = stage::at(&vhost.url(), Place::new);
    let tap = script(&place, "tap", "tests/e2e_rabbit/tap.py", None);
    until("the tap", || tap.out().contains("reading").then_some(()));
    let _server = place.server();
    let http = place.http();
    let mut agent = place.agent("ann", "", WORK);
    let fine =
        http.submit(&json!({ "kind": "work", "labels": { "a": "b" }, "deadline_ms": 600_000 }));
    http.ends(&fine, "succeeded");
    let bad = http.submit(&json!({ "kind": "work", "input": "no" }));
    http.ends(&bad, "failed");
    let endless = http.submit(&json!({ "kind": "work", "input": "endless" }));
    http.until_state(&endless, "running");
    place.run(&format!("task cancel {endless}")).exits(0);
    http.ends(&endless, "cancelled");
    place.run("agent drain ann").exits(0);
    http.until_presence("ann", "draining");
    place.run("agent resume ann").exits(0);
    http.until_presence("ann", "up");
    place.run("agent stop ann").exits(0);
    assert_eq!(agent.ends(), Some(0), "{}", agent.err());
    until("the goodbye", || {
        spoken(&tap)
            .iter()
            .any(|one| one["type"] == "bye")
            .then_some(())
    });

    let document = place.run("spec asyncapi").json();
    let schemas = schemas(&document);
    let mut heard = BTreeSet::new();
    for one in spoken(&tap).iter().filter(|one| one["key"] != "") {
        // That is between servers, and what watchers are told is not in the document.
        let key = one["key"].as_str().unwrap();
        if key == "agent.owner" || key.starts_with("agent.status.") {
            continue;
        }
        let kind = one["type"].as_str().unwrap();
        let schema = schemas
            .get(kind)
            .unwrap_or_else(|| panic!("\"{kind}\" is not in the document: {one}"));
        let body: Value = serde_json::from_str(one["body"].as_str().unwrap()).unwrap();
        let errors: Vec<_> = schema
            .iter_errors(&body)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{kind} {body}: {errors:?}");
        heard.insert(kind.to_owned());
    }
    for kind in HEARD.split(' ') {
        assert!(heard.contains(kind), "no {kind} among {heard:?}");
    }
}

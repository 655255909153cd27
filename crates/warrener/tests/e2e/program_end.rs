//! How a program is ended (contract of agents): cancel, timeout, SIGTERM and then SIGKILL, and nothing is left behind.

use crate::harness::{BY_KIND, PATIENCE, Place, until, until_within};
use serde_json::json;

#[test]
fn a_cancel_says_that_it_stops_the_run_and_asks_with_sigterm_first() {
    let place = Place::new();
    let script = r#"
        trap 'echo asked > "$WARRENER_AGENT_DIR/asked"; exit 0' TERM
        echo up > "$WARRENER_AGENT_DIR/up"
        while :; do sleep 0.05; done"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("up");
    let ran = place.call(&["task", "cancel", &id, "--reason", "wrong branch"]);
    assert!(ran.err.contains("being stopped"), "{ran:?}");
    assert!(ran.fine().contains("cancelled"));
    let task = http.ends(&id, "cancelled");
    assert_eq!(task["output"], serde_json::Value::Null);
    assert_eq!(place.said("asked"), "asked");
    place.until_gone("sh");
    until("a free slot", || {
        (http.agent("ann")["busy"] == 0).then_some(())
    });
    let events = http.events(&id);
    let last = events.last().unwrap();
    assert_eq!(last["kind"], "cancelled");
    assert!(
        last["detail"].to_string().contains("wrong branch"),
        "{last}"
    );
    // Twice is a conflict; while it waits it is plain.
    place
        .call(&["task", "cancel", &id])
        .fails(5, &["cancelled"]);
    let waits = http.submit(&json!({ "kind": "work", "lane": "nobody" }));
    let ran = place
        .call(&["task", "cancel", &waits, "-o", "json"])
        .exits(0);
    assert_ne!(ran.json()["stopping"], true);
    assert_eq!(http.history(&waits), ["submitted", "cancelled"]);
}

#[test]
fn a_program_that_ignores_sigterm_is_killed_after_the_grace_with_all_its_children() {
    let place = Place::new();
    let script = r#"
        trap '' TERM
        sleep 7777 & setsid sleep 7778 &
        echo up > "$WARRENER_AGENT_DIR/up"
        while :; do sleep 0.05; done"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("up");
    let reply = http.post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["stopping"], true);
    assert_eq!(http.task(&id)["state"], "cancelled", "at once for who asks");
    until_within("the end of all of it", 2 * PATIENCE, || {
        let left = ["sh", "sleep 777"].iter().any(|words| place.runs(words));
        (!left).then_some(())
    });
    assert_eq!(http.history(&id).last().unwrap(), "cancelled");
}

#[test]
fn defect_06_a_timeout_ends_the_work_and_is_an_error_of_its_own_that_is_tried_again() {
    let place = Place::with("[retry.timeout]\nretries = 1\nbase = \"50ms\"");
    let script = r#"
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        setsid sleep 7777 & sleep 7778"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work", "timeout_ms": 400 }));
    let task = http.ends(&id, "dead");
    assert_eq!(task["error"]["class"], "timeout");
    assert_eq!(task["error"]["detail"], json!({ "timeout_ms": 400 }));
    assert_eq!(task["dead_reason"], "exhausted");
    assert_eq!(task["attempt"], 2);
    assert_eq!(place.lines("starts"), ["1", "2"]);
    place.until_gone("sleep 777");
    place.until_gone("sh");
}

#[test]
fn defect_07_a_program_that_ends_well_after_its_timeout_has_timed_out_all_the_same() {
    let place = Place::with("[retry.timeout]\nretries = 0");
    let script = r#"
        trap 'echo "{\"fine\":true}"; exit 0' TERM
        while :; do sleep 0.05; done"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work", "timeout_ms": 400 }));
    let task = http.ends(&id, "dead");
    assert_eq!(task["error"]["class"], "timeout");
    assert_eq!(task["output"], serde_json::Value::Null);
    assert_eq!(http.times(&id, "succeeded"), 0);
}

#[test]
fn what_forks_away_ends_with_its_program_also_when_that_succeeds() {
    let place = Place::new();
    place.write("group.sh", "sleep 7777 & echo '{}'");
    place.write("session.sh", "setsid sleep 7778 & sleep 0.1; echo '{}'");
    place.write(
        "orphan.sh",
        "(setsid sh -c 'sleep 7779 & exit' >/dev/null 2>&1 3>&-); echo '{}'",
    );
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    for kind in ["group", "session", "orphan"] {
        let id = http.submit(&json!({ "kind": kind }));
        http.ends(&id, "succeeded");
        place.until_gone("sleep 777");
    }
    // The agent itself is well.
    assert_eq!(http.agent("ann")["presence"], "up");
}

#[test]
fn a_deadline_that_passes_while_a_program_runs_ends_it() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", "exec sleep 7777");
    let id = http.submit(&json!({ "kind": "work", "deadline_ms": 1_500 }));
    http.ends(&id, "expired");
    place.until_gone("sleep 7777");
    place.call(&["task", "wait", &id]).exits(12);
}

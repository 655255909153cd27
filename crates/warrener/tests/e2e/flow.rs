//! From submission to start: retries with their delays, priorities, limits, deadlines.

use crate::harness::{Place, port, until};
use crate::http::{Http, text};
use serde_json::{Value, json};
use warrener_model::Timestamp;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The delays between failures and the retries that were promised then, in ms.
fn delays(http: &Http, id: &str) -> Vec<u128> {
    let events = http.events(id);
    let retries = events.iter().filter(|event| event["kind"] == "retrying");
    retries
        .map(|event| {
            let at = time(&text(event, "at"));
            time(&text(&event["detail"], "retry_at"))
                .since(at)
                .as_millis()
        })
        .collect()
}

#[test]
fn scenario_d_a_task_that_fails_twice_succeeds_at_the_third_attempt_after_growing_delays() {
    let place = Place::with("[retry.network]\nbase = \"150ms\"\njitter = \"none\"");
    let _server = place.server();
    let http = place.http();
    let script = r#"[ "$WARRENER_ATTEMPT" -gt 2 ] || { echo "away, says $WARRENER_ATTEMPT" >&2; exit 75; }; echo '{}'"#;
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["attempt"], 3);
    assert_eq!(task["epoch"], 3);
    let kinds = "submitted started retrying ready started retrying ready started succeeded";
    assert_eq!(http.history(&id).join(" "), kinds);
    assert_eq!(delays(&http, &id), [150, 300]);
    let events = http.lived(&id);
    for at in [2, 5] {
        assert_eq!(events[at]["detail"]["class"], "network");
        let promised = time(&text(&events[at]["detail"], "retry_at"));
        let started = time(&text(&events[at + 2], "at"));
        assert!(started >= promised, "{started} is before {promised}");
    }
    assert_eq!(events[2]["detail"]["message"], "away, says 1");
}

#[test]
fn scenario_j_a_critical_task_behind_fifty_low_ones_is_the_next_to_start() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"
        title=$(sed 's/.*"title":"\([^"]*\)".*/\1/')
        echo "$title" >> "$WARRENER_AGENT_DIR/order"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done"#;
    let _agent = place.agent("ann", "--concurrency 1", script);
    http.submit(&json!({ "kind": "work", "title": "blocker" }));
    place.said("order");
    let low = json!({ "kind": "work", "title": "low", "priority": "low" });
    http.batch(&vec![low; 50]);
    http.submit(&json!({ "kind": "work", "title": "critical", "priority": "critical" }));
    place.write("go", "");
    http.settled();
    let order = place.lines("order");
    assert_eq!(order[..3], ["blocker", "critical", "low"]);
    assert_eq!(order.len(), 52);
}

#[test]
fn scenario_k_over_a_limit_the_producer_is_told_and_nothing_is_accepted() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let large = "x".repeat(256 * 1024 + 1);
    let reply = http.post("/api/v1/tasks", &json!({ "kind": "work", "input": large }));
    assert!(matches!(reply.status, 413 | 422), "{reply:?}");
    let problem = reply.problem(reply.status);
    assert!(
        problem.to_string().contains("262144"),
        "the limit is named: {problem}"
    );
    place.write("large.json", &json!(large).to_string());
    place
        .run("task submit --kind work --input @large.json")
        .fails(2, &["262144"]);
    let line = "{\"kind\":\"work\"}\n";
    place.write("batch.jsonl", &line.repeat(10_001));
    place
        .run("task submit --batch batch.jsonl")
        .fails(2, &["10000"]);
    let one_bad = line.repeat(100) + "{\"kind\":\"NOT A KIND\"}\n";
    place
        .feed("task submit --batch -", &one_bad)
        .fails(2, &["/100/kind"]);
    let books = http.books();
    assert_eq!(books["accepted"], 0, "{books}");
    assert_eq!(http.get("/api/v1/tasks").json()["items"], json!([]));
}

#[test]
fn defect_23_a_lane_that_nobody_serves_keeps_every_task_and_its_order() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let requests: Vec<Value> = (0..1_000)
        .map(|n| json!({ "kind": "work", "lane": "later", "input": n }))
        .collect();
    let ids = http.batch(&requests);
    let lane = http.get("/api/v1/lanes/later").json();
    assert_eq!(lane["counts"]["ready"], 1_000, "{lane}");
    assert_eq!(lane["agents"], 0);
    assert_eq!(http.task(&ids[0])["waiting_for"], "no_capable_agent");
    let script = r#"
        input=$(sed 's/.*"input":\([0-9]*\).*/\1/')
        echo "$input" >> "$WARRENER_AGENT_DIR/order""#;
    let _agent = place.agent("ann", "--lane later --concurrency 1", script);
    until("the first hundred", || {
        (place.lines("order").len() >= 100).then_some(())
    });
    let order: Vec<usize> = place.lines("order")[..100]
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(
        order,
        (0..100).collect::<Vec<_>>(),
        "the oldest are not gone"
    );
    let books = http.books();
    assert_eq!(
        (&books["accepted"], &books["lost"]),
        (&json!(1_000), &json!(0))
    );
}

#[test]
fn scenario_l_a_task_whose_deadline_passes_unclaimed_expires_with_an_event() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let id = place
        .run("task submit --kind work --lane nobody --deadline 300ms")
        .word();
    let ran = place.call(&["task", "wait", &id]).exits(12);
    assert!(ran.out.contains("expired"), "{ran:?}");
    let task = http.ends(&id, "expired");
    assert_eq!(task["attempt"], 0);
    assert_eq!(http.history(&id), ["submitted", "expired"]);
    let events = http.events(&id);
    let at = time(&text(&events[1], "at"));
    assert!(at >= time(&text(&task, "deadline")), "not before its time");
    // It is found, counted, and can be tried again.
    let found = place.run("task list -f state:expired -q").word();
    assert_eq!(found, id);
    assert_eq!(http.books()["states"]["expired"], 1);
    let _agent = place.agent("ann", "--lane nobody", "echo '{}'");
    place.call(&["task", "retry", &id]).exits(0);
    http.ends(&id, "succeeded");
}

#[test]
fn defect_22_without_a_deadline_a_task_waits_and_nothing_takes_it_away() {
    let place = Place::with("[retention]\nfinished = \"1s\"");
    let server = place.server();
    let http = place.http();
    let waits = http.submit(&json!({ "kind": "work", "lane": "nobody" }));
    // The clock of the store goes on while another task expires, twice.
    for _ in 0..2 {
        let late = json!({ "kind": "work", "lane": "nobody", "deadline_ms": 700 });
        let late = http.submit(&late);
        http.ends(&late, "expired");
    }
    drop(server);
    let _server = place.server();
    let task = place.http().task(&waits);
    assert_eq!(task["state"], "ready");
    assert_eq!(task["deadline"], Value::Null);
}

#[test]
fn a_delay_is_kept_over_a_restart() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let _agent = place.agent("ann", "", "echo '{}'");
    let id = place.run("task submit --kind work --delay 2s").word();
    let task = place.http().task(&id);
    assert_eq!(
        (&task["state"], &task["waiting_for"]),
        (&json!("scheduled"), &json!("not_before"))
    );
    server.kill_9();
    let _server = place.server_on(port);
    let http = place.http();
    let done = http.ends(&id, "succeeded");
    assert_eq!(done["not_before"], task["not_before"]);
    assert!(time(&text(&done, "started_at")) >= time(&text(&done, "not_before")));
}

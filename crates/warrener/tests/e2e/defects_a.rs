//! Defects of section A, task handling, that are not told elsewhere.

use crate::harness::{BY_KIND, Place, port, until};
use crate::http::text;
use serde_json::{Value, json};

#[test]
fn defect_01_attempts_are_counted_by_the_store_and_end_also_over_a_kill_of_the_server() {
    let place = Place::with(
        "[retry.network]\nretries = 3\nbase = \"300ms\"\nbackoff = \"fixed\"\njitter = \"none\"",
    );
    let port = port();
    let server = place.server_on(port);
    let script = r#"echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"; exit 75"#;
    let _agent = place.agent("ann", "", script);
    let id = place.http().submit(&json!({ "kind": "work" }));
    until("two starts", || {
        (place.lines("starts").len() >= 2).then_some(())
    });
    server.kill_9();
    let _server = place.server_on(port);
    let http = place.http();
    let task = http.ends(&id, "dead");
    assert_eq!(
        (&task["attempt"], &task["dead_reason"]),
        (&json!(4), &json!("exhausted"))
    );
    assert_eq!(place.lines("starts"), ["1", "2", "3", "4"]);
    assert_eq!(http.times(&id, "retrying"), 3);
}

#[test]
fn defect_02_zero_retries_are_none_and_one_attempt_is_one() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; exit 75"#;
    let _agent = place.agent("ann", "", script);
    for request in [
        json!({ "kind": "work", "retry": { "network": { "retries": 0 } } }),
        json!({ "kind": "work", "max_attempts": 1 }),
    ] {
        let id = http.submit(&request);
        let task = http.ends(&id, "dead");
        assert_eq!(
            (&task["attempt"], &task["dead_reason"]),
            (&json!(1), &json!("exhausted"))
        );
        assert_eq!(
            place
                .lines("starts")
                .iter()
                .filter(|line| **line == id)
                .count(),
            1
        );
    }
    // And nothing at all is no allowance.
    for max in ["0", "10001", "-1"] {
        place
            .run(&format!("task submit --kind work --max-attempts {max}"))
            .exits(2);
    }
    let problem = http.post(
        "/api/v1/tasks",
        &json!({ "kind": "work", "max_attempts": 0 }),
    );
    assert_eq!(
        problem.problem(422)["errors"][0]["pointer"],
        "/max_attempts"
    );
}

#[test]
fn defect_03_a_task_that_fails_waits_for_its_time_and_starves_nobody() {
    let place = Place::with("[retry.network]\nbase = \"1h\"\nmax = \"1h\"\njitter = \"none\"");
    place.write("fails.sh", "exit 75");
    place.write("fine.sh", "echo '{}'");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 1", BY_KIND);
    let fails = http.submit(&json!({ "kind": "fails", "priority": "critical" }));
    let others = http.batch(&vec![json!({ "kind": "fine", "priority": "low" }); 10]);
    for id in &others {
        http.ends(id, "succeeded");
    }
    let task = http.task(&fails);
    assert_eq!(
        (&task["state"], &task["waiting_for"]),
        (&json!("retrying"), &json!("retry"))
    );
    assert_eq!(task["attempt"], 1);
    let since = crate::flow::time(&text(&task, "waiting_since"));
    let again = crate::flow::time(&text(&task, "retry_at"));
    assert_eq!(again.since(since).as_secs(), 3_600);
}

#[test]
fn defect_04_a_message_that_is_settled_twice_or_never_came_ends_nothing() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut link = http.link("eve", "00000001");
    link.say(&json!({ "op": "subscribe", "n": 1, "from": "control/eve/00000001", "credit": 4 }));
    assert_eq!(link.reply(1)["ok"]["sub"], 1);
    let hello = json!({
        "v": 1, "agent_id": "eve", "instance": "00000001", "name": "eve", "role": "worker", "lanes": ["default"],
        "kinds": ["*"], "capabilities": {}, "slots": 1, "version": "0", "host": "here",
    });
    link.say(&crate::poison::publish(
        2,
        "inbox/presence",
        "hello",
        &hello,
    ));
    let welcome = loop {
        let frame = link.hear().expect("the link goes on");
        if frame["op"] == "deliver" {
            break frame;
        }
    };
    assert_eq!(welcome["message"]["kind"], "welcome");
    let tag = &welcome["tag"];
    for tag in [tag, tag, &json!(99_999)] {
        link.say(&json!({ "op": "settle", "sub": 1, "tag": tag, "verdict": "ack" }));
    }
    link.say(&json!({ "op": "settle", "sub": 77, "tag": 1, "verdict": "ack" }));
    link.say(&json!({ "op": "close", "sub": 77, "clean": true }));
    link.say(&json!({ "op": "health", "n": 3 }));
    assert!(
        link.reply(3)["ok"]["health"].is_string(),
        "the link goes on"
    );
    http.until_presence("eve", "up");
}

#[test]
fn defect_08_a_plain_failure_has_a_policy_that_can_be_set_and_is_never_lost() {
    let place = Place::with("[retry.business]\nretries = 2\nbase = \"20ms\"");
    let script = r#"echo "Network timeout" >&2; exit 1"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    let task = http.ends(&id, "failed");
    assert_eq!(task["attempt"], 3);
    assert_eq!(task["error"]["class"], "business");
    assert_eq!(task["error"]["message"], "Network timeout");
    // The task's own word counts more.
    let request = json!({ "kind": "work", "retry": { "business": { "retries": 0 } } });
    let own = http.submit(&request);
    assert_eq!(http.ends(&own, "failed")["attempt"], 1);
    assert_eq!(http.books()["states"]["failed"], 2);
    let found = place.run("task list -f class:business -q").fine();
    assert_eq!(found.lines().count(), 2);
}

#[test]
fn defect_11_work_that_is_given_back_is_not_run_twice_at_a_time() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    // Notes begin and end, also when it is asked to end.
    let script = r#"
        say() { echo "$1 $WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/diary"; }
        trap 'sleep 0.3; say end; exit 0' TERM
        say begin
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        say end"#;
    let mut ann = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("diary");
    let _bob = place.agent("bob", "", script);
    place.run("agent stop ann --deadline 100ms").exits(0);
    assert_eq!(ann.ends(), Some(0), "{}", ann.err());
    until("the next begin", || {
        (place.lines("diary").len() >= 3).then_some(())
    });
    place.write("go", "");
    http.ends(&id, "succeeded");
    assert_eq!(
        place.lines("diary"),
        ["begin 1", "end 1", "begin 2", "end 2"]
    );
    let released: Vec<Value> = http
        .events(&id)
        .into_iter()
        .filter(|e| e["kind"] == "released")
        .collect();
    assert_eq!(released.len(), 1);
}

//! Defects of sections B and E, retries and the ways in, that are not told elsewhere.

use crate::harness::{BY_KIND, Place, port, until};
use crate::http::text;
use crate::poison::publish;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn defect_15_16_17_each_of_many_failing_tasks_starts_as_often_as_its_policy_says_and_stays_dead() {
    let place = Place::with("[retry.network]\nretries = 2\nbase = \"30ms\"");
    let script =
        r#"echo "$WARRENER_TASK_ID $WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"; exit 75"#;
    let port = port();
    let server = place.server_on(port);
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 4", script);
    let ids = http.batch(&vec![json!({ "kind": "work" }); 10]);
    for id in &ids {
        http.ends(id, "dead");
    }
    // A restart finds them dead, and starts none again.
    drop(server);
    let _server = place.server_on(port);
    let http = place.http();
    http.until_presence("ann", "up");
    let last = http.submit(&json!({ "kind": "work" }));
    http.ends(&last, "dead");
    let mut starts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in place.lines("starts") {
        let (id, attempt) = line.split_once(' ').unwrap();
        starts.entry(id.into()).or_default().push(attempt.into());
    }
    assert_eq!(starts.len(), 11);
    for (id, attempts) in &starts {
        assert_eq!(*attempts, ["1", "2", "3"], "{id}");
    }
    assert_eq!(http.books()["states"]["dead"], 11);
    let dead = place.run("dlq list --all -q").fine();
    assert_eq!(dead.lines().count(), 11, "each once");
}

#[test]
fn defect_19_a_retry_is_the_same_task_with_everything_it_had() {
    let place = Place::with("[retry.network]\nbase = \"20ms\"");
    let script = r#"
        cat > "$WARRENER_AGENT_DIR/task-$WARRENER_ATTEMPT"
        echo "$WARRENER_IDEMPOTENCY_KEY ${TRACEPARENT%-*-*}" >> "$WARRENER_AGENT_DIR/keys"
        [ "$WARRENER_ATTEMPT" -gt 2 ] || exit 75"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({
        "kind": "work", "title": "t", "description": "d", "priority": "high", "input": { "n": 1.50 },
        "labels": { "a": "b" }, "deadline_ms": 600_000, "timeout_ms": 60_000,
    }));
    let task = http.ends(&id, "succeeded");
    let read =
        |n: u32| -> Value { serde_json::from_str(&place.read(&format!("task-{n}"))).unwrap() };
    let first = read(1);
    for n in [2, 3] {
        let mut again = read(n);
        assert_eq!(again["attempt"], n);
        for field in [
            "attempt",
            "epoch",
            "error",
            "progress",
            "started_at",
            "ready_at",
            "waiting_since",
            "version",
        ] {
            again[field] = first[field].clone();
        }
        assert_eq!(again, first);
    }
    let trace = format!("{id} 00-{}", id.replace('-', ""));
    assert_eq!(place.lines("keys"), vec![trace; 3]);
    assert_eq!(task["priority"], "high");
}

#[test]
fn defect_20_a_long_delay_holds_back_no_shorter_one_and_a_wish_of_the_handler_counts() {
    let place = Place::with("[retry.network]\nbase = \"50ms\"\njitter = \"none\"");
    place.write(
        "long.sh",
        r#"error='"class":"network","message":"later","retry_after_ms":3600000'
        echo "{\"error\":{$error}}" >&3; exit 75"#,
    );
    place.write("short.sh", r#"[ "$WARRENER_ATTEMPT" -gt 3 ] || exit 75"#);
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 1", BY_KIND);
    let long = http.submit(&json!({ "kind": "long" }));
    http.until_state(&long, "retrying");
    let short = http.submit(&json!({ "kind": "short" }));
    assert_eq!(http.ends(&short, "succeeded")["attempt"], 4);
    let task = http.task(&long);
    assert_eq!(task["state"], "retrying");
    let wait = crate::flow::time(&text(&task, "retry_at"));
    let wait = wait.since(crate::flow::time(&text(&task, "waiting_since")));
    assert_eq!(wait.as_millis(), 3_600_000);
    // A person need not wait that long.
    place.call(&["task", "cancel", &long]).exits(0);
    http.ends(&long, "cancelled");
}

#[test]
fn defect_45_logs_go_to_stderr_and_stdout_is_for_data_alone() {
    let place = Place::new();
    let mut server = place.start(
        "server",
        &["server", "run", "-vv", "--listen", "127.0.0.1:0"],
    );
    server = place.ready(server);
    let script = "echo noise on stderr >&2; echo '{\"fine\":true}'";
    let agent = place.start(
        "ann",
        &[
            "agent", "run", "-vv", "--name", "ann", "--", "sh", "-c", script,
        ],
    );
    let ran = place
        .run("task submit --kind work --wait -v -o json")
        .exits(0);
    assert_eq!(ran.json()["output"], json!({ "fine": true }));
    assert!(!ran.err.is_empty(), "notes are on stderr");
    for verb in [
        "task list",
        "agent list",
        "lane list",
        "dlq list",
        "dlq groups",
        "config show",
    ] {
        place.run(&format!("{verb} -v -o json")).exits(0).json();
        for line in place.run(&format!("{verb} -v -o jsonl")).fine().lines() {
            serde_json::from_str::<Value>(line).expect("a JSON line");
        }
    }
    assert_eq!((server.out().as_str(), agent.out().as_str()), ("", ""));
    for line in server.err().lines().chain(agent.err().lines()) {
        let entry: Value = serde_json::from_str(line).expect("logs are JSON lines");
        assert!(
            entry["timestamp"].is_string() && entry["level"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn defect_46_an_agent_is_given_no_more_than_its_slots_and_its_end_gives_back_only_that() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; exec sleep 7777"#;
    let ann = place.agent("ann", "--concurrency 2", script);
    let ids = http.batch(&vec![json!({ "kind": "work" }); 8]);
    until("both slots", || {
        (place.lines("starts").len() == 2).then_some(())
    });
    let lane = http.get("/api/v1/lanes/default").json();
    assert_eq!(lane["counts"], json!({ "ready": 6, "running": 2 }));
    ann.kill_9();
    let _bob = place.agent("bob", "", "echo '{}'");
    for id in &ids {
        http.ends(id, "succeeded");
    }
    let lost: usize = ids.iter().map(|id| http.losses(id)).sum();
    assert_eq!(lost, 2);
}

#[test]
fn defect_46_nobody_ends_a_task_that_was_not_given_to_him() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"
        echo up > "$WARRENER_AGENT_DIR/up"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done; echo '{"by":"ann"}'"#;
    let _agent = place.agent("ann", "", script);
    let runs = http.submit(&json!({ "kind": "work" }));
    let waits = http.submit(&json!({ "kind": "work", "lane": "nobody" }));
    place.said("up");
    let instance = text(&http.agent("ann"), "instance");
    // Renewals of its lease show in no field, the version included.
    let seen = |id: &str| http.task(id);
    let before = (seen(&runs), seen(&waits));
    let outcome = |who: &str, instance: &str, task: &str, epoch: u64| {
        json!({ "v": 1, "task_id": task, "attempt": epoch, "epoch": epoch, "agent_id": who, "instance": instance,
            "status": "succeeded", "output": { "by": "eve" } })
    };
    let mut link = http.link("eve", "00000001");
    let nobody = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";
    let lies = [
        outcome("eve", "00000001", &runs, 1),
        outcome("eve", "00000001", &runs, 2),
        outcome("eve", "00000001", &waits, 1),
        outcome("eve", "00000001", nobody, 1),
    ];
    for (n, lie) in (1..).zip(&lies) {
        link.say(&publish(n, "inbox/results", "outcome", lie));
        assert_eq!(link.reply(n)["ok"]["receipts"], json!(["confirmed"]));
    }
    // In somebody else's name it does not even pass the link.
    let forged = outcome("ann", &instance, &runs, 1);
    link.say(&publish(9, "inbox/results", "outcome", &forged));
    assert_eq!(link.reply(9)["problem"]["code"], "not_allowed");
    for from in [
        "inbox/results".to_owned(),
        format!("control/ann/{instance}"),
        "dead".into(),
    ] {
        link.say(&json!({ "op": "subscribe", "n": 10, "from": from, "credit": 1 }));
        assert_eq!(link.reply(10)["problem"]["code"], "not_allowed", "{from}");
    }
    until("the refusals to be counted", || {
        let metrics = http.get("/metrics").text;
        let counts = metrics
            .lines()
            .filter(|line| line.starts_with("warrener_refused_total{what=\"outcome\""));
        let sum: u64 = counts
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        (sum == lies.len() as u64).then_some(())
    });
    assert_eq!((seen(&runs), seen(&waits)), before);
    place.write("go", "");
    assert_eq!(
        http.ends(&runs, "succeeded")["output"],
        json!({ "by": "ann" })
    );
}

#[test]
fn defect_48_what_a_person_asks_without_arguments_is_answered_and_bounded() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    for verb in [
        "task list",
        "agent list",
        "lane list",
        "dlq list",
        "dlq groups",
    ] {
        let page = place.run(&format!("{verb} -o json")).exits(0).json();
        assert_eq!(page, json!({ "items": [], "next": null }), "{verb}");
    }
    let _agent = place.agent("ann", "--lane other", "echo '{}'");
    http.batch(&vec![json!({ "kind": "work", "lane": "nobody" }); 120]);
    let page = place.run("task list -o json").exits(0).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 50);
    assert!(page["next"].is_string());
    assert_eq!(place.run("task list --all -q").fine().lines().count(), 120);
    place.run("task list --limit 5000").exits(2);
    http.get("/api/v1/tasks?limit=5000").problem(400);
    let agents = place.run("agent list -o json").exits(0).json();
    assert_eq!(agents["items"][0]["id"], "ann");
    let metrics = http.get("/metrics").text;
    let line = "warrener_tasks{lane=\"nobody\",state=\"ready\"} 120";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

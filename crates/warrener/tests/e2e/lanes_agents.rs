//! Lanes and agents over the command line, and the configuration with its origins.

use crate::harness::{Place, until};
use serde_json::{Value, json};

/// Runs until the file `go` is there.
const WAITS: &str = r#"
    echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
    while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done"#;

#[test]
fn a_paused_lane_starts_nothing_until_it_is_resumed_and_another_one_goes_on() {
    let place = Place::new();
    let server = place.server();
    let http = place.http();
    let ran = place.call(&[
        "lane",
        "pause",
        "bulk",
        "--reason",
        "disk is full",
        "-o",
        "json",
    ]);
    assert_eq!(ran.exits(0).json()["paused"], true);
    let agent = place.agent("ann", "--lane bulk --lane other", "echo '{}'");
    let waits = http.submit(&json!({ "kind": "work", "lane": "bulk" }));
    let goes = http.submit(&json!({ "kind": "work", "lane": "other" }));
    http.ends(&goes, "succeeded");
    let task = http.task(&waits);
    assert_eq!(
        (&task["state"], &task["waiting_for"]),
        (&json!("ready"), &json!("paused"))
    );
    let lane = place.run("lane get bulk -o json").exits(0).json();
    assert_eq!(lane["reason"], "disk is full");
    assert_eq!(lane["counts"], json!({ "ready": 1 }));
    assert_eq!(lane["agents"], 1);
    // A pause outlives the server.
    drop((server, agent));
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--lane bulk --lane other", "echo '{}'");
    let goes = http.submit(&json!({ "kind": "work", "lane": "other" }));
    http.ends(&goes, "succeeded");
    assert_eq!(http.task(&waits)["state"], "ready");
    place.run("lane resume bulk").exits(0);
    http.ends(&waits, "succeeded");
    let lanes = place.run("lane list -o json").exits(0).json();
    let names: Vec<&Value> = lanes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["name"])
        .collect();
    assert_eq!(names, ["bulk", "other"]);
}

#[test]
fn a_drained_agent_finishes_takes_nothing_new_and_is_resumed() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut agent = place.agent(
        "ann",
        "--capability rust=0.9 --kind work --kind wait.more",
        WAITS,
    );
    let runs = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    let shown = place.run("agent get ann -o json").exits(0).json();
    assert_eq!(shown["capabilities"], json!({ "rust": 0.9 }));
    assert_eq!(shown["kinds"], json!(["work", "wait.more"]));
    assert_eq!(shown["tasks"], json!([runs]));
    place.run("agent drain ann --reason upgrade").exits(0);
    let waits = http.submit(&json!({ "kind": "work" }));
    let mut waiting = place.start("wait", &["agent", "drain", "ann", "--wait"]);
    http.until_presence("ann", "draining");
    place.write("go", "");
    assert_eq!(waiting.ends(), Some(0), "{}", waiting.err());
    http.ends(&runs, "succeeded");
    assert!(agent.is_running(), "drained is not stopped");
    assert_eq!(http.history(&waits), ["submitted"]);
    place.run("agent resume ann").exits(0);
    http.ends(&waits, "succeeded");
    let listed = place.run("agent list -o json").exits(0).json();
    assert_eq!(listed["items"][0]["presence"], "up");
    // A stop ends it, and it leaves.
    place.run("agent stop ann --wait").exits(0);
    assert_eq!(agent.ends(), Some(0), "{}", agent.err());
    http.until_presence("ann", "left");
}

#[test]
fn a_task_that_no_agent_can_do_is_reported_and_done_once_there_is_one() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let by = |name| format!("echo '{{\"by\":\"{name}\"}}'");
    let _ann = place.agent("ann", "--kind backend", &by("ann"));
    let backend = http.submit(&json!({ "kind": "backend" }));
    let frontend = http.submit(&json!({ "kind": "frontend" }));
    assert_eq!(http.ends(&backend, "succeeded")["output"]["by"], "ann");
    let task = http.task(&frontend);
    assert_eq!(task["waiting_for"], "no_capable_agent");
    let _bob = place.agent("bob", "--kind frontend", &by("bob"));
    assert_eq!(http.ends(&frontend, "succeeded")["output"]["by"], "bob");
    assert_eq!(
        http.history(&frontend),
        ["submitted", "started", "succeeded"]
    );
}

#[test]
fn a_task_is_moved_by_hand_to_the_agent_that_is_named() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go-$WARRENER_ATTEMPT" ]; do sleep 0.05; done; echo '{}'"#;
    let _ann = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    let _bob = place.agent("bob", "", script);
    place
        .call(&["task", "reassign", &id, "--agent", "bob"])
        .exits(0);
    until("the second start", || {
        (place.lines("starts").len() == 2).then_some(())
    });
    place.write("go-2", "");
    let task = http.ends(&id, "succeeded");
    assert_eq!(http.times(&id, "reassigned"), 1);
    let events = http.events(&id);
    let last = events
        .iter()
        .rfind(|event| event["kind"] == "started")
        .unwrap();
    assert_eq!(last["agent"], "bob", "{task}");
}

#[test]
fn defect_12_tasks_that_failed_occupy_no_agent() {
    let place = Place::with("[retry.crash]\nretries = 0\n[retry.timeout]\nretries = 0");
    let script = r#"
        code=$(sed 's/.*"input":"\([^"]*\)".*/\1/')
        case $code in KILL) kill -KILL $$;; hang) exec sleep 7777;; *) exit "$code";; esac"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 2", script);
    // More of each than there are slots.
    for code in ["1", "65", "77", "KILL", "hang"] {
        let request = json!({ "kind": "work", "input": code, "timeout_ms": 500 });
        for id in http.batch(&vec![request; 3]) {
            let state = http.end(&id)["state"].clone();
            assert!(state == "failed" || state == "dead", "{state}");
        }
    }
    until("free slots", || {
        let agent = http.agent("ann");
        (agent["busy"] == 0 && agent["tasks"] == json!([])).then_some(())
    });
    let id = http.submit(&json!({ "kind": "work", "input": "0" }));
    http.ends(&id, "succeeded");
    let lane = place.run("lane get default -o json").exits(0).json();
    assert_eq!((&lane["busy"], &lane["slots"]), (&json!(0), &json!(2)));
}

#[test]
fn the_configuration_is_shown_with_the_origin_of_each_value() {
    let place = Place::with("[dead]\nkeep = \"9d\"");
    let mut command = place.command(&[
        "config",
        "show",
        "--origin",
        "-o",
        "json",
        "--server",
        "http://127.0.0.1:1",
    ]);
    command.env("WARRENER_RETENTION__FINISHED", "3d");
    command.env("WARRENER_TOKEN", "very secret");
    let ran = crate::harness::Ran::of(command.output().unwrap()).exits(0);
    assert!(!ran.out.contains("very secret"));
    let shown = ran.json();
    let items = shown["items"].as_array().unwrap();
    let of = |key: &str| {
        let item = items.iter().find(|item| item["key"] == key);
        let item = item.unwrap_or_else(|| panic!("no {key} in {shown}"));
        (
            item["value"].clone(),
            item["origin"].as_str().unwrap().to_owned(),
        )
    };
    let (value, origin) = of("dead.keep");
    assert_eq!(value, "9d");
    assert!(origin.contains("warrener.toml"), "{origin}");
    let (value, origin) = of("retention.finished");
    assert_eq!(value, "3d");
    assert!(origin.contains("WARRENER_RETENTION__FINISHED"), "{origin}");
    let (value, origin) = of("server.url");
    assert_eq!(value, "http://127.0.0.1:1");
    assert!(origin.contains("--server"), "{origin}");
    assert_eq!(of("namespace").0, "agent");
    assert!(of("namespace").1.contains("default"));
    // A word that is nearly one is an error that says which was meant, and nothing starts.
    place.write("warrener.toml", "[retention]\nfinishd = \"1d\"");
    place.run("server run").fails(2, &["finishd", "finished"]);
    assert!(!place.data().exists());
}

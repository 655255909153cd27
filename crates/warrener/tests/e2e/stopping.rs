//! Signals: an agent and a server that are asked to end, do; what they had is finished, given back, or found again.

use crate::harness::{PATIENCE, Place, port, until};
use crate::http::text;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::process::Stdio;

/// Runs until the file `go` is there.
const WAITS: &str = r#"
    echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
    while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
    echo '{}'"#;

#[test]
fn scenario_r_an_agent_that_is_asked_to_end_finishes_its_task_and_leaves() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let _server = place.server();
        let http = place.http();
        let mut agent = place.agent("ann", "", WAITS);
        let id = http.submit(&json!({ "kind": "work" }));
        place.said("starts");
        agent.signal(signal);
        http.until_presence("ann", "draining");
        // It takes nothing new.
        let later = http.submit(&json!({ "kind": "work" }));
        place.write("go", "");
        assert_eq!(agent.ends(), Some(0), "{}", agent.err());
        let task = http.ends(&id, "succeeded");
        assert_eq!(task["attempt"], 1);
        assert_eq!(http.until_presence("ann", "left")["busy"], 0);
        assert_eq!(http.task(&later)["state"], "ready");
        assert_eq!(http.history(&later), ["submitted"]);
        place.until_gone("sh");
        place.until_gone("warrener guard");
    }
}

#[test]
fn scenario_r_what_is_not_done_at_the_deadline_is_given_back_uncounted() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut ann = place.agent("ann", "--concurrency 1", "exec sleep 7777");
    let id = http.submit(&json!({ "kind": "work", "max_attempts": 1 }));
    place.until_runs("sleep 7777");
    place
        .run("agent stop ann --deadline 300ms --reason upgrade")
        .exits(0);
    assert_eq!(ann.ends(), Some(0), "{}", ann.err());
    place.until_gone("sleep 7777");
    http.until_presence("ann", "left");
    assert_eq!(http.history(&id), ["submitted", "started", "released"]);
    assert_eq!(http.task(&id)["state"], "ready");
    // Although it may start only once: what was given back does not count.
    let _bob = place.agent("bob", "", "echo '{}'");
    http.ends(&id, "succeeded");
}

#[test]
fn scenario_r_an_agent_that_cannot_finish_in_its_time_gives_its_task_back_by_itself() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut ann = place.agent("ann", "", "exec sleep 7777");
    let id = http.submit(&json!({ "kind": "work" }));
    place.until_runs("sleep 7777");
    ann.signal(Signal::TERM);
    // It waits for its program as long as a pod may take to end, less what it needs for itself.
    assert_eq!(ann.ends_within(3 * PATIENCE), Some(0), "{}", ann.err());
    assert_eq!(http.history(&id), ["submitted", "started", "released"]);
    place.until_gone("sleep 7777");
    http.until_presence("ann", "left");
}

#[test]
fn defect_11_a_second_signal_ends_an_agent_at_once_and_its_task_goes_to_another_one() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let script = r#"
        trap '' TERM
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        while :; do sleep 0.1; done"#;
    let mut ann = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    let instance = text(&http.agent("ann"), "instance");
    ann.signal(Signal::TERM);
    http.until_presence("ann", "draining");
    assert!(ann.is_running(), "the first signal lets it finish");
    ann.signal(Signal::TERM);
    assert_eq!(ann.ends(), Some(130));
    place.until_gone(&format!("warrener guard {instance}"));
    place.until_gone("sh");
    let _bob = place.agent("bob", "", "echo '{}'");
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["attempt"], 2);
    assert_eq!(http.losses(&id), 1);
}

#[test]
fn scenario_r_a_server_that_is_asked_to_end_under_load_loses_nothing() {
    let place = Place::new();
    let port = port();
    let mut server = place.server_on(port);
    let http = place.http();
    let _ann = place.agent("ann", "--concurrency 2", "echo '{}'");
    let requests: Vec<Value> = (0..60)
        .map(|n| json!({ "kind": "work", "input": n }))
        .collect();
    let mut ids = http.batch(&requests);
    until("some work", || {
        let done = http.books()["states"]["succeeded"].as_u64()?;
        (done > 3).then_some(())
    });
    let submitting = {
        let http = http.clone();
        std::thread::spawn(move || {
            let mut answered = vec![];
            // Until the server is gone, or says that it is going.
            loop {
                let body = br#"{"kind":"work"}"#;
                match http.try_send("/api/v1/tasks", "application/json", body) {
                    Ok(reply) if reply.status == 201 => answered.push(text(&reply.json(), "id")),
                    Ok(reply) => {
                        assert_eq!(reply.problem(503)["code"], "draining");
                        return answered;
                    }
                    Err(_) => return answered,
                }
            }
        })
    };
    server.signal(Signal::TERM);
    assert_eq!(server.ends(), Some(0), "{}", server.err());
    assert!(!place.path(".warrener/server.json").exists());
    ids.extend(submitting.join().unwrap());
    let _server = place.server_on(port);
    let http = place.http();
    let books = http.settled();
    for id in &ids {
        let task = http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1, "{task}");
    }
    // An answer that got lost on its way may be one more.
    let accepted = books["accepted"].as_u64().unwrap();
    let known = ids.len() as u64;
    assert!(
        (known..=known + 1).contains(&accepted),
        "{accepted} of {known}"
    );
    assert_eq!(books["states"]["succeeded"], accepted);
}

#[test]
fn a_second_signal_ends_a_server_at_once_and_nothing_is_lost() {
    let place = Place::new();
    let mut server = place.server();
    let id = place.http().submit(&json!({ "kind": "work" }));
    // Stopped while both signals come: it sees them together.
    server.signal(Signal::STOP);
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    server.signal(Signal::CONT);
    let exit = server.ends();
    assert!(matches!(exit, Some(0 | 130)), "{exit:?}");
    let _server = place.server();
    assert_eq!(place.http().task(&id)["state"], "ready");
}

#[test]
fn the_end_of_stdin_beside_the_first_signal_is_no_second_signal() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut command = place.agent_command("ann", "--follow-stdin", WAITS);
    let mut agent = command
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    drop(agent.stdin.take());
    http.until_presence("ann", "draining");
    let pid = i32::try_from(agent.id())
        .ok()
        .and_then(Pid::from_raw)
        .unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    place.write("go", "");
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    assert_eq!(http.ends(&id, "succeeded")["attempt"], 1);
    http.until_presence("ann", "left");
}

//! The agent in Python: a stock AMQP client that knows nothing but the contract joins, claims, works, is cancelled and
//! drained.

use crate::harness::{Place, Process, until};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The version of the client; another one may behave otherwise.
const PIKA: &str = "pika==1.4.4";

/// A Python that has the client: made once, kept below the build's own folder.
fn python() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
        let python = home.join("bin/python");
        let has = |code: &str| {
            let ran = Command::new(&python).args(["-c", code]).output();
            ran.is_ok_and(|ran| ran.status.success())
        };
        if !has("import pika; assert pika.__version__ == '1.4.4'") {
            run(Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home));
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PIKA]));
        }
        python
    });
    made.clone()
}

#[track_caller]
fn run(command: &mut Command) {
    let ran = command.output();
    let ran = ran.unwrap_or_else(|error| panic!("{command:?}: {error}; install python3-venv"));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}: {said}");
}

fn agent(place: &Place, name: &str) -> Process {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/python/agent.py"
    );
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$1" "$WARRENER_BROKER__URL" "$2""#]);
    command.arg(python()).args([file, name]);
    place.dress(&mut command);
    Process::start(place, name, command)
}

#[test]
fn an_agent_in_python_joins_claims_works_is_cancelled_and_drained() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut agent = agent(&place, "py");
    http.until_presence("py", "up");

    let done = http.submit(&json!({ "kind": "shout", "title": "hello", "input": null }));
    assert_eq!(
        http.ends(&done, "succeeded")["output"],
        json!({ "text": "HELLO" })
    );
    assert_eq!(http.times(&done, "started"), 1);

    // Longer than the lease: its heartbeats keep it.
    let long = http.submit(&json!({ "kind": "shout", "title": "slow", "input": { "seconds": 5 } }));
    http.ends(&long, "succeeded");
    assert_eq!(http.losses(&long), 0);

    let bad = http.submit(&json!({ "kind": "shout", "input": ["nothing that it can do"] }));
    assert_eq!(http.ends(&bad, "failed")["error"]["class"], "business");

    let endless = http.submit(&json!({ "kind": "shout", "input": { "seconds": 3_600 } }));
    http.until_state(&endless, "running");
    place.run(&format!("task cancel {endless}")).exits(0);
    http.ends(&endless, "cancelled");
    until("the agent to be free again", || {
        (http.agent("py")["busy"] == 0).then_some(())
    });

    let last = http.submit(&json!({ "kind": "shout", "title": "last", "input": { "seconds": 1 } }));
    http.until_state(&last, "running");
    place.run("agent stop py").exits(0);
    assert_eq!(agent.ends(), Some(0), "{}", agent.err());
    http.ends(&last, "succeeded");
    assert_eq!(http.times(&last, "started"), 1);
    http.settled();
}

#[test]
fn what_an_agent_in_python_ran_when_it_was_killed_goes_to_another_one() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let first = agent(&place, "first");
    http.until_presence("first", "up");
    let id = http.submit(&json!({ "kind": "shout", "title": "x", "input": { "seconds": 2 } }));
    http.until_state(&id, "running");
    first.kill_9();
    let _second = agent(&place, "second");
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["agent"], "second");
    assert_eq!(task["attempt"], 2);
}

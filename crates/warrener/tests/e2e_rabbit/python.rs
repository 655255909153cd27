//! The agent in Python: a stock AMQP client that knows nothing but the contract joins, claims, works, is cancelled and
//! drained.

use crate::harness::{Place, Process, until};
use crate::stage;
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

/// A script of ours; the URL of the broker is in its environment, where no other program reads it.
pub(crate) fn script(place: &Place, name: &str, file: &str, url: Option<&str>) -> Process {
    let file = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python());
    command.args([&file, name]);
    place.dress(&mut command);
    if let Some(url) = url {
        command.env("WARRENER_BROKER__URL", url);
    }
    Process::start(place, name, command)
}

const AGENT: &str = "../../examples/python/agent.py";

fn agent(place: &Place, name: &str) -> Process {
    script(place, name, AGENT, None)
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

/// The rights are those of docs/agents-amqp.md.
#[test]
fn an_agent_in_python_needs_no_more_rights_than_its_page_says() {
    let page = include_str!("../../../../docs/agents-amqp.md").replace("my-agent", "limited");
    let quoted: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("rabbitmqctl set_permissions"))
        .take(5)
        .flat_map(|line| line.split('\'').skip(1).step_by(2))
        .collect();
    let [configure, write, read, keys, _] = quoted[..] else {
        panic!("{quoted:?}")
    };
    let vhost = stage::vhost();
    vhost.user("limited", "secret", [configure, write, read]);
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    vhost.keys("limited", "agent.in", keys);
    let url = vhost.url().replace("guest:guest@", "limited:secret@");

    let limited = script(&place, "limited", AGENT, Some(&url));
    let http = place.http();
    http.until_presence("limited", "up");
    let done = http.submit(&json!({ "kind": "shout", "title": "hello", "input": null }));
    http.ends(&done, "succeeded");
    place.run("agent stop limited").exits(0);
    let mut limited = limited;
    assert_eq!(limited.ends(), Some(0), "{}", limited.err());

    // Under another name it gets nowhere: neither a queue to be answered on, nor a word to the servers.
    let mut other = script(&place, "other", AGENT, Some(&url));
    assert_ne!(other.ends(), Some(0));
    assert!(
        other.err().contains("agent.control.other"),
        "{}",
        other.err()
    );
    let mut forger = script(&place, "forged", "tests/e2e_rabbit/forger.py", Some(&url));
    assert_ne!(forger.ends(), Some(0));
    assert!(forger.err().contains("hello.forged"), "{}", forger.err());
}

#[test]
fn an_agent_in_python_waits_for_the_first_server_with_the_password_on_no_command_line() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let mut agent = agent(&place, "py");
    let connections = format!(
        "length([P || P <- rabbit_networking:connections(),
            (catch rabbit_networking:connection_info(P, [vhost])) =:= [{{vhost, <<\"{}\">>}}]]).",
        vhost.name()
    );
    until("the agent at the broker", || {
        (vhost.node().eval(&connections) == "1").then_some(())
    });
    for (_, words) in place.running() {
        assert!(!words.contains("guest"), "{words}");
        assert!(!words.contains("amqp"), "{words}");
    }
    let _server = place.server();
    let http = place.http();
    http.until_presence("py", "up");
    let id = http.submit(&json!({ "kind": "shout", "title": "hello" }));
    http.ends(&id, "succeeded");
    assert!(agent.is_running(), "{}", agent.err());
}

#[test]
fn an_agent_in_python_gives_back_what_it_has_not_done_by_the_end_of_a_drain() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut first = agent(&place, "first");
    http.until_presence("first", "up");
    let id = http.submit(&json!({ "kind": "shout", "input": { "seconds": 3_600 } }));
    http.until_state(&id, "running");
    place.run("agent stop first --deadline 300ms").exits(0);
    assert_eq!(first.ends(), Some(0), "{}", first.err());
    assert_eq!(first.err(), "");
    http.until_state(&id, "ready");
    assert_eq!(http.history(&id), ["submitted", "started", "released"]);
    // For anybody else, who is cancelled.
    let _second = agent(&place, "second");
    http.until_state(&id, "running");
    place.run(&format!("task cancel {id}")).exits(0);
    http.ends(&id, "cancelled");
}

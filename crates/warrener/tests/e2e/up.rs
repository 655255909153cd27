//! `up`: a server and its team in one process tree, confirmed before it runs anybody's commands.

use crate::harness::{Place, Process, port, until};
use crate::http::text;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const TEAM: &str = r#"
[[agent]]
name = "writer"
lanes = ["texts"]
run = ["sh", "write.sh"]

[[agent]]
name = "counter"
lanes = ["numbers", "default"]
concurrency = 2
run = ["sh", "-c", "echo '{\"by\":\"counter\"}'"]
"#;

fn team() -> Place {
    let place = Place::with(TEAM);
    place.write(
        "write.sh",
        "echo \"$WARRENER_ATTEMPT\" >> \"$WARRENER_AGENT_DIR/starts\"\n\
        while [ -e \"$WARRENER_AGENT_DIR/wait\" ]; do sleep 0.05; done\necho '{\"by\":\"writer\"}'",
    );
    place
}

fn up(place: &Place, flags: &str) -> Process {
    let listen = format!("up --listen 127.0.0.1:0 {flags}");
    let words: Vec<&str> = listen.split_whitespace().collect();
    let up = place.ready(place.start("up", &words));
    for name in ["writer", "counter"] {
        place.http().until_presence(name, "up");
    }
    up
}

#[test]
fn commands_that_nobody_confirmed_are_not_run_and_a_confirmation_is_remembered_until_they_change() {
    let place = team();
    place
        .run("up --listen 127.0.0.1:0")
        .fails(2, &["warrener.toml", "nobody has confirmed", "--trust"]);
    assert!(!place.data().exists(), "nothing was started");
    for flags in ["--trust", ""] {
        let mut up = up(&place, flags);
        up.signal(Signal::TERM);
        assert_eq!(up.ends(), Some(0), "{}", up.err());
    }
    let settings = place.read("warrener.toml");
    place.write("warrener.toml", &settings.replace("by", "BY"));
    place.run("up --listen 127.0.0.1:0").fails(2, &["--trust"]);
}

#[test]
fn a_team_works_and_ends_as_one_when_it_is_asked_to() {
    let place = team();
    let mut up = up(&place, "--trust");
    let http = place.http();
    let url = place.read(".warrener/server.json");
    let banner = up.out();
    assert!(
        banner.contains("2 agent(s)") && banner.contains(".warrener"),
        "{banner}"
    );
    let address = banner
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    assert!(url.contains(address.expect("an address")), "{banner}");
    let commands = banner
        .lines()
        .filter(|line| line.trim_start().starts_with("warrener "));
    assert_eq!(commands.count(), 4, "{banner}");
    for (lane, by) in [
        ("texts", "writer"),
        ("numbers", "counter"),
        ("default", "counter"),
    ] {
        let id = http.submit(&json!({ "kind": "work", "lane": lane }));
        let task = http.ends(&id, "succeeded");
        assert_eq!(task["output"], json!({ "by": by }));
    }
    // What runs is finished first.
    place.write("wait", "");
    let id = http.submit(&json!({ "kind": "work", "lane": "texts" }));
    until("a start", || {
        (place.lines("starts").len() == 2).then_some(())
    });
    up.signal(Signal::TERM);
    until("the drain", || {
        let agent = http.try_get("/api/v1/agents/writer").ok()?;
        (agent.json()["presence"] == "draining").then_some(())
    });
    std::fs::remove_file(place.path("wait")).unwrap();
    assert_eq!(up.ends(), Some(0), "{}", up.err());
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
    let _server = place.server();
    assert_eq!(place.http().task(&id)["state"], "succeeded");
    assert_eq!(place.http().task(&id)["attempt"], 1);
    for name in ["writer", "counter"] {
        assert_eq!(place.http().agent(name)["presence"], "left");
    }
}

#[test]
fn an_agent_of_the_team_that_is_killed_is_started_again() {
    let place = team();
    let _up = up(&place, "--trust");
    let http = place.http();
    let before = text(&http.agent("writer"), "instance");
    place.write("wait", "");
    let id = http.submit(&json!({ "kind": "work", "lane": "texts" }));
    place.said("starts");
    let (pid, _) = until("the agent's process", || {
        let mut found = place.running().into_iter();
        found.find(|(_, words)| {
            words.starts_with("warrener agent run") && words.contains("--name writer")
        })
    });
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).expect("the agent is there");
    std::fs::remove_file(place.path("wait")).unwrap();
    until("another boot", || {
        let agent = http.agent("writer");
        (agent["presence"] == "up" && agent["instance"] != before.as_str()).then_some(())
    });
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["attempt"], 2);
    assert_eq!(http.agent("counter")["presence"], "up", "the others go on");
}

#[test]
fn a_team_that_is_killed_leaves_no_program_and_is_there_again() {
    let place = team();
    let port = port();
    let flags = format!("up --trust --listen 127.0.0.1:{port}");
    let words: Vec<&str> = flags.split_whitespace().collect();
    let first = place.ready(place.start("up", &words));
    let http = place.http();
    http.until_presence("writer", "up");
    place.write("wait", "");
    let id = http.submit(&json!({ "kind": "work", "lane": "texts" }));
    place.said("starts");
    // As closing a terminal for good would: the whole group at once.
    rustix::process::kill_process_group(
        Pid::from_raw(i32::try_from(first.pid()).unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    drop(first);
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
    std::fs::remove_file(place.path("wait")).unwrap();
    let _again = place.ready(place.start("up", &words));
    let task = place.http().ends(&id, "succeeded");
    assert_eq!(task["attempt"], 2);
}

//! Agents that are killed, that hang, that are mistaken for each other; and a server that is killed under them.

use crate::harness::{PATIENCE, Place, Process, port, until, until_within};
use crate::http::{Http, text};
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeMap;

/// Notes who it is; then the first attempt takes for ever, with a child in another session, and later ones succeed.
const FIRST_HANGS: &str = r#"
    echo "$WARRENER_ATTEMPT $$" >> "$WARRENER_AGENT_DIR/starts"
    if [ "$WARRENER_ATTEMPT" = 1 ]; then
        setsid sleep 7777 & sleep 7778
    fi
    echo "{\"attempt\":$WARRENER_ATTEMPT}""#;

/// The agent that runs this task, taken out of the team.
fn holder(http: &Http, id: &str, team: &mut BTreeMap<&str, Process>) -> (String, Process) {
    let task = http.until_state(id, "running");
    let name = text(&task, "agent");
    let process = team.remove(name.as_str()).expect("one of the team");
    (name, process)
}

#[test]
fn scenario_c_an_agent_is_killed_in_the_middle_and_another_one_completes_its_task() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let start = |name| (name, place.agent(name, "--concurrency 1", FIRST_HANGS));
    let mut team = BTreeMap::from([start("ann"), start("bob")]);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    let (dead, process) = holder(&http, &id, &mut team);
    place.until_runs("sleep 7777");
    place.until_runs("sleep 7778");
    let instance = text(&http.agent(&dead), "instance");
    process.kill_9();
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], json!({ "attempt": 2 }));
    assert_eq!(task["attempt"], 2);
    assert_eq!(http.losses(&id), 1, "{:?}", http.history(&id));
    assert_ne!(task["agent"], dead.as_str(), "another agent");
    assert_eq!(place.lines("starts").len(), 2, "one start for each attempt");
    // Nothing of what the killed agent ran is left, wherever it went; nor its guard.
    place.until_gone("sleep 777");
    place.until_gone(&format!("warrener guard {instance}"));
    http.until_presence(&dead, "lost");
    let books = http.settled();
    assert_eq!(books["accepted"], 1);
    assert_eq!(books["states"]["succeeded"], 1);
}

#[test]
fn everything_that_a_killed_agent_ran_is_done_by_another_one() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let ann = place.agent("ann", "--concurrency 3", FIRST_HANGS);
    let ids = http.batch(&vec![json!({ "kind": "work" }); 5]);
    until("three starts", || {
        (place.lines("starts").len() == 3).then_some(())
    });
    ann.kill_9();
    // An agent that joins later will do.
    let _bob = place.agent("bob", "--concurrency 3", "echo '{}'");
    for id in &ids {
        http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1);
    }
    let twice = ids.iter().filter(|id| http.losses(id) == 1).count();
    assert_eq!(twice, 3, "only what ran was lost");
}

#[test]
fn an_agent_that_hangs_loses_its_task_and_what_it_says_later_changes_nothing() {
    let place = Place::of("1500ms", "");
    let _server = place.server();
    let http = place.http();
    let script = r#"
        echo "$WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go-$WARRENER_ATTEMPT" ]; do sleep 0.05; done
        echo "{\"attempt\":$WARRENER_ATTEMPT}""#;
    let start = |name| (name, place.agent(name, "--concurrency 1", script));
    let mut team = BTreeMap::from([start("ann"), start("bob")]);
    let id = http.submit(&json!({ "kind": "work" }));
    place.said("starts");
    let (name, hung) = holder(&http, &id, &mut team);
    hung.signal(Signal::STOP);
    // Its program goes on, and ends; but nobody hears of it.
    place.write("go-1", "");
    until("the next attempt", || {
        (http.times(&id, "started") >= 2).then_some(())
    });
    assert_eq!(http.times(&id, "lost"), http.times(&id, "started") - 1);
    for attempt in 2..9 {
        place.write(&format!("go-{attempt}"), "");
    }
    let task = http.ends(&id, "succeeded");
    assert_ne!(task["output"]["attempt"], 1);
    hung.signal(Signal::CONT);
    http.until_presence(&name, "up");
    until("an answer to the zombie", || {
        let agent = http.agent(&name);
        (agent["busy"] == 0).then_some(())
    });
    // It takes work again, and its late result has changed nothing.
    let next = http.submit(&json!({ "kind": "work" }));
    place.write("go-1", "");
    http.ends(&next, "succeeded");
    assert_eq!(http.task(&id), task);
    assert_eq!(http.times(&id, "succeeded"), 1);
}

#[test]
fn defect_05_a_result_that_is_found_while_the_server_is_away_arrives_later_and_counts_once() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let script = r#"
        echo start >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        echo '{"fine":true}'
        echo done >> "$WARRENER_AGENT_DIR/done""#;
    let _agent = place.agent("ann", "", script);
    let id = place.http().submit(&json!({ "kind": "work" }));
    place.said("starts");
    server.kill_9();
    place.write("go", "");
    place.said("done");
    let _server = place.server_on(port);
    let http = place.http();
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], json!({ "fine": true }));
    assert_eq!(task["attempt"], 1, "nobody was taken anything");
    assert_eq!(http.history(&id), ["submitted", "started", "succeeded"]);
    assert_eq!(place.lines("starts").len(), 1);
}

#[test]
fn a_server_that_is_killed_takes_no_run_from_its_agent() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let script = r#"
        echo start >> "$WARRENER_AGENT_DIR/starts"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        echo '{"fine":true}'"#;
    let _agent = place.agent("ann", "", script);
    let id = place.http().submit(&json!({ "kind": "work" }));
    place.said("starts");
    server.kill_9();
    let _server = place.server_on(port);
    let http = place.http();
    http.until_presence("ann", "up");
    assert_eq!(http.task(&id)["state"], "running");
    place.write("go", "");
    assert_eq!(http.ends(&id, "succeeded")["attempt"], 1);
    assert_eq!(place.lines("starts").len(), 1);
}

#[test]
fn defect_13_a_second_agent_of_the_same_name_waits_and_disturbs_nobody() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let first = place.agent("ann", "", "echo '{\"by\":\"first\"}'");
    let instance = http.agent("ann")["instance"].clone();
    let mut second = place.agent_alone("ann", "", "echo '{\"by\":\"second\"}'");
    until("the second one's words", || {
        second.err().contains("connected already").then_some(())
    });
    assert!(second.err().contains("--name"), "{}", second.err());
    for _ in 0..3 {
        let id = http.submit(&json!({ "kind": "work" }));
        let task = http.ends(&id, "succeeded");
        assert_eq!(task["output"], json!({ "by": "first" }));
    }
    assert_eq!(http.agent("ann")["instance"], instance);
    assert!(second.is_running(), "{}", second.err());
    // When the first one is gone, its place is free.
    first.kill_9();
    until("the second one", || {
        let agent = http.agent("ann");
        (agent["presence"] == "up" && agent["instance"] != instance).then_some(())
    });
    let id = http.submit(&json!({ "kind": "work" }));
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], json!({ "by": "second" }));
}

#[test]
fn defect_14_a_task_may_run_for_several_leases() {
    let place = Place::of("3s", "");
    let _server = place.server();
    let http = place.http();
    let script = r#"echo start >> "$WARRENER_AGENT_DIR/starts"; sleep 10; echo '{}'"#;
    let _ann = place.agent("ann", "", script);
    let _bob = place.agent("bob", "", script);
    let id = http.submit(&json!({ "kind": "long" }));
    until_within("the end of a long task", 2 * PATIENCE, || {
        (http.task(&id)["final"] == true).then_some(())
    });
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["attempt"], 1, "{:#?}", http.events(&id));
    assert_eq!(place.lines("starts").len(), 1);
}

//! Watchers: clients that bind a queue of their own to the copies of the servers' events.

use crate::harness::Place;
use crate::raw::Raw;
use crate::stage;
use serde_json::{Value, json};
use warrener_testkit::rabbit::Alarm;

#[test]
fn a_watcher_sees_what_happens_to_tasks_and_agents() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let mut watcher = Raw::new(&vhost.url(), "eye", "0000000f");
    watcher.watch("agent.status.#");
    let script = r#"echo '{"progress":{"fraction":0.5,"message":"half"}}' >&3; echo '{}'"#;
    let agent = place.agent("ann", "", script);
    let mut seen: Vec<(String, Value)> = vec![];
    let mut until_seen = |key: &str| loop {
        let (found, kind, body) = watcher.next();
        let word = found.strip_prefix("agent.status.").unwrap().to_owned();
        assert_eq!(body["v"], 1, "{body}");
        let expected = match word.split('.').next() {
            Some("task") => "task.event",
            Some("agent") => "agent.event",
            _ => "alert",
        };
        assert_eq!(kind, expected);
        seen.push((word.clone(), body.clone()));
        if word == key {
            return body;
        }
    };
    let joined = until_seen("agent.joined");
    assert_eq!(joined["agent_id"], "ann");
    let id = http.submit(&json!({ "kind": "work" }));
    let done = until_seen("task.succeeded");
    assert_eq!(done["task_id"], id.as_str());
    assert_eq!(
        (&done["state"], &done["agent"]),
        (&json!("succeeded"), &json!("ann"))
    );
    let events = http.events(&id);
    let last = events.last().unwrap();
    assert_eq!(done["cursor"], last["cursor"], "the place in the history");
    agent.kill_9();
    until_seen("agent.stalled");
    until_seen("agent.lost");
    let alert = until_seen("alert");
    assert_eq!(alert["alert"], "agent_lost");
    let words: Vec<&str> = seen.iter().map(|(word, _)| word.as_str()).collect();
    let place_of = |word: &str| words.iter().position(|found| *found == word);
    assert!(
        place_of("task.submitted") < place_of("task.started"),
        "{words:?}"
    );
    assert!(
        place_of("task.started") < place_of("task.succeeded"),
        "{words:?}"
    );
    let progress = seen.iter().find(|(word, _)| word == "task.progress");
    assert_eq!(progress.unwrap().1["progress"]["fraction"], 0.5);
}

#[test]
fn copies_that_the_broker_does_not_take_are_counted_and_hold_nothing_up() {
    let node = warrener_testkit::rabbit::Node::start(&Default::default());
    let place = stage::at(&node.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    // It blocks the one who publishes, and the first to publish here is the server, with the copy of a submission.
    node.raise(Alarm::Memory);
    let ids: Vec<String> = (0..5)
        .map(|_| http.submit(&json!({ "kind": "work" })))
        .collect();
    crate::harness::until("a copy that is counted", || {
        http.submit(&json!({ "kind": "other", "lane": "nobodys" }));
        let metrics = http.get("/metrics").text;
        metrics
            .contains("warrener_refused_total{what=\"copy\",reason=\"broker\"}")
            .then_some(())
    });
    node.clear(Alarm::Memory);
    let _agent = place.agent("ann", "", "echo '{}'");
    for id in &ids {
        http.ends(id, "succeeded");
    }
}

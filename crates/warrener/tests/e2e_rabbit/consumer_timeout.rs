//! RabbitMQ takes back what a consumer holds for longer than its `consumer_timeout`. Agents hold nothing for so long; and
//! where one does all the same, nothing is lost.

use crate::harness::{Place, Process, until, until_within};
use crate::http::Http;
use crate::stage;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use warrener_testkit::rabbit::{Node, Options, Vhost};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Below the timeout: what takes longer than half of this is held by its lease alone.
const HANDOFF: &str = "4s";
/// How long a run of six times the timeout may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Notes its attempt; goes on for the seconds that its input says.
const LONG: &str = r#"
    echo "$WARRENER_TASK_ID $WARRENER_ATTEMPT" >> "$WARRENER_AGENT_DIR/starts"
    sleep "$(sed 's/.*"input":\([0-9]*\).*/\1/')"
    echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/ends"
    echo "{\"attempt\":$WARRENER_ATTEMPT}""#;

/// A vhost of a node whose channels look for what is late.
fn vhost() -> Vhost<'static> {
    static NODE: OnceLock<Node> = OnceLock::new();
    let node = NODE.get_or_init(|| {
        Node::start(&Options {
            consumer_timeout: Some(TIMEOUT),
            ..Options::default()
        })
    });
    node.vhost()
}

fn agent(place: &Place, name: &str, lane: &str, handoff: &str) -> Process {
    let args = [
        "agent", "run", "--name", name, "--lane", lane, "-v", "--", "sh", "-c", LONG,
    ];
    let mut command = place.command(&args);
    command.env("WARRENER_TIMERS__HANDOFF", handoff);
    let agent = Process::start(place, name, command);
    place.http().until_presence(name, "up");
    agent
}

fn submit(http: &Http, lane: &str, seconds: u64) -> String {
    http.submit(&json!({ "kind": "work", "lane": lane, "input": seconds }))
}

/// Started once, ended once, at the first attempt.
#[track_caller]
fn ran_once(place: &Place, http: &Http, id: &str) {
    let task = until_within("its end", PATIENCE, || {
        Some(http.task(id)).filter(|task| task["final"] == true)
    });
    let history = http.events(id);
    assert_eq!(task["state"], "succeeded", "{history:#?}");
    assert_eq!(task["attempt"], 1, "{history:#?}");
    assert_eq!(task["output"], json!({ "attempt": 1 }));
    assert_eq!(
        place
            .lines("starts")
            .iter()
            .filter(|line| **line == format!("{id} 1"))
            .count(),
        1
    );
    assert_eq!(
        place
            .lines("starts")
            .iter()
            .filter(|line| line.starts_with(id))
            .count(),
        1
    );
    assert_eq!(
        place
            .lines("ends")
            .iter()
            .filter(|line| *line == id)
            .count(),
        1
    );
    let times = ["started", "succeeded", "lost", "superseded"].map(|kind| http.times(id, kind));
    assert_eq!(times, [1, 1, 0, 0], "{history:#?}");
}

#[test]
fn a_task_of_six_times_the_consumer_timeout_starts_once_and_finishes_once() {
    let vhost = vhost();
    let place = stage::at(&vhost.url(), || {
        Place::with("[lane.bulk]\nstart = \"fast\"\n")
    });
    let _server = place.server();
    let http = place.http();
    let agents = [("ann", "default"), ("bob", "bulk")]
        .map(|(name, lane)| (agent(&place, name, lane, HANDOFF), lane));
    let seconds = 6 * TIMEOUT.as_secs();
    let ids = agents
        .each_ref()
        .map(|(_, lane)| submit(&http, lane, seconds));
    for id in &ids {
        ran_once(&place, &http, id);
        assert_eq!(http.times(id, "offered"), 1, "{:#?}", http.events(id));
    }
    for (agent, _) in &agents {
        let said = agent.err();
        assert!(!said.contains("connection lost"), "{said}");
    }
    http.settled();
}

#[test]
fn an_agent_that_holds_a_delivery_for_too_long_is_cut_off_and_loses_nothing() {
    let vhost = vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let agent = agent(&place, "ann", "default", "80s");
    let id = submit(&http, "default", 2 * TIMEOUT.as_secs() + 5);
    place.said("starts");
    until_within("the broker's patience to end", PATIENCE, || {
        agent.err().contains("connection lost").then_some(())
    });
    ran_once(&place, &http, &id);
    // It came back, and works on.
    until("its return", || {
        let said = agent.err();
        let (_, since) = said.split_once("connection lost")?;
        since.contains("\"joined\"").then_some(())
    });
    let next = submit(&http, "default", 0);
    ran_once(&place, &http, &next);
    let books: Value = http.settled();
    assert_eq!(books["states"]["succeeded"], 2);
}

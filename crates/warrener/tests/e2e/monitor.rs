//! Scenario S: a monitor that comes late finds out everything, and takes no work away from anybody.

use crate::harness::{Place, until};
use crate::http::Http;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs until the file `go` is there, unless it is short or wrong.
const WORK: &str = r#"
    IN=$(cat)
    case "$IN" in
        *'"kind":"short"'*) ;;
        *'"kind":"wrong"'*) echo 'ask a person' >&2; exit 77 ;;
        *) echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
           while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done ;;
    esac
    echo '{}'"#;

/// One value of the metrics, summed over those that have this in their labels.
fn metric(http: &Http, name: &str, label: &str) -> u64 {
    let text = http.get("/metrics").text;
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && rest.contains(label)
    });
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// What each task is by the history, from its beginning to the row with this cursor.
fn reconstructed(http: &Http, newest: u64) -> BTreeMap<String, String> {
    let mut events = http.listen("tasks", Some(0));
    let mut states = BTreeMap::new();
    loop {
        let (_, event) = events.next();
        let word = |field: &str| event[field].as_str().unwrap().to_owned();
        states.insert(word("id"), word("state"));
        if event["cursor"].as_u64().unwrap() >= newest {
            return states;
        }
    }
}

/// The newest row of history of these tasks.
fn newest(http: &Http, ids: &[String]) -> u64 {
    let rows = ids.iter().flat_map(|id| http.events(id));
    rows.filter_map(|row| row["cursor"].as_u64()).max().unwrap()
}

fn items(place: &Place, line: &str) -> Vec<Value> {
    let listed = place.run(line).exits(0).json();
    listed["items"].as_array().unwrap().clone()
}

#[test]
fn scenario_s_a_monitor_that_comes_late_reconstructs_agents_lanes_work_and_its_pace() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _ann = place.agent("ann", "--concurrency 2", WORK);
    let bob = place.agent("bob", "--lane other --concurrency 3", WORK);
    let mut ids = http.batch(&vec![json!({ "kind": "short" }); 6]);
    for id in &ids {
        http.ends(id, "succeeded");
    }
    let wrong = http.submit(&json!({ "kind": "wrong" }));
    http.ends(&wrong, "dead");
    let long = http.submit(&json!({ "kind": "long" }));
    http.until_state(&long, "running");
    let later = http.batch(&vec![json!({ "kind": "short", "lane": "later" }); 4]);
    ids.extend([wrong.clone(), long.clone()]);
    ids.extend(later.iter().cloned());

    // The monitor comes now, with nothing but an address and a token.
    let states = reconstructed(&http, newest(&http, &ids));
    assert_eq!(states.len(), 12);
    for (id, state) in &states {
        assert_eq!(http.task(id)["state"], *state, "{id}");
    }
    let count = |wanted: &str| states.values().filter(|state| *state == wanted).count();
    let counts = ["succeeded", "dead", "running", "ready"].map(count);
    assert_eq!(counts, [6, 1, 1, 4]);
    let agents = items(&place, "agent list -o json");
    let seen: Vec<_> = agents
        .iter()
        .map(|agent| (&agent["name"], &agent["presence"], &agent["busy"]))
        .collect();
    assert_eq!(seen.len(), 2, "{agents:#?}");
    assert!(seen.iter().all(|(_, presence, _)| **presence == "up"));
    assert_eq!(
        agents
            .iter()
            .filter_map(|a| a["busy"].as_u64())
            .sum::<u64>(),
        1
    );
    let lanes = items(&place, "lane list -o json");
    let depth = |name: &str| {
        let lane = lanes.iter().find(|lane| lane["name"] == name);
        lane.map(|lane| lane["counts"]["ready"].as_u64().unwrap_or(0))
    };
    assert_eq!((depth("later"), depth("default")), (Some(4), Some(0)));
    assert_eq!(items(&place, "dlq list -o json").len(), 1);
    assert_eq!(
        items(&place, "task list -f state:running -o json")[0]["id"],
        long
    );
    assert_eq!(metric(&http, "warrener_agents", "state=\"up\""), 2);
    assert_eq!(
        metric(&http, "warrener_tasks", "lane=\"later\",state=\"ready\""),
        4
    );
    assert_eq!(metric(&http, "warrener_agent_slots", ""), 5);
    assert_eq!(metric(&http, "warrener_agent_slots_busy", ""), 1);

    // Tasks a minute: what two scrapes differ by, as a rate() does.
    let done = || metric(&http, "warrener_tasks", "state=\"succeeded\"");
    let before = done();
    let more = http.batch(&vec![json!({ "kind": "short" }); 7]);
    for id in &more {
        http.ends(id, "succeeded");
    }
    assert_eq!(done() - before, 7);

    // From here on it hears of troubles as they come; nothing was taken by looking.
    let mut events = http.listen("alerts,agents", None);
    bob.kill_9();
    let alert = events.until("alert", |alert| alert["alert"] == "agent_lost");
    assert_eq!(alert["subject"], "bob");
    until("an agent that is shown as lost", || {
        (metric(&http, "warrener_agents", "state=\"lost\"") == 1).then_some(())
    });
    place.write("go", "");
    http.ends(&long, "succeeded");
    assert_eq!(http.history(&later[0]), ["submitted"]);
    assert_eq!(place.lines("starts"), [long]);
}

//! Scenario B: agents that each do one sort of work, and work that none of them does.

use crate::harness::{Place, Process, until};
use crate::http::text;
use serde_json::json;

const TRADES: [&str; 4] = ["backend", "frontend", "database", "testing"];

/// Writes down which agent does what.
fn script(agent: &str) -> String {
    format!(
        r#"kind=$(sed 's/.*"kind":"\([^"]*\)".*/\1/')
        echo "{agent} $kind $WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
        echo '{{"by":"{agent}"}}'"#
    )
}

fn specialist(place: &Place, trade: &str) -> Process {
    let flags = format!("--lane {trade} --kind {trade} --concurrency 2");
    place.agent(trade, &flags, &script(trade))
}

#[test]
fn scenario_b_each_specialist_gets_its_own_work_and_what_nobody_does_is_told_and_kept() {
    let place = Place::with("[alert]\nno_capable_agent_after = \"300ms\"");
    let _server = place.server();
    let http = place.http();
    let mut events = http.listen("alerts", None);
    let _team = TRADES.map(|trade| specialist(&place, trade));
    // Mixed, so that whoever took the next one whatever it is would be seen.
    let requests: Vec<_> = (0..5)
        .flat_map(|n| TRADES.map(|trade| json!({ "kind": trade, "lane": trade, "input": n })))
        .collect();
    let ids = http.batch(&requests);
    // A lane that nobody serves, and a kind that nobody does in a lane that is served.
    let elsewhere = http.submit(&json!({ "kind": "security", "lane": "security" }));
    let strange = http.submit(&json!({ "kind": "security", "lane": "backend" }));
    for (id, request) in ids.iter().zip(&requests) {
        assert_eq!(http.ends(id, "succeeded")["output"]["by"], request["kind"]);
    }
    let alert = events.until("alert", |alert| alert["alert"] == "no_capable_agent");
    let message = text(&alert, "message");
    assert!(message.contains("security"), "{alert:#}");
    for id in [&elsewhere, &strange] {
        let task = until("a task that waits for somebody", || {
            let task = http.task(id);
            (task["waiting_for"] == "no_capable_agent").then_some(task)
        });
        assert_eq!(task["state"], "ready", "{task:#}");
    }
    let books = http.books();
    assert_eq!((&books["open"], &books["lost"]), (&json!(2), &json!(0)));
    // Once there is somebody, both are done.
    let flags = "--lane security --lane backend --kind security";
    let _late = place.agent("security", flags, &script("security"));
    for id in [&elsewhere, &strange] {
        assert_eq!(http.ends(id, "succeeded")["output"]["by"], "security");
    }
    let starts = place.lines("starts");
    assert_eq!(starts.len(), 22, "each once: {starts:#?}");
    for line in &starts {
        let (agent, rest) = line.split_once(' ').unwrap();
        assert!(rest.starts_with(&format!("{agent} ")), "{line}");
    }
    http.settled();
}

//! A team in any order: a server and five agents of every role but one, each a process, in a folder where nobody was before.

use crate::harness::{Place, Process};
use serde_json::json;

/// Who is started when; `server` is the server.
const ORDERS: [[&str; 6]; 3] = [
    ["monitor", "second", "adviser", "first", "leader", "server"],
    ["first", "monitor", "server", "leader", "second", "adviser"],
    ["server", "adviser", "leader", "monitor", "first", "second"],
];

fn start(place: &Place, name: &str) -> Process {
    let (flags, script) = match name {
        "server" => return place.server(),
        "monitor" => ("--role monitor", "exit 1"),
        "leader" => ("--role leader --kind lead", "exit 1"),
        "adviser" => (
            "--role collaborator --kind advice",
            r#"cat > asked; echo '{"choice":"oak"}'"#,
        ),
        _ => ("--kind plant", "cat"),
    };
    place.agent_alone(name, flags, script)
}

#[test]
fn a_team_that_comes_in_any_order_works_together() {
    for order in ORDERS {
        let place = Place::new();
        let mut team: Vec<(&str, Process)> = vec![];
        for name in order {
            team.push((name, start(&place, name)));
        }
        let http = place.http();
        for name in order.iter().filter(|name| **name != "server") {
            http.until_presence(name, "up");
        }
        let asks = json!({ "question": "which tree?", "options": ["oak", "elm"], "required": ["agent:adviser"] });
        let asking = http.submit(&json!({ "kind": "plant", "collaboration": asks }));
        let plain: Vec<String> = (0..6)
            .map(|n| http.submit(&json!({ "kind": "plant", "input": { "n": n } })))
            .collect();
        let done = http.ends(&asking, "succeeded");
        let decision = &done["output"]["input"]["decision"]["decision"];
        assert_eq!(decision, "oak", "{order:?}: {done:#}");
        for id in plain {
            http.ends(&id, "succeeded");
            assert_eq!(http.times(&id, "started"), 1, "{order:?}");
        }
        http.settled();
        for (name, process) in &mut team {
            assert!(process.is_running(), "{name} {order:?}: {}", process.err());
        }
    }
}

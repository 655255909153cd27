//! A circuit breaker from outside: a program that ends with 75 while what it needs is away, and what a person sees.

use crate::harness::{BY_KIND, Place, Process, until};
use serde_json::{Value, json};

/// Needs the file `up`; writes down each start.
const NEEDS: &str = r#"
    echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
    if [ -e "$WARRENER_AGENT_DIR/up" ]; then echo '{}'; else echo 'registry away' >&2; exit 75; fi"#;

const SETTINGS: &str = r#"
[kind.push.breaker]
failures = 3
open = "OPEN"
[retry.network]
retries = 1000
base = "1ms"
max = "1ms"
[alert]
command = ["sh", "-c", "cat >> alerts; echo >> alerts"]"#;

fn server(place: &Place) -> Process {
    let words = ["server", "run", "--listen", "127.0.0.1:0", "--trust"];
    place.ready(place.start("server", &words))
}

fn breaker(place: &Place) -> Value {
    let list = place.run("breaker list -o json").exits(0).json();
    list["items"][0].clone()
}

#[test]
fn a_kind_whose_programs_keep_failing_rests_until_a_probe_says_that_it_works() {
    let place = Place::with(&SETTINGS.replace("OPEN", "200ms"));
    let _server = server(&place);
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 4", NEEDS);
    let push = |_| http.submit(&json!({ "kind": "push", "max_attempts": 1000 }));
    let first = push(0);
    // It opens, a probe fails, and it opens again.
    until("a second start after it opened", || {
        (place.lines("starts").len() > 4).then_some(())
    });
    let alert: Value = serde_json::from_str(&place.said("alerts")).unwrap();
    assert_eq!(
        (&alert["alert"], &alert["subject"]),
        (&json!("circuit_open"), &json!("push"))
    );
    let more: Vec<String> = (0..5).map(push).collect();
    place.write("up", "");
    for id in more.iter().chain([&first]) {
        http.ends(id, "succeeded");
    }
    until("a closed breaker", || {
        (breaker(&place)["state"] == "closed").then_some(())
    });
    assert_eq!(place.lines("alerts").len(), 1, "one trouble, told once");
    // What waited was charged for what started, and for nothing else.
    for id in &more {
        let starts = place.lines("starts");
        let times = starts.iter().filter(|start| *start == id).count();
        assert_eq!(u64::try_from(times).ok(), http.task(id)["attempt"].as_u64());
    }
}

#[test]
fn others_go_on_meanwhile_and_a_person_closes_it() {
    let place = Place::with(&SETTINGS.replace("OPEN", "1h"));
    let _server = server(&place);
    let http = place.http();
    place.write("push.sh", NEEDS);
    place.write("build.sh", "echo '{}'");
    let _agent = place.agent("ann", "", BY_KIND);
    let push = http.submit(&json!({ "kind": "push", "max_attempts": 1000 }));
    until("an open breaker", || {
        (http.task(&push)["waiting_for"] == "circuit_open").then_some(())
    });
    let build = http.submit(&json!({ "kind": "build" }));
    http.ends(&build, "succeeded");
    assert_eq!(place.lines("starts").len(), 3);
    let shown = breaker(&place);
    assert_eq!(
        (&shown["kind"], &shown["state"], &shown["error"]),
        (&json!("push"), &json!("open"), &json!("registry away"))
    );
    place
        .run("breaker reset build")
        .fails(3, &["breaker", "build"]);
    place.write("up", "");
    let reset = place.run("breaker reset push --reason back -o json");
    assert_eq!(reset.exits(0).json()["state"], "closed");
    http.ends(&push, "succeeded");
    assert_eq!(http.task(&push)["attempt"], 4);
}

//! Decomposition from outside: parts in the place of a task, by a template that comes with the program, by one of a file,
//! and by the workflow that an agent answers with; over a server that is killed in between.

use crate::harness::{BY_KIND, Place, port};
use crate::http::text;
use rustix::process::Signal;
use serde_json::{Value, json};

const SETTINGS: &str = r#"
[kind.feature]
decompose = "feature"
[kind.release]
decompose = "release.yaml"
[kind.epic]
decompose = "agent""#;

const RELEASE: &str = "name: release\nsteps:\n  - { id: build, kind: design }\n  - { id: notes, kind: testing, needs: [build] }\n";

/// Writes down which part it is, and answers with its kind.
fn part(place: &Place, kind: &str, more: &str) {
    let done = json!({ "done": kind });
    let script =
        format!("cd \"$WARRENER_AGENT_DIR\"\necho {kind} >> starts\n{more}\necho '{done}'");
    place.write(&format!("{kind}.sh"), &script);
}

fn team(place: &Place) -> [crate::process::Process; 2] {
    part(place, "design", "");
    part(place, "testing", "");
    part(place, "chore", "");
    part(
        place,
        "implementation",
        "while [ ! -e go ]; do sleep 0.05; done",
    );
    let plan = json!({ "workflow": { "name": "plan", "steps": [{ "id": "all", "kind": "design", "for_each": [1, 2] }] } });
    place.write("epic.sh", &format!("echo '{plan}'"));
    ["ann", "bob"].map(|name| place.agent(name, "", BY_KIND))
}

#[test]
fn a_feature_is_done_as_its_parts_though_the_server_is_killed_in_between() {
    let place = Place::with(SETTINGS);
    place.write("release.yaml", RELEASE);
    let port = port();
    let server = place.server_on(port);
    let http = place.http();
    let _team = team(&place);
    let id = http.submit(&json!({ "kind": "feature", "title": "Dark mode" }));
    crate::harness::until("the backend", || {
        place
            .lines("starts")
            .contains(&"implementation".into())
            .then_some(())
    });
    assert_eq!(http.task(&id)["state"], "blocked");
    server.signal(Signal::KILL);
    server.kill_9();
    place.write("go", "");
    let _server = place.server_on(port);
    let http = place.http();
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"]["tests"], json!({ "done": "testing" }));
    assert_eq!(task["attempt"], 0, "no agent had it");
    assert_eq!(http.history(&id), ["submitted", "decomposed", "succeeded"]);
    let starts = place.lines("starts");
    assert_eq!(
        starts,
        ["design", "implementation", "implementation", "testing"],
        "each part once"
    );
    let runs = place.run("workflow list -o json").json();
    assert_eq!(text(&runs["items"][0], "parent_id"), id);
    let parts = place
        .run(&format!("task list -f parent:{id} -o json"))
        .json();
    assert_eq!(parts["items"].as_array().map(Vec::len), Some(4));
}

#[test]
fn kinds_are_decomposed_by_a_file_by_their_agent_or_not_at_all() {
    let place = Place::with(SETTINGS);
    place.write("release.yaml", RELEASE);
    let _server = place.server();
    let http = place.http();
    let _team = team(&place);
    let release = http.submit(&json!({ "kind": "release" }));
    assert_eq!(
        http.ends(&release, "succeeded")["output"],
        json!({ "notes": { "done": "testing" } })
    );
    let epic = http.submit(&json!({ "kind": "epic" }));
    let done: Value = http.ends(&epic, "succeeded");
    assert_eq!(
        done["output"],
        json!({ "all": [{ "done": "design" }, { "done": "design" }] })
    );
    // Unknown to the configuration, or simple: one task.
    let chore = http.submit(&json!({ "kind": "chore" }));
    assert_eq!(http.ends(&chore, "succeeded")["output"]["done"], "chore");
    let simple = http.submit(&json!({ "kind": "epic", "complexity": "simple" }));
    assert!(http.ends(&simple, "succeeded")["output"]["workflow"].is_object());
    http.settled();
}

#[test]
fn templates_are_printed_and_those_with_mistakes_are_said_at_the_start() {
    let place = Place::with(SETTINGS);
    assert_eq!(
        place
            .run("workflow template")
            .fine()
            .lines()
            .collect::<Vec<_>>(),
        ["feature", "bug-fix", "refactor"]
    );
    place.write("mine.yaml", &place.run("workflow template bug-fix").fine());
    let said = place.run("workflow validate mine.yaml").fine();
    assert!(said.contains("3 steps"), "{said}");
    place
        .run("workflow template nothing")
        .fails(3, &["nothing", "feature, bug-fix, refactor"]);
    let start = "server run --listen 127.0.0.1:0";
    place
        .run(start)
        .fails(2, &["[kind.release] decompose", "release.yaml"]);
    place.write(
        "release.yaml",
        "name: release\nsteps:\n  - { id: a, kind: b, needs: [c] }\n",
    );
    place.run(start).fails(2, &["release.yaml", "3:31", "c"]);
}

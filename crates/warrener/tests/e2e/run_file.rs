//! `run FILE`: a workflow to its end, on the server there is or on one of its own.

use crate::harness::{Place, until};
use rustix::process::Signal;
use serde_json::json;

const TEAM: &str = r#"
[[agent]]
name = "only"
run = ["sh", "work.sh"]
"#;

const FLOW: &str = r#"
name: two
inputs: { items: { type: array, required: true } }
steps:
  - { id: each, kind: work, for_each: "{{ inputs.items }}", input: "{{ item }}" }
  - { id: all, kind: work, needs: [each], input: "{{ steps.each.outputs | length }}" }
output: { parts: "{{ steps.each.outputs | length }}" }
"#;

const WAIT: &str = "echo start >> \"$WARRENER_AGENT_DIR/starts\"\n\
    while [ -e \"$WARRENER_AGENT_DIR/wait\" ]; do sleep 0.05; done\necho '{}'";

fn place(settings: &str) -> Place {
    let place = Place::with(settings);
    place.write("work.sh", WAIT);
    place.write("flow.yaml", FLOW);
    place
}

const RUN: &str = "run flow.yaml --set items=[1,2,3]";

#[track_caller]
fn nothing_is_left(place: &Place) {
    until("the end of everything", || {
        place.running().is_empty().then_some(())
    });
}

#[test]
fn where_no_server_is_it_brings_its_own_and_its_team_and_leaves_neither() {
    let place = place(TEAM);
    place
        .run(RUN)
        .fails(2, &["warrener.toml", "nobody has confirmed", "--trust"]);
    assert!(!place.data().exists(), "nothing was started");
    let ran = place.run(&format!("{RUN} --trust")).exits(0);
    let left: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(left, json!({ "parts": 3 }));
    assert!(ran.err.contains("each succeeded 3/3"), "{}", ran.err);
    nothing_is_left(&place);
    assert_eq!(place.lines("starts").len(), 4);
    // What it did is kept, as by any server.
    let run = place.run(&format!("{RUN} -o json")).exits(0).json();
    assert_eq!(
        (&run["state"], &run["final"]),
        (&json!("succeeded"), &json!(true))
    );
    let _server = place.server();
    let list = place.run("workflow list -o json").exits(0).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_cannot_end_is_not_begun_and_what_ends_badly_says_so() {
    let nobody = place("");
    nobody.run(RUN).fails(2, &["no agents", "[[agent]]"]);
    assert!(!nobody.data().exists(), "nothing was started");
    nobody.run("run none.yaml").fails(2, &["none.yaml"]);
    nobody.run("run flow.yaml").fails(2, &["no agents"]);
    let place = place(TEAM);
    place.run("run flow.yaml --trust").fails(2, &["items"]);
    place.write("work.sh", "echo no >&2; exit 1");
    let ran = place.run(RUN).exits(10);
    assert!(
        ran.out.is_empty() && ran.err.contains("failed"),
        "{} {}",
        ran.out,
        ran.err
    );
    nothing_is_left(&place);
}

#[test]
fn a_server_that_runs_is_the_one_that_is_asked() {
    let place = place(TEAM);
    let _server = place.server();
    let _agent = place.agent("other", "", "echo '{\"by\":\"other\"}'");
    // Not asked for a confirmation either: nothing of the configuration is run.
    place.run(RUN).exits(0);
    assert!(!place.path("starts").exists(), "the team was not started");
}

#[test]
fn a_run_that_is_interrupted_is_gone_on_with() {
    let place = place(TEAM);
    place.write("wait", "");
    let words: Vec<&str> = RUN.split(' ').chain(["--trust"]).collect();
    let mut run = place.start("run", &words);
    until("the first start", || {
        place.path("starts").exists().then_some(())
    });
    run.signal(Signal::INT);
    std::fs::remove_file(place.path("wait")).unwrap();
    assert_eq!(run.ends(), Some(130), "{}", run.err());
    assert!(
        run.err().contains("interrupted") && run.out().is_empty(),
        "{}",
        run.err()
    );
    nothing_is_left(&place);
    let up = place.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let _up = place.ready(up);
    until("its end", || {
        let list = place.run("workflow list -o json").exits(0).json();
        (list["items"][0]["state"] == "succeeded").then_some(())
    });
    assert_eq!(
        place.lines("starts").len(),
        4,
        "what was done is not repeated"
    );
}

//! The workflows of `examples/workflows`: each is sound, and agents do it.

use crate::harness::{Place, Process};
use serde_json::{Value, json};
use std::fs;

/// A place with the files of the folder, a server, and two agents that do all their work.
fn stage() -> (Place, Process, [Process; 2], Vec<String>) {
    let place = Place::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows");
    let mut workflows = vec![];
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        fs::copy(file.path(), place.path(&name)).unwrap();
        workflows.extend(name.strip_suffix(".yaml").map(str::to_owned));
    }
    workflows.sort_unstable();
    let server = place.server();
    let script = r#"exec sh "$WARRENER_AGENT_DIR/worker.sh""#;
    let team = ["ann", "bob"].map(|name| place.agent(name, "--concurrency 2", script));
    (place, server, team, workflows)
}

fn output(place: &Place, line: &str) -> Value {
    let ran = place.run(&format!("workflow run {line} --wait -o json"));
    ran.exits(0).json()["output"].clone()
}

#[test]
fn every_example_of_a_workflow_is_sound_and_is_done_by_agents() {
    let (place, _server, _team, workflows) = stage();
    assert_eq!(
        workflows,
        ["decide", "release", "review", "words"],
        "each is run below"
    );
    for name in &workflows {
        place
            .run(&format!("workflow validate {name}.yaml"))
            .exits(0);
    }
    place.write("a.txt", "one two three\n");
    place.write("b.txt", "four\n");
    let words = output(&place, "words.yaml");
    assert_eq!(words, json!({ "files": 2, "words": 4 }));

    let release = output(&place, "release.yaml --set version=v1.2");
    let artifact = "app-v1.2.tar";
    assert_eq!(release, json!({ "artifact": artifact, "deployed": true }));
    let only = output(&place, "release.yaml --set version=v1.2 --set deploy=false");
    assert_eq!(only, json!({ "artifact": artifact, "deployed": false }));

    let review = output(&place, "review.yaml --set pull=7");
    let verdict = |by: &str| json!({ "by": by, "verdict": "fine" });
    let verdicts = ["security", "speed", "style"].map(verdict);
    assert_eq!(review, json!({ "pull": 7, "verdicts": verdicts }));

    let adviser = |(name, words): (&str, &str)| {
        let script = format!(r#"exec sh "$WARRENER_AGENT_DIR/adviser.sh" {words}"#);
        place.agent(name, "--kind advice --capability naming=0.5", &script)
    };
    let _advisers = [
        ("dora", "otter otter"),
        ("emil", "heron otter"),
        ("finn", "badger badger"),
    ]
    .map(adviser);
    let decided = output(&place, "decide.yaml");
    assert_eq!(
        decided,
        json!({ "name": "otter", "artifact": "app-otter.tar", "against": 1 })
    );
}

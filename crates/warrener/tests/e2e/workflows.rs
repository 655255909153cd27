//! Workflow files on the command line: checked, drawn, and the schema; no server runs.

use crate::harness::Place;

const FEATURE: &str = r#"name: feature
inputs: { title: { type: string, required: true } }
steps:
  - { id: design, kind: design, input: { title: "{{ inputs.title }}" } }
  - { id: modules, kind: module, needs: [design], for_each: "{{ steps.design.output.modules }}", input: { module: "{{ item }}" } }
  - { id: join, kind: join, needs: [modules], input: { parts: "{{ steps.modules.outputs }}" } }
output: { summary: "{{ steps.join.output }}" }
"#;

#[test]
fn a_sound_file_is_said_to_be_sound() {
    let place = Place::new();
    place.write("feature.yaml", FEATURE);
    let said = place.run("workflow validate feature.yaml").fine();
    assert!(
        said.contains("feature.yaml: workflow feature is sound: 1 inputs, 3 steps"),
        "{said}"
    );
    let sound = place.run("workflow validate feature.yaml -o json").json();
    assert_eq!(
        (&sound["name"], &sound["steps"]),
        (&"feature".into(), &3.into())
    );
}

#[test]
fn every_mistake_of_every_file_is_told_with_its_place() {
    let place = Place::new();
    place.write("one.yaml", "name: n\nsteps:\n  - { id: a, kind: k, priorty: high }\n  - { id: b, needs: [x], kind: k }\n");
    place.write(
        "two.yaml",
        "name: n\nsteps: [{ id: a, kind: k, needs: [a] }]\n",
    );
    let ran = place.run("workflow validate one.yaml two.yaml");
    ran.fails(
        6,
        &[
            "workflow_invalid",
            "one.yaml:3:23: step has no field \"priorty\" (did you mean \"priority\"?)",
            "one.yaml:4:22: there is no step \"x\"",
            "two.yaml:2:15: these steps wait for each other: a needs a",
        ],
    );
    place
        .run("workflow graph two.yaml")
        .fails(6, &["two.yaml:2:15"]);
    place
        .run("workflow validate none.yaml")
        .fails(2, &["none.yaml"]);
}

#[test]
fn a_file_is_drawn_in_three_forms_and_nothing_else_is() {
    let place = Place::new();
    place.write("feature.yaml", FEATURE);
    let mermaid = place.run("workflow graph feature.yaml").fine();
    assert!(mermaid.starts_with("flowchart TD\n"));
    assert_eq!(
        mermaid,
        place.run("workflow graph feature.yaml -o mermaid").fine()
    );
    let dot = place.run("workflow graph feature.yaml -o dot").fine();
    assert!(dot.contains("design -> modules;"), "{}", dot);
    let graph = place.run("workflow graph feature.yaml -o json").json();
    assert_eq!(graph["steps"][2]["stage"], 2);
    let schema = place.run("workflow schema").json();
    assert_eq!(schema["$defs"]["step"]["required"][0], "id");
    place
        .run("config show -o dot")
        .fails(2, &["workflow graph"]);
    place
        .run("workflow validate feature.yaml -o mermaid")
        .fails(2, &["workflow graph"]);
}

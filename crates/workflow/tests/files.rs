//! Workflow files from outside: what is read, and what is said of every mistake.

use serde_json::{Value, json};
use warrener_workflow::{Mistake, OnFailure, Place, What, Workflow, draw, read, schema};

/// The file of contracts.md section 6.
const FEATURE: &str = r#"name: feature
inputs: { title: { type: string, required: true } }
steps:
  - { id: design, kind: design, input: { title: "{{ inputs.title }}" } }
  - { id: modules, kind: module, needs: [design], for_each: "{{ steps.design.output.modules }}", input: { module: "{{ item }}" } }
  - { id: join, kind: join, needs: [modules], when: "{{ steps.modules.outputs | length > 0 }}", input: { parts: "{{ steps.modules.outputs }}" } }
output: { summary: "{{ steps.join.output }}" }
"#;

fn sound(text: &str) -> Workflow {
    read(text).unwrap_or_else(|mistakes| panic!("{}", said(&mistakes)))
}

fn said(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    lines.join("\n")
}

fn mistakes(text: &str) -> String {
    said(&read(text).expect_err("a mistake"))
}

#[test]
fn the_file_of_the_contract_is_read() {
    let feature = sound(FEATURE);
    assert_eq!(feature.name.as_str(), "feature");
    let ids: Vec<&str> = feature.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["design", "modules", "join"]);
    let modules = feature.step("modules").expect("a step");
    assert_eq!(
        modules.needs,
        [(
            "design".into(),
            Place {
                line: 5,
                column: 42
            }
        )]
    );
    assert!(matches!(&modules.what, What::Kind(kind) if kind.as_str() == "module"));
    assert_eq!(modules.on_failure, OnFailure::Fail);
}

#[test]
fn json_is_read_as_well() {
    let file = json!({
        "name": "one",
        "steps": [{ "id": "only", "kind": "k", "timeout": "90s", "retry": { "network": { "retries": 7, "base": "2s" } } }],
    });
    let workflow = sound(&serde_json::to_string_pretty(&file).expect("json"));
    let step = &workflow.steps[0];
    assert_eq!(step.timeout.map(|t| t.as_secs()), Some(90));
    let network = step.retry.values().next().expect("a policy");
    assert_eq!((network.retries, network.base_ms), (Some(7), Some(2000)));
}

#[test]
fn ten_mistakes_are_said_at_once_each_with_its_place() {
    let text = r#"name: Feature
inputs:
  title: { type: strng }
steps:
  - { id: design, kind: design, priorty: high }
  - { id: build, needs: [desing], kind: build }
  - { id: build, kind: build, timeout: soon }
  - { id: a, kind: k, needs: [b] }
  - { id: b, kind: k, needs: [c] }
  - { id: c, kind: k, needs: [a] }
  - { id: test, kind: test, input: "{{ steps.build.output }}" }
  - { id: pack, kind: pack, input: "{{ inputs.titel }}" }
  - { id: ship, kind: ship, approve: maybe }
  - { id: tell, kind: tell, max_attempts: 0 }
  - { id: both, kind: k, session: { question: why } }
  - { id: open, kind: k, input: "{{ inputs. }}" }
"#;
    let said = mistakes(text);
    for line in [
        "1:7: name \"Feature\" must match",
        "3:18: \"type\" must be one of any, string, number, integer, boolean, array, object, not \"strng\" (did you mean \"string\"?)",
        "5:33: step has no field \"priorty\" (did you mean \"priority\"?)",
        "6:26: there is no step \"desing\" (did you mean \"design\"?)",
        "7:11: a second step \"build\"; the first is at 6:11",
        "7:40: ",
        "8:11: these steps wait for each other: a needs b needs c needs a",
        "11:36: step \"test\" may begin before \"build\" ends: add \"build\" to its \"needs\"",
        "12:36: there is no input \"titel\" (did you mean \"title\"?)",
        "13:38: \"approve\" must be true or false, not a text",
        "14:43: \"max_attempts\" must be a whole number from 1 to 10000",
        "15:35: a step has exactly one of \"kind\", \"session\" and \"aggregate\"",
        "16:33: this template cannot be read: ",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
    assert_eq!(said.lines().count(), 13, "{said}");
}

#[test]
fn what_a_template_may_name_depends_on_where_it_stands() {
    let with = |step: &str| {
        format!(
            "name: n\ninputs: {{ list: {{ type: array }} }}\nsteps:\n  - {{ id: first, kind: k }}\n  - {{ id: many, kind: k, for_each: \"{{{{ inputs.list }}}}\" }}\n  - {step}\n"
        )
    };
    for (step, says) in [
        (
            "{ id: x, kind: k, input: '{{ item }}' }",
            "\"item\" is known in a step with \"for_each\" only",
        ),
        (
            "{ id: x, kind: k, for_each: '{{ item }}' }",
            "\"item\" is known in a step with \"for_each\" only",
        ),
        (
            "{ id: x, kind: k, needs: [first], input: '{{ steps.first.outputs }}' }",
            "has \"output\", not \"outputs\": it has no \"for_each\"",
        ),
        (
            "{ id: x, kind: k, needs: [many], input: '{{ steps.many.output }}' }",
            "has \"outputs\", not \"output\": it has \"for_each\"",
        ),
        (
            "{ id: x, kind: k, needs: [first], input: '{{ steps.first.result }}' }",
            "not \"result\"",
        ),
        (
            "{ id: x, kind: k, input: '{{ steps.x.output }}' }",
            "has no output before it ends",
        ),
        (
            "{ id: x, kind: k, input: '{{ input.list }}' }",
            "(did you mean \"inputs\"?)",
        ),
        (
            "{ id: x, kind: k, input: 'for {{ nobody }} and {{ steps.gone.output }}' }",
            "there is no step \"gone\"",
        ),
        (
            "{ id: x, aggregate: { of: first } }",
            "nothing to aggregate",
        ),
        (
            "{ id: x, aggregate: { of: many }, lane: fast }",
            "\"lane\" is for steps with a kind",
        ),
        (
            "{ id: x, kind: k, for_each: 7 }",
            "\"for_each\" must be a list",
        ),
    ] {
        let said = mistakes(&with(step));
        assert!(said.contains(says), "{step}: {said}");
    }
    sound(&with(
        "{ id: x, kind: k, needs: [many, first], input: { all: '{{ steps.many.outputs }}', state: '{{ steps.first.state }}', of: '{{ run.id }}' } }",
    ));
    sound(&with(
        "{ id: x, kind: k, for_each: '{{ inputs.list }}', input: '{{ item.name }} {{ index }}', title: 'no {{ index + 1 }}' }",
    ));
    // What a step needs, its needs need: all of it is over.
    sound(&with(
        "{ id: x, kind: k, needs: [many] }\n  - { id: y, kind: k, needs: [x], input: '{{ steps.many.outputs }}' }",
    ));
}

#[test]
fn files_that_are_no_workflow_are_refused_with_a_place() {
    let deep = format!("name: {}{}", "[".repeat(100), "]".repeat(100));
    for (text, says) in [
        ("", "1:1: the file is empty"),
        (
            "- a\n",
            "1:1: workflow is a mapping of name, description, inputs, steps, output; this is a list",
        ),
        ("name: n\nsteps: [", "not YAML"),
        (
            "name: n\nname: m\nsteps: [{id: a, kind: k}]",
            "2:1: \"name\" stands here a second time",
        ),
        (
            "name: n\nsteps: &a [{id: a, kind: k}]",
            "anchors are not read",
        ),
        ("name: n\nsteps: [{id: a, kind: !x k}]", "tags are not read"),
        ("name: n\nsteps: []", "\"steps\" is empty"),
        ("name: n", "workflow needs a field \"steps\""),
        (
            "name: n\nsteps: [{id: a, kind: k}]\n---\nname: m",
            "a second document",
        ),
        (
            "name: n\nsteps: [{id: a, kind: k, input: .inf}]",
            "not a number that JSON knows",
        ),
        (deep.as_str(), "nested deeper than 64 levels"),
    ] {
        let said = mistakes(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    let mut large = "name: n\nsteps: [{id: a, kind: k}]\n# ".to_owned();
    large.push_str(&"x".repeat(1024 * 1024));
    assert!(
        mistakes(&large).contains("at most 1048576"),
        "{}",
        mistakes(&large)
    );
}

#[test]
fn laughing_a_billion_times_is_no_way_to_fill_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..40 {
        let before = format!("*a{}", n - 1);
        text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 9].join(", ")));
    }
    assert!(mistakes(&text).contains("aliases are not read"));
}

fn filled(template: &str, context: Value) -> Result<Value, String> {
    let quoted = serde_json::to_string(template).expect("a text");
    let text = format!(
        "name: n\ninputs: {{ a: {{}} }}\nsteps:\n  - {{ id: x, kind: k, for_each: [1], input: {quoted} }}\n"
    );
    let workflow = sound(&text);
    let input = workflow.steps[0].input.clone().expect("an input");
    input
        .fill(&warrener_workflow::Context::new(&context))
        .map_err(|unfilled| unfilled.message)
}

#[test]
fn one_whole_expression_keeps_its_type_and_a_text_stays_a_text() {
    let context =
        json!({ "inputs": { "a": [1, { "b": null }] }, "item": "x", "index": 3, "run": {} });
    for (template, value) in [
        ("{{ inputs.a }}", json!([1, { "b": null }])),
        ("  {{ index }} ", json!(3)),
        ("{{ index > 2 }}", json!(true)),
        ("no {{ index }}", json!("no 3")),
        ("{{ item }}{{ index }}", json!("x3")),
        ("{{- index }}", json!("3")),
        ("{{ inputs.a | length }}", json!(2)),
        ("{% for n in inputs.a %}.{% endfor %}", json!("..")),
        ("<{{ item }}>", json!("<x>")),
        ("plain", json!("plain")),
    ] {
        assert_eq!(filled(template, context.clone()), Ok(value), "{template}");
    }
    for (template, says) in [
        ("{{ run.name }}", "\"run.name\" is not defined"),
        ("x {{ run.name }}", "undefined"),
        ("{{ run.name.first }}", "undefined"),
        ("{{ item.name.first }}", "undefined"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}.{% endfor %}{% endfor %}",
            "fuel",
        ),
    ] {
        let unfilled = filled(template, context.clone()).expect_err(template);
        assert!(unfilled.contains(says), "{template}: {unfilled}");
    }
}

#[test]
fn a_workflow_is_drawn() {
    let feature = sound(FEATURE);
    assert_eq!(
        draw::mermaid(&feature),
        "flowchart TD\n    design[\"design\"]\n    modules[[\"modules<br/>module<br/>for each\"]]\n    join[\"join<br/>when\"]\n    design --> modules\n    modules --> join\n"
    );
    let dot = draw::dot(&feature);
    assert!(
        dot.contains("design -> modules;") && dot.contains("peripheries=2"),
        "{dot}"
    );
    let graph = draw::graph(&feature);
    let stages: Vec<&Value> = graph["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|s| &s["stage"])
        .collect();
    assert_eq!(stages, [0, 1, 2]);
}

#[test]
fn the_schema_and_the_reader_agree() {
    let schema = schema::schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let good = [
        json!({ "name": "n", "steps": [{ "id": "a", "kind": "k" }] }),
        json!({ "name": "n", "inputs": { "a": { "type": "array", "default": [] } }, "output": "{{ inputs.a }}", "steps": [
            { "id": "a", "kind": "k", "needs": [], "when": "{{ true }}", "for_each": [1], "title": "t", "description": "d",
              "input": {}, "lane": "l", "priority": "high", "labels": { "x": "{{ index }}" }, "retry": { "timeout": { "max": "1h" } },
              "max_attempts": 3, "timeout": "5m", "on_failure": "continue", "approve": true },
            { "id": "b", "session": { "question": "q", "topic": "t", "options": ["x", "y"], "context": { "n": [1] }, "required": ["cap:api", 2], "method": "ranked",
              "expertise": "api", "initiator": "ann", "include_initiator": true, "rounds": 2, "deadline": "1m", "quorum": 0.5, "threshold": 0.6, "confidence": true, "tie": "first", "budget": 9 } },
            { "id": "c", "aggregate": { "of": "a", "how": "majority" } } ] }),
    ];
    for file in &good {
        let errors: Vec<String> = validator.iter_errors(file).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{file}");
        sound(&file.to_string());
    }
    // Every field at its place, with a value that no field takes, is refused by both.
    for (table, field) in [
        ("step", "kind"),
        ("step", "needs"),
        ("step", "priority"),
        ("step", "timeout"),
        ("step", "approve"),
        ("step", "max_attempts"),
    ] {
        let mut file = good[0].clone();
        file["steps"][0][field] = json!({ "none": ["of", "these"] });
        assert!(!validator.is_valid(&file), "{table} {field}");
        assert!(read(&file.to_string()).is_err(), "{table} {field}");
    }
    let mut more = good[0].clone();
    more["steps"][0]["more"] = json!(1);
    assert!(!validator.is_valid(&more) && read(&more.to_string()).is_err());
}

#[test]
fn the_page_says_what_the_tables_say() {
    let page = include_str!("../../../docs/workflow.md");
    let reference = schema::reference();
    assert!(
        page.contains(&reference),
        "put this into docs/workflow.md:\n\n{reference}"
    );
}

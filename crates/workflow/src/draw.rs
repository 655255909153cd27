//! A workflow as a picture: Mermaid, Graphviz, or JSON for other tools.

use crate::graph::Graph;
use crate::workflow::{Step, What, Workflow};
use serde_json::{Value, json};
use std::fmt::Write;

/// `kind` of a step, or what else it does.
fn does(step: &Step) -> String {
    match &step.what {
        What::Kind(kind) => kind.to_string(),
        What::Session(_) => "session".to_owned(),
        What::Aggregate(aggregate) => format!("aggregate of {}", aggregate.of),
    }
}

/// What is said in its box: one line each.
fn words(step: &Step) -> Vec<String> {
    let mut lines = vec![step.id.clone()];
    let does = does(step);
    if does != step.id {
        lines.push(does);
    }
    let marks = [
        (step.for_each.is_some(), "for each"),
        (step.when.is_some(), "when"),
        (step.approve, "approve"),
    ];
    let marks: Vec<&str> = marks
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, m)| *m)
        .collect();
    if !marks.is_empty() {
        lines.push(marks.join(", "));
    }
    lines
}

/// A Mermaid flowchart.
pub fn mermaid(workflow: &Workflow) -> String {
    let mut text = "flowchart TD\n".to_owned();
    for step in &workflow.steps {
        let words = words(step).join("<br/>");
        // A hexagon for steps that wait for people or agents to agree, a doubled box for many tasks.
        let (open, close) = match (&step.what, step.for_each.is_some()) {
            (What::Session(_), _) => ("{{", "}}"),
            (_, true) => ("[[", "]]"),
            _ => ("[", "]"),
        };
        let _ = writeln!(text, "    {}{open}\"{words}\"{close}", step.id);
    }
    for step in &workflow.steps {
        for (need, _) in &step.needs {
            let _ = writeln!(text, "    {need} --> {}", step.id);
        }
    }
    text
}

/// A Graphviz digraph.
pub fn dot(workflow: &Workflow) -> String {
    let mut text = format!("digraph \"{}\" {{\n    node [shape=box];\n", workflow.name);
    for step in &workflow.steps {
        let words = words(step).join("\\n");
        let shape = match (&step.what, step.for_each.is_some()) {
            (What::Session(_), _) => ", shape=hexagon",
            (_, true) => ", peripheries=2",
            _ => "",
        };
        let _ = writeln!(text, "    {} [label=\"{words}\"{shape}];", step.id);
    }
    for step in &workflow.steps {
        for (need, _) in &step.needs {
            let _ = writeln!(text, "    {need} -> {};", step.id);
        }
    }
    text.push_str("}\n");
    text
}

/// `{"name","steps":[{"id","kind"|"session"|"aggregate","needs","stage","for_each","when","approve"}]}`; stage 0 needs
/// nothing.
pub fn graph(workflow: &Workflow) -> Value {
    let stages = Graph::of(workflow).stages();
    let steps = workflow.steps.iter().zip(stages).map(|(step, stage)| {
        let needs: Vec<&str> = step.needs.iter().map(|(id, _)| id.as_str()).collect();
        let mut object = json!({
            "id": step.id,
            "needs": needs,
            "stage": stage,
            "for_each": step.for_each.is_some(),
            "when": step.when.is_some(),
            "approve": step.approve,
        });
        match &step.what {
            What::Kind(kind) => object["kind"] = json!(kind.to_string()),
            What::Session(_) => object["session"] = json!(true),
            What::Aggregate(aggregate) => object["aggregate"] = json!(aggregate.of),
        }
        object
    });
    json!({ "name": workflow.name.to_string(), "steps": steps.collect::<Vec<_>>() })
}

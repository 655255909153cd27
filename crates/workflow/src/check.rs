//! What a file says as a whole: ids once, needs that exist and go round nowhere, templates that name what will be there.

use crate::dry;
use crate::graph::Graph;
use crate::mistake::{Mistakes, Place, suggestion};
use crate::template::Template;
use crate::workflow::{ITEMS, InputType, Step, What, Workflow};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn all(workflow: &Workflow, mistakes: &mut Mistakes) {
    ids(workflow, mistakes);
    needs(workflow, mistakes);
    let graph = Graph::of(workflow);
    circles(workflow, &graph, mistakes);
    dry::steps(workflow, mistakes);
    for (place, step) in workflow.steps.iter().enumerate() {
        aggregate(workflow, step, mistakes);
        lists(workflow, step, mistakes);
        always(step, mistakes);
        let before = graph.before(place);
        let before = before.iter().map(|step| workflow.steps[*step].id.as_str());
        let scope = Scope {
            workflow,
            before: Some((step, before.collect())),
        };
        for (field, template) in step.templates() {
            let item = step.for_each.is_some() && !matches!(field, "for_each" | "when");
            scope.check(template, item, mistakes);
        }
    }
    if let Some(output) = &workflow.output {
        let scope = Scope {
            workflow,
            before: None,
        };
        scope.check(output, false, mistakes);
    }
}

fn ids(workflow: &Workflow, mistakes: &mut Mistakes) {
    let mut known: BTreeMap<&str, Place> = BTreeMap::new();
    for step in workflow.steps.iter().filter(|step| !step.id.is_empty()) {
        if let Some(first) = known.insert(&step.id, step.place) {
            let message = format!("a second step \"{}\"; the first is at {first}", step.id);
            mistakes.add(step.place, message);
            known.insert(&step.id, first);
        }
    }
}

fn unknown(workflow: &Workflow, id: &str) -> String {
    let near = suggestion(id, workflow.steps.iter().map(|step| step.id.as_str()));
    format!("there is no step \"{id}\"{near}")
}

fn needs(workflow: &Workflow, mistakes: &mut Mistakes) {
    for step in &workflow.steps {
        for (id, place) in &step.needs {
            if workflow.step(id).is_none() {
                mistakes.add(*place, unknown(workflow, id));
            }
        }
    }
}

fn circles(workflow: &Workflow, graph: &Graph, mistakes: &mut Mistakes) {
    for circle in graph.circles() {
        let Some(first) = circle.first().map(|first| &workflow.steps[*first]) else {
            continue;
        };
        let mut path: Vec<&str> = circle
            .iter()
            .map(|step| workflow.steps[*step].id.as_str())
            .collect();
        path.push(&first.id);
        let message = format!("these steps wait for each other: {}", path.join(" needs "));
        mistakes.add(first.place, message);
    }
}

fn aggregate(workflow: &Workflow, step: &Step, mistakes: &mut Mistakes) {
    let What::Aggregate(aggregate) = &step.what else {
        return;
    };
    if let Some(of) = workflow.step(&aggregate.of)
        && of.for_each.is_none()
    {
        let id = &aggregate.of;
        let message =
            format!("step \"{id}\" has no \"for_each\": there is one output, nothing to aggregate");
        mistakes.add(step.place, message);
    }
}

/// A text without a template, where the braces were forgotten.
fn always(step: &Step, mistakes: &mut Mistakes) {
    let Some(when) = &step.when else { return };
    if let Some(Value::String(text)) = when.plain()
        && !matches!(text.trim(), "true" | "false")
    {
        let message = format!(
            "\"when\" is a text that never changes; as a template it is \"{{{{ {text} }}}}\""
        );
        mistakes.add(when.place, message);
    }
}

/// Lists that are written out, or are an input.
fn lists(workflow: &Workflow, step: &Step, mistakes: &mut Mistakes) {
    let Some(list) = &step.for_each else { return };
    let input = list
        .expression()
        .and_then(|text| text.strip_prefix("inputs."));
    let declared = input.and_then(|name| workflow.inputs.iter().find(|(known, _)| known == name));
    if let Some((name, input)) = declared
        && !matches!(input.sort, InputType::Any | InputType::Array)
    {
        let sort = input.sort.word();
        let message =
            format!("\"for_each\" must be a list, and input \"{name}\" is of type {sort}");
        mistakes.add(list.place, message);
    }
    if let Some(count) = list.listed().filter(|count| *count > ITEMS) {
        mistakes.add(list.place, format!("{count} items; at most {ITEMS}"));
    }
    if list.plain().is_some() {
        mistakes.add(
            list.place,
            "\"for_each\" must be a list, or a template that becomes one",
        );
    }
}

/// What a template may name.
struct Scope<'a> {
    workflow: &'a Workflow,
    /// The step it belongs to and those that end before it; nothing for the output of the whole.
    before: Option<(&'a Step, BTreeSet<&'a str>)>,
}

impl Scope<'_> {
    fn check(&self, template: &Template, item: bool, mistakes: &mut Mistakes) {
        for (place, name) in template.names() {
            if let Err(message) = self.name(&name, item) {
                mistakes.add(place, message);
            }
        }
    }

    fn name(&self, name: &str, item: bool) -> Result<(), String> {
        let mut parts = name.split('.');
        let (root, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        match (root, second) {
            ("inputs", Some(input)) => {
                let inputs = &self.workflow.inputs;
                if inputs.iter().any(|(known, _)| known == input) {
                    return Ok(());
                }
                let near = suggestion(input, inputs.iter().map(|(known, _)| known.as_str()));
                Err(format!("there is no input \"{input}\"{near}"))
            }
            ("steps", Some(id)) => self.step(id, third),
            ("run", None | Some("id" | "name")) => Ok(()),
            ("run", Some(field)) => {
                let near = suggestion(field, ["id", "name"]);
                Err(format!(
                    "a run has \"id\" and \"name\", not \"{field}\"{near}"
                ))
            }
            // As a whole: what is in it is seen when it is filled in.
            ("inputs" | "steps", _) => Ok(()),
            ("item" | "index", _) if item => Ok(()),
            ("item" | "index", _) => Err(format!(
                "\"{root}\" is known in a step with \"for_each\" only, and not in \"when\" and \"for_each\" themselves"
            )),
            _ => {
                let near = suggestion(root, ["inputs", "steps", "run", "item", "index"]);
                Err(format!(
                    "\"{name}\" is not defined; templates know inputs, steps, run, item and index{near}"
                ))
            }
        }
    }

    fn step(&self, id: &str, field: Option<&str>) -> Result<(), String> {
        let Some(step) = self.workflow.step(id) else {
            return Err(unknown(self.workflow, id));
        };
        if let Some((own, before)) = &self.before
            && !before.contains(id)
        {
            return Err(match own.id == id {
                true => format!("step \"{id}\" has no output before it ends"),
                false => format!(
                    "step \"{}\" may begin before \"{id}\" ends: add \"{id}\" to its \"needs\"",
                    own.id
                ),
            });
        }
        let (right, wrong) = match step.for_each {
            Some(_) => ("outputs", "output"),
            None => ("output", "outputs"),
        };
        match field {
            None => Ok(()),
            Some("state" | "error") => Ok(()),
            Some(field) if field == right => Ok(()),
            Some(field) if field == wrong => Err(format!(
                "step \"{id}\" has \"{right}\", not \"{wrong}\": it {} \"for_each\"",
                if step.for_each.is_some() {
                    "has"
                } else {
                    "has no"
                }
            )),
            Some(field) => {
                let near = suggestion(field, [right, "state", "error"]);
                Err(format!(
                    "a step has \"{right}\", \"state\" and \"error\", not \"{field}\"{near}"
                ))
            }
        }
    }
}

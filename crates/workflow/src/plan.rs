//! What a workflow does next, decided without I/O: which steps come first, and what a step becomes once those that it
//! needs are over.

use crate::graph::Graph;
use crate::template::{Context, Template};
use crate::workflow::{Aggregate, Gather, ITEMS, OnFailure, Step, What, Workflow};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use warrener_model::json::Json;
use warrener_model::run::{StepRow, StepState};
use warrener_model::session::OpenSession;
use warrener_model::{Mistake, Submission, limits};

/// A workflow, ready to be run.
#[derive(Debug)]
pub struct Plan {
    workflow: Workflow,
    needs: Vec<Vec<usize>>,
    behind: Vec<Vec<usize>>,
}

/// What a step becomes.
#[derive(Debug)]
pub enum Begun {
    /// These tasks; with none there is nothing to wait for.
    Tasks(Vec<Draft>),
    /// This question to agents.
    Session(Box<OpenSession>),
    /// Nothing: its `when` is not true.
    Skipped,
    /// A value, at once.
    Value(Value),
    /// Nothing: it cannot be made, for this reason.
    Failed(String),
}

/// A task of a step.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What is asked for.
    pub submission: Submission,
    /// A person says yes first.
    pub approve: bool,
}

/// A step that is over, as templates see it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it ended.
    pub state: StepState,
    /// Why it failed.
    pub error: Option<String>,
    /// The outputs of its tasks in order, null where one did not succeed; or its value alone.
    pub outputs: Vec<Value>,
}

impl Plan {
    /// Of a workflow that was read without a mistake.
    pub fn of(workflow: Workflow) -> Self {
        let needs = Graph::of(&workflow).needs;
        let mut behind = vec![Vec::new(); needs.len()];
        let mut once = needs.clone();
        for (step, needs) in once.iter_mut().enumerate() {
            needs.sort_unstable();
            needs.dedup();
            needs
                .iter()
                .for_each(|need: &usize| behind[*need].push(step));
        }
        Plan {
            workflow,
            needs: once,
            behind,
        }
    }

    /// What it was made of.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The steps that need this one.
    pub fn behind(&self, step: usize) -> &[usize] {
        &self.behind[step]
    }

    /// The place of a step.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.workflow.steps.iter().position(|step| step.id == id)
    }

    /// Every step before anything began.
    pub fn rows(&self) -> Vec<StepRow> {
        let steps = self.workflow.steps.iter().zip(&self.needs);
        let rows = steps.zip(0..).map(|((step, needs), n)| StepRow {
            n,
            id: step.id.clone(),
            state: StepState::Pending,
            left: u32::try_from(needs.len()).unwrap_or(u32::MAX),
            total: 0,
            done: 0,
            failed: 0,
            error: None,
            value: None,
        });
        rows.collect()
    }

    /// A step that ended so keeps what depends on it from beginning.
    pub fn holds_up(&self, step: usize, state: StepState) -> bool {
        match state {
            StepState::Failed => self.workflow.steps[step].on_failure == OnFailure::Fail,
            StepState::Cancelled => true,
            _ => false,
        }
    }

    /// What is given for the inputs, with the defaults of those that are not.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn inputs(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Mistake>> {
        let known = &self.workflow.inputs;
        let mut mistakes: Vec<Mistake> = given
            .keys()
            .filter(|name| !known.iter().any(|(known, _)| known == *name))
            .map(|name| {
                let names: Vec<&str> = known.iter().map(|(known, _)| known.as_str()).collect();
                let message = warrener_model::submission::unknown(name, &names);
                Mistake::at(format!("/inputs/{name}"), message)
            })
            .collect();
        let mut inputs = Map::new();
        for (name, input) in known {
            let at = format!("/inputs/{name}");
            match given.get(name) {
                Some(value) if input.sort.admits(value) => {
                    inputs.insert(name.clone(), value.clone());
                }
                Some(_) => mistakes.push(Mistake::at(
                    at,
                    format!("must be of type {}", input.sort.word()),
                )),
                None if input.required => mistakes.push(Mistake::at(at, "is required")),
                None => {
                    inputs.insert(name.clone(), input.default.clone());
                }
            }
        }
        if mistakes.is_empty() {
            Ok(inputs)
        } else {
            Err(mistakes)
        }
    }

    /// The steps whose ends a step looks at; those of the run's output without one.
    pub fn reads(&self, step: Option<usize>) -> BTreeSet<usize> {
        let templates: Vec<&Template> = match step {
            Some(step) => {
                let step = &self.workflow.steps[step];
                step.templates().into_iter().map(|(_, one)| one).collect()
            }
            None => self.workflow.output.iter().collect(),
        };
        let aggregate = step.and_then(|step| self.aggregate(step));
        let mut reads: BTreeSet<usize> = aggregate
            .and_then(|of| self.place(&of.of))
            .into_iter()
            .collect();
        for (_, name) in templates.iter().flat_map(|template| template.names()) {
            let mut parts = name.split('.');
            match (parts.next(), parts.next()) {
                (Some("steps"), Some(id)) => reads.extend(self.place(id)),
                (Some("steps"), None) => reads.extend(match step {
                    Some(step) => self.before(step),
                    None => (0..self.needs.len()).collect(),
                }),
                _ => {}
            }
        }
        if step.is_none() && self.workflow.output.is_none() {
            reads.extend(self.last());
        }
        reads
    }

    fn before(&self, step: usize) -> BTreeSet<usize> {
        let graph = Graph {
            needs: self.needs.clone(),
        };
        graph.before(step)
    }

    /// The steps on which no other depends.
    fn last(&self) -> impl Iterator<Item = usize> {
        let ends = self.behind.iter().enumerate();
        ends.filter(|(_, behind)| behind.is_empty())
            .map(|(step, _)| step)
    }

    fn aggregate(&self, step: usize) -> Option<&Aggregate> {
        match &self.workflow.steps[step].what {
            What::Aggregate(aggregate) => Some(aggregate),
            _ => None,
        }
    }

    fn is_many(&self, step: usize) -> bool {
        self.workflow.steps[step].for_each.is_some()
    }

    /// What templates are filled in from.
    pub fn context(&self, run: &Value, inputs: &Value, seen: &BTreeMap<usize, Seen>) -> Context {
        let steps: Map<String, Value> = seen
            .iter()
            .map(|(step, seen)| {
                let id = self.workflow.steps[*step].id.clone();
                let mut said = json!({ "state": seen.state, "error": seen.error });
                match self.is_many(*step) {
                    true => said["outputs"] = Value::Array(seen.outputs.clone()),
                    false => said["output"] = seen.outputs.first().cloned().unwrap_or_default(),
                }
                (id, said)
            })
            .collect();
        Context::new(&json!({ "run": run, "inputs": inputs, "steps": steps }))
    }

    /// What a step becomes, now that those that it needs are over.
    pub fn begin(&self, step: usize, context: &Context, seen: &BTreeMap<usize, Seen>) -> Begun {
        self.tried(step, context, seen)
            .unwrap_or_else(Begun::Failed)
    }

    fn tried(
        &self,
        place: usize,
        context: &Context,
        seen: &BTreeMap<usize, Seen>,
    ) -> Result<Begun, String> {
        let step = &self.workflow.steps[place];
        if let Some(when) = &step.when
            && !is_true(&filled("when", when, context)?)
        {
            return Ok(Begun::Skipped);
        }
        let kind = match &step.what {
            What::Kind(kind) => kind,
            What::Aggregate(aggregate) => {
                let of = self.place(&aggregate.of).and_then(|of| seen.get(&of));
                return gathered(aggregate, of).map(Begun::Value);
            }
            What::Session(session) => {
                let request = crate::ask::request(step, session, context)?;
                return Ok(Begun::Session(Box::new(request)));
            }
        };
        let draft = |context: &Context| {
            let submission = submission(step, kind.as_str(), context)?;
            Ok(Draft {
                submission,
                approve: step.approve,
            })
        };
        let Some(list) = &step.for_each else {
            return draft(context).map(|draft| Begun::Tasks(vec![draft]));
        };
        let Value::Array(items) = filled("for_each", list, context)? else {
            return Err(format!("{}: \"for_each\" is not a list", list.place));
        };
        if items.len() > ITEMS {
            let count = items.len();
            return Err(format!("{}: {count} items; at most {ITEMS}", list.place));
        }
        // Counted as they are made: what nobody takes is not held in memory for all items.
        let (mut bytes, one, all) = (0, limits::INPUT_BYTES, limits::BATCH_BYTES);
        let drafts = items.iter().enumerate().map(|(index, item)| {
            let draft = draft(&context.with_item(item, index))
                .map_err(|why: String| format!("item {index}: {why}"))?;
            let size = draft.submission.input.as_str().len();
            bytes += size + draft.submission.description.len();
            match (size > one, bytes > all) {
                (true, _) => Err(format!(
                    "item {index}: its input has {size} bytes; the limit is {one}"
                )),
                (_, true) => Err(format!("its tasks have more than {all} bytes together")),
                _ => Ok(draft),
            }
        });
        drafts.collect::<Result<_, _>>().map(Begun::Tasks)
    }

    /// What the run leaves.
    ///
    /// # Errors
    /// Why its template cannot be filled in.
    pub fn output(&self, context: &Context, seen: &BTreeMap<usize, Seen>) -> Result<Value, String> {
        if let Some(output) = &self.workflow.output {
            return filled("output", output, context);
        }
        let each = self.last().map(|step| {
            let outputs = seen.get(&step).map(|seen| seen.outputs.clone());
            let mut outputs = outputs.unwrap_or_default();
            let output = match self.is_many(step) {
                true => Value::Array(outputs),
                false if outputs.is_empty() => Value::Null,
                false => outputs.swap_remove(0),
            };
            (self.workflow.steps[step].id.clone(), output)
        });
        Ok(Value::Object(each.collect()))
    }
}

pub(crate) fn filled(field: &str, template: &Template, context: &Context) -> Result<Value, String> {
    let filled = template.fill(context);
    filled.map_err(|why| {
        format!(
            "{}: \"{field}\" cannot be filled in: {}",
            why.place, why.message
        )
    })
}

/// As templates see it, and the text of it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim(), "" | "false" | "False" | "0"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

fn gathered(aggregate: &Aggregate, of: Option<&Seen>) -> Result<Value, String> {
    let outputs = of.map(|seen| seen.outputs.as_slice()).unwrap_or_default();
    match aggregate.how {
        Gather::Collect => Ok(Value::Array(outputs.to_vec())),
        Gather::Majority => {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for output in outputs {
                *counts.entry(output.to_string()).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            let (text, count) = most.unwrap_or_default();
            if count * 2 <= outputs.len() {
                let all = outputs.len();
                return Err(format!(
                    "no majority: of {all} outputs of step \"{}\" at most {count} are equal",
                    aggregate.of
                ));
            }
            serde_json::from_str(&text).map_err(|error| error.to_string())
        }
    }
}

pub(crate) fn submission(step: &Step, kind: &str, context: &Context) -> Result<Submission, String> {
    let text = |field: &str, template: &Option<Template>| match template {
        None => Ok(String::new()),
        Some(template) => filled(field, template, context).map(plain),
    };
    let input = match &step.input {
        None => Json::null(),
        Some(template) => {
            let value = filled("input", template, context)?;
            Json::of(&value).map_err(|error| error.to_string())?
        }
    };
    let labels = step.labels.iter().map(|(key, template)| {
        let value = filled("labels", template, context)?;
        Ok((key.clone(), plain(value)))
    });
    Ok(Submission {
        kind: kind.to_owned(),
        lane: step.lane.as_ref().map(ToString::to_string),
        title: text("title", &step.title)?,
        description: text("description", &step.description)?,
        input,
        priority: step.priority,
        timeout_ms: step
            .timeout
            .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        max_attempts: step.max_attempts,
        retry: step.retry.clone(),
        labels: labels.collect::<Result<_, String>>()?,
        ..Submission::default()
    })
}

/// A value where only a text can be.
pub(crate) fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

//! From a text to a workflow that can run: all mistakes at once.

use crate::check;
use crate::fields;
use crate::mistake::{Mistake, Mistakes, Place};
use crate::node::{self, Data, Node};
use crate::reader::Reader;
use crate::template::Template;
use crate::workflow::{
    Aggregate, FILE_BYTES, Gather, Input, InputType, OnFailure, STEPS, Session, Step, What,
    Workflow,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use warrener_model::decision::{Method, Tie, Weight};
use warrener_model::failure::Class;
use warrener_model::retry::{Backoff, Jitter, Override, Overrides};
use warrener_model::task::Priority;

/// Reads and checks a file.
///
/// # Errors
/// Every mistake with its place, in the order of the file; there is at least one.
pub fn read(text: &str) -> Result<Workflow, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let workflow = whole(text, &mut mistakes);
    match workflow {
        Some(workflow) if mistakes.is_empty() => Ok(workflow),
        _ => Err(mistakes.sorted()),
    }
}

fn whole(text: &str, mistakes: &mut Mistakes) -> Option<Workflow> {
    let start = Place { line: 1, column: 1 };
    if text.len() > FILE_BYTES {
        let message = format!("the file has {} bytes; at most {FILE_BYTES}", text.len());
        mistakes.add(start, message);
        return None;
    }
    let root = node::parse(text, mistakes);
    let Some(root) = root else {
        if mistakes.is_empty() {
            mistakes.add(
                start,
                "the file is empty: a workflow needs \"name\" and \"steps\"",
            );
        }
        return None;
    };
    let workflow = workflow(&root, mistakes)?;
    check::all(&workflow, mistakes);
    Some(workflow)
}

/// A name that stands in for one that could not be read; the mistake is noted, so nothing is made of it.
fn unread<T: std::str::FromStr>() -> Option<T> {
    "unread".parse().ok()
}

fn workflow(root: &Node, mistakes: &mut Mistakes) -> Option<Workflow> {
    let mut reader = Reader::open(&fields::WORKFLOW, root, mistakes)?;
    let name = reader.parsed("name").or_else(unread)?;
    let description = reader.text("description").unwrap_or_default().to_owned();
    let output = reader.template("output");
    let (inputs, steps, place) = (reader.map("inputs"), reader.list("steps"), reader.place);
    let mut read = Vec::new();
    for (key, node) in inputs {
        identifier("input", &key.name, key.place, mistakes);
        if let Some(input) = input(node, mistakes) {
            read.push((key.name.clone(), input));
        }
    }
    if steps.len() > STEPS {
        let message = format!("{} steps; at most {STEPS}", steps.len());
        mistakes.add(place, message);
    }
    if let Some(Data::List(items)) = steps_of(root)
        && items.is_empty()
    {
        mistakes.add(place, "\"steps\" is empty: a workflow needs at least one");
    }
    let steps: Vec<Step> = steps
        .iter()
        .filter_map(|node| step(node, mistakes))
        .collect();
    Some(Workflow {
        name,
        description,
        inputs: read,
        steps,
        output,
    })
}

fn steps_of(root: &Node) -> Option<&Data> {
    let Data::Map(entries) = &root.data else {
        return None;
    };
    let found = entries.iter().find(|(key, _)| key.name == "steps");
    found.map(|(_, node)| &node.data)
}

fn identifier(what: &str, name: &str, place: Place, mistakes: &mut Mistakes) {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !first || !rest || name.len() > 48 {
        let message = format!("{what} \"{name}\" must match {}", fields::ID);
        mistakes.add(place, message);
    }
}

fn input(node: &Node, mistakes: &mut Mistakes) -> Option<Input> {
    let mut reader = Reader::open(&fields::INPUT, node, mistakes)?;
    let sort = reader.word("type", &InputType::WORDS).unwrap_or_default();
    let input = Input {
        sort,
        required: reader.flag("required"),
        default: reader.value("default"),
        description: reader.text("description").unwrap_or_default().to_owned(),
    };
    if let Some(default) = reader.node("default") {
        if input.required {
            let message = "a required input has no use for a default: remove one of the two";
            reader.mistakes.add(default.place, message);
        }
        if !sort.admits(&input.default) {
            let message = format!(
                "the default is {}, not of type {}",
                default.sort(),
                sort.word()
            );
            reader.mistakes.add(default.place, message);
        }
    }
    Some(input)
}

fn step(node: &Node, mistakes: &mut Mistakes) -> Option<Step> {
    const PRIORITIES: [(&str, Priority); 4] = [
        ("low", Priority::Low),
        ("normal", Priority::Normal),
        ("high", Priority::High),
        ("critical", Priority::Critical),
    ];
    const ON_FAILURE: [(&str, OnFailure); 2] =
        [("fail", OnFailure::Fail), ("continue", OnFailure::Continue)];
    let mut reader = Reader::open(&fields::STEP, node, mistakes)?;
    let id = reader.text("id").unwrap_or_default().to_owned();
    if let Some(node) = reader.node("id")
        && !id.is_empty()
    {
        identifier("step", &id, node.place, reader.mistakes);
    }
    let mut step = Step {
        place: reader.node("id").map_or(node.place, |node| node.place),
        id,
        what: what(&mut reader)?,
        needs: reader.names("needs"),
        when: reader.text_template("when"),
        for_each: reader.template("for_each"),
        title: reader.text_template("title"),
        description: reader.text_template("description"),
        input: reader.template("input"),
        lane: reader.parsed("lane"),
        priority: reader.word("priority", &PRIORITIES).unwrap_or_default(),
        labels: labels(&mut reader),
        retry: Overrides::new(),
        max_attempts: reader.whole("max_attempts").map(|n| n as u32),
        timeout: reader.span("timeout"),
        on_failure: reader.word("on_failure", &ON_FAILURE).unwrap_or_default(),
        approve: reader.flag("approve"),
    };
    if let What::Aggregate(aggregate) = &step.what
        && let Some(place) = reader.node("aggregate").map(|node| node.place)
        && step.needs.iter().all(|(id, _)| *id != aggregate.of)
    {
        step.needs.push((aggregate.of.clone(), place));
    }
    only_for_tasks(&step, &mut reader);
    let classes = reader.map("retry");
    for (key, node) in classes {
        let class: Option<Class> = key.name.parse().ok();
        match class {
            Some(class) => {
                if let Some(policy) = policy(node, reader.mistakes) {
                    step.retry.insert(class, policy);
                }
            }
            None => {
                let known: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
                let message = format!(
                    "\"{}\" is no error class; they are {}",
                    key.name,
                    known.join(" ")
                );
                reader.mistakes.add(key.place, message);
            }
        }
    }
    Some(step)
}

/// Exactly one of `kind`, `session`, `aggregate`.
fn what(reader: &mut Reader<'_, '_>) -> Option<What> {
    let present = ["kind", "session", "aggregate"].map(|name| reader.node(name));
    let named = present.iter().flatten().count();
    if named != 1 {
        let place = present
            .iter()
            .flatten()
            .last()
            .map_or(reader.place, |node| node.place);
        let message = "a step has exactly one of \"kind\", \"session\" and \"aggregate\"";
        reader.mistakes.add(place, message);
    }
    let [_, asked, gathered] = present;
    if let Some(node) = asked {
        let session = session(node, reader.mistakes);
        return session.map(|session| What::Session(Box::new(session)));
    }
    if let Some(node) = gathered {
        return aggregate(node, reader.mistakes).map(What::Aggregate);
    }
    reader.parsed("kind").or_else(unread).map(What::Kind)
}

/// Fields that speak of tasks mean nothing where there is none.
fn only_for_tasks(step: &Step, reader: &mut Reader<'_, '_>) {
    let sort = match step.what {
        What::Kind(_) => return,
        What::Session(_) => "session",
        What::Aggregate(_) => "aggregate",
    };
    for name in [
        "for_each",
        "input",
        "lane",
        "priority",
        "labels",
        "retry",
        "max_attempts",
        "timeout",
        "title",
        "description",
    ] {
        if let Some(node) = reader.node(name) {
            let message = format!("\"{name}\" is for steps with a kind; this one has \"{sort}\"");
            reader.mistakes.add(node.place, message);
        }
    }
}

fn labels(reader: &mut Reader<'_, '_>) -> BTreeMap<String, Template> {
    let mut labels = BTreeMap::new();
    for (key, node) in reader.map("labels") {
        let template = match &node.data {
            Data::Text(_) | Data::Number(_) | Data::Bool(_) => {
                Template::read(node, reader.mistakes)
            }
            _ => {
                let message = format!("label \"{}\" must be a text, not {}", key.name, node.sort());
                reader.mistakes.add(node.place, message);
                continue;
            }
        };
        labels.insert(key.name.clone(), template);
    }
    labels
}

fn policy(node: &Node, mistakes: &mut Mistakes) -> Option<Override> {
    const BACKOFF: [(&str, Backoff); 3] = [
        ("exponential", Backoff::Exponential),
        ("linear", Backoff::Linear),
        ("fixed", Backoff::Fixed),
    ];
    const JITTER: [(&str, Jitter); 2] = [("full", Jitter::Full), ("none", Jitter::None)];
    let mut reader = Reader::open(&fields::RETRY, node, mistakes)?;
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Some(Override {
        retries: reader.whole("retries").map(|n| n as u32),
        backoff: reader.word("backoff", &BACKOFF),
        base_ms: reader.span("base").map(ms),
        max_ms: reader.span("max").map(ms),
        jitter: reader.word("jitter", &JITTER),
    })
}

fn aggregate(node: &Node, mistakes: &mut Mistakes) -> Option<Aggregate> {
    const HOW: [(&str, Gather); 2] = [("collect", Gather::Collect), ("majority", Gather::Majority)];
    let mut reader = Reader::open(&fields::AGGREGATE, node, mistakes)?;
    let how = reader.word("how", &HOW).unwrap_or_default();
    let of = reader.text("of").unwrap_or_default().to_owned();
    Some(Aggregate { of, how })
}

fn session(node: &Node, mistakes: &mut Mistakes) -> Option<Session> {
    const METHODS: [(&str, Method); 5] = [
        ("majority", Method::Majority),
        ("expertise", Method::Expertise),
        ("quadratic", Method::Quadratic),
        ("ranked", Method::Ranked),
        ("unanimity", Method::Unanimity),
    ];
    const TIES: [(&str, Tie); 2] = [("none", Tie::None), ("first", Tie::First)];
    let mut reader = Reader::open(&fields::SESSION, node, mistakes)?;
    let (required, answers) = who(&mut reader);
    let empty = Node {
        place: node.place,
        data: Data::Null,
    };
    Some(Session {
        topic: reader.text_template("topic"),
        question: match reader.text_template("question") {
            Some(question) => question,
            None => Template::read(&empty, reader.mistakes),
        },
        options: reader.template("options"),
        context: reader.template("context"),
        required,
        answers,
        method: reader.word("method", &METHODS).unwrap_or_default(),
        expertise: reader.text("expertise").map(str::to_owned),
        initiator: reader.parsed("initiator"),
        include_initiator: reader.flag("include_initiator"),
        rounds: reader.whole("rounds").map_or(1, |n| n as u32),
        deadline: reader.span("deadline").unwrap_or(Duration::from_secs(60)),
        quorum: (reader.share("quorum").or_else(|| Weight::part(0.5))).unwrap_or_default(),
        threshold: reader.share("threshold").unwrap_or(Weight::ONE),
        confidence: reader.flag("confidence"),
        tie: reader.word("tie", &TIES).unwrap_or_default(),
        budget: reader.whole("budget").map_or(100, |n| n as u32),
    })
}

/// `required`: texts `cap:NAME` and `agent:NAME`, and a number.
fn who(reader: &mut Reader<'_, '_>) -> (Vec<String>, Option<u64>) {
    let (mut required, mut answers) = (Vec::new(), None);
    for item in reader.list("required") {
        match item.json() {
            Value::Number(number) if number.as_u64().is_some() => answers = number.as_u64(),
            Value::String(text) if text.starts_with("cap:") || text.starts_with("agent:") => {
                required.push(text);
            }
            _ => {
                let message = "\"required\" is a list of \"cap:NAME\", \"agent:NAME\" and how many";
                reader.mistakes.add(item.place, message);
            }
        }
    }
    (required, answers)
}

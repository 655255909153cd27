//! The nouns of a workflow file, after it was read and checked.

use crate::mistake::Place;
use crate::template::Template;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use warrener_model::decision::{Method, Tie, Weight};
use warrener_model::name::{AgentId, Kind, Lane};
use warrener_model::retry::Overrides;
use warrener_model::task::Priority;

/// Most bytes of a file.
pub(crate) const FILE_BYTES: usize = 1024 * 1024;
/// Most steps of a file.
pub(crate) const STEPS: usize = 1_000;
/// Most items of a `for_each`.
pub(crate) const ITEMS: usize = 10_000;

/// See [`crate::fields::WORKFLOW`] for what each field means.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// Its name.
    pub name: Kind,
    /// For people.
    pub description: String,
    /// By name, in the order of the file.
    pub inputs: Vec<(String, Input)>,
    /// In the order of the file.
    pub steps: Vec<Step>,
    /// What a run leaves.
    pub output: Option<Template>,
}

/// See [`crate::fields::INPUT`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// Its type.
    pub sort: InputType,
    /// A run without it is refused.
    pub required: bool,
    /// For runs that do not give it.
    pub default: Value,
    /// For people.
    pub description: String,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are those of JSON Schema")]
pub enum InputType {
    #[default]
    Any,
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

impl InputType {
    /// Every type with its word.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("any", Self::Any),
        ("string", Self::String),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("array", Self::Array),
        ("object", Self::Object),
    ];

    /// A value is of this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, sort)| *sort == self);
        found.map_or("any", |(word, _)| *word)
    }
}

/// See [`crate::fields::STEP`].
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How other steps call it.
    pub id: String,
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub what: What,
    /// The steps it waits for, each with its place; with the one that is aggregated.
    pub needs: Vec<(String, Place)>,
    /// Runs only if this is true.
    pub when: Option<Template>,
    /// One task for each.
    pub for_each: Option<Template>,
    /// One line.
    pub title: Option<Template>,
    /// The brief.
    pub description: Option<Template>,
    /// The input of its tasks.
    pub input: Option<Template>,
    /// Who is asked.
    pub lane: Option<Lane>,
    /// How urgent.
    pub priority: Priority,
    /// For finding its tasks again.
    pub labels: BTreeMap<String, Template>,
    /// Parts of the retry policies.
    pub retry: Overrides,
    /// Starts allowed in all.
    pub max_attempts: Option<u32>,
    /// How long one attempt may run.
    pub timeout: Option<Duration>,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// A person says yes first.
    pub approve: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Tasks of a kind.
    Kind(Kind),
    /// A question to agents.
    Session(Box<Session>),
    /// One value of many.
    Aggregate(Aggregate),
}

/// See [`crate::fields::AGGREGATE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// The step whose outputs are taken.
    pub of: String,
    /// How.
    pub how: Gather,
}

/// How outputs become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gather {
    /// The list of them.
    #[default]
    Collect,
    /// The one that more than half are equal to.
    Majority,
}

/// What the failure of a step does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The run fails.
    #[default]
    Fail,
    /// The step counts as done.
    Continue,
}

/// See [`crate::fields::SESSION`].
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What it is about.
    pub topic: Option<Template>,
    /// What is asked.
    pub question: Template,
    /// To choose from.
    pub options: Option<Template>,
    /// What those who are asked should know.
    pub context: Option<Template>,
    /// Who must answer.
    pub required: Vec<String>,
    /// How many must answer.
    pub answers: Option<u64>,
    /// How it is counted.
    pub method: Method,
    /// The capability that weighs.
    pub expertise: Option<String>,
    /// The agent that asks.
    pub initiator: Option<AgentId>,
    /// It is asked, too.
    pub include_initiator: bool,
    /// How often it is asked.
    pub rounds: u32,
    /// Decided then.
    pub deadline: Duration,
    /// The share of members that must answer.
    pub quorum: Weight,
    /// The share that must agree.
    pub threshold: Weight,
    /// Voices are worth their confidence.
    pub confidence: bool,
    /// Two are equal.
    pub tie: Tie,
    /// Credits of each voice.
    pub budget: u32,
}

impl Workflow {
    /// A step by its id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}

impl Step {
    /// Every template of the step with the name of its field; `for_each` first, for it is filled in before there is an
    /// item.
    pub fn templates(&self) -> Vec<(&'static str, &Template)> {
        let mut all: Vec<(&'static str, &Template)> = Vec::new();
        for (name, template) in [
            ("for_each", &self.for_each),
            ("when", &self.when),
            ("title", &self.title),
            ("description", &self.description),
            ("input", &self.input),
        ] {
            all.extend(template.iter().map(|template| (name, template)));
        }
        all.extend(self.labels.values().map(|template| ("labels", template)));
        if let What::Session(session) = &self.what {
            all.push(("session", &session.question));
            let others = [&session.topic, &session.options, &session.context];
            let others = others.into_iter().flatten();
            all.extend(others.map(|template| ("session", template)));
        }
        all
    }
}

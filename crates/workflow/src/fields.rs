//! Every field of a workflow file: its name, the shape of its value and what it means. The reader refuses what is not
//! here; the schema and the reference page are made of it.

/// The fields of one sort of mapping.
#[derive(Debug)]
pub struct Table {
    /// Its name in the schema and in messages.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// In the order in which people write them.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The shape of its value.
    pub shape: Shape,
    /// It may not be left out.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text as it stands.
    Text,
    /// A name of contracts.md section 0, or an id; the pattern says which characters.
    Name(&'static str),
    /// A text in which `{{ }}` is filled in.
    TextTemplate,
    /// Any value in which `{{ }}` is filled in.
    ValueTemplate,
    /// true or false.
    Bool,
    /// A whole number from, to.
    Whole(u64, u64),
    /// A number from 0 to 1.
    Share,
    /// A time span: `1500ms 5s 3m 2h 1d`.
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of names, of this pattern.
    Names(&'static str),
    /// A list of texts and whole numbers.
    Required,
    /// A mapping of names to text templates.
    Labels,
    /// A mapping of error classes to parts of their retry policy.
    Retry,
    /// Any value as it stands.
    Any,
    /// A mapping with these fields.
    Object(&'static Table),
    /// A list of mappings with these fields.
    List(&'static Table),
    /// A mapping of names to mappings with these fields.
    Map(&'static Table),
}

/// Ids of steps and names of inputs: what a template can write with dots between.
pub const ID: &str = "[a-z][a-z0-9_]{0,47}";
const LANE: &str = "[a-z0-9][a-z0-9_-]{0,47}";
const KIND: &str = "[a-z0-9][a-z0-9._-]{0,95}";

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        name,
        shape,
        required: false,
        about,
    }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        name,
        shape,
        required: true,
        about,
    }
}

/// The file.
pub static WORKFLOW: Table = Table {
    name: "workflow",
    about: "Steps that depend on each other, what they are given, and what comes out.",
    fields: &[
        required("name", Shape::Name(KIND), "What its runs are listed under."),
        field("description", Shape::Text, "For people."),
        field(
            "inputs",
            Shape::Map(&INPUT),
            "What a run is given, by name.",
        ),
        required(
            "steps",
            Shape::List(&STEP),
            "At least one; each is at least one task.",
        ),
        field(
            "output",
            Shape::ValueTemplate,
            "What a run leaves. Without it: the outputs of the steps on which no other depends, by id.",
        ),
    ],
};

/// One of `inputs`.
pub static INPUT: Table = Table {
    name: "input",
    about: "One value that a run is given.",
    fields: &[
        field(
            "type",
            Shape::Word(&[
                "any", "string", "number", "integer", "boolean", "array", "object",
            ]),
            "Checked before the run starts; `any` unless said.",
        ),
        field(
            "required",
            Shape::Bool,
            "A run without it is refused; false unless said.",
        ),
        field(
            "default",
            Shape::Any,
            "For runs that do not give it; null unless said.",
        ),
        field("description", Shape::Text, "For people."),
    ],
};

/// One of `steps`.
pub static STEP: Table = Table {
    name: "step",
    about: "One piece of work: a task of a kind, a session, or an aggregate of another step; exactly one of the three.",
    fields: &[
        required("id", Shape::Name(ID), "How other steps call it."),
        field("kind", Shape::Name(KIND), "The kind of its tasks."),
        field(
            "session",
            Shape::Object(&SESSION),
            "Asks agents; its output is the decision.",
        ),
        field(
            "aggregate",
            Shape::Object(&AGGREGATE),
            "Makes one of the outputs of another step; no agent is asked.",
        ),
        field(
            "needs",
            Shape::Names(ID),
            "Steps that must have ended well before this one begins.",
        ),
        field(
            "when",
            Shape::TextTemplate,
            "Runs only if this is true; a step that was left out counts as done, its output is null.",
        ),
        field(
            "for_each",
            Shape::ValueTemplate,
            "A list: one task for each of its items, at most 10,000; in its templates `item` and `index`. Its `outputs` are in the order of the items.",
        ),
        field("title", Shape::TextTemplate, "One line for people."),
        field("description", Shape::TextTemplate, "The brief."),
        field("input", Shape::ValueTemplate, "The input of its tasks."),
        field(
            "lane",
            Shape::Name(LANE),
            "Who is asked; `default` unless said.",
        ),
        field(
            "priority",
            Shape::Word(&["low", "normal", "high", "critical"]),
            "`normal` unless said.",
        ),
        field("labels", Shape::Labels, "For finding its tasks again."),
        field(
            "retry",
            Shape::Retry,
            "Parts of the retry policies, by class.",
        ),
        field(
            "max_attempts",
            Shape::Whole(1, 10_000),
            "Starts allowed in all.",
        ),
        field("timeout", Shape::Span, "How long one attempt may run."),
        field(
            "on_failure",
            Shape::Word(&["fail", "continue"]),
            "`fail` (unless said): the run fails. `continue`: the step counts as done, its output is null.",
        ),
        field(
            "approve",
            Shape::Bool,
            "Waits until a person says yes, before it begins.",
        ),
    ],
};

/// `aggregate` of a step.
pub static AGGREGATE: Table = Table {
    name: "aggregate",
    about: "One value of many outputs.",
    fields: &[
        required(
            "of",
            Shape::Name(ID),
            "The step whose outputs are taken; it is needed without being named in `needs`.",
        ),
        field(
            "how",
            Shape::Word(&["collect", "majority"]),
            "`collect` (unless said): the list of them. `majority`: the one that more than half are equal to; none fails the step.",
        ),
    ],
};

/// `session` of a step.
pub static SESSION: Table = Table {
    name: "session",
    about: "A question to agents, and how their answers become a decision.",
    fields: &[
        required("question", Shape::TextTemplate, "What is asked."),
        field(
            "topic",
            Shape::TextTemplate,
            "What it is about; the step's id unless said.",
        ),
        field(
            "options",
            Shape::ValueTemplate,
            "A list of texts to choose from; without it the suggestions are the options.",
        ),
        field(
            "context",
            Shape::ValueTemplate,
            "What those who are asked should know, in any form.",
        ),
        field(
            "required",
            Shape::Required,
            "Who must answer: `cap:NAME`, `agent:NAME`, or how many.",
        ),
        field(
            "method",
            Shape::Word(&["majority", "expertise", "quadratic", "ranked", "unanimity"]),
            "`majority` unless said.",
        ),
        field(
            "expertise",
            Shape::Text,
            "For the method `expertise`: the capability that weighs; else the best of those that `required` names.",
        ),
        field(
            "initiator",
            Shape::Text,
            "The agent that asks: it is not asked itself.",
        ),
        field(
            "include_initiator",
            Shape::Bool,
            "It is asked, too; false unless said.",
        ),
        field("rounds", Shape::Whole(1, 9), "1 unless said."),
        field(
            "deadline",
            Shape::Span,
            "How long each round may take; 60s unless said.",
        ),
        field(
            "quorum",
            Shape::Share,
            "The share of members that must answer; 0.5 unless said.",
        ),
        field(
            "threshold",
            Shape::Share,
            "For unanimity: the share that must agree; 1 unless said.",
        ),
        field(
            "confidence",
            Shape::Bool,
            "Each voice is worth its confidence; false unless said.",
        ),
        field(
            "tie",
            Shape::Word(&["none", "first"]),
            "Two are equal: no decision (unless said), or the one listed first.",
        ),
        field(
            "budget",
            Shape::Whole(1, 1_000_000),
            "For quadratic: credits of each voice; 100 unless said.",
        ),
    ],
};

/// One class in `retry` of a step.
pub static RETRY: Table = Table {
    name: "retry",
    about: "Parts of the policy of one error class; the others stay as configured.",
    fields: &[
        field(
            "retries",
            Shape::Whole(0, 10_000),
            "Starts after the first.",
        ),
        field(
            "backoff",
            Shape::Word(&["exponential", "linear", "fixed"]),
            "How the delay grows.",
        ),
        field("base", Shape::Span, "The first delay."),
        field("max", Shape::Span, "The longest delay."),
        field(
            "jitter",
            Shape::Word(&["full", "none"]),
            "How much of the delay is left to chance.",
        ),
    ],
};

/// All tables, the file first.
pub static TABLES: &[&Table] = &[&WORKFLOW, &INPUT, &STEP, &AGGREGATE, &SESSION, &RETRY];

impl Table {
    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

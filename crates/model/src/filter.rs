//! The filter grammar, the same in CLI, API and dashboard (contracts.md section 3):
//! `term (space term)*`, term = `[-]key:[>|<|~]value[,value…]`, for example `state:failed,dead label.batch:42 age:>1h`.

use crate::failure::Class;
use crate::life::State;
use crate::task::{Priority, Task};
use crate::time::{Timestamp, parse_span};

/// The keys that a filter knows.
pub const KEYS: [&str; 15] = [
    "id",
    "state",
    "lane",
    "kind",
    "agent",
    "priority",
    "label.<k>",
    "class",
    "fingerprint",
    "run",
    "parent",
    "age",
    "created",
    "finished",
    "text",
];

/// What a term looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The task's id.
    Id,
    /// Its state; `final` and `open` stand for all final or all other states.
    State,
    /// Its lane.
    Lane,
    /// Its kind.
    Kind,
    /// The agent that holds it or held it last.
    Agent,
    /// Its priority.
    Priority,
    /// One of its labels.
    Label(String),
    /// The class of its last error.
    Class,
    /// The fingerprint of its last error.
    Fingerprint,
    /// The workflow run.
    Run,
    /// The parent task.
    Parent,
    /// How long ago it was accepted.
    Age,
    /// When it was accepted.
    Created,
    /// When it ended.
    Finished,
    /// Title, description and error message.
    Text,
}

/// How the value is compared. For `age` the comparison is already turned into one of `created`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// One of the values.
    Is,
    /// More than, later than.
    Above,
    /// Less than, earlier than.
    Below,
    /// Contains, ignoring case.
    Like,
}

/// One term: all terms of a filter must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term is negated.
    pub not: bool,
    /// What it looks at.
    pub key: Key,
    /// How.
    pub op: Op,
    /// One of these; exactly one for `Above` and `Below`.
    pub values: Vec<String>,
}

/// A filter; the empty one takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All must hold.
    pub terms: Vec<Term>,
}

/// A text that is not a filter: where, what, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter term \"{term}\" at {at}: {reason}")]
pub struct FilterError {
    /// The term.
    pub term: String,
    /// Where it starts, in bytes.
    pub at: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Filter {
    /// Reads a filter. A value with spaces stands in double quotes: `text:~"not found"`.
    ///
    /// # Errors
    /// [`FilterError`] for the first term that is none.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let mut terms = vec![];
        if text.matches('"').count() % 2 == 1 {
            let at = text.rfind('"').unwrap_or_default();
            return Err(FilterError {
                term: text[at..].to_owned(),
                at,
                reason: "this quote is not closed".into(),
            });
        }
        for (at, word) in words(text) {
            let error = |reason| FilterError {
                term: word.clone(),
                at,
                reason,
            };
            terms.push(term(&word).map_err(error)?);
        }
        Ok(Filter { terms })
    }

    /// Whether a task matches, at this time: what stores answer in their own language.
    pub fn matches(&self, task: &Task, now: Timestamp) -> bool {
        self.terms
            .iter()
            .all(|term| term.holds(task, now) != term.not)
    }
}

impl Term {
    fn holds(&self, task: &Task, now: Timestamp) -> bool {
        let error = task.error.as_ref();
        match &self.key {
            Key::Id => self.word(&task.id.to_string()),
            Key::State => self.values.iter().any(|v| state_is(task.life.state, v)),
            Key::Lane => self.word(task.spec.lane.as_str()),
            Key::Kind => self.word(task.spec.kind.as_str()),
            Key::Agent => {
                let agent = task
                    .life
                    .lease
                    .as_ref()
                    .map(|l| &l.agent)
                    .or(task.life.last.as_ref());
                agent.is_some_and(|agent| self.word(agent.as_str()))
            }
            Key::Priority => match self.op {
                Op::Above => Some(task.spec.priority) > self.values[0].parse().ok(),
                Op::Below => self.values[0]
                    .parse()
                    .is_ok_and(|p: Priority| task.spec.priority < p),
                Op::Is | Op::Like => self.word(task.spec.priority.as_str()),
            },
            Key::Label(key) => task
                .spec
                .labels
                .get(key)
                .is_some_and(|value| self.word(value)),
            Key::Class => error.is_some_and(|e| self.word(e.class.as_str())),
            Key::Fingerprint => error.is_some_and(|e| self.word(&e.fingerprint)),
            Key::Run => task.spec.run.as_deref().is_some_and(|run| self.word(run)),
            Key::Parent => task
                .spec
                .parent
                .is_some_and(|parent| self.word(&parent.to_string())),
            Key::Age | Key::Created => self.time(Some(task.spec.created_at), now),
            Key::Finished => self.time(task.life.finished_at, now),
            Key::Text => {
                let message = error.map_or("", |e| e.message.as_str());
                [task.spec.title.as_str(), &task.spec.description, message]
                    .iter()
                    .any(|text| self.values.iter().any(|v| contains(text, v)))
            }
        }
    }

    fn word(&self, found: &str) -> bool {
        self.values.iter().any(|value| match self.op {
            Op::Like => contains(found, value),
            Op::Is | Op::Above | Op::Below => found == value,
        })
    }

    fn time(&self, at: Option<Timestamp>, now: Timestamp) -> bool {
        let Some((at, limit)) = at.zip(self.limit(now)) else {
            return false;
        };
        match self.op {
            Op::Above => at > limit,
            Op::Below => at < limit,
            Op::Is | Op::Like => false,
        }
    }

    /// The point in time that an `age`, `created` or `finished` term compares with.
    fn limit(&self, now: Timestamp) -> Option<Timestamp> {
        point(&self.values[0], now)
    }
}

/// A time as it stands in a filter: RFC 3339, or a span back from now.
pub fn point(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let span = parse_span(text).ok()?;
    let back = i64::try_from(span.as_millis()).ok()?;
    Some(Timestamp::from_millis(now.as_millis().saturating_sub(back)))
}

/// Whether a state is what a filter's word says: its name, `final`, or `open`.
pub fn state_is(state: State, word: &str) -> bool {
    match word {
        "final" => state.is_final(),
        "open" => !state.is_final(),
        name => state.as_str() == name,
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// Splits at spaces outside quotes; gives the words with their places.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = vec![];
    let (mut quoted, mut fresh) = (false, true);
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && !quoted {
            fresh = true;
            continue;
        }
        if fresh {
            words.push((at, String::new()));
            fresh = false;
        }
        if c == '"' {
            quoted = !quoted;
        } else if let Some((_, word)) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

fn term(word: &str) -> Result<Term, String> {
    let (not, rest) = word
        .strip_prefix('-')
        .map_or((false, word), |rest| (true, rest));
    let Some((name, value)) = rest.split_once(':') else {
        return Err("a term is key:value, such as state:ready".into());
    };
    let key = key(name)?;
    let (op, value) = match value.as_bytes().first() {
        Some(b'>') => (Op::Above, &value[1..]),
        Some(b'<') => (Op::Below, &value[1..]),
        Some(b'~') => (Op::Like, &value[1..]),
        _ => (Op::Is, value),
    };
    let values: Vec<String> = match op {
        Op::Above | Op::Below => vec![value.into()],
        Op::Is | Op::Like => value.split(',').map(Into::into).collect(),
    };
    let term = Term {
        not,
        key,
        op,
        values,
    };
    check(&term)?;
    // Age runs against time: older than an hour is created before an hour ago.
    let op = match (&term.key, term.op) {
        (Key::Age, Op::Above) => Op::Below,
        (Key::Age, Op::Below) => Op::Above,
        (_, op) => op,
    };
    Ok(Term { op, ..term })
}

fn key(name: &str) -> Result<Key, String> {
    Ok(match name {
        "id" => Key::Id,
        "state" => Key::State,
        "lane" => Key::Lane,
        "kind" => Key::Kind,
        "agent" => Key::Agent,
        "priority" => Key::Priority,
        "class" => Key::Class,
        "fingerprint" => Key::Fingerprint,
        "run" => Key::Run,
        "parent" => Key::Parent,
        "age" => Key::Age,
        "created" => Key::Created,
        "finished" => Key::Finished,
        "text" => Key::Text,
        _ => match name.strip_prefix("label.") {
            Some(label) if !label.is_empty() => Key::Label(label.into()),
            _ => return Err(format!("no key \"{name}\"; keys are {}", KEYS.join(" "))),
        },
    })
}

fn check(term: &Term) -> Result<(), String> {
    if term.values.iter().any(String::is_empty) {
        return Err("the value is empty".into());
    }
    let timed = matches!(term.key, Key::Age | Key::Created | Key::Finished);
    let compares = matches!(term.op, Op::Above | Op::Below);
    if timed != compares && !(compares && term.key == Key::Priority) {
        let wanted = if timed {
            "needs > or <"
        } else {
            "takes no > or <"
        };
        return Err(format!("this key {wanted}"));
    }
    for value in &term.values {
        let fine = match term.key {
            Key::State => {
                matches!(value.as_str(), "final" | "open") || value.parse::<State>().is_ok()
            }
            Key::Priority => value.parse::<Priority>().is_ok(),
            Key::Class => value.parse::<Class>().is_ok(),
            Key::Age => parse_span(value).is_ok(),
            Key::Created | Key::Finished => point(value, Timestamp::default()).is_some(),
            _ => true,
        };
        if !fine && term.op != Op::Like {
            return Err(format!("\"{value}\" is not a value of this key"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_parses() {
        let filter = Filter::parse("state:failed,dead label.batch:42 age:>1h").unwrap();
        assert_eq!(filter.terms.len(), 3);
        assert_eq!(filter.terms[0].values, ["failed", "dead"]);
        assert_eq!(filter.terms[1].key, Key::Label("batch".into()));
        // Older than an hour is created before then.
        assert_eq!(
            (filter.terms[2].key.clone(), filter.terms[2].op),
            (Key::Age, Op::Below)
        );
    }

    #[test]
    fn quotes_keep_spaces_and_a_minus_negates() {
        let open = Filter::parse("state:dead text:~\"un").unwrap_err();
        assert_eq!((open.at, open.term.as_str()), (17, "\"un"));
        let filter = Filter::parse("-text:~\"not found\"  lane:a").unwrap();
        assert!(filter.terms[0].not);
        assert_eq!(filter.terms[0].values, ["not found"]);
    }

    #[test]
    fn a_bad_term_is_named_with_its_place() {
        for (text, at, part) in [
            ("lane:a nonsense", 7, "key:value"),
            ("colour:red", 0, "no key \"colour\""),
            ("state:sleeping", 0, "\"sleeping\" is not a value"),
            ("age:1h", 0, "needs > or <"),
            ("lane:>a", 0, "takes no > or <"),
            ("age:>soon", 0, "\"soon\" is not a value"),
            ("lane:", 0, "empty"),
            ("label.:x", 0, "no key"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}");
            assert!(error.reason.contains(part), "{text}: {}", error.reason);
        }
    }
}

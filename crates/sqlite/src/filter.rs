//! The filter grammar as SQL over `task t`: every value is bound, and each term means what `Filter::matches` says.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use warrener_backend::{Error, Result};
use warrener_model::filter::{Filter, Key, Op, Term, point, state_is};
use warrener_model::id::TaskId;
use warrener_model::{Class, Priority, State, Timestamp};

/// Terms of one filter: what SQLite's bound on the depth of an expression leaves room for.
const TERMS: usize = 200;
/// Values of one filter: what SQLite's bound on parameters leaves room for.
const VALUES: usize = 10_000;

/// A condition and what is bound to its question marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    /// `a AND b AND …`; never empty.
    pub(crate) sql: String,
    /// In order.
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// A filter at this time.
    ///
    /// # Errors
    /// `Invalid` when it has too many terms or values.
    pub(crate) fn of(filter: &Filter, now: Timestamp) -> Result<Self> {
        if filter.terms.len() > TERMS {
            let count = filter.terms.len();
            return Err(Error::Invalid(format!(
                "a filter has at most {TERMS} terms, this one has {count}"
            )));
        }
        let count: usize = filter.terms.iter().map(|term| term.values.len()).sum();
        if count > VALUES {
            return Err(Error::Invalid(format!(
                "a filter has at most {VALUES} values, this one has {count}"
            )));
        }
        let mut all = Condition::default();
        for term in &filter.terms {
            let (sql, values) = holds(term, now);
            if term.not {
                // What is not there does not match, and its negation does.
                all.and(&format!("NOT ifnull({sql}, 0)"), values);
            } else {
                all.and(&sql, values);
            }
        }
        if all.sql.is_empty() {
            all.sql.push('1');
        }
        Ok(all)
    }

    /// And this as well.
    pub(crate) fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        if !self.sql.is_empty() {
            self.sql.push_str(" AND ");
        }
        self.sql.push_str(sql);
        self.values.extend(values);
    }
}

/// The functions that conditions call.
pub(crate) fn functions(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    // SQLite's own lower() and LIKE know ASCII only; this is what Filter::matches does, with the part already lowered.
    db.create_scalar_function("contains_ci", 2, flags, |context| {
        let text = context.get_raw(0).as_str_or_null()?;
        let part = context.get_raw(1).as_str()?;
        Ok(text.map(|text| text.to_lowercase().contains(part)))
    })?;
    db.create_scalar_function("id_text", 1, flags, |context| {
        let bytes = context.get::<Option<[u8; 16]>>(0)?;
        Ok(bytes.map(|bytes| TaskId::from_bytes(bytes).to_string()))
    })
}

type Sql = (String, Vec<Value>);

fn holds(term: &Term, now: Timestamp) -> Sql {
    match &term.key {
        Key::Id => id(term, "t.id"),
        Key::Parent => id(term, "t.parent"),
        Key::State => {
            let states = State::ALL
                .into_iter()
                .filter(|state| term.values.iter().any(|v| state_is(*state, v)));
            literals("t.state", states.map(State::as_str))
        }
        Key::Class => literals(
            "t.class",
            Class::ALL
                .into_iter()
                .map(Class::as_str)
                .filter(|c| says(term, c)),
        ),
        Key::Lane => word(term, "t.lane"),
        Key::Kind => word(term, "t.kind"),
        Key::Agent => word(term, "t.agent"),
        Key::Fingerprint => word(term, "t.fingerprint"),
        Key::Run => word(term, "t.run"),
        Key::Priority => priority(term),
        Key::Label(key) => label(term, key),
        Key::Age | Key::Created => time(term, "t.created_at", now),
        Key::Finished => time(term, "t.finished_at", now),
        Key::Text => text(term),
    }
}

/// What [`Filter::matches`] asks of a word.
fn says(term: &Term, found: &str) -> bool {
    term.values.iter().any(|value| match term.op {
        Op::Like => found.to_lowercase().contains(&value.to_lowercase()),
        Op::Is | Op::Above | Op::Below => found == value,
    })
}

/// One of our own words: never anything that a caller wrote, and partial indexes need to see it.
fn literals(column: &str, words: impl Iterator<Item = &'static str>) -> Sql {
    let words: Vec<_> = words.map(|word| format!("'{word}'")).collect();
    let sql = match words.as_slice() {
        [] => "0".into(),
        [word] => format!("{column} = {word}"),
        _ => format!("{column} IN ({})", words.join(", ")),
    };
    (sql, vec![])
}

fn word(term: &Term, column: &str) -> Sql {
    match term.op {
        Op::Like => like(column, term),
        Op::Is | Op::Above | Op::Below => {
            one_of(column, term.values.iter().cloned().map(Value::Text))
        }
    }
}

fn id(term: &Term, column: &str) -> Sql {
    if term.op == Op::Like {
        return like(&format!("id_text({column})"), term);
    }
    // Only the form in which ids are written is an id here, as for Filter::matches.
    let ids = term.values.iter().filter_map(|value| {
        let id: TaskId = value.parse().ok()?;
        (id.to_string() == *value).then(|| Value::Blob(id.as_bytes().to_vec()))
    });
    one_of(column, ids)
}

fn one_of(column: &str, values: impl Iterator<Item = Value>) -> Sql {
    let values: Vec<_> = values.collect();
    let sql = match values.len() {
        0 => "0".into(),
        1 => format!("{column} = ?"),
        many => format!("{column} IN ({})", vec!["?"; many].join(", ")),
    };
    (sql, values)
}

fn like(column: &str, term: &Term) -> Sql {
    // One parameter however many values there are.
    let sql =
        format!("EXISTS (SELECT 1 FROM json_each(?) WHERE contains_ci({column}, json_each.value))");
    (sql, vec![parts(term)])
}

/// The values of a term in lower case, as a JSON array.
fn parts(term: &Term) -> Value {
    let parts: Vec<_> = term.values.iter().map(|v| v.to_lowercase()).collect();
    Value::Text(crate::row::json(&parts))
}

fn priority(term: &Term) -> Sql {
    let first = || term.values.first().and_then(|v| v.parse().ok());
    let fits = |priority: Priority| match term.op {
        Op::Above => Some(priority) > first(),
        Op::Below => first().is_some_and(|limit| priority < limit),
        Op::Is | Op::Like => says(term, priority.as_str()),
    };
    let ranks = Priority::ALL.into_iter().filter(|p| fits(*p));
    one_of("t.priority", ranks.map(|p| Value::Integer(p.rank().into())))
}

fn label(term: &Term, key: &str) -> Sql {
    let (value, values) = word(term, "l.value");
    let sql = format!("t.n IN (SELECT l.task FROM label l WHERE l.key = ? AND {value})");
    let mut all = vec![Value::Text(key.into())];
    all.extend(values);
    (sql, all)
}

fn time(term: &Term, column: &str, now: Timestamp) -> Sql {
    let limit = term.values.first().and_then(|value| point(value, now));
    match (term.op, limit) {
        (Op::Above, Some(at)) => (format!("{column} > ?"), vec![at.as_millis().into()]),
        (Op::Below, Some(at)) => (format!("{column} < ?"), vec![at.as_millis().into()]),
        _ => ("0".into(), vec![]),
    }
}

fn text(term: &Term) -> Sql {
    let sql = "EXISTS (SELECT 1 FROM spec s LEFT JOIN outcome o ON o.task = s.task, json_each(?) j WHERE s.task = t.n \
               AND (contains_ci(s.title, j.value) OR contains_ci(s.description, j.value) \
               OR contains_ci(ifnull(o.message, ''), j.value)))";
    (sql.into(), vec![parts(term)])
}

//! Templates: values in which `{{ }}` is filled in. A text that is one whole `{{ expression }}` becomes the expression's
//! value and keeps its type; in all others it becomes part of the text. A name that is not defined is an error.

use crate::mistake::{Mistakes, Place};
use crate::node::{Data, Node};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Steps of the template machine that one value may take: loops end.
const FUEL: u64 = 1_000_000;
/// The same for a look at a template before there is anything to fill in: a file may have thousands of them.
const LOOK: u64 = 10_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment
});

/// Knows nothing, and takes that: shows what is unknown whatever there is.
static EMPTY: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = ENVIRONMENT.clone();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(LOOK));
    environment
});

/// A value of a file that may hold `{{ }}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Where it stands.
    pub place: Place,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Plain(Value),
    /// One whole `{{ … }}`: what is between.
    Expression(String),
    /// A text with `{{ }}` or `{% %}` in it.
    Text(String),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// The place of the text in the file.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// What templates are filled in from. Made once and shared: it may hold ten thousand outputs.
#[derive(Clone, Debug)]
pub struct Context(minijinja::Value);

impl Context {
    /// Of a value with these names.
    pub fn new(names: &impl Serialize) -> Self {
        Self(minijinja::Value::from(minijinja::value::Serde(names)))
    }

    /// The same with one item of a list, and its place from 0.
    pub fn with_item(&self, item: &Value, index: usize) -> Self {
        let item = minijinja::Value::from(minijinja::value::Serde(item));
        Self(minijinja::context! { item, index, ..self.0.clone() })
    }
}

fn has_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// What is between the braces, if the text is nothing else.
fn expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{-` is no minus.
    let trims = inner.starts_with(['-', '+']) || inner.ends_with(['-', '+']);
    (!trims && ENVIRONMENT.compile_expression(inner).is_ok()).then_some(inner)
}

fn why(error: &minijinja::Error) -> String {
    let detail = error.detail().map(str::to_owned);
    detail.unwrap_or_else(|| error.kind().to_string())
}

/// What is wrong with a template whatever it is filled in from: its grammar, a filter or a test that there is not.
fn unreadable<T>(tried: Result<T, minijinja::Error>, node: &Node, mistakes: &mut Mistakes) {
    use minijinja::ErrorKind as Kind;
    if let Err(error) = tried
        && matches!(
            error.kind(),
            Kind::SyntaxError | Kind::UnknownFilter | Kind::UnknownTest
        )
    {
        let said = why(&error);
        mistakes.add(node.place, format!("this template cannot be read: {said}"));
    }
}

/// Parts that are named in brackets as dots name them: `steps['plan']` is `steps.plan`.
fn dotted(text: &str) -> String {
    let mut dotted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, after) = rest.split_at(at);
        dotted.push_str(before);
        match named(after)
            .filter(|_| before.ends_with(|c: char| c.is_alphanumeric() || "_])".contains(c)))
        {
            Some((name, left)) => {
                dotted.push('.');
                dotted.push_str(name);
                rest = left;
            }
            None => {
                dotted.push('[');
                rest = &after[1..];
            }
        }
    }
    dotted + rest
}

/// The name in `['name']`, and what follows.
fn named(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?.trim_start();
    let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (name, rest) = inner[1..].split_once(quote)?;
    let left = rest.trim_start().strip_prefix(']')?;
    let mut letters = name.chars();
    let is_name = letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, left))
}

impl Template {
    /// A value in which nothing has to be filled in.
    pub(crate) fn of(place: Place, value: Value) -> Self {
        let form = Form::Plain(value);
        Template { place, form }
    }

    /// The one expression that it is, if it is one.
    pub(crate) fn expression(&self) -> Option<&str> {
        match &self.form {
            Form::Expression(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn read(node: &Node, mistakes: &mut Mistakes) -> Self {
        let form = match &node.data {
            Data::Text(text) if has_template(text) => match expression(text) {
                Some(inner) => {
                    let expression = EMPTY.compile_expression(inner);
                    unreadable(expression.and_then(|one| one.eval(())), node, mistakes);
                    Form::Expression(inner.trim().to_owned())
                }
                None => {
                    unreadable(EMPTY.render_str(text, ()), node, mistakes);
                    Form::Text(text.clone())
                }
            },
            Data::List(items) => {
                let items = items.iter();
                Form::List(items.map(|item| Template::read(item, mistakes)).collect())
            }
            Data::Map(entries) => {
                let entries = entries.iter();
                let entry = |(key, node): &(crate::node::Key, Node)| {
                    (key.name.clone(), Template::read(node, mistakes))
                };
                Form::Map(entries.map(entry).collect())
            }
            _ => Form::Plain(node.json()),
        };
        Template {
            place: node.place,
            form,
        }
    }

    /// The names that must be defined, each as far as it is written with dots (`steps.design.output`), with the place of
    /// the text they stand in.
    pub fn names(&self) -> Vec<(Place, String)> {
        let mut names = Vec::new();
        self.collect(&mut names);
        names
    }

    fn collect(&self, names: &mut Vec<(Place, String)>) {
        let found: BTreeSet<String> = match &self.form {
            Form::Plain(_) => return,
            Form::Expression(text) => match ENVIRONMENT.compile_expression(&dotted(text)) {
                Ok(expression) => expression.undeclared_variables(true).into_iter().collect(),
                Err(_) => return,
            },
            Form::Text(text) => match ENVIRONMENT.template_from_str(&dotted(text)) {
                Ok(template) => template.undeclared_variables(true).into_iter().collect(),
                Err(_) => return,
            },
            Form::List(items) => return items.iter().for_each(|item| item.collect(names)),
            Form::Map(entries) => return entries.iter().for_each(|(_, item)| item.collect(names)),
        };
        let built_in: BTreeSet<&str> = ENVIRONMENT.globals().map(|(name, _)| name).collect();
        let found = found
            .into_iter()
            .filter(|name| !built_in.contains(name.as_str()));
        names.extend(found.map(|name| (self.place, name)));
    }

    /// The value with everything filled in.
    ///
    /// # Errors
    /// A name that is not defined, a filter that does not take such a value, a loop that does not end.
    pub fn fill(&self, context: &Context) -> Result<Value, Unfilled> {
        self.fill_in(&context.0)
    }

    fn fill_in(&self, context: &minijinja::Value) -> Result<Value, Unfilled> {
        let failed = |error: &minijinja::Error| self.unfilled(why(error));
        match &self.form {
            Form::Plain(value) => Ok(value.clone()),
            Form::Expression(text) => {
                let value = ENVIRONMENT
                    .compile_expression(text)
                    .and_then(|expression| expression.eval(context))
                    .map_err(|error| failed(&error))?;
                if value.is_undefined() {
                    return Err(self.unfilled(format!("\"{text}\" is not defined")));
                }
                serde_json::to_value(&value).map_err(|error| self.unfilled(error.to_string()))
            }
            Form::Text(text) => {
                let filled = ENVIRONMENT.render_str(text, context);
                filled.map(Value::String).map_err(|error| failed(&error))
            }
            Form::List(items) => items.iter().map(|item| item.fill_in(context)).collect(),
            Form::Map(entries) => {
                let entry = |(name, item): &(String, Template)| {
                    item.fill_in(context).map(|value| (name.clone(), value))
                };
                let entries = entries.iter().map(entry);
                entries.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }

    fn unfilled(&self, message: String) -> Unfilled {
        Unfilled {
            place: self.place,
            message,
        }
    }

    /// The value, if nothing has to be filled in.
    pub fn plain(&self) -> Option<&Value> {
        match &self.form {
            Form::Plain(value) => Some(value),
            _ => None,
        }
    }

    /// Nothing has to be filled in, at any depth.
    pub(crate) fn is_constant(&self) -> bool {
        match &self.form {
            Form::Plain(_) => true,
            Form::Expression(_) | Form::Text(_) => false,
            Form::List(items) => items.iter().all(Template::is_constant),
            Form::Map(entries) => entries.iter().all(|(_, item)| item.is_constant()),
        }
    }

    /// How many items a list has that is written out.
    pub(crate) fn listed(&self) -> Option<usize> {
        match &self.form {
            Form::List(items) => Some(items.len()),
            _ => None,
        }
    }
}

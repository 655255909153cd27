//! One value: read from a file's node or from text, and shown again.

use super::keys::{Shape, instead};
use std::time::Duration;
use toml::de::DeValue;
use warrener_model::time::{format_span, parse_span};

/// A value that has the shape of its setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Text, secrets and words.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// 0 to 1.
    Fraction(f64),
    /// A duration.
    Span(Duration),
    /// A list of texts.
    List(Vec<String>),
}

impl Value {
    /// Reads a value of the environment, a flag or a default. A list is JSON, or parts with commas between them.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn of_text(shape: Shape, text: &str) -> Result<Value, String> {
        match shape {
            Shape::Flag => match text {
                "true" | "1" | "yes" => Ok(Value::Flag(true)),
                "false" | "0" | "no" => Ok(Value::Flag(false)),
                _ => Err(format!("\"{text}\" is not true or false")),
            },
            Shape::Number(..) => {
                let number = text
                    .parse()
                    .map_err(|_| format!("\"{text}\" is not a whole number"))?;
                number_in(shape, number)
            }
            Shape::Fraction => fraction(
                text.parse()
                    .map_err(|_| format!("\"{text}\" is not a number from 0 to 1"))?,
            ),
            Shape::List if text.starts_with('[') => serde_json::from_str(text)
                .map(Value::List)
                .map_err(|_| "is not a JSON list of texts".into()),
            Shape::List => Ok(Value::List(
                text.split(',').map(|part| part.trim().into()).collect(),
            )),
            Shape::Text | Shape::Secret | Shape::Span | Shape::Word(_) => of_string(shape, text),
        }
    }

    /// Reads a node of a file.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn of_node(shape: Shape, node: &DeValue<'_>) -> Result<Value, String> {
        let wrong = |wanted: &str| Err(format!("is {}, but must be {wanted}", article(node)));
        match (shape, node) {
            (Shape::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
            (Shape::Flag, _) => wrong("true or false"),
            (Shape::Number(..), DeValue::Integer(number)) if number.radix() == 10 => {
                let number = number.as_str().replace('_', "").parse();
                number_in(
                    shape,
                    number.map_err(|_| "is not a whole number".to_owned())?,
                )
            }
            (Shape::Number(..), _) => wrong("a whole number"),
            (Shape::Fraction, DeValue::Float(number)) => {
                let number = number
                    .as_str()
                    .parse()
                    .map_err(|_| "is not a number".to_owned());
                fraction(number?)
            }
            (Shape::Fraction, DeValue::Integer(number)) => {
                let number = number
                    .as_str()
                    .parse()
                    .map_err(|_| "is not a number".to_owned());
                fraction(number?)
            }
            (Shape::Fraction, _) => wrong("a number from 0 to 1"),
            (Shape::List, DeValue::Array(items)) => {
                let texts = items
                    .iter()
                    .map(|item| item.get_ref().as_str().map(str::to_owned));
                let texts: Option<Vec<String>> = texts.collect();
                texts
                    .map(Value::List)
                    .ok_or_else(|| "must be a list of texts".into())
            }
            (Shape::List, _) => wrong("a list of texts, such as [\"a\", \"b\"]"),
            (_, DeValue::String(text)) => of_string(shape, text),
            (Shape::Span, _) => wrong("a duration in quotes, such as \"5s\""),
            (Shape::Text | Shape::Secret | Shape::Word(_), _) => wrong("a text in quotes"),
        }
    }

    /// The value as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Flag(flag) => (*flag).into(),
            Value::Number(number) => (*number).into(),
            Value::Fraction(number) => (*number).into(),
            Value::Span(span) => format_span(*span).into(),
            Value::List(items) => items.clone().into(),
        }
    }
}

fn of_string(shape: Shape, text: &str) -> Result<Value, String> {
    match shape {
        Shape::Span => parse_span(text).map(Value::Span).map_err(|e| e.to_string()),
        Shape::Word(words) if !words.contains(&text) => {
            Err(format!("\"{text}\" is not known; {}", instead(text, words)))
        }
        _ if text.is_empty() => Err("must not be empty".into()),
        _ => Ok(Value::Text(text.into())),
    }
}

fn number_in(shape: Shape, number: u64) -> Result<Value, String> {
    match shape {
        Shape::Number(least, most) if !(least..=most).contains(&number) => {
            Err(format!("{number} is not {least} to {most}"))
        }
        _ => Ok(Value::Number(number)),
    }
}

fn fraction(number: f64) -> Result<Value, String> {
    if (0.0..=1.0).contains(&number) {
        Ok(Value::Fraction(number))
    } else {
        Err(format!("{number} is not a number from 0 to 1"))
    }
}

/// What a node of a file is, in words.
fn article(node: &DeValue<'_>) -> &'static str {
    match node {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

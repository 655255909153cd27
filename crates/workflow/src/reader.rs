//! A mapping of the file read field by field after its table: unknown and missing fields, and values of the wrong shape,
//! are mistakes, and reading goes on.

use crate::fields::{Shape, Table};
use crate::mistake::{Mistakes, Place, suggestion};
use crate::node::{Data, Key, Node};
use crate::template::Template;
use serde_json::Value;
use std::time::Duration;
use warrener_model::decision::Weight;
use warrener_model::time::parse_span;

/// One mapping, being read.
pub(crate) struct Reader<'a, 'm> {
    table: &'static Table,
    pub(crate) place: Place,
    entries: &'a [(Key, Node)],
    pub(crate) mistakes: &'m mut Mistakes,
}

impl<'a, 'm> Reader<'a, 'm> {
    /// Nothing, and a mistake, if the node is no mapping.
    pub(crate) fn open(
        table: &'static Table,
        node: &'a Node,
        mistakes: &'m mut Mistakes,
    ) -> Option<Self> {
        let Data::Map(entries) = &node.data else {
            let (name, sort) = (table.name, node.sort());
            let fields: Vec<&str> = table.fields.iter().map(|field| field.name).collect();
            let message = format!(
                "{name} is a mapping of {}; this is {sort}",
                fields.join(", ")
            );
            mistakes.add(node.place, message);
            return None;
        };
        for (key, _) in entries {
            if table.field(&key.name).is_none() {
                let near = suggestion(&key.name, table.fields.iter().map(|field| field.name));
                let message = format!("{} has no field \"{}\"{near}", table.name, key.name);
                mistakes.add(key.place, message);
            }
        }
        for field in table.fields.iter().filter(|field| field.required) {
            if entries.iter().all(|(key, _)| key.name != field.name) {
                let message = format!("{} needs a field \"{}\"", table.name, field.name);
                mistakes.add(node.place, message);
            }
        }
        Some(Self {
            table,
            place: node.place,
            entries,
            mistakes,
        })
    }

    /// A field that is there and not null.
    pub(crate) fn node(&self, name: &str) -> Option<&'a Node> {
        debug_assert!(self.table.field(name).is_some(), "{name}");
        let found = self.entries.iter().find(|(key, _)| key.name == name);
        let node = found.map(|(_, node)| node);
        node.filter(|node| !matches!(node.data, Data::Null))
    }

    fn shape(&self, name: &str) -> Shape {
        let field = self.table.field(name);
        field.map_or(Shape::Any, |field| field.shape)
    }

    fn wrong(&mut self, name: &str, node: &Node, should: &str) {
        let message = format!("\"{name}\" must be {should}, not {}", node.sort());
        self.mistakes.add(node.place, message);
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        let node = self.node(name)?;
        match &node.data {
            Data::Text(text) => Some(text),
            _ => {
                self.wrong(name, node, "a text");
                None
            }
        }
    }

    /// A text that its type takes.
    pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Option<T> {
        let (text, place) = (self.text(name)?, self.node(name)?.place);
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                // It begins with what it thought to read.
                let error = error.to_string();
                let rest = error.split_once(' ').map_or(&*error, |(_, rest)| rest);
                self.mistakes.add(place, format!("{name} {rest}"));
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let Some(node) = self.node(name) else {
            return false;
        };
        match node.data {
            Data::Bool(value) => value,
            _ => {
                self.wrong(name, node, "true or false");
                false
            }
        }
    }

    /// A whole number within the bounds of its shape.
    pub(crate) fn whole(&mut self, name: &str) -> Option<u64> {
        let node = self.node(name)?;
        let Shape::Whole(least, most) = self.shape(name) else {
            return None;
        };
        let value = match &node.data {
            Data::Number(number) => number.as_u64(),
            _ => None,
        };
        if value.is_none_or(|value| !(least..=most).contains(&value)) {
            let message = format!("\"{name}\" must be a whole number from {least} to {most}");
            self.mistakes.add(node.place, message);
            return None;
        }
        value
    }

    pub(crate) fn share(&mut self, name: &str) -> Option<Weight> {
        let node = self.node(name)?;
        let share = match &node.data {
            Data::Number(number) => number.as_f64().and_then(Weight::part),
            _ => None,
        };
        if share.is_none() {
            let message = format!("\"{name}\" must be a number from 0 to 1");
            self.mistakes.add(node.place, message);
        }
        share
    }

    pub(crate) fn span(&mut self, name: &str) -> Option<Duration> {
        let (text, place) = (self.text(name)?, self.node(name)?.place);
        match parse_span(text) {
            Ok(span) => Some(span),
            Err(error) => {
                self.mistakes.add(place, error.to_string());
                None
            }
        }
    }

    /// One of the words of its shape, as what the table of the caller says.
    pub(crate) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let (text, place) = (self.text(name)?, self.node(name)?.place);
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let near = suggestion(text, known.iter().copied());
            let message = format!(
                "\"{name}\" must be one of {}, not \"{text}\"{near}",
                known.join(", ")
            );
            self.mistakes.add(place, message);
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn template(&mut self, name: &str) -> Option<Template> {
        let node = self.node(name)?;
        Some(Template::read(node, self.mistakes))
    }

    /// A template that becomes a text.
    pub(crate) fn text_template(&mut self, name: &str) -> Option<Template> {
        let node = self.node(name)?;
        if !matches!(node.data, Data::Text(_)) {
            self.wrong(name, node, "a text");
            return None;
        }
        Some(Template::read(node, self.mistakes))
    }

    pub(crate) fn list(&mut self, name: &str) -> &'a [Node] {
        let Some(node) = self.node(name) else {
            return &[];
        };
        match &node.data {
            Data::List(items) => items,
            _ => {
                self.wrong(name, node, "a list");
                &[]
            }
        }
    }

    pub(crate) fn map(&mut self, name: &str) -> &'a [(Key, Node)] {
        let Some(node) = self.node(name) else {
            return &[];
        };
        match &node.data {
            Data::Map(entries) => entries,
            _ => {
                self.wrong(name, node, "a mapping");
                &[]
            }
        }
    }

    /// A list of texts, each with its place.
    pub(crate) fn names(&mut self, name: &str) -> Vec<(String, Place)> {
        let mut names: Vec<(String, Place)> = Vec::new();
        for item in self.list(name) {
            match &item.data {
                Data::Text(text) => {
                    if names.iter().any(|(known, _)| known == text) {
                        let message = format!("\"{name}\" has \"{text}\" a second time");
                        self.mistakes.add(item.place, message);
                    } else {
                        names.push((text.clone(), item.place));
                    }
                }
                _ => self.wrong(name, item, "a list of texts"),
            }
        }
        names
    }

    pub(crate) fn value(&self, name: &str) -> Value {
        self.node(name).map_or(Value::Null, Node::json)
    }
}

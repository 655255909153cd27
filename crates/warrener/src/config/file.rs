//! Reads the layer of `warrener.toml`: every leaf with its line and column.

use super::keys::{self, dotted};
use super::layers::{Layer, Origin, Setting};
use super::value::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use warrener_model::Mistake;

/// Reads a file; what is wrong is added to the mistakes, with its place.
pub(crate) fn read(name: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Layer {
    let mut reader = Reader {
        name,
        text,
        layer: Layer::new(),
        mistakes,
    };
    match DeTable::parse(text) {
        Ok(table) => reader.table(&[], table.get_ref()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let message = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            reader.mistake(at, message);
        }
    }
    reader.layer
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    layer: Layer,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn table(&mut self, path: &[String], table: &DeTable<'_>) {
        for (name, node) in table {
            let at = name.span().start;
            let name = name.get_ref();
            let known = keys::after(path);
            if !known.contains(&"*") && !known.contains(&name.as_ref()) {
                let place = if path.is_empty() {
                    String::new()
                } else {
                    format!(" in [{}]", dotted(path))
                };
                let instead = keys::instead(name, &known);
                self.mistake(at, format!("unknown key \"{name}\"{place}; {instead}"));
                continue;
            }
            let mut path = path.to_vec();
            path.push(name.to_string());
            self.node(path, node);
        }
    }

    fn node(&mut self, path: Vec<String>, node: &Spanned<DeValue<'_>>) {
        let at = node.span().start;
        if let Some(key) = keys::find(&path) {
            match Value::of_node(key.shape, node.get_ref()) {
                Ok(value) => {
                    let (line, column) = place(self.text, at);
                    let origin = Origin::File(self.name.into(), line, column);
                    self.layer.insert(path, Setting { value, origin });
                }
                Err(message) => self.mistake(at, format!("{} {message}", dotted(&path))),
            }
            return;
        }
        let is_list = path == ["agent"];
        match node.get_ref() {
            DeValue::Array(items) if is_list => {
                for (index, item) in items.iter().enumerate() {
                    match item.get_ref() {
                        DeValue::Table(table) if table.is_empty() => {
                            let message = "this agent has no name and no run".into();
                            self.mistake(item.span().start, message);
                        }
                        DeValue::Table(table) => {
                            self.table(&["agent".into(), index.to_string()], table);
                        }
                        _ => {
                            self.mistake(item.span().start, "write each agent as [[agent]]".into())
                        }
                    }
                }
            }
            DeValue::Table(table) if !is_list => self.table(&path, table),
            _ if is_list => self.mistake(at, "write each agent as [[agent]]".into()),
            _ => {
                let message = format!("{0} must be a table: [{0}]", dotted(&path));
                self.mistake(at, message);
            }
        }
    }

    fn mistake(&mut self, at: usize, message: String) {
        let (line, column) = place(self.text, at);
        let pointer = format!("{}:{line}:{column}", self.name);
        self.mistakes.push(Mistake::at(pointer, message));
    }
}

/// Line and column, from 1, of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

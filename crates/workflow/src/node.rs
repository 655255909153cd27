//! A YAML text (or JSON, which YAML reads) as a tree that knows the place of every part.
//!
//! Built from the parser's events, so that a key that stands twice, an anchor or a tag is a mistake with a place among
//! the others, and no file can grow by its aliases.

use crate::mistake::{Mistakes, Place};
use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};
use warrener_model::limits;

/// One value of a file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) data: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; each key once.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

impl Node {
    /// What sort of value it is, in words.
    pub(crate) fn sort(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The same without places.
    pub(crate) fn json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Node::json).collect(),
            Data::Map(entries) => {
                let entry = |(key, node): &(Key, Node)| (key.name.clone(), node.json());
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }
}

fn place(at: &Marker) -> Place {
    Place {
        line: at.line().max(1),
        column: at.col() + 1,
    }
}

/// A list or mapping that is still open.
struct Open {
    place: Place,
    data: Partial,
}

enum Partial {
    List(Vec<Node>),
    /// With the key whose value comes next.
    Map(Vec<(Key, Node)>, Option<Key>),
}

/// Reads the first document of a text. Nothing if there is none, or the text cannot be read further; then a mistake says
/// why.
pub(crate) fn parse(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let mut tree = Tree::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(found) => found,
            Err(error) => {
                mistakes.add(place(error.marker()), format!("not YAML: {}", error.info()));
                return None;
            }
        };
        let at = place(&span.start);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    mistakes.add(at, "a second document; one file holds one workflow");
                    break;
                }
            }
            Event::Alias(_) => {
                mistakes.add(at, "aliases are not read: write the value out");
                tree.value(at, Data::Null, mistakes);
            }
            Event::Scalar(value, style, anchor, tag) => {
                refuse(anchor, tag.is_some(), at, mistakes);
                let data = match Scalar::parse_from_cow_and_metadata(value, style, None) {
                    Some(Scalar::Boolean(value)) => Data::Bool(value),
                    Some(Scalar::Integer(number)) => Data::Number(number.into()),
                    Some(Scalar::FloatingPoint(number)) => number_of(*number, at, mistakes),
                    Some(Scalar::String(text)) => Data::Text(text.into_owned()),
                    Some(Scalar::Null) | None => Data::Null,
                };
                let plain = style == ScalarStyle::Plain;
                tree.scalar(at, data, plain, mistakes);
            }
            Event::SequenceStart(anchor, tag) => {
                refuse(anchor, tag.is_some(), at, mistakes);
                tree.open(at, Partial::List(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                refuse(anchor, tag.is_some(), at, mistakes);
                tree.open(at, Partial::Map(Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => tree.close(mistakes),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        if tree.open.len() > limits::JSON_DEPTH {
            let most = limits::JSON_DEPTH;
            mistakes.add(at, format!("nested deeper than {most} levels"));
            return None;
        }
    }
    tree.root
}

fn refuse(anchor: usize, tag: bool, at: Place, mistakes: &mut Mistakes) {
    if anchor > 0 {
        mistakes.add(
            at,
            "anchors are not read: write the value out where it is needed",
        );
    }
    if tag {
        mistakes.add(at, "tags are not read: remove what begins with \"!\"");
    }
}

fn number_of(number: f64, at: Place, mistakes: &mut Mistakes) -> Data {
    match Number::from_f64(number) {
        Some(number) => Data::Number(number),
        None => {
            mistakes.add(
                at,
                "not a number that JSON knows (infinite, or none at all)",
            );
            Data::Null
        }
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
}

impl Tree {
    fn open(&mut self, place: Place, data: Partial) {
        self.open.push(Open { place, data });
    }

    fn close(&mut self, mistakes: &mut Mistakes) {
        let Some(open) = self.open.pop() else { return };
        let data = match open.data {
            Partial::List(items) => Data::List(items),
            Partial::Map(entries, _) => Data::Map(entries),
        };
        self.value(open.place, data, mistakes);
    }

    /// A scalar is a key where a key is due.
    fn scalar(&mut self, place: Place, data: Data, plain: bool, mistakes: &mut Mistakes) {
        if let Some(Open {
            data: Partial::Map(entries, due @ None),
            ..
        }) = self.open.last_mut()
        {
            let name = match data {
                Data::Text(name) => name,
                Data::Bool(value) if plain => value.to_string(),
                Data::Number(number) if plain => number.to_string(),
                _ => {
                    mistakes.add(place, "a key must be a text");
                    String::new()
                }
            };
            if entries.iter().any(|(key, _)| key.name == name) {
                mistakes.add(place, format!("\"{name}\" stands here a second time"));
            }
            *due = Some(Key { place, name });
            return;
        }
        self.value(place, data, mistakes);
    }

    fn value(&mut self, place: Place, data: Data, mistakes: &mut Mistakes) {
        let node = Node { place, data };
        match self.open.last_mut().map(|open| &mut open.data) {
            None => self.root = Some(node),
            Some(Partial::List(items)) => items.push(node),
            Some(Partial::Map(entries, due)) => match due.take() {
                Some(key) => {
                    // The first of two with one name stays; the second was said.
                    if entries.iter().all(|(known, _)| known.name != key.name) {
                        entries.push((key, node));
                    }
                }
                None => {
                    mistakes.add(place, "a key must be a text");
                    *due = Some(Key {
                        place,
                        name: String::new(),
                    });
                }
            },
        }
    }
}

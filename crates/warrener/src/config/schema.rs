//! `config schema`: the table of settings as a JSON Schema, for editors.

use super::keys::{CLASSES, KEYS, Key, Shape};
use super::value::Value;
use serde_json::{Map, Value as Json, json};

/// The schema of `warrener.toml`.
pub(crate) fn schema() -> Json {
    let mut root = object(&[]);
    root.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.insert("title".into(), "warrener.toml".into());
    Json::Object(root)
}

/// The table at a path: what may stand below it.
fn object(path: &[&'static str]) -> Map<String, Json> {
    let mut properties = Map::new();
    let mut any = None;
    for key in KEYS
        .iter()
        .filter(|key| key.path.starts_with(path) && key.path.len() > path.len())
    {
        let name = key.path[path.len()];
        if properties.contains_key(name) || (name == "*" && any.is_some()) {
            continue;
        }
        let mut below = path.to_vec();
        below.push(name);
        let value = if key.path.len() == below.len() {
            leaf(key)
        } else if below == ["agent"] {
            let mut item = object(&["agent", "*"]);
            item.insert("required".into(), json!(["name", "run"]));
            json!({"type": "array", "items": item})
        } else {
            Json::Object(object(&below))
        };
        if name == "*" {
            any = Some(value);
        } else {
            properties.insert(name.into(), value);
        }
    }
    let mut table = Map::new();
    table.insert("type".into(), "object".into());
    if path == ["retry"] {
        let policy = any.take().unwrap_or_default();
        let classes = CLASSES
            .iter()
            .map(|class| ((*class).to_owned(), policy.clone()));
        properties.extend(classes);
    }
    if !properties.is_empty() {
        table.insert("properties".into(), Json::Object(properties));
    }
    table.insert(
        "additionalProperties".into(),
        any.unwrap_or(Json::Bool(false)),
    );
    table
}

fn leaf(key: &Key) -> Json {
    let mut leaf = match key.shape {
        Shape::Text | Shape::Secret => json!({"type": "string", "minLength": 1}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Fraction => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Shape::Span => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::List => json!({"type": "array", "items": {"type": "string"}}),
    };
    leaf["description"] = key.doc.into();
    if let Some(default) = key.default {
        let value = Value::of_text(key.shape, default).expect("defaults have their shape");
        leaf["default"] = value.json();
    }
    leaf
}

//! The published schema of workflow files (JSON Schema 2020-12), and the reference page: both made of [`crate::fields`].

use crate::fields::{Shape, TABLES, Table};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use warrener_model::failure::Class;

const SPAN: &str = "^[0-9]+(ms|s|m|h|d)$";

/// The schema. A file that passes may still be refused: it does not see cycles, unknown steps and templates.
pub fn schema() -> Value {
    let defs = TABLES
        .iter()
        .map(|table| (table.name.to_owned(), object(table)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Warrener workflow",
        "$ref": "#/$defs/workflow",
        "$defs": defs.collect::<Map<_, _>>(),
    })
}

fn object(table: &Table) -> Value {
    let properties = table.fields.iter().map(|field| {
        let mut shape = shape(field.shape);
        shape["description"] = json!(field.about);
        (field.name.to_owned(), shape)
    });
    let required = table.fields.iter().filter(|field| field.required);
    json!({
        "type": "object",
        "description": table.about,
        "properties": properties.collect::<Map<_, _>>(),
        "required": required.map(|field| field.name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

fn of(table: &Table) -> Value {
    json!({ "$ref": format!("#/$defs/{}", table.name) })
}

fn shape(shape: Shape) -> Value {
    let name = |pattern: &str| json!({ "type": "string", "pattern": format!("^{pattern}$") });
    match shape {
        Shape::Text | Shape::TextTemplate => json!({ "type": "string" }),
        Shape::Name(pattern) => name(pattern),
        Shape::ValueTemplate | Shape::Any => json!({}),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Shape::Span => json!({ "type": "string", "pattern": SPAN }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Names(pattern) => {
            json!({ "type": "array", "items": name(pattern), "uniqueItems": true })
        }
        Shape::Required => json!({
            "type": "array",
            "items": { "anyOf": [
                { "type": "string", "pattern": "^(cap|agent):" },
                { "type": "integer", "minimum": 0 },
            ] },
        }),
        Shape::Labels => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        Shape::Retry => {
            let retry = || of(&crate::fields::RETRY);
            let classes = Class::ALL
                .iter()
                .map(|class| (class.as_str().to_owned(), retry()));
            json!({
                "type": "object",
                "properties": classes.collect::<Map<_, _>>(),
                "additionalProperties": false,
            })
        }
        Shape::Object(table) => of(table),
        Shape::List(table) => json!({ "type": "array", "minItems": 1, "items": of(table) }),
        Shape::Map(table) => json!({ "type": "object", "additionalProperties": of(table) }),
    }
}

/// The tables of the reference page, as Markdown.
pub fn reference() -> String {
    let mut page = String::new();
    for table in TABLES {
        let _ = write!(page, "## {}\n\n{}\n\n", table.name, table.about);
        page.push_str("| field | value | means |\n|---|---|---|\n");
        for field in table.fields {
            let must = if field.required { " (required)" } else { "" };
            let value = words(field.shape);
            let _ = writeln!(
                page,
                "| `{}`{must} | {value} | {} |",
                field.name, field.about
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page
}

fn words(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".into(),
        Shape::Name(pattern) => format!("`{pattern}`"),
        Shape::TextTemplate => "text with `{{ }}`".into(),
        Shape::ValueTemplate => "any value with `{{ }}`".into(),
        Shape::Any => "any value".into(),
        Shape::Bool => "`true`, `false`".into(),
        Shape::Whole(least, most) => format!("{least} to {most}"),
        Shape::Share => "0 to 1".into(),
        Shape::Span => "`1500ms` `5s` `3m` `2h` `1d`".into(),
        Shape::Word(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(" "),
        Shape::Names(_) => "list of ids of steps".into(),
        Shape::Required => "list of `cap:NAME`, `agent:NAME`, a number".into(),
        Shape::Labels => "texts with `{{ }}`, by name".into(),
        Shape::Retry => "by error class: see retry".into(),
        Shape::Object(table) => format!("see {}", table.name),
        Shape::List(table) => format!("list: see {}", table.name),
        Shape::Map(table) => format!("by name: see {}", table.name),
    }
}

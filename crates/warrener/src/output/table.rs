//! Tables: one line a row, columns in step, no borders. Text from outside cannot steer the terminal.

use super::raw::pick;
use crate::report::plain;
use crate::view::View;
use comfy_table::{Cell, ContentArrangement, Table, presets};

/// A column: its head, and the path of its field.
pub(super) type Column = (String, String);

/// The columns of a view, or one for each field that was asked for.
pub(super) fn columns(view: &View, fields: Option<&[String]>) -> Vec<Column> {
    match fields {
        None => {
            let pairs = view.columns.iter();
            pairs
                .map(|(head, path)| ((*head).to_owned(), (*path).to_owned()))
                .collect()
        }
        Some(fields) => {
            let pairs = fields.iter();
            pairs
                .map(|field| (field.to_uppercase(), field.clone()))
                .collect()
        }
    }
}

/// Objects as rows, the header first if it is wanted.
pub(super) fn rows(columns: &[Column], items: &[String], header: bool, styled: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    // The header is a row like others, so that it is there for the widths when it is not printed.
    table.add_row(columns.iter().map(|(head, _)| Cell::new(head)));
    for item in items {
        table.add_row(columns.iter().map(|(_, path)| {
            let value = pick(item, path);
            Cell::new(value.map_or_else(|| "-".to_owned(), |value| shown(path, &value)))
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines = text.lines().map(str::trim_end).enumerate();
    let lines = lines
        .filter(|(index, _)| header || *index > 0)
        .map(|(index, line)| {
            if styled && index == 0 {
                format!("\x1b[1m{line}\x1b[0m\n")
            } else {
                format!("{line}\n")
            }
        });
    lines.collect()
}

/// One object as lines of `field  value`, without what is not set.
pub(super) fn details(view: &View, item: &str) -> String {
    let width = view
        .fields
        .iter()
        .map(|field| field.len())
        .max()
        .unwrap_or(0);
    let lines = view.fields.iter().filter_map(|field| {
        let value = pick(item, field)
            .filter(|value| !matches!(value.as_str(), "null" | "\"\"" | "{}" | "[]"))?;
        Some(format!("{field:width$}  {}\n", shown(field, &value)))
    });
    lines.collect()
}

/// A value as a cell: times without their milliseconds.
fn shown(path: &str, value: &str) -> String {
    let text = cell(value);
    match text.split_once('.') {
        Some((time, _)) if path.ends_with("_at") && text.ends_with('Z') => format!("{time}Z"),
        _ => text,
    }
}

/// JSON text as one line for people: texts without quotes, `-` for nothing.
pub(super) fn cell(value: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(value) {
        Ok(serde_json::Value::Null) => "-".into(),
        Ok(serde_json::Value::String(text)) => plain(&text),
        _ => plain(value),
    }
}

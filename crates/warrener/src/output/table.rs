//! Tables: one line a row, columns in step, no borders. Text from outside cannot steer the terminal.

use super::raw::pick;
use crate::report::plain;
use crate::view::View;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};

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

/// Objects as rows, the header first if it is wanted. `widths` keeps the columns in step with rows that came before.
pub(super) fn rows(
    columns: &[Column],
    items: &[String],
    widths: &mut Vec<u16>,
    header: bool,
    styled: bool,
) -> String {
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
    widths.resize(columns.len(), 0);
    for (width, found) in widths.iter_mut().zip(table.column_max_content_widths()) {
        *width = found.max(*width);
    }
    for (column, width) in table.column_iter_mut().zip(widths.iter()) {
        column.set_padding((0, 2));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width + 2)));
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

/// JSON text as one line for people: texts without quotes, lists of them with commas, `-` for nothing.
pub(super) fn cell(value: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(value) {
        Ok(serde_json::Value::Null) => "-".into(),
        Ok(serde_json::Value::String(text)) => plain(&text),
        Ok(serde_json::Value::Object(fields)) if fields.is_empty() => "-".into(),
        Ok(serde_json::Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
            match texts {
                Some(texts) if texts.is_empty() => "-".into(),
                Some(texts) => plain(&texts.join(",")),
                None => plain(value),
            }
        }
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::TASK;

    const ITEM: &str = r#"{"id":"1","title":"two\nlines\u001b[2J","labels":{},"created_at":"2026-11-22T08:00:00.123Z","error":null}"#;

    #[test]
    fn a_row_is_one_line_that_cannot_steer_the_terminal() {
        let columns = [
            ("ID", "id"),
            ("AT", "created_at"),
            ("WHY", "error.class"),
            ("TITLE", "title"),
        ];
        let columns = columns.map(|(head, path)| (head.to_owned(), path.to_owned()));
        let mut widths = vec![];
        let first = rows(&columns, &[ITEM.into()], &mut widths, true, false);
        let wanted =
            "ID  AT                    WHY  TITLE\n1   2026-11-22T08:00:00Z  -    two lines [2J\n";
        assert_eq!(first, wanted);
        // A later page keeps the columns of the first one.
        let later = rows(
            &columns,
            &[r#"{"id":"2"}"#.into()],
            &mut widths,
            false,
            false,
        );
        assert_eq!(later, "2   -                     -    -\n");
    }

    #[test]
    fn details_leave_out_what_is_not_set() {
        let text = details(&TASK, ITEM);
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("id             1\n"), "{text}");
        assert!(
            text.contains("created_at     2026-11-22T08:00:00Z\n"),
            "{text}"
        );
    }

    #[test]
    fn lists_of_texts_are_joined() {
        assert_eq!(cell(r#"["a","b"]"#), "a,b");
        assert_eq!(cell("[1,2]"), "[1,2]");
        assert_eq!(
            (cell("[]"), cell("{}"), cell("null")),
            ("-".into(), "-".into(), "-".into())
        );
    }
}

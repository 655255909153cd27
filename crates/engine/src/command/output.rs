//! The result of a run: what a program wrote to stdout, read by the rules of contracts.md section 4.

use super::heard::Ear;
use serde_json::{Value, json};
use warrener_model::limits;

/// Collects stdout up to a bound; what is over it is read and dropped, so that the program can end.
#[derive(Debug)]
pub(super) struct Output {
    kept: Vec<u8>,
    limit: usize,
    over: bool,
}

impl Output {
    /// An output of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            over: false,
        }
    }

    /// The result, or `None` if it is over the bound, as written or as JSON.
    pub(super) fn into_value(self) -> Option<Value> {
        if self.over {
            return None;
        }
        let value = read(&String::from_utf8_lossy(&self.kept));
        // Text that is all quotes doubles as JSON, and it is as JSON that results travel.
        let size = serde_json::to_vec(&value).map_or(usize::MAX, |json| json.len());
        (size <= self.limit.saturating_add(WRAPPING)).then_some(value)
    }
}

impl Ear for Output {
    fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.kept.len();
        self.over |= bytes.len() > room;
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// What `{"text":""}` adds to the text that was written.
const WRAPPING: usize = 11;

fn read(text: &str) -> Value {
    let whole = parse(text).filter(|value| value.is_object() || value.is_array());
    let last = || {
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        parse(line).filter(Value::is_object)
    };
    whole.or_else(last).unwrap_or_else(|| {
        // One line end belongs to the line, as for the shell's $(…).
        let text = text
            .strip_suffix('\n')
            .map_or(text, |it| it.strip_suffix('\r').unwrap_or(it));
        json!({ "text": text })
    })
}

fn parse(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (depth(&value) <= limits::JSON_DEPTH).then_some(value)
}

/// How deep a value is nested; the parser's own bound (128) keeps this recursion short.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + inner.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_is_read_as_the_contract_says() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let table = [
            ("", json!({"text": ""})),
            ("hello\n", json!({"text": "hello"})),
            ("hello\r\n\n", json!({"text": "hello\r\n"})),
            ("{\"a\":1}\n", json!({"a": 1})),
            (" [1,\n2] ", json!([1, 2])),
            ("42", json!({"text": "42"})),
            ("\"word\"", json!({"text": "\"word\""})),
            ("log\n{\"a\":1}\n\n  \n", json!({"a": 1})),
            ("log\n[1]\n", json!({"text": "log\n[1]"})),
            ("{\"a\":1}\nlog\n", json!({"text": "{\"a\":1}\nlog"})),
            ("{\"a\":1}\n{\"a\":2}\n", json!({"a": 2})),
            ("{\"a\":1} trailing", json!({"text": "{\"a\":1} trailing"})),
            (&deep(65), json!({"text": deep(65)})),
            (&deep(100_000), json!({"text": deep(100_000)})),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected, "{:?}", &text[..text.len().min(80)]);
        }
        assert!(read(&deep(64)).is_array());
    }

    #[test]
    fn the_bound_holds_for_what_is_written_and_for_its_json() {
        let of = |bytes: &[u8]| {
            let mut output = Output::new(10);
            bytes.chunks(3).for_each(|piece| output.push(piece));
            output.into_value()
        };
        assert_eq!(of(b"0123456789"), Some(json!({"text": "0123456789"})));
        assert_eq!(of(b"0123456789a"), None);
        assert_eq!(of(b"\"\"\"\"\"\"\"\"\"\""), None);
        assert_eq!(of(b"\xff\xfe"), Some(json!({"text": "\u{fffd}\u{fffd}"})));
    }
}

//! The result of a run: what a program wrote to stdout, read by the rules of contracts.md section 4.

use super::heard::Ear;
use serde_json::json;
use warrener_model::{Json, limits};

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
    pub(super) fn into_json(self) -> Option<Json> {
        if self.over {
            return None;
        }
        let json = read(&String::from_utf8_lossy(&self.kept));
        // Text that is all quotes doubles as JSON, and it is as JSON that results travel.
        let size = json.as_str().len();
        (size <= self.limit.saturating_add(WRAPPING)).then_some(json)
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

fn read(text: &str) -> Json {
    let last = || {
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        parse(line, &['{'])
    };
    let whole = parse(text, &['{', '[']);
    whole.or_else(last).unwrap_or_else(|| {
        // One line end belongs to the line, as for the shell's $(…).
        let text = text
            .strip_suffix('\n')
            .map_or(text, |it| it.strip_suffix('\r').unwrap_or(it));
        Json::of(&json!({ "text": text })).unwrap_or_default()
    })
}

/// The text as it was written, on one line: numbers of any size keep their digits, since nobody here reads them.
fn parse(text: &str, begins: &[char]) -> Option<Json> {
    let text = text.trim_ascii();
    if !text.starts_with(begins) {
        return None;
    }
    let json = Json::parse(text.to_owned()).ok()?;
    (json.depth() <= limits::JSON_DEPTH).then(|| json.compact())
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
            assert_eq!(
                read(text).value(),
                expected,
                "{:?}",
                &text[..text.len().min(80)]
            );
        }
        assert_eq!(read(&deep(64)).as_str(), deep(64));
    }

    #[test]
    fn numbers_keep_their_digits_and_fields_their_order() {
        let one = r#"{"n":123456789012345678901234567890,"x":1e400,"a":-0.10}"#;
        assert_eq!(read(&format!("log\n{one}\n")).as_str(), one);
        let lines =
            "{\n  \"n\": 123456789012345678901234567890,\n  \"x\": 1e400, \"a\": -0.10\n}\n";
        assert_eq!(read(lines).as_str(), one);
    }

    #[test]
    fn the_bound_holds_for_what_is_written_and_for_its_json() {
        let of = |bytes: &[u8]| {
            let mut output = Output::new(10);
            bytes.chunks(3).for_each(|piece| output.push(piece));
            output.into_json().map(|json| json.value())
        };
        assert_eq!(of(b"0123456789"), Some(json!({"text": "0123456789"})));
        assert_eq!(of(b"0123456789a"), None);
        assert_eq!(of(b"\"\"\"\"\"\"\"\"\"\""), None);
        assert_eq!(of(b"\xff\xfe"), Some(json!({"text": "\u{fffd}\u{fffd}"})));
    }
}

//! The control lines on file descriptor 3: progress, and the error that overrules the exit code. What is not
//! understood is noted in the log and ignored, except an error whose class is unknown: that is still an error.

use super::heard::Ear;
use super::{Signal, text};
use serde_json::Value;
use std::collections::VecDeque;
use warrener_model::failure::Class;
use warrener_model::limits;

/// Bytes of one line.
pub(super) const LINE_BYTES: usize = 64 * 1024;
/// Lines that are noted in the log as not understood; more are ignored in silence.
const NOTES: u32 = 20;

/// The error that a program reported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reported {
    pub(super) class: Class,
    pub(super) message: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
}

/// Collects the lines.
#[derive(Debug, Default)]
pub(super) struct Control {
    line: Vec<u8>,
    too_long: bool,
    noted: u32,
    notes: VecDeque<String>,
    progress: Option<Signal>,
    error: Option<Reported>,
}

impl Control {
    /// Nothing more will be read; a last line needs no line end.
    pub(super) fn close(&mut self) {
        self.end_line();
    }

    /// The error that the program reported, the last one if several.
    pub(super) fn take_error(&mut self) -> Option<Reported> {
        self.error.take()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            self.note(&format!("longer than {LINE_BYTES} bytes"), &line);
        } else if !line.trim_ascii().is_empty() {
            self.read(&line);
        }
    }

    fn read(&mut self, line: &[u8]) {
        // A stray byte in a message must not hide an error.
        let Ok(value) = serde_json::from_str::<Value>(&String::from_utf8_lossy(line)) else {
            return self.note("not JSON", line);
        };
        let progress = value.get("progress").filter(|it| it.is_object());
        let error = value.get("error").filter(|it| !it.is_null());
        if let Some(progress) = progress {
            self.progress = Some(read_progress(progress));
        }
        if let Some(error) = error {
            let (reported, understood) = read_error(error);
            self.error = Some(reported);
            if !understood {
                self.note(
                    "no error class that a program may report, so it counts as business",
                    line,
                );
            }
        }
        if progress.is_none() && error.is_none() {
            self.note("neither \"progress\" nor \"error\"", line);
        }
    }

    fn note(&mut self, why: &str, line: &[u8]) {
        self.noted += 1;
        if self.noted <= NOTES {
            let start = String::from_utf8_lossy(&line[..line.len().min(200)]);
            self.notes
                .push_back(format!("[file descriptor 3: {why}: {}]\n", start.trim()));
        }
    }
}

impl Ear for Control {
    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', rest)) => (rest, true),
                _ => (part, false),
            };
            self.too_long |= self.line.len() + part.len() > LINE_BYTES;
            if !self.too_long {
                self.line.extend_from_slice(part);
            }
            if ends {
                self.end_line();
            }
        }
    }

    fn has_next(&self) -> bool {
        self.progress.is_some() || !self.notes.is_empty()
    }

    fn next(&mut self) -> Option<Signal> {
        self.notes
            .pop_front()
            .map(Signal::note)
            .or_else(|| self.progress.take())
    }
}

fn read_progress(progress: &Value) -> Signal {
    let fraction = progress.get("fraction").and_then(Value::as_f64);
    Signal::Progress {
        fraction: fraction.map(|it| it.clamp(0.0, 1.0)),
        message: message(progress),
    }
}

/// The error, and whether its class is one that programs may report.
fn read_error(error: &Value) -> (Reported, bool) {
    let class = error
        .get("class")
        .and_then(Value::as_str)
        .and_then(|word| word.parse().ok());
    // Lost, crash and interrupted are what others observe; a program that claims them would change its own count.
    let class = class.filter(|it| !matches!(it, Class::Lost | Class::Crash | Class::Interrupted));
    let longest = limits::RETRY_AFTER.as_secs_f64() * 1000.0;
    let after = error
        .get("retry_after_ms")
        .and_then(Value::as_f64)
        .filter(|ms| *ms >= 0.0);
    let after = after.map(|ms| ms.min(longest) as u64);
    let message = error
        .as_str()
        .map_or_else(|| message(error), |text| Some(bounded(text)));
    let reported = Reported {
        class: class.unwrap_or(Class::Business),
        message,
        retry_after_ms: after,
    };
    (reported, class.is_some())
}

fn message(object: &Value) -> Option<String> {
    let text = object.get("message")?.as_str()?;
    (!text.trim().is_empty()).then(|| bounded(text))
}

fn bounded(message: &str) -> String {
    text::clip(message, limits::ERROR_MESSAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &str) -> (Vec<Signal>, Option<Reported>) {
        let mut control = Control::default();
        // A byte at a time, as a slow pipe would give it.
        lines
            .as_bytes()
            .iter()
            .for_each(|byte| control.push(&[*byte]));
        control.close();
        let signals = std::iter::from_fn(|| control.next()).collect();
        (signals, control.take_error())
    }

    #[test]
    fn the_last_error_and_the_newest_progress_count() {
        let (signals, error) = heard(concat!(
            "{\"progress\":{\"fraction\":0.4,\"message\":\"half\"}}\n\n",
            "{\"error\":{\"class\":\"network\",\"message\":\"first\"}}\n",
            "{\"progress\":{\"fraction\":7}}\r\n",
            "{\"error\":{\"class\":\"rate_limit\",\"message\":\"slow down\",\"retry_after_ms\":30000}}",
        ));
        assert_eq!(
            signals,
            [Signal::Progress {
                fraction: Some(1.0),
                message: None
            }]
        );
        let message = Some("slow down".into());
        let expected = Reported {
            class: Class::RateLimit,
            message,
            retry_after_ms: Some(30_000),
        };
        assert_eq!(error, Some(expected));
    }

    #[test]
    fn an_error_without_a_class_of_its_own_is_business() {
        for (line, message) in [
            (r#"{"error":{"message":"no"}}"#, Some("no")),
            (r#"{"error":{"class":"weird","message":"no"}}"#, Some("no")),
            (
                r#"{"error":{"class":"interrupted","message":"no"}}"#,
                Some("no"),
            ),
            (r#"{"error":"no"}"#, Some("no")),
            (r#"{"error":{}}"#, None),
        ] {
            let (signals, error) = heard(line);
            let error = error.expect(line);
            assert_eq!(
                (error.class, error.message.as_deref()),
                (Class::Business, message)
            );
            assert_eq!(signals.len(), 1, "{line} is noted");
        }
    }

    #[test]
    fn a_pause_is_at_most_a_day_and_never_negative() {
        for (asked, given) in [("1e30", Some(86_400_000)), ("-5", None), ("\"x\"", None)] {
            let line = format!(r#"{{"error":{{"class":"rate_limit","retry_after_ms":{asked}}}}}"#);
            assert_eq!(
                heard(&line).1.expect("an error").retry_after_ms,
                given,
                "{asked}"
            );
        }
    }

    #[test]
    fn nonsense_is_noted_a_few_times_and_ignored() {
        let (signals, error) = heard("nonsense\n[1]\n{\"progres\":{}}\n{\"progress\":4}\n");
        assert_eq!((signals.len(), error), (4, None));
        assert_eq!(heard(&"x\n".repeat(500)).0.len(), 20);
        let mut control = Control::default();
        control.push(&vec![b'x'; 10 * LINE_BYTES]);
        assert!(control.line.len() <= LINE_BYTES);
        control.push(b"\n{\"error\":{\"class\":\"network\"}}\n");
        assert_eq!(
            control.take_error().map(|it| it.class),
            Some(Class::Network)
        );
    }
}

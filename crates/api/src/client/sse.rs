//! Reads a stream of server-sent events.

use super::{Call, Client, ClientError, Result, call};
use std::fmt;
use std::io::{BufRead, BufReader};
use ureq::BodyReader;
use ureq::http::Method;

/// The longest line that is read; a stream carries no payloads.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub event: String,
    /// Its cursor.
    pub id: Option<String>,
    /// What it carries.
    pub data: String,
}

/// Events as they come; ends with the stream.
pub struct Events {
    lines: BufReader<BodyReader<'static>>,
    url: String,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a stream; after the event with this id, if one is given.
    pub(super) fn listen(&self, path: String, last: Option<&str>) -> Result<Events> {
        let response = self.open(
            Call {
                last,
                ..call(Method::GET, path)
            },
            None,
        )?;
        if response.status().as_u16() >= 400 {
            return Err(self.refusal(response));
        }
        Ok(Events {
            lines: BufReader::new(response.into_body().into_reader()),
            url: self.url().to_owned(),
        })
    }
}

impl Events {
    fn line(&mut self) -> Option<Result<String>> {
        let mut line = Vec::new();
        loop {
            let chunk = match self.lines.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(self.broken(&error.to_string()))),
            };
            if chunk.is_empty() {
                return None;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
            let used = end.map_or(chunk.len(), |at| at + 1);
            self.lines.consume(used);
            if end.is_some() {
                break;
            }
            if line.len() > LINE_BYTES_MAX {
                return Some(Err(self.broken("a line of the stream is too long")));
            }
        }
        let line = String::from_utf8_lossy(&line);
        Some(Ok(line.trim_end_matches('\r').to_owned()))
    }

    fn broken(&self, reason: &str) -> ClientError {
        ClientError::Unreachable {
            url: self.url.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut event = Event::default();
        loop {
            let line = match self.line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            if line.is_empty() {
                if event != Event::default() {
                    return Some(Ok(event));
                }
                continue;
            }
            take(&mut event, &line);
        }
    }
}

/// Takes one line of an event; comments and unknown fields are nothing.
fn take(event: &mut Event, line: &str) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match name {
        "event" => event.event = value.into(),
        "id" => event.id = Some(value.into()),
        "data" => {
            if !event.data.is_empty() {
                event.data.push('\n');
            }
            event.data.push_str(value);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_event_are_put_together() {
        let mut event = Event::default();
        for line in [
            ": ping",
            "event: log",
            "id: 7",
            "data: {\"a\":",
            "data:1}",
            "retry: 5",
        ] {
            take(&mut event, line);
        }
        let wanted = Event {
            event: "log".into(),
            id: Some("7".into()),
            data: "{\"a\":\n1}".into(),
        };
        assert_eq!(event, wanted);
    }
}

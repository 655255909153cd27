//! The stream of changes as any client of server-sent events reads it.

use crate::http::Http;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use ureq::BodyReader;

/// What comes, in order.
pub(crate) struct Events {
    lines: Lines<BufReader<BodyReader<'static>>>,
}

impl Http {
    /// From now on, or from after this cursor; comes back once the server listens.
    #[track_caller]
    pub(crate) fn listen(&self, topics: &str, after: Option<u64>) -> Events {
        let url = format!("{}/api/v1/stream?topics={topics}", self.url);
        let request = self.agent.get(url);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = match after {
            Some(after) => request.header("last-event-id", after.to_string()),
            None => request,
        };
        let reply = request.call().unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        let lines = BufReader::new(reply.into_body().into_reader()).lines();
        Events { lines }
    }
}

impl Events {
    /// The next one: its name, and its data.
    #[track_caller]
    pub(crate) fn next(&mut self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let line = self.lines.next().expect("the stream goes on").unwrap();
            if let Some(word) = line.strip_prefix("event:") {
                name = word.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                return (name, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Reads on until one is wanted.
    #[track_caller]
    pub(crate) fn until(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (event, data) = self.next();
            if event == name && wanted(&data) {
                return data;
            }
        }
    }
}

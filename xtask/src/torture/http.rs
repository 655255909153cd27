//! The server as its users see it: plain HTTP, one connection a question, a short patience.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// How long an answer may take: shorter than the longest stop of the server, so that some answers
/// are lost on the way.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A status and a body; null where it is no JSON.
    Said(u16, Value),
    /// Nothing that could be understood: it may have happened or not.
    Nothing,
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: Agent,
    url: String,
    token: String,
}

impl Http {
    pub(crate) fn new(url: String, token: &str) -> Http {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // A connection to a server that was killed is of no use to the next question.
            .max_idle_connections(0)
            .build();
        Http {
            agent: config.into(),
            url,
            token: format!("Bearer {token}"),
        }
    }

    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", &self.token)
            .header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let Ok(mut response) = request.send(body.to_string()) else {
            return Answer::Nothing;
        };
        let status = response.status().as_u16();
        // A body that breaks off is no answer, whatever its status said.
        match response.body_mut().read_to_string() {
            Ok(text) => Answer::Said(status, serde_json::from_str(&text).unwrap_or_default()),
            Err(_) => Answer::Nothing,
        }
    }

    /// The text at a path, if it was found.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut response = request
            .header("Authorization", &self.token)
            .call()
            .ok()
            .filter(|response| response.status().as_u16() == 200)?;
        response.body_mut().read_to_string().ok()
    }
}

//! The question that a task puts to agents before it starts, and how the decision gets into its input.

use super::{Mistake, Submission};
use crate::json::Json;
use crate::session::{OpenSession, Session};
use crate::{SessionId, Timestamp, limits};
use std::collections::BTreeMap;

/// Where the decision stands in the input.
const DECISION: &str = "decision";
/// The most that a decision adds to an input; what is longer leaves out who said what.
const BYTES: usize = 16 * 1024;

impl Submission {
    /// The session that opens with this task, if it asks for one.
    ///
    /// # Errors
    /// Every mistake of the question, and an input that has no place for a decision.
    pub fn question(&self) -> Result<Option<OpenSession>, Vec<Mistake>> {
        let Some(text) = &self.collaboration else {
            return Ok(None);
        };
        let mut mistakes = vec![];
        match fields(&self.input) {
            None => mistakes.push(Mistake::at(
                "/input",
                "must be an object or null beside `collaboration`: the decision is put into it",
            )),
            Some(fields) if fields.contains_key(DECISION) => mistakes.push(Mistake::at(
                format!("/input/{DECISION}"),
                "is where `collaboration` puts its decision: choose another name",
            )),
            Some(_) => {}
        }
        if self.input.as_str().len() + BYTES > limits::INPUT_BYTES {
            let most = limits::INPUT_BYTES - BYTES;
            mistakes.push(Mistake::at(
                "/input",
                format!("has more than {most} bytes, which leaves no room for the decision"),
            ));
        }
        let read = OpenSession::read(text.as_str()).and_then(|mut request| {
            if request.topic.is_empty() {
                request.topic.clone_from(&self.title);
            }
            // Who lives now is for later; nothing else can be wrong then.
            crate::session::open(
                SessionId::from_bytes([0; 16]),
                &request,
                &[],
                Timestamp::default(),
            )?;
            Ok(request)
        });
        match read {
            Ok(request) if mistakes.is_empty() => Ok(Some(request)),
            Ok(_) => Err(mistakes),
            Err(found) => {
                mistakes.extend(found.into_iter().map(|one| Mistake {
                    pointer: format!("/collaboration{}", one.pointer),
                    ..one
                }));
                Err(mistakes)
            }
        }
    }
}

/// The input of a task, once this session is over: with the field `decision`, whatever was decided.
pub fn with_decision(input: &Json, session: &Session) -> Json {
    let mut decision = session.output();
    if decision.as_str().len() > BYTES {
        decision = session.output_alone();
    }
    let mut fields = fields(input).unwrap_or_default();
    fields.insert(DECISION.into(), decision);
    Json::of(&fields).unwrap_or_default()
}

/// Whether an input has a decision, or is none that could have one.
pub fn has_decision(input: &Json) -> bool {
    fields(input).is_none_or(|fields| fields.contains_key(DECISION))
}

/// What an input has that is an object, or nothing yet.
fn fields(input: &Json) -> Option<BTreeMap<String, Json>> {
    match input.as_str().trim() {
        "null" => Some(BTreeMap::new()),
        text => serde_json::from_str(text).ok(),
    }
}

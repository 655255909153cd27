//! Submissions over the broker: what a leader says on the way to the servers, and what it hears on its control address.

use super::{Body, BodyError, VERSION};
use crate::agent::Who;
use crate::id::{InstanceId, MessageId, TaskId};
use crate::json::Json;
use crate::name::AgentId;
use crate::submission::{Mistake, Submission};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Leader to server: a task, please. Its body is that of `POST /api/v1/tasks`, with the sender's `agent_id` and `instance`
/// if it wants an answer; with `"result": true` it hears how the task ended, too. Its message id is the idempotency key.
#[derive(Clone, Copy, Debug)]
pub struct Submit;

/// Why a submission cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// It is no message of this version.
    Body(BodyError),
    /// It is one, and what it asks for has mistakes.
    Mistakes(Vec<Mistake>),
}

/// What of a message is not the request.
const ENVELOPE: [&str; 4] = ["v", "agent_id", "instance", "result"];

impl Submit {
    /// The name of the type.
    pub const TYPE: &'static str = "submit";

    /// Reads the request. Unlike elsewhere `v` may be left out, so that the body of a request is a body here.
    ///
    /// # Errors
    /// [`NotRead`].
    pub fn read(body: &[u8]) -> Result<Submission, NotRead> {
        let malformed = |reason: String| {
            let kind = Submit::TYPE;
            NotRead::Body(BodyError::Malformed { kind, reason })
        };
        let mut fields: BTreeMap<String, Json> =
            serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        if let Some(v) = fields.get("v") {
            let found = v.as_str().parse();
            let found: u32 = found.map_err(|_| malformed(format!("v is {:.20}", v.as_str())))?;
            if found != VERSION {
                let kind = Submit::TYPE;
                return Err(NotRead::Body(BodyError::Version { kind, found }));
            }
        }
        let requester = requester(&fields)?;
        fields.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
        let request = Json::of(&fields).map_err(|error| malformed(error.to_string()))?;
        let read = Submission::read(request.as_str()).map_err(NotRead::Mistakes)?;
        Ok(Submission { requester, ..read })
    }
}

/// Who wants to hear how the task ends, if somebody does: `result` is true, and the sender says who it is.
fn requester(fields: &BTreeMap<String, Json>) -> Result<Option<Who>, NotRead> {
    let no = |message: &str| {
        let mistake = Mistake::at("/result", message);
        Err(NotRead::Mistakes(vec![mistake]))
    };
    match fields.get("result").map(Json::as_str) {
        None | Some("false" | "null") => Ok(None),
        Some("true") => {
            let half = |name: &str| fields.get(name).map_or("", Json::as_str);
            let agent: Option<AgentId> = serde_json::from_str(half("agent_id")).ok();
            let instance: Option<InstanceId> = serde_json::from_str(half("instance")).ok();
            match agent.zip(instance) {
                Some((agent, instance)) => Ok(Some(Who { agent, instance })),
                None => no("needs agent_id and instance: whom to tell"),
            }
        }
        Some(_) => no("is true or false"),
    }
}

/// Leader to server: cancel a task. With the sender's `agent_id` and `instance` if it wants an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubmitCancel {
    /// The task.
    pub task_id: TaskId,
    /// In words.
    #[serde(default)]
    pub reason: String,
}

impl Body for SubmitCancel {
    const TYPE: &'static str = "cancel";
}

/// Server to leader: it is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubmitAccepted {
    /// The message that this answers.
    pub message_id: MessageId,
    /// The task.
    pub task_id: TaskId,
    /// It was so before, by the same message, or by a request with its id as the key.
    pub duplicate: bool,
}

impl Body for SubmitAccepted {
    const TYPE: &'static str = "submit.accepted";
}

/// Server to leader: no, and sent again it will be no again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubmitRefused {
    /// The message that this answers.
    pub message_id: MessageId,
    /// Why.
    pub problem: Problem,
}

impl Body for SubmitRefused {
    const TYPE: &'static str = "submit.refused";
}

/// What a problem says, without what is HTTP's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// One of the error codes (docs/errors/).
    pub code: String,
    /// In words.
    pub detail: String,
    /// Every mistake with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Mistake>,
    /// The task that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_the_body_of_a_request_with_its_sender() {
        let bare = br#"{"kind":"work","input":{"n":1e400}}"#;
        let signed =
            br#"{"v":1,"agent_id":"ann","instance":"00000001","kind":"work","input":{"n":1e400}}"#;
        let read = Submit::read(bare).unwrap();
        assert_eq!(read.input.as_str(), r#"{"n":1e400}"#);
        assert_eq!(Submit::read(signed).unwrap(), read);
    }

    #[test]
    fn what_is_no_message_is_told_from_what_is_no_request() {
        let version = Submit::read(br#"{"v":2,"kind":"work"}"#).unwrap_err();
        assert!(matches!(
            version,
            NotRead::Body(BodyError::Version { found: 2, .. })
        ));
        for garbage in [&b"\xff"[..], b"[]", br#"{"v":"1","kind":"work"}"#] {
            let read = Submit::read(garbage).unwrap_err();
            assert!(
                matches!(read, NotRead::Body(BodyError::Malformed { .. })),
                "{read:?}"
            );
        }
        let NotRead::Mistakes(mistakes) = Submit::read(br#"{"kind":"a","lan":"b"}"#).unwrap_err()
        else {
            panic!("a mistake is no garbage");
        };
        assert_eq!(mistakes[0].pointer, "/lan");
        assert!(mistakes[0].message.contains("\"lane\""));
    }
}

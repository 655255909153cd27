//! Runs of workflows: asking for one, and how one is shown.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use utoipa::ToSchema;
use warrener_model::Timestamp;
use warrener_model::id::{RunId, TaskId};
use warrener_model::json::Json;

use crate::words::{RunState, StepState, Word};

/// What starts a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunRequest {
    /// The text of the workflow file: YAML, or JSON.
    #[schema(required = true)]
    pub workflow: String,
    /// A value for each input that is required, and for others.
    pub inputs: serde_json::Map<String, serde_json::Value>,
}

/// A run of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Run)]
pub struct RunObject {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RunId,
    /// The name of the workflow.
    pub name: String,
    /// Where it is; `parked` while all that is open of it waits for a person.
    #[schema(value_type = RunState)]
    pub state: Word,
    /// Nothing of it is open any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What was given, with the defaults; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Json>,
    /// What it leaves, once it succeeded; lists leave it out.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub output: Option<Json>,
    /// Its steps by id, in the order of the file; lists leave them out.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    #[schema(value_type = BTreeMap<String, RunStep>)]
    pub steps: Steps,
    /// What failed first.
    pub error: Option<String>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
    /// The task in whose place it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub parent_id: Option<TaskId>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its first steps began: with its acceptance.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When nothing of it was open any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// It was accepted before, under the same key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Where it is; `blocked` while it is pending in a run that begins nothing more.
    #[schema(value_type = StepState)]
    pub state: Word,
    /// How many of its tasks are over.
    pub done: u32,
    /// How many of these did not succeed.
    pub failed: u32,
    /// How many tasks it has.
    pub total: u32,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Steps by id, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps(pub Vec<(String, RunStep)>);

impl Steps {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, step) in &self.0 {
            map.serialize_entry(id, step)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Steps;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("steps by id")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Steps, A::Error> {
                let mut steps = vec![];
                while let Some(entry) = map.next_entry()? {
                    steps.push(entry);
                }
                Ok(Steps(steps))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_order() {
        let text = r#"{"z":{"state":"pending","done":0,"failed":0,"total":0},"a":{"state":"running","done":1,"failed":0,"total":2}}"#;
        let steps: Steps = serde_json::from_str(text).unwrap();
        let ids: Vec<&str> = steps.0.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["z", "a"]);
        assert_eq!(serde_json::to_string(&steps).unwrap(), text);
    }
}

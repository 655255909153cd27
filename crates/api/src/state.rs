//! Shared state: keys with versions, pages of them, locks.

use crate::words::{StateCause, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::state::Version;
use warrener_model::{Json, Timestamp};

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StateVersion)]
pub struct StateObject {
    /// The space.
    pub space: String,
    /// The key.
    pub key: String,
    /// Its number: one more than the one before, for ever.
    pub version: u64,
    /// The value; null for a tombstone too.
    #[serde(default)]
    #[schema(required = true, value_type = serde_json::Value)]
    pub value: Json,
    /// It is a tombstone: from here on the key has no value.
    pub deleted: bool,
    /// Why: `set`, `deleted`, `expired`, `restored`.
    #[schema(value_type = StateCause)]
    pub cause: Word,
    /// Who.
    pub actor: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When the value goes by itself.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Its place among all changes: a watch goes on from here.
    pub cursor: String,
}

impl From<Version> for StateObject {
    fn from(version: Version) -> Self {
        StateObject {
            space: version.space.to_string(),
            key: version.key.to_string(),
            version: version.version,
            deleted: version.value.is_none(),
            value: version.value.unwrap_or_default(),
            cause: version.cause.as_str().into(),
            actor: version.actor,
            at: version.at,
            expires_at: version.expires_at,
            cursor: version.cursor.0.to_string(),
        }
    }
}

/// Keys, versions, or changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatePage {
    /// The versions.
    pub items: Vec<StateObject>,
    /// Nothing up to here is missing: where a watch goes on, and what a restore names.
    pub cursor: String,
    /// The cursor of the next page; none on the last one.
    #[serde(default)]
    #[schema(required = true)]
    pub next: Option<String>,
}

/// A write that was made, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateWritten {
    /// The version.
    pub version: u64,
    /// Its place among all changes.
    pub cursor: String,
    /// When its value goes by itself.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restored {
    /// Keys that got a new version.
    pub changed: u64,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockObject {
    /// The space.
    pub space: String,
    /// The key it is named after.
    pub key: String,
    /// The newest fencing token: grows with every holder, for ever.
    pub token: u64,
    /// Who has it.
    #[schema(required = true)]
    pub holder: Option<String>,
    /// Until then, unless it is renewed.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

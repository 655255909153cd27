//! Shared state: spaces of keys whose values have versions. What a write makes of a key is decided here.
//!
//! Every change of a key is a new version of it, one more than the one before, for ever: a key that was deleted goes on
//! where it was. A deletion and an expiry are versions too, without a value (tombstones). Nothing is ever rewritten.

pub mod lock;

use crate::event::Cursor;
use crate::failure::UnknownWord;
use crate::json::Json;
use crate::name::{Space, StateKey};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a key is: the newest of its versions, without the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 for a key that never was.
    pub version: u64,
    /// It has a value.
    pub live: bool,
    /// From when on it has none.
    pub expires_at: Option<Timestamp>,
}

impl Head {
    /// What a caller may expect: the version of a value, 0 where there is none.
    pub fn seen(&self) -> u64 {
        if self.live { self.version } else { 0 }
    }

    /// Its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.live && self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Why a key has a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody set it.
    Set,
    /// Somebody deleted it.
    Deleted,
    /// Its time was over.
    Expired,
    /// Its space was restored.
    Restored,
}

impl Cause {
    /// Every one.
    pub const ALL: &[Cause] = &[Cause::Set, Cause::Deleted, Cause::Expired, Cause::Restored];

    /// The word used in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Set => "set",
            Cause::Deleted => "deleted",
            Cause::Expired => "expired",
            Cause::Restored => "restored",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let found = Cause::ALL.iter().find(|cause| cause.as_str() == s);
        found.copied().ok_or_else(|| UnknownWord {
            what: "cause",
            word: s.into(),
        })
    }
}

/// A version of a key, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its place among all changes of all spaces.
    pub cursor: Cursor,
    /// The space.
    pub space: Space,
    /// The key.
    pub key: StateKey,
    /// Its number.
    pub version: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// Who: `user:NAME`, `agent:NAME`, `server`.
    pub actor: String,
    /// The value; none for a tombstone.
    pub value: Option<Json>,
    /// When the value goes by itself.
    pub expires_at: Option<Timestamp>,
}

/// What is wanted of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// This value, until then.
    Set {
        /// The value.
        value: Json,
        /// When it goes by itself.
        expires_at: Option<Timestamp>,
    },
    /// No value.
    Delete,
}

/// Why a write was refused. Nothing happened then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is at another version than the one expected: this one, 0 without a value.
    Version(u64),
    /// The request's id belongs to another write, which made this version.
    Request(u64),
    /// There is nothing to delete.
    Absent,
    /// The writer's token of this lock is not the newest: somebody has, or had, the lock after it. The newest.
    Fenced(u64),
    /// Somebody has the lock, until then.
    Held {
        /// Who.
        holder: String,
        /// Until then, unless it is renewed.
        until: Timestamp,
    },
    /// The lock is not held under this token any more.
    NotHeld,
    /// What it wants to know is forgotten already.
    Forgotten,
    /// More keys than one change may write.
    TooMany(usize),
    /// More bytes than one change may write.
    TooLarge(usize),
}

/// What a write does to its key: a value that is over goes first, by a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The tombstone of a value that is over.
    pub expired: Option<u64>,
    /// The version that the write makes.
    pub version: u64,
    /// Why.
    pub cause: Cause,
}

/// Decides about a write. `expect` is the version that the key must have, 0 for no value.
///
/// # Errors
/// [`Refusal::Version`] and [`Refusal::Absent`].
pub fn write(head: Head, now: Timestamp, expect: Option<u64>, act: &Act) -> Result<Plan, Refusal> {
    let expired = head.is_over(now).then_some(head.version + 1);
    let head = Head {
        version: expired.unwrap_or(head.version),
        live: head.live && expired.is_none(),
        ..head
    };
    if expect.is_some_and(|expected| expected != head.seen()) {
        return Err(Refusal::Version(head.seen()));
    }
    let cause = match act {
        Act::Set { .. } => Cause::Set,
        Act::Delete if head.live => Cause::Deleted,
        Act::Delete => return Err(Refusal::Absent),
    };
    Ok(Plan {
        expired,
        version: head.version + 1,
        cause,
    })
}

/// What a restore wants of a key that had a value then, and has one now, or not; none if that is the same.
pub fn restore(
    then: Option<(&Json, Option<Timestamp>)>,
    now: Option<(&Json, Option<Timestamp>)>,
    at: Timestamp,
) -> Option<Act> {
    // A value that would have gone meanwhile does not come back.
    let then = then.filter(|(_, expires_at)| expires_at.is_none_or(|expires| expires > at));
    match (then, now) {
        (None, None) => None,
        (None, Some(_)) => Some(Act::Delete),
        (Some(then), Some(now)) if then == now => None,
        (Some((value, expires_at)), _) => Some(Act::Set {
            value: value.clone(),
            expires_at,
        }),
    }
}

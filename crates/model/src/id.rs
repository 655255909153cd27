//! Ids: tasks, claims, messages, sessions (UUIDv7) and agent instances. Made from time and randomness given as arguments.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an id (a UUID such as 01931b66-7d50-7c8a-b7a5-64d2f14f8c11)")]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Uuid);

        impl $type {
            /// A UUIDv7: `at` in its first 48 bits, `random` in the rest.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(at.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Of what a digest begins with: as RFC 9562 has it (version 8) for ids that are made of something else.
            pub fn of_digest(digest: &[u8; 32]) -> Self {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&digest[..16]);
                Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
            }

            /// The 16 bytes, for stores.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Back from the 16 bytes of a store.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                if s.len() != 36 {
                    return Err(IdError(s.chars().take(60).collect()));
                }
                Uuid::try_parse(s).map(Self).map_err(|_| IdError(s.into()))
            }
        }
    };
}

id!(
    /// A task; stable over attempts and replays, so it is the idempotency key that handlers pass on.
    TaskId
);
id!(
    /// One start of a handler, named by the agent that asks for it (protocol.md: a run).
    ClaimId
);
id!(
    /// One message; a resend keeps it.
    MessageId
);
id!(
    /// A store, made once when the store is made; two stores never share a namespace.
    StoreId
);
id!(
    /// One run of a workflow.
    RunId
);
id!(
    /// A session: a question put to agents, and what was decided.
    SessionId
);

/// One boot of an agent: the same agent id after a restart has another instance. Up to 48 characters of `[a-z0-9-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId(std::sync::Arc<str>);

impl InstanceId {
    /// Eight hexadecimal digits from randomness.
    pub fn random(random: u32) -> Self {
        Self(format!("{random:08x}").into())
    }

    /// The instance as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstanceId {
    type Error = IdError;
    fn try_from(s: String) -> Result<Self, IdError> {
        let plain = s
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if s.is_empty() || s.len() > 48 || !plain {
            return Err(IdError(s.chars().take(60).collect()));
        }
        Ok(Self(s.into()))
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuid_v7_and_sort_by_time() {
        let early = TaskId::new(Timestamp::from_millis(1_000), [255; 10]);
        let late = TaskId::new(Timestamp::from_millis(1_001), [0; 10]);
        assert!(early < late);
        let text = early.to_string();
        assert_eq!(text.as_bytes()[14], b'7');
        assert_eq!(text.parse(), Ok(early));
        assert!(
            "01931b667d507c8ab7a564d2f14f8c11"
                .parse::<TaskId>()
                .is_err()
        );
    }
}

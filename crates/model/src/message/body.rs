//! Bodies on the wire: JSON with its version.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of all messages there are; another one is rejected.
pub const VERSION: u32 = 1;

/// A message type: its name on the wire (AMQP property `type`) and its body.
pub trait Body: Serialize + DeserializeOwned {
    /// The name of the type.
    const TYPE: &'static str;
}

/// A body that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or not the shape of its type.
    #[error("malformed {kind}: {reason}")]
    Malformed {
        /// The type that was expected.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Another version.
    #[error("{kind} has version {found}; this server speaks version 1")]
    Version {
        /// The type that was expected.
        kind: &'static str,
        /// The version it has.
        found: u32,
    },
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// Writes a body with its version.
pub fn encode<B: Body>(body: &B) -> Vec<u8> {
    let text = serde_json::to_vec(body).expect("messages have string keys only");
    let mut bytes = Vec::with_capacity(text.len() + 8);
    let comma: &[u8] = if text.len() > 2 { b"," } else { b"" };
    bytes.extend_from_slice(b"{\"v\":1");
    bytes.extend_from_slice(comma);
    bytes.extend_from_slice(&text[1..]);
    bytes
}

/// Reads a body: the version first, unknown fields ignored.
///
/// # Errors
/// [`BodyError`] when it is not a body of this type and version.
pub fn decode<B: Body>(bytes: &[u8]) -> Result<B, BodyError> {
    let malformed = |e: serde_json::Error| BodyError::Malformed {
        kind: B::TYPE,
        reason: e.to_string(),
    };
    let Versioned { v } = serde_json::from_slice(bytes).map_err(malformed)?;
    if v != VERSION {
        return Err(BodyError::Version {
            kind: B::TYPE,
            found: v,
        });
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

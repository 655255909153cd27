//! Messages that were refused, as they are kept for people to look at.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::Timestamp;

/// A message of the broker or a link that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedObject {
    /// Its place; grows.
    pub n: u64,
    /// When it was refused, by the store's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where it was read: `results`, `presence`, `signals`, `submit` or `dead`.
    pub inbox: String,
    /// Why: `malformed`, `version`, `foreign`, `forged`, `role`, `no_offer`, or the code of a problem.
    pub class: String,
    /// In words.
    pub reason: String,
    /// The agent that sent it, where the broker can tell.
    #[schema(required = true)]
    pub sender: Option<String>,
    /// The type that it says it is of.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id; a made-up one if it had none.
    pub message_id: String,
    /// Bytes of its body.
    pub size: u64,
    /// The first 64 KiB of its body, as text; what is no UTF-8 is replaced. Only if `fields` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The fields of a [`RefusedObject`].
pub const FIELDS: [&str; 10] = [
    "n",
    "at",
    "inbox",
    "class",
    "reason",
    "sender",
    "type",
    "message_id",
    "size",
    "body",
];

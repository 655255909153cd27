//! What the frames of the link are made of: messages, answers, verdicts and problems.

use serde::{Deserialize, Serialize};
use warrener_model::id::{MessageId, StoreId};
use warrener_model::json::Json;

/// A message on its way to an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// `inbox/results`, `offers/<lane>`, `control/<agent>/<instance>`, `topic/<key>`, `dead`.
    pub to: String,
    /// Dropped when nobody took it within this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// What it says.
    pub message: Letter,
}

/// A message. (Nested, not flattened, in the frames that carry it: serde cannot keep a raw body
/// through a flattened or tagged shape, which is also why the frames are read in two steps.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// A resend keeps it.
    pub id: MessageId,
    /// The type of the body.
    pub kind: String,
    /// The store that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreId>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// On dead letters: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// As it is.
    pub body: Json,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What became of each message of a batch, in order.
    Receipts(Vec<Receipt>),
    /// The subscription that now delivers: the number of the request.
    Sub(u64),
    /// How full an address is.
    Depth(Depth),
    /// Whether the broker can be worked with.
    Health(Health),
}

/// What became of one published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// In a queue.
    Confirmed,
    /// No such address.
    Unroutable,
    /// No room.
    Full,
    /// May or may not be there.
    Unknown,
}

/// How many messages wait at an address, and who reads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Not delivered.
    pub ready: u64,
    /// Delivered, not settled.
    pub unsettled: u64,
    /// Subscriptions.
    pub consumers: u64,
}

/// Whether the broker behind the server can be worked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Yes.
    Up,
    /// It takes nothing for now.
    Blocked(String),
    /// Away.
    Down(String),
}

/// What is decided of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done with it.
    Ack,
    /// Cannot be read, and why.
    Reject(String),
    /// Deliver it again.
    Requeue,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What the client can do about it.
    pub code: Code,
    /// Which thing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// See [`Problem::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Away: try again later.
    Unavailable,
    /// No such address yet: try again later.
    NotFound,
    /// Somebody else has it.
    Taken,
    /// This client may not.
    NotAllowed,
    /// The broker behind the server cannot.
    Unsupported,
    /// A mistake of the client.
    Invalid,
    /// Something that this version has no word for.
    #[serde(other)]
    Other,
}

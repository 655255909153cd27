//! Messages that were refused, as a store keeps them for people to look at.

use crate::broker::Message;
use warrener_model::id::MessageId;
use warrener_model::{AgentId, Timestamp, limits};

/// A message that was refused, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMessage {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Where it was read: `results presence signals submit dead`.
    pub inbox: String,
    /// Why, in one word.
    pub class: String,
    /// In words.
    pub reason: String,
    /// The agent that sent it, where the broker can tell.
    pub sender: Option<AgentId>,
    /// The type of its body, as it says.
    pub kind: String,
    /// Its id; a made-up one if it had none.
    pub message: MessageId,
    /// Bytes of the whole body.
    pub size: u64,
    /// The body, or the beginning of it.
    pub body: Vec<u8>,
}

impl RefusedMessage {
    /// What is kept of a message: everything but what is over a limit.
    pub fn of(message: &Message, at: Timestamp, inbox: &str, class: &str, reason: &str) -> Self {
        let body = &message.body[..message.body.len().min(limits::REFUSED_BYTES)];
        RefusedMessage {
            at,
            inbox: inbox.into(),
            class: class.into(),
            reason: clip(reason),
            sender: message.sender.clone(),
            kind: clip(&message.kind),
            message: message.id,
            size: message.body.len() as u64,
            body: body.to_vec(),
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(limits::REFUSED_REASON_CHARS).collect()
}

/// A refused message with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Grows within a store.
    pub n: u64,
    /// The message; without its body where nobody asked for that.
    pub message: RefusedMessage,
}

//! A batch as frames: as few as hold it.

use crate::wire;
use warrener_api::link::Sent;
use warrener_backend::broker::Outgoing;
use warrener_backend::error::Result;
use warrener_model::limits::LINK_FRAME_BYTES;

/// What a frame needs beside its messages.
const AROUND: usize = 64;

/// Parts that each fit into a frame, in order. A message that fits into none is a part of its own:
/// whoever writes it measures it exactly.
///
/// # Errors
/// `Invalid` when a body is not JSON.
pub(super) fn split(batch: &[Outgoing]) -> Result<Vec<Vec<Sent>>> {
    let mut parts = Vec::new();
    let (mut part, mut size) = (Vec::new(), AROUND);
    for out in batch {
        let bytes = at_most(out);
        if size + bytes > LINK_FRAME_BYTES && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            size = AROUND;
        }
        size += bytes;
        part.push(wire::sent(out)?);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}

/// The most bytes that a message takes in a frame: its body as it is, its words escaped at worst,
/// and what is around them.
fn at_most(out: &Outgoing) -> usize {
    let message = &out.message;
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let words = out.to.to_string().len()
        + message.kind.len()
        + optional(&message.trace)
        + optional(&message.reason);
    message.body.len() + 6 * words + 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_api::link::{Publish, ToServer};
    use warrener_backend::broker::{Address, Inbox, Message};
    use warrener_model::Timestamp;
    use warrener_model::id::{MessageId, StoreId};

    fn out(body_bytes: usize) -> Outgoing {
        let at = Timestamp::from_millis(1_700_000_000_000);
        Outgoing {
            to: Address::Inbox(Inbox::Presence),
            message: Message {
                id: MessageId::new(at, [255; 10]),
                kind: "a \"kind\"\u{1}".into(),
                store: Some(StoreId::new(at, [255; 10])),
                sender: None,
                trace: Some("\u{1}\u{2}\u{3}".into()),
                body: format!("\"{}\"", "x".repeat(body_bytes - 2)).into(),
                reason: Some("\"\"".into()),
            },
            expires: Some(std::time::Duration::MAX),
        }
    }

    fn sizes(batch: &[Outgoing]) -> Vec<usize> {
        split(batch).unwrap().iter().map(Vec::len).collect()
    }

    #[test]
    fn a_batch_is_split_only_where_it_must_be() {
        let half = LINK_FRAME_BYTES / 2;
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[out(10), out(10), out(10)]), [3]);
        assert_eq!(sizes(&[out(half), out(half), out(10)]), [1, 2]);
        assert_eq!(sizes(&[out(10), out(half), out(half)]), [2, 1]);
        assert_eq!(sizes(&[out(10), out(5 * half), out(10)]), [1, 1, 1]);
    }

    #[test]
    fn parts_of_many_messages_never_outgrow_a_frame() {
        let batch: Vec<Outgoing> = (0..200).map(|n| out(1_000 + 300 * n)).collect();
        let parts = split(&batch).unwrap();
        assert!(parts.len() > 2);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 200);
        for batch in parts {
            let n = u64::MAX;
            let text = ToServer::Publish(Publish { n, batch }).write();
            assert!(text.len() <= LINK_FRAME_BYTES, "{}", text.len());
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_not_sent() {
        let mut bad = out(10);
        bad.message.body = "{".into();
        assert!(split(&[out(10), bad]).is_err());
    }
}

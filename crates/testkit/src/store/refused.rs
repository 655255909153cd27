//! Refused messages: kept as they came, newest first, and no more than the limit.

use super::Harness;
use super::sample::{at, done};
use bytes::Bytes;
use warrener_backend::refused::RefusedMessage;
use warrener_backend::store::Op;
use warrener_backend::{Change, Message, Store};
use warrener_model::AgentId;
use warrener_model::id::MessageId;
use warrener_model::limits::{REFUSED_BYTES, REFUSED_REASON_CHARS, REFUSED_ROWS};

fn message(body: impl Into<Bytes>) -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        kind: "claim".into(),
        store: None,
        sender: AgentId::new("ann").ok(),
        trace: None,
        body: body.into(),
        reason: None,
    }
}

fn refused(n: i64) -> RefusedMessage {
    let message = message(format!("body {n}"));
    RefusedMessage::of(&message, at(n), "results", "malformed", "no JSON")
}

async fn keep(store: &dyn Store, numbers: std::ops::Range<i64>) {
    let ops = numbers.map(|n| Op::Refused(Box::new(refused(n)))).collect();
    done(store, Change { ops }).await;
}

/// With everything that was known of it; its body only if it is asked for.
pub async fn a_refused_message_is_kept_as_it_came<H: Harness>(h: H) {
    let store = h.open().await;
    let nobodys = Message {
        sender: None,
        ..message(Bytes::from_static(b"\xff\x00"))
    };
    let odd = RefusedMessage::of(&nobodys, at(5), "submit", "foreign", "of another store");
    keep(&*store, 0..1).await;
    done(&*store, Op::Refused(Box::new(odd.clone()))).await;
    let store = h.reopen().await;
    let rows = store.refused(None, 10, true).await.expect("rows");
    let found: Vec<_> = rows.iter().map(|row| &row.message).collect();
    assert_eq!(found, [&odd, &refused(0)]);
    let bare = store.refused(None, 10, false).await.expect("rows");
    for (row, whole) in bare.iter().zip(rows) {
        let mut without = whole.message;
        without.body.clear();
        assert_eq!(row.message, without);
    }
}

/// What is over a limit is cut, and its size still known.
pub async fn of_a_large_message_the_beginning_is_kept<H: Harness>(h: H) {
    let store = h.open().await;
    let mut large = message(vec![b'x'; REFUSED_BYTES + 1]);
    large.kind = "k".repeat(5_000).into();
    let row = RefusedMessage::of(&large, at(0), "dead", "malformed", &"ü".repeat(5_000));
    done(&*store, Op::Refused(Box::new(row))).await;
    let rows = store.refused(None, 1, true).await.expect("rows");
    let kept = &rows[0].message;
    assert_eq!(kept.body, vec![b'x'; REFUSED_BYTES]);
    assert_eq!(kept.size, REFUSED_BYTES as u64 + 1);
    assert_eq!(kept.reason.chars().count(), REFUSED_REASON_CHARS);
    assert_eq!(kept.kind.chars().count(), REFUSED_REASON_CHARS);
}

/// However many come; pages go on where one ended.
pub async fn the_oldest_refused_messages_go<H: Harness>(h: H) {
    const MORE: i64 = 25;
    let store = h.open().await;
    let all = REFUSED_ROWS.cast_signed() + MORE;
    for from in (0..all).step_by(1_000) {
        keep(&*store, from..all.min(from + 1_000)).await;
    }
    let mut seen = vec![];
    let mut before = None;
    loop {
        let page = store.refused(before, 999, false).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        seen.extend(page.into_iter().map(|row| row.message.at));
    }
    let newest_first: Vec<_> = (MORE..all).rev().map(at).collect();
    assert!(seen == newest_first, "{} rows", seen.len());
}

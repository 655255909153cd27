//! Done, unreadable, again: and where what nobody can take ends.

use super::Harness;
use super::talk::{depth_is, lane, next, note, number, offers, read, send, take, who};
use std::slice::from_ref;
use std::sync::Arc;
use warrener_backend::broker::{Address, Broker};

/// It does not come again, to this reader or another.
pub async fn what_is_acknowledged_is_gone<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 5).await;
    send(&server, &one, 1..4).await;
    for expected in 1..4 {
        assert_eq!(take(&mut reader).await, expected);
    }
    depth_is(&server, &one, 0, 0).await;
    reader.close();
    send(&server, &one, 4..5).await;
    let mut other = read(&agent, &one, 5).await;
    assert_eq!(take(&mut other).await, 4);
}

/// With what it said, why, and where it was.
pub async fn what_a_server_rejects_is_a_dead_letter_with_its_reason<H: Harness>(h: H) {
    let server = h.server().await;
    rejected(&server, &server, true).await;
}

/// Where agents may write to the inboxes only, their words are lost; the letter still says that it was rejected, and where.
pub async fn what_an_agent_rejects_is_a_dead_letter_with_its_reason_exactly_if_it_can<
    H: Harness,
>(
    h: H,
) {
    let server = h.server().await;
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    rejected(&server, &agent, h.expected().reasons).await;
}

async fn rejected(server: &Arc<dyn Broker>, rejecting: &Arc<dyn Broker>, with_words: bool) {
    let one = offers("one");
    let both = [one.clone(), Address::Dead];
    server.ensure(&both).await.expect("it is up");
    let mut reader = read(rejecting, &one, 1).await;
    send(server, &one, 1..3).await;
    next(&mut reader).await.reject("no such field: colour");
    assert_eq!(take(&mut reader).await, 2, "it did not come again");

    let mut dead = read(server, &Address::Dead, 1).await;
    let letter = next(&mut dead).await;
    let reason = letter.message.reason.clone().expect("it says why");
    let words = reason.contains("no such field: colour");
    assert_eq!(words, with_words, "{reason}");
    assert!(words || reason.starts_with("rejected"), "{reason}");
    assert!(reason.contains("offers/one"), "{reason}");
    let mut message = letter.message.clone();
    message.reason = None;
    assert_eq!(message, note(1));
    letter.ack();
    depth_is(server, &Address::Dead, 0, 0).await;
}

/// Whether the address of dead letters is there before a server asks for it is the back-end's business.
pub async fn what_is_rejected_leaves_its_lane_whoever_keeps_dead_letters<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..3).await;
    next(&mut reader).await.reject("unreadable");
    assert_eq!(take(&mut reader).await, 2);
    depth_is(&server, &one, 0, 0).await;
    server.ensure(&[Address::Dead]).await.expect("it is up");
    let mut dead = read(&server, &Address::Dead, 5).await;
    send(&server, &Address::Dead, 9..10).await;
    let mut first = next(&mut dead).await;
    if number(&first.message) == 1 {
        first.ack();
        first = next(&mut dead).await;
    }
    assert_eq!(number(&first.message), 9, "nothing else is there");
    first.ack();
    depth_is(&server, &one, 0, 0).await;
}

/// No circle in the broker.
pub async fn a_rejected_dead_letter_is_gone<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[Address::Dead]).await.expect("it is up");
    send(&server, &Address::Dead, 1..3).await;
    let mut dead = read(&server, &Address::Dead, 1).await;
    next(&mut dead).await.reject("unreadable too");
    assert_eq!(take(&mut dead).await, 2);
    depth_is(&server, &Address::Dead, 0, 0).await;
}

/// A message that kills its reader does not kill readers for ever.
pub async fn what_comes_back_too_often_is_a_dead_letter<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    let both = [one.clone(), Address::Dead];
    server.ensure(&both).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    send(&server, &one, 1..3).await;
    let mut deliveries = 0;
    loop {
        let mut reader = read(&agent, &one, 1).await;
        let delivery = next(&mut reader).await;
        if number(&delivery.message) == 2 {
            delivery.ack();
            break;
        }
        deliveries += 1;
        // It ends with it in its hands. Whether what a reader gives back itself counts is the back-end's business.
        drop(reader);
        drop(delivery);
    }
    // Back-ends count deliveries or returns; the difference is one.
    let limit = h.bounds().dead_limit;
    assert!((limit..=limit + 1).contains(&deliveries), "{deliveries}");
    let mut dead = read(&server, &Address::Dead, 1).await;
    let letter = next(&mut dead).await;
    assert_eq!(number(&letter.message), 1);
    let reason = letter.message.reason.clone().expect("it says why");
    assert!(reason.starts_with("delivery-limit"), "{reason}");
    letter.ack();
}

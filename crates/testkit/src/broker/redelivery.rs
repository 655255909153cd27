//! What is not settled comes again.

use super::Harness;
use super::talk::{depth_is, lane, next, number, offers, read, send, take, who};
use std::slice::from_ref;
use warrener_backend::broker::Verdict;

/// The mark is worth something only if it is not always there.
pub async fn a_first_delivery_is_not_marked_as_a_second<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..4).await;
    for _ in 0..3 {
        let delivery = next(&mut reader).await;
        assert!(!delivery.redelivered);
        delivery.ack();
    }
}

/// A handler that panics drops its delivery; that is not the end of the message.
pub async fn what_is_dropped_unsettled_comes_again_marked<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..2).await;
    let first = next(&mut reader).await;
    let id = first.message.id;
    drop(first);
    let second = next(&mut reader).await;
    assert_eq!(second.message.id, id);
    assert!(second.redelivered);
    second.settle(Verdict::Requeue);
    let third = next(&mut reader).await;
    assert_eq!(third.message.id, id);
    assert!(third.redelivered);
    third.ack();
    depth_is(&server, &one, 0, 0).await;
}

/// It has waited longest.
pub async fn what_came_back_goes_before_what_still_waits<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..4).await;
    next(&mut reader).await.settle(Verdict::Requeue);
    for expected in 1..4 {
        assert_eq!(take(&mut reader).await, expected);
    }
}

/// Closed on purpose or not: what was held and not settled is still work.
pub async fn what_an_ended_subscription_held_goes_to_another_reader<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = h.agent(&who("ann"), &[lane("one")]).await;
    let ben = h.agent(&who("ben"), &[lane("one")]).await;
    for clean in [true, false] {
        send(&server, &one, 1..4).await;
        let mut leaving = read(&ann, &one, 3).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(next(&mut leaving).await);
        }
        if clean {
            leaving.close();
        } else {
            drop(leaving);
        }
        let mut staying = read(&ben, &one, 3).await;
        for expected in 1..4 {
            let delivery = next(&mut staying).await;
            assert_eq!(number(&delivery.message), expected);
            assert!(delivery.redelivered);
            delivery.ack();
        }
        drop(held);
        depth_is(&server, &one, 0, 0).await;
    }
}

/// It was sent to a reader that never looked.
pub async fn what_was_not_even_read_goes_to_another_reader<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = h.agent(&who("ann"), &[lane("one")]).await;
    let ben = h.agent(&who("ben"), &[lane("one")]).await;
    let leaving = read(&ann, &one, 10).await;
    let mut staying = read(&ben, &one, 1).await;
    send(&server, &one, 1..8).await;
    let held = next(&mut staying).await;
    depth_is(&server, &one, 0, 7).await;
    drop(leaving);
    let mut seen = vec![number(&held.message)];
    held.ack();
    for _ in 0..6 {
        seen.push(take(&mut staying).await);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..8).collect::<Vec<u64>>());
    depth_is(&server, &one, 0, 0).await;
}

/// In the order they were sent, though some were read and some were not.
pub async fn what_a_leaving_reader_had_goes_on_in_order<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = h.agent(&who("ann"), &[lane("one")]).await;
    let ben = h.agent(&who("ben"), &[lane("one")]).await;
    let mut leaving = read(&ann, &one, 6).await;
    send(&server, &one, 1..7).await;
    let held = [next(&mut leaving).await, next(&mut leaving).await];
    depth_is(&server, &one, 0, 6).await;
    let mut staying = read(&ben, &one, 10).await;
    drop(leaving);
    for expected in 1..7 {
        let delivery = next(&mut staying).await;
        assert_eq!(number(&delivery.message), expected);
        assert!(delivery.redelivered);
        delivery.ack();
    }
    drop(held);
    depth_is(&server, &one, 0, 0).await;
}

/// It can neither acknowledge nor give back what somebody else holds now.
pub async fn a_verdict_after_the_end_of_its_subscription_is_ignored<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = h.agent(&who("ann"), &[lane("one")]).await;
    let ben = h.agent(&who("ben"), &[lane("one")]).await;
    let mut leaving = read(&ann, &one, 2).await;
    send(&server, &one, 1..3).await;
    let (first, second) = (next(&mut leaving).await, next(&mut leaving).await);
    drop(leaving);

    let mut staying = read(&ben, &one, 2).await;
    let held = [next(&mut staying).await, next(&mut staying).await];
    first.ack();
    second.settle(Verdict::Requeue);
    // What ann says next is heard after those two, so they have had their effect, or none.
    read(&ann, &one, 1).await.close();
    depth_is(&server, &one, 0, 2).await;
    for delivery in held {
        delivery.settle(Verdict::Requeue);
    }
    let mut seen = [take(&mut staying).await, take(&mut staying).await];
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    depth_is(&server, &one, 0, 0).await;
}

//! Several readers of one address, and how much each may hold.

use super::Harness;
use super::talk::{
    depth_is, lane, next, number, offers, read, readers_are, send, take, try_read, until_over, who,
};
use warrener_backend::broker::{Depth, Verdict};
use warrener_backend::error::Error;

/// With credit for one each, three readers get one each.
pub async fn each_message_goes_to_one_reader_and_each_reader_gets_its_turn<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let (mut agents, mut readers) = (Vec::new(), Vec::new());
    for name in ["ann", "ben", "cid"] {
        let agent = h.agent(&who(name), &[lane("one")]).await;
        readers.push(read(&agent, &one, 1).await);
        // A connection ends with its last handle, and its subscriptions with it.
        agents.push(agent);
    }
    send(&server, &one, 1..10).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut held = Vec::new();
        for reader in &mut readers {
            held.push(next(reader).await);
        }
        for delivery in held {
            seen.push(number(&delivery.message));
            delivery.ack();
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..10).collect::<Vec<u64>>());
}

/// The rest waits in the queue.
pub async fn credit_bounds_what_is_not_settled<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 2).await;
    send(&server, &one, 1..6).await;
    let (first, second) = (next(&mut reader).await, next(&mut reader).await);
    depth_is(&server, &one, 3, 2).await;
    assert!(reader.try_next().is_none(), "more than its credit");

    first.ack();
    let third = next(&mut reader).await;
    assert_eq!(number(&third.message), 3);
    depth_is(&server, &one, 2, 2).await;
    assert!(reader.try_next().is_none(), "more than its credit");
    drop((second, third));
}

/// Whatever is decided, the reader is free for the next one.
pub async fn every_verdict_gives_its_credit_back<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..4).await;
    next(&mut reader).await.settle(Verdict::Ack);
    let second = next(&mut reader).await;
    assert_eq!(number(&second.message), 2);
    second.settle(Verdict::Reject("unreadable".into()));
    let third = next(&mut reader).await;
    assert_eq!(number(&third.message), 3);
    third.settle(Verdict::Requeue);
    let again = next(&mut reader).await;
    assert_eq!(number(&again.message), 3);
    drop(again);
    assert_eq!(take(&mut reader).await, 3);
    depth_is(&server, &one, 0, 0).await;
}

/// A reader that is full keeps nobody waiting.
pub async fn what_a_busy_reader_cannot_take_goes_to_a_free_one<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let busy_agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut busy = read(&busy_agent, &one, 1).await;
    send(&server, &one, 1..2).await;
    let held = next(&mut busy).await;

    let free_agent = h.agent(&who("ben"), &[lane("one")]).await;
    let mut free = read(&free_agent, &one, 1).await;
    send(&server, &one, 2..6).await;
    for expected in 2..6 {
        assert_eq!(take(&mut free).await, expected);
    }
    assert_eq!(number(&held.message), 1);
    held.ack();
    depth_is(&server, &one, 0, 0).await;
}

/// The three numbers an operator looks at.
pub async fn depth_counts_what_waits_what_is_held_and_who_reads<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    assert_eq!(
        server.depth(&one).await.expect("it exists"),
        Depth::default()
    );
    send(&server, &one, 1..6).await;
    depth_is(&server, &one, 5, 0).await;
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 2).await;
    depth_is(&server, &one, 3, 2).await;
    readers_are(&server, &one, 1).await;
    take(&mut reader).await;
    depth_is(&server, &one, 2, 2).await;
    reader.close();
    depth_is(&server, &one, 4, 0).await;
    readers_are(&server, &one, 0).await;
}

/// It would never get anything.
pub async fn a_subscription_without_credit_is_refused<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    for broker in [&server, &agent] {
        let result = try_read(broker, &one, 0).await;
        assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    }
}

/// What it holds and what is on its way to it is still its own; what comes later is another's.
pub async fn who_has_enough_gets_no_more_and_settles_what_it_has<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 2).await;
    send(&server, &one, 1..5).await;
    let first = next(&mut reader).await;
    depth_is(&server, &one, 2, 2).await;
    // A broker may count it among the readers as long as it holds something.
    reader.enough();
    first.ack();
    let second = next(&mut reader).await;
    assert!(!second.redelivered, "it went back in between");
    assert_eq!(number(&second.message), 2);
    // Another one reads meanwhile, and this one again.
    let mut again = read(&agent, &one, 1).await;
    assert_eq!(take(&mut again).await, 3);
    second.ack();
    until_over(&mut reader).await;
    assert_eq!(take(&mut again).await, 4);
    depth_is(&server, &one, 0, 0).await;
    readers_are(&server, &one, 1).await;
}

/// It is no reader any more, and to say it again does nothing.
pub async fn who_has_enough_and_nothing_is_over_at_once<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 2).await;
    reader.enough();
    reader.enough();
    until_over(&mut reader).await;
    readers_are(&server, &one, 0).await;
    send(&server, &one, 1..2).await;
    depth_is(&server, &one, 1, 0).await;
}

//! Connections that die without a word.

use super::Harness;
use super::talk::{
    depth_is, eventually, lane, next, number, offers, read, readers_are, send, take, try_read,
    until_over, who,
};
use std::slice::from_ref;
use warrener_backend::broker::Address;

/// `None` is how a reader learns that it must subscribe again.
pub async fn the_subscriptions_of_a_dead_agent_end<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = who("ann");
    let agent = h.agent(&ann, &[lane("one")]).await;
    let mut lane_reader = read(&agent, &one, 2).await;
    let mut control_reader = read(&agent, &Address::Control(ann.clone()), 2).await;
    h.kill_agent(&ann).await;
    until_over(&mut lane_reader).await;
    until_over(&mut control_reader).await;
    readers_are(&server, &one, 0).await;
}

/// In milliseconds, and marked; this is what replaces a lease that runs out.
pub async fn what_a_dead_agent_held_goes_to_another<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = who("ann");
    let dying = h.agent(&ann, &[lane("one")]).await;
    let mut reader = read(&dying, &one, 5).await;
    send(&server, &one, 1..4).await;
    let held = next(&mut reader).await;
    depth_is(&server, &one, 0, 3).await;
    h.kill_agent(&ann).await;

    let other = h.agent(&who("ben"), &[lane("one")]).await;
    let mut reader = read(&other, &one, 5).await;
    for expected in 1..4 {
        let delivery = next(&mut reader).await;
        assert_eq!(number(&delivery.message), expected);
        assert!(delivery.redelivered);
        delivery.ack();
    }
    // It belongs to a connection that is no more.
    held.ack();
    depth_is(&server, &one, 0, 0).await;
}

/// With the handle that it has: nobody makes a new one.
pub async fn an_agent_that_lost_its_connection_subscribes_again<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let ann = who("ann");
    let control = Address::Control(ann.clone());
    let agent = h.agent(&ann, &[lane("one")]).await;
    for round in 0..3 {
        for address in [&one, &control] {
            eventually("a new subscription", || async {
                try_read(&agent, address, 1).await.is_ok()
            })
            .await;
        }
        readers_are(&server, &one, 0).await;
        let mut reader = read(&agent, &one, 1).await;
        send(&server, &one, round..round + 1).await;
        // Where nobody can see it arrive, the last round's verdict may have been lost with its connection.
        let mut number = take(&mut reader).await;
        while number < round && !server.capabilities().counts {
            number = take(&mut reader).await;
        }
        assert_eq!(number, round);
        depth_is(&server, &one, 0, 0).await;
        h.kill_agent(&ann).await;
        until_over(&mut reader).await;
    }
}

/// Each connection stands for itself.
pub async fn one_dead_agent_takes_nothing_from_the_others<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let (ann, ben) = (who("ann"), who("ben"));
    let dying = h.agent(&ann, &[lane("one")]).await;
    let living = h.agent(&ben, &[lane("one")]).await;
    let mut dying_reader = read(&dying, &one, 1).await;
    let mut living_reader = read(&living, &one, 1).await;
    send(&server, &one, 1..3).await;
    let lost = next(&mut dying_reader).await;
    let kept = next(&mut living_reader).await;
    let (lost_number, kept_number) = (number(&lost.message), number(&kept.message));
    h.kill_agent(&ann).await;
    until_over(&mut dying_reader).await;
    depth_is(&server, &one, 1, 1).await;
    kept.ack();
    let again = next(&mut living_reader).await;
    assert_eq!(number(&again.message), lost_number);
    assert_ne!(lost_number, kept_number);
    again.ack();
    depth_is(&server, &one, 0, 0).await;
}

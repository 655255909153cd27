//! Where messages go, and what the publisher hears.

use super::Harness;
use super::talk::{
    PRESENCE, RESULTS, fitting, lane, next, note, offers, publish, read, said, send, take, to,
    try_read, who,
};
use warrener_backend::broker::{Address, Inbox, Receipt};
use warrener_backend::error::Error;

/// Before that there is nothing to write to, to read or to ask about.
pub async fn an_address_exists_once_a_server_ensured_it<H: Harness>(h: H) {
    let server = h.server().await;
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let all = [
        offers("one"),
        RESULTS,
        PRESENCE,
        Address::Inbox(Inbox::Signals),
        Address::Inbox(Inbox::Submit),
        Address::Dead,
    ];
    for address in &all {
        assert_eq!(
            publish(&server, address, note(1)).await,
            Receipt::Unroutable
        );
        let reading = try_read(&server, address, 1).await;
        assert!(matches!(reading, Err(Error::NotFound(_))), "{reading:?}");
        let depth = server.depth(address).await;
        assert!(matches!(depth, Err(Error::NotFound(_))), "{depth:?}");
    }
    let reading = try_read(&agent, &offers("one"), 1).await;
    assert!(matches!(reading, Err(Error::NotFound(_))), "{reading:?}");
    let spoken = publish(&agent, &PRESENCE, said(&who("ann"), 1)).await;
    assert_eq!(spoken, Receipt::Unroutable);

    server.ensure(&all).await.expect("it is up");
    for address in &all {
        assert_eq!(publish(&server, address, note(2)).await, Receipt::Confirmed);
        let mut reader = read(&server, address, 1).await;
        assert_eq!(take(&mut reader).await, 2, "{address}");
    }
}

/// Every server does it when it starts, and again after each loss of the broker.
pub async fn to_ensure_again_changes_nothing<H: Harness>(h: H) {
    let server = h.server().await;
    let all = [offers("one"), Address::Control(who("ann"))];
    server.ensure(&all).await.expect("it is up");
    send(&server, &offers("one"), 1..3).await;
    server.ensure(&all).await.expect("it is up");
    let mut reader = read(&server, &offers("one"), 5).await;
    assert_eq!(take(&mut reader).await, 1);
    assert_eq!(take(&mut reader).await, 2);
}

/// Every field of it.
pub async fn a_message_arrives_as_it_was_sent<H: Harness>(h: H) {
    let server = h.server().await;
    let ann = who("ann");
    let agent = h.agent(&ann, &[lane("one")]).await;
    server
        .ensure(&[offers("one"), RESULTS])
        .await
        .expect("it is up");
    let mut plain = note(2);
    plain.store = None;
    plain.trace = None;
    plain.body =
        r#"{"v":1,"text":"gr\u00fc\u00df \"G\u00f6tt\" ↦ 😀","deep":[[{"a":1.50}]]}"#.into();
    for message in [note(1), plain] {
        let receipt = publish(&server, &offers("one"), message.clone()).await;
        assert_eq!(receipt, Receipt::Confirmed);
        let mut reader = read(&agent, &offers("one"), 1).await;
        let delivery = next(&mut reader).await;
        assert_eq!(delivery.message, message);
        delivery.ack();
    }
    let mut message = fitting(&RESULTS, said(&ann, 3));
    message.trace = None;
    let receipt = publish(&agent, &RESULTS, message.clone()).await;
    assert_eq!(receipt, Receipt::Confirmed);
    let mut reader = read(&server, &RESULTS, 1).await;
    assert_eq!(next(&mut reader).await.message, message);
}

/// Claims and outcomes, presence, signals and submissions each have their own.
pub async fn what_agents_say_reaches_the_inbox_it_was_sent_to<H: Harness>(h: H) {
    let server = h.server().await;
    let ann = who("ann");
    let agent = h.agent(&ann, &[]).await;
    let inboxes = [
        Inbox::Results,
        Inbox::Presence,
        Inbox::Signals,
        Inbox::Submit,
    ];
    let all = inboxes.map(Address::Inbox);
    server.ensure(&all).await.expect("it is up");
    for (n, address) in (1..).zip(&all) {
        let receipt = publish(&agent, address, said(&ann, n)).await;
        assert_eq!(receipt, Receipt::Confirmed, "{address}");
    }
    for (n, address) in (1..).zip(&all) {
        let mut reader = read(&server, address, 10).await;
        assert_eq!(take(&mut reader).await, n, "{address}");
        let depth = server.depth(address).await.expect("it exists");
        assert_eq!(depth.ready, 0, "{address}");
    }
}

/// One that is refused does not hold up the others.
pub async fn receipts_come_in_the_order_of_the_batch<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[offers("one")]).await.expect("it is up");
    let batch = vec![
        to(&Address::Control(who("nobody")), note(1)),
        to(&offers("one"), note(2)),
        to(&offers("unheard-of"), note(3)),
        to(&offers("one"), note(4)),
    ];
    let receipts = server.publish(batch).await.expect("it is up");
    let expected = [
        Receipt::Unroutable,
        Receipt::Confirmed,
        Receipt::Unroutable,
        Receipt::Confirmed,
    ];
    assert_eq!(receipts, expected);
    let mut reader = read(&server, &offers("one"), 5).await;
    assert_eq!(take(&mut reader).await, 2);
    assert_eq!(take(&mut reader).await, 4);
}

/// Nothing to do is not an error.
pub async fn an_empty_batch_has_no_receipts<H: Harness>(h: H) {
    let server = h.server().await;
    assert_eq!(server.publish(vec![]).await.expect("it is up"), []);
    let agent = h.agent(&who("ann"), &[]).await;
    assert_eq!(agent.publish(vec![]).await.expect("it is up"), []);
}

/// An agent of one lane sees nothing of another.
pub async fn lanes_do_not_mix<H: Harness>(h: H) {
    let server = h.server().await;
    let (one, two) = (offers("one"), offers("two"));
    server
        .ensure(&[one.clone(), two.clone()])
        .await
        .expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one"), lane("two")]).await;
    let mut first = read(&agent, &one, 10).await;
    let mut second = read(&agent, &two, 10).await;
    send(&server, &one, 1..3).await;
    send(&server, &two, 3..5).await;
    send(&server, &one, 5..6).await;
    for expected in [1, 2, 5] {
        assert_eq!(take(&mut first).await, expected);
    }
    for expected in [3, 4] {
        assert_eq!(take(&mut second).await, expected);
    }
}

/// The server publishes the best first, and that is how an agent that is alone gets them.
pub async fn one_reader_gets_messages_in_the_order_they_were_sent<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[offers("one")]).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &offers("one"), 3).await;
    for batch in [1..4, 4..5, 5..21] {
        send(&server, &offers("one"), batch).await;
    }
    for expected in 1..21 {
        assert_eq!(take(&mut reader).await, expected);
    }
}

//! What the memory broker does beyond the port: its limits, and what tests may do to it.

use std::sync::Arc;
use warrener_backend::MemoryBroker;
use warrener_backend::broker::{
    Address, Broker, Capabilities, Inbox, Outgoing, Receipt, Subscribe,
};
use warrener_backend::memory::{Limit, MemoryOptions, Overflow};
use warrener_testkit::broker::talk::{
    PRESENCE, next, note, number, offers, publish, read, readers_are, send, take, to, try_read,
    until_over, who, will,
};

fn handle(memory: &MemoryBroker) -> Arc<dyn Broker> {
    Arc::new(memory.clone())
}

#[tokio::test]
async fn nothing_is_durable_and_the_rest_is_there() {
    let capabilities = MemoryBroker::default().capabilities();
    let expected = Capabilities {
        durable: false,
        direct: true,
        wills: true,
        topics: true,
        counts: true,
        reasons: true,
    };
    assert_eq!(capabilities, expected);
}

#[tokio::test]
async fn each_sort_of_address_has_its_limit() {
    let limits = MemoryOptions::default().limits;
    let reject = |messages| Limit {
        messages,
        over: Overflow::Reject,
    };
    let drop_oldest = |messages| Limit {
        messages,
        over: Overflow::DropOldest,
    };
    assert_eq!(limits.offers, reject(100_000));
    assert_eq!(limits.results, reject(1_000_000));
    assert_eq!(limits.submit, reject(1_000_000));
    assert_eq!(limits.control, reject(10_000));
    assert_eq!(limits.presence, drop_oldest(100_000));
    assert_eq!(limits.signals, drop_oldest(100_000));
    assert_eq!(limits.dead, drop_oldest(10_000));
    assert_eq!(MemoryOptions::default().dead_limit, 20);

    let memory = MemoryBroker::default();
    let ann = Address::Control(who("ann"));
    memory
        .ensure(&[offers("one"), PRESENCE, Address::Dead])
        .await
        .unwrap();
    let mut control = read(&handle(&memory), &ann, 1).await;
    for (address, limit, held) in [
        (offers("one"), limits.offers, 0),
        (PRESENCE, limits.presence, 0),
        (Address::Dead, limits.dead, 0),
        (ann, limits.control, 1),
    ] {
        let most = limit.messages + held;
        let batch: Vec<Outgoing> = (0..=most as u64).map(|n| to(&address, note(n))).collect();
        let receipts = memory.publish(batch).await.unwrap();
        let full = receipts.iter().filter(|r| **r == Receipt::Full).count();
        assert_eq!(
            full,
            usize::from(limit.over == Overflow::Reject),
            "{address}"
        );
        let depth = memory.depth(&address).await.unwrap();
        assert_eq!(depth.ready as usize, limit.messages, "{address}");
    }
    assert_eq!(take(&mut control).await, 0);
}

#[tokio::test]
async fn a_broker_that_lost_everything_is_as_new() {
    let memory = MemoryBroker::default();
    let server = handle(&memory);
    let ann = who("ann");
    let control = Address::Control(ann.clone());
    server.ensure(&[offers("one"), PRESENCE]).await.unwrap();
    send(&server, &offers("one"), 1..4).await;
    let mut reader = read(&server, &offers("one"), 1).await;
    let held = next(&mut reader).await;
    let ask = Subscribe {
        from: control.clone(),
        credit: 1,
        will: Some(will(&ann)),
    };
    let mut agent = server.subscribe(ask).await.unwrap();
    memory.lose_everything();
    until_over(&mut reader).await;
    until_over(&mut agent).await;
    drop(agent);
    held.ack();
    for address in [offers("one"), PRESENCE, control.clone()] {
        let receipt = publish(&server, &address, note(5)).await;
        assert_eq!(receipt, Receipt::Unroutable, "{address}");
    }
    server.ensure(&[offers("one"), PRESENCE]).await.unwrap();
    send(&server, &offers("one"), 9..10).await;
    let mut reader = read(&server, &offers("one"), 1).await;
    assert_eq!(take(&mut reader).await, 9);
    // Whoever would have published the will was gone itself.
    assert_eq!(server.depth(&PRESENCE).await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_broker_that_was_started_again_knows_its_addresses() {
    let memory = MemoryBroker::default();
    let server = handle(&memory);
    server.ensure(&[offers("one")]).await.unwrap();
    send(&server, &offers("one"), 1..4).await;
    let mut reader = read(&server, &offers("one"), 1).await;
    memory.restart();
    until_over(&mut reader).await;
    readers_are(&server, &offers("one"), 0).await;
    send(&server, &offers("one"), 9..10).await;
    let mut reader = read(&server, &offers("one"), 1).await;
    assert_eq!(take(&mut reader).await, 9);
}

#[tokio::test]
async fn cutting_an_agent_ends_what_it_read_and_nothing_else() {
    let memory = MemoryBroker::default();
    let server = handle(&memory);
    let (ann, ben) = (who("ann"), who("ben"));
    let inbox = Address::Inbox(Inbox::Results);
    server
        .ensure(&[offers("one"), inbox.clone()])
        .await
        .unwrap();
    let cut: Arc<dyn Broker> = Arc::new(memory.for_agent(&ann));
    let other: Arc<dyn Broker> = Arc::new(memory.for_agent(&ben));
    let mut gone = [
        read(&cut, &offers("one"), 1).await,
        read(&cut, &Address::Topic("#".into()), 1).await,
        // Its own address, whoever's handle reads it.
        read(&server, &Address::Control(ann.clone()), 1).await,
    ];
    let mut stays = read(&other, &Address::Control(ben.clone()), 1).await;
    let mut inbox_reader = read(&server, &inbox, 1).await;
    memory.cut(&ann);
    for subscription in &mut gone {
        until_over(subscription).await;
    }
    send(&server, &Address::Control(ben), 1..2).await;
    assert_eq!(take(&mut stays).await, 1);
    send(&server, &inbox, 2..3).await;
    assert_eq!(take(&mut inbox_reader).await, 2);
    memory.cut(&ann);
}

#[tokio::test]
async fn the_broker_ends_with_its_last_handle() {
    let memory = MemoryBroker::default();
    let other = memory.for_agent(&who("ann"));
    let server = handle(&memory);
    server.ensure(&[offers("one")]).await.unwrap();
    send(&server, &offers("one"), 1..2).await;
    let mut reader = read(&server, &offers("one"), 2).await;
    drop((memory, server));
    let delivery = next(&mut reader).await;
    drop(other);
    until_over(&mut reader).await;
    // There is nobody to tell any more.
    assert_eq!(number(&delivery.message), 1);
    delivery.ack();
}

#[tokio::test]
async fn turns_are_fair_among_readers_with_room() {
    let memory = MemoryBroker::default();
    let server = handle(&memory);
    server.ensure(&[offers("one")]).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(try_read(&server, &offers("one"), 1_000).await.unwrap());
    }
    send(&server, &offers("one"), 0..400).await;
    for reader in &mut readers {
        let mut got = 0;
        while let Some(delivery) = reader.try_next() {
            got += 1;
            delivery.ack();
        }
        assert_eq!(got, 100);
    }
}

//! What may happen to a broker, each by itself: what callers hear, and that all goes well afterwards.

mod stage;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use stage::{agent, asked, blocking, close_connections, delete_queue, quick, ready, server, vhost};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::{Address, Broker, Health, Receipt};
use warrener_backend::error::Error;
use warrener_rabbitmq::{Role, Settings};
use warrener_testkit::broker::talk::{
    RESULTS, depth_is, eventually, next, note, number, offers, publish, read, said, send, take, to,
    try_read, until_over, who,
};
use warrener_testkit::rabbit::{Alarm, Node, Options};

/// A client of another make.
async fn stranger(url: &str) -> (Connection, lapin::Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .expect("the node is up");
    let channel = connection.create_channel().await.expect("it is new");
    (connection, channel)
}

async fn is_up(broker: &Arc<dyn Broker>) {
    eventually("health", || async { broker.health().await == Health::Up }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_shape_is_explained() {
    let vhost = vhost().await;
    let (_connection, channel) = stranger(&vhost.url()).await;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("agent.tasks.one".into(), options, FieldTable::default())
        .await
        .unwrap();
    let server = server(&vhost.url()).await;
    let error = server.ensure(&[offers("one")]).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    let text = error.to_string();
    for part in [
        "queue agent.tasks.one",
        "x-dead-letter-exchange = none",
        "agent.dead",
        "delete_queue agent.tasks.one",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    // The others of the batch and the connection are as well as before.
    server.ensure(&[offers("two")]).await.expect("it is up");
    send(&server, &offers("two"), 0..3).await;
    is_up(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_ends_its_subscription_and_is_made_again() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = agent(&vhost.url(), &who("ann")).await;
    for round in 0..3 {
        let mut reader = read(&agent, &one, 5).await;
        send(&server, &one, round..round + 1).await;
        let held = next(&mut reader).await;
        delete_queue(&vhost.url(), "agent.tasks.one").await;
        until_over(&mut reader).await;
        held.ack();
        let reading = try_read(&agent, &one, 1).await;
        assert!(matches!(reading, Err(Error::NotFound(_))), "{reading:?}");
        assert_eq!(publish(&server, &one, note(9)).await, Receipt::Unroutable);
        server
            .ensure(std::slice::from_ref(&one))
            .await
            .expect("it is up");
    }
    assert_eq!(server.health().await, Health::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_holds_too_long_loses_its_channel_and_nobody_else_anything() {
    let options = Options {
        consumer_timeout: Some(Duration::from_secs(1)),
        ..Options::default()
    };
    let node = blocking(move || Node::start(&options)).await;
    let server = server(&node.url()).await;
    let (one, two) = (offers("one"), offers("two"));
    server
        .ensure(&[one.clone(), two.clone()])
        .await
        .expect("it is up");
    let agent = agent(&node.url(), &who("ann")).await;
    let mut slow = read(&agent, &one, 1).await;
    let mut other = read(&agent, &two, 1).await;
    send(&server, &one, 1..2).await;
    let held = next(&mut slow).await;
    until_over(&mut slow).await;
    // Too late, and on a channel that is no more: it harms nobody.
    held.ack();
    send(&server, &two, 2..3).await;
    assert_eq!(take(&mut other).await, 2);
    let mut again = read(&agent, &one, 1).await;
    let delivery = next(&mut again).await;
    assert!(delivery.redelivered);
    assert_eq!(number(&delivery.message), 1);
    delivery.ack();
    blocking(move || drop(node)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_broker_closes_are_made_again_with_all_that_was_ensured() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    let all = [offers("one"), RESULTS];
    server.ensure(&all).await.expect("it is up");
    let ann = who("ann");
    let agent = agent(&vhost.url(), &ann).await;
    let mut control = read(&agent, &Address::Control(ann.clone()), 5).await;
    for queue in ["agent.tasks.one", "agent.results", "agent.tasks.dead"] {
        delete_queue(&vhost.url(), queue).await;
    }
    close_connections(&vhost.url()).await;
    until_over(&mut control).await;
    // Nobody ensures anything: the server's supervisor does.
    eventually("a lane", || async {
        try_read(&agent, &offers("one"), 1).await.is_ok()
    })
    .await;
    is_up(&server).await;
    is_up(&agent).await;
    send(&server, &offers("one"), 1..3).await;
    eventually("a control address", || async {
        try_read(&agent, &Address::Control(ann.clone()), 1)
            .await
            .is_ok()
    })
    .await;
    let spoken = publish(&agent, &RESULTS, said(&ann, 1)).await;
    assert_eq!(spoken, Receipt::Confirmed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_gone_makes_the_receipt_unknown_and_then_unroutable() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    send(&server, &one, 0..1).await;
    asked(
        &vhost.url(),
        r#"rabbit_exchange:delete(rabbit_misc:r(VHOST, exchange, <<"agent.tasks">>), false, <<"test">>)."#,
    )
    .await;
    let receipts = server
        .publish(vec![to(&one, note(1)), to(&one, note(2))])
        .await
        .unwrap();
    assert_eq!(receipts, [Receipt::Unknown, Receipt::Unknown]);
    assert_eq!(publish(&server, &one, note(3)).await, Receipt::Unroutable);
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    send(&server, &one, 4..5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_takes_nothing_new_and_gives_out_what_it_has() {
    let node = Arc::new(blocking(|| Node::start(&Options::default())).await);
    let settings = Settings {
        confirm_deadline: Duration::from_millis(400),
        ..quick(&node.url(), Role::Server)
    };
    let server: Arc<dyn Broker> = Arc::new(ready(settings).await);
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let agent = agent(&node.url(), &who("ann")).await;
    send(&server, &one, 0..5).await;
    let alarmed = node.clone();
    blocking(move || alarmed.raise(Alarm::Memory)).await;
    // It says so to those that publish, once they do.
    eventually("the end of confirms", || async {
        match server.publish(vec![to(&one, note(9))]).await {
            Ok(receipts) => receipts == [Receipt::Unknown],
            Err(Error::Unavailable { .. }) => true,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    eventually("the alarm", || async {
        matches!(server.health().await, Health::Blocked(why) if why.contains("memory"))
    })
    .await;
    let refused = server.publish(vec![to(&one, note(10))]).await;
    assert!(
        matches!(refused, Err(Error::Unavailable { .. })),
        "{refused:?}"
    );
    let mut reader = read(&agent, &one, 5).await;
    for expected in 0..5 {
        assert_eq!(take(&mut reader).await, expected);
    }
    let calm = node.clone();
    blocking(move || calm.clear(Alarm::Memory)).await;
    is_up(&server).await;
    eventually("a confirm", || async {
        publish(&server, &one, note(11)).await == Receipt::Confirmed
    })
    .await;
    while take(&mut reader).await != 11 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_answer_is_unknown_and_holds_up_no_other() {
    let vhost = vhost().await;
    let settings = Settings {
        confirm_deadline: Duration::from_millis(400),
        ..quick(&vhost.url(), Role::Server)
    };
    let server: Arc<dyn Broker> = Arc::new(ready(settings).await);
    server
        .ensure(&[offers("one"), offers("two")])
        .await
        .expect("it is up");
    send(&server, &offers("one"), 0..1).await;
    send(&server, &offers("two"), 0..1).await;
    // As without a majority: it neither confirms nor refuses.
    let replica = |act: &str| {
        format!(
            r#"{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHOST, queue, <<"agent.tasks.one">>)),
            {{Name, _}} = amqqueue:get_pid(Q), sys:{act}(Name)."#
        )
    };
    asked(&vhost.url(), &replica("suspend")).await;
    assert_eq!(
        publish(&server, &offers("one"), note(1)).await,
        Receipt::Unknown
    );
    let health = server.health().await;
    assert!(
        matches!(&health, Health::Down(why) if why.contains("majority")),
        "{health:?}"
    );
    let batch = vec![
        to(&offers("two"), note(2)),
        to(&offers("one"), note(3)),
        to(&offers("two"), note(4)),
    ];
    let receipts = server.publish(batch).await.unwrap();
    assert_eq!(
        receipts,
        [Receipt::Confirmed, Receipt::Unknown, Receipt::Confirmed]
    );
    asked(&vhost.url(), &replica("resume")).await;
    eventually("a confirm", || async {
        publish(&server, &offers("one"), note(5)).await == Receipt::Confirmed
    })
    .await;
    is_up(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hears_only_refusals_is_made_anew() {
    let vhost = vhost().await;
    let settings = Settings {
        nacks_max: 5,
        ..quick(&vhost.url(), Role::Server)
    };
    let server: Arc<dyn Broker> = Arc::new(ready(settings).await);
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let url = vhost.url();
    let channels = || {
        asked(
            &url,
            "lists:sort([P || P <- rabbit_channel:list(), (catch rabbit_channel:info(P, [vhost, confirm])) =:= [{vhost, VHOST}, {confirm, true}]]).",
        )
    };
    send(&server, &one, 0..50).await;
    let before = channels().await;
    for n in 0..4 {
        assert_eq!(publish(&server, &one, note(50 + n)).await, Receipt::Full);
    }
    assert_eq!(channels().await, before);
    for n in 0..2 {
        assert_eq!(publish(&server, &one, note(60 + n)).await, Receipt::Full);
    }
    eventually("another channel", || async {
        let now = channels().await;
        now != before && now.matches('<').count() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_can_read_is_a_dead_letter_and_stops_nobody() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    server.ensure(&[RESULTS]).await.expect("it is up");
    let (_connection, channel) = stranger(&vhost.url()).await;
    for properties in [
        BasicProperties::default(),
        BasicProperties::default()
            .with_message_id("7".into())
            .with_type("claim".into()),
    ] {
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(
            "agent.in".into(),
            "claim.ann".into(),
            options,
            b"{}",
            properties,
        );
        sent.await.unwrap();
    }
    let mut reader = read(&server, &RESULTS, 1).await;
    let mut dead = read(&server, &Address::Dead, 5).await;
    for _ in 0..2 {
        let letter = next(&mut dead).await;
        let reason = letter.message.reason.clone().unwrap();
        assert!(
            reason.contains("message_id") && reason.contains("inbox/results"),
            "{reason}"
        );
        letter.ack();
    }
    send(&server, &RESULTS, 1..2).await;
    assert_eq!(take(&mut reader).await, 1);
    depth_is(&server, &RESULTS, 0, 0).await;
}

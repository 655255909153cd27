//! A node of its own for each test, since the whole broker is stopped, killed or held up.

use std::time::Duration;

use crate::client::{Client, SILENCE, within};
use futures_util::StreamExt;
use tokio::time::timeout;
use warrener_testkit::rabbit::{Alarm, Node, Options};

#[tokio::test]
async fn what_was_confirmed_survives_a_kill_and_a_stop() {
    let node = Node::start(&Options::default());
    let url = node.url();
    let client = Client::connect(&url).await;
    client.declare("q").await;
    client.publishes("q", b"1").await;
    client.publishes("q", b"2").await;
    node.kill();
    assert!(!node.is_started());
    let lost = within(client.publish("q", b"3")).await;
    assert!(lost.is_err(), "{lost:?}");

    node.start_again();
    let client = Client::connect(&url).await;
    assert_eq!(client.get("q").await.as_deref(), Some(&b"1"[..]));
    node.stop();
    node.start_again();
    let client = Client::connect(&url).await;
    assert_eq!(client.get("q").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(client.get("q").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_holds_publishers_up_and_a_pause_everybody() {
    let node = Node::start(&Options::default());
    let client = Client::connect(&node.url()).await;
    client.declare("q").await;
    for alarm in [Alarm::Memory, Alarm::Disk] {
        node.raise(alarm);
        let mut held = std::pin::pin!(client.publish("q", b"held up"));
        assert!(timeout(SILENCE, &mut held).await.is_err(), "{alarm:?}");
        node.clear(alarm);
        assert!(within(held).await.unwrap().is_ack(), "{alarm:?}");
    }

    node.pause();
    let mut held = std::pin::pin!(client.publish("q", b"held up"));
    assert!(timeout(SILENCE, &mut held).await.is_err());
    node.resume();
    assert!(within(held).await.unwrap().is_ack());
}

#[tokio::test]
async fn a_consumer_that_holds_a_message_too_long_is_cut() {
    let node = Node::start(&Options {
        consumer_timeout: Some(Duration::from_millis(500)),
        ..Options::default()
    });
    let client = Client::connect(&node.url()).await;
    client.declare("q").await;
    client.publishes("q", b"held").await;
    let mut consumer = client.consume("q").await;
    let held = within(consumer.next()).await.unwrap().unwrap();
    assert_eq!(held.data, b"held");
    // Old versions close the channel, new ones cancel the consumer.
    let cut = within(consumer.next()).await;
    assert!(!matches!(cut, Some(Ok(_))), "{cut:?}");
    let other = Client::connect(&node.url()).await;
    let mut consumer = other.consume("q").await;
    let again = within(consumer.next()).await.unwrap().unwrap();
    assert!(again.redelivered);
}

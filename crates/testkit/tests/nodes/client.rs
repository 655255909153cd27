//! A plain AMQP client, with nothing of ours in it.

use std::time::Duration;

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use tokio::time::timeout;

/// Only turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long silence is listened to.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

/// One connection with one channel that confirms.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Client {
        let connected = Connection::connect(url, ConnectionProperties::default());
        let connection = within(connected).await.unwrap();
        Client::over(connection).await
    }

    pub(crate) async fn over(connection: Connection) -> Client {
        let channel = within(connection.create_channel()).await.unwrap();
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        within(confirms).await.unwrap();
        Client {
            connection,
            channel,
        }
    }

    /// A durable quorum queue.
    pub(crate) async fn declare(&self, queue: &str) {
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString("quorum".into());
        arguments.insert("x-queue-type".into(), quorum);
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self.channel.queue_declare(queue.into(), options, arguments);
        within(declared).await.unwrap();
    }

    /// Publishes a persistent message, and comes to the broker's answer.
    pub(crate) async fn publish(&self, queue: &str, body: &[u8]) -> lapin::Result<Confirmation> {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let published =
            self.channel
                .basic_publish("".into(), queue.into(), options, body, properties);
        published.await?.await
    }

    /// The same, when the broker must take it.
    pub(crate) async fn publishes(&self, queue: &str, body: &[u8]) {
        let confirmed = within(self.publish(queue, body)).await.unwrap();
        assert!(confirmed.is_ack(), "{confirmed:?}");
    }

    /// Takes one message, if one waits.
    pub(crate) async fn get(&self, queue: &str) -> Option<Vec<u8>> {
        let got = self
            .channel
            .basic_get(queue.into(), BasicGetOptions::default());
        let BasicGetMessage { delivery, .. } = within(got).await.unwrap()?;
        let acked = delivery.ack(BasicAckOptions::default());
        within(acked).await.unwrap();
        Some(delivery.data)
    }

    pub(crate) async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions::default();
        let arguments = FieldTable::default();
        let consumed = self
            .channel
            .basic_consume(queue.into(), "".into(), options, arguments);
        within(consumed).await.unwrap()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("an answer in time")
}

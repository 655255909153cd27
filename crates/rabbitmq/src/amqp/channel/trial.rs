//! What a user may do, asked without doing it: the broker judges a request before it looks at the rest of it, and what
//! is tried here never comes to its end. A refusal ends the channel, so each trial has one of its own.

use super::{Channel, short};
use crate::amqp::{Connection, Fault, Letter};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::time::timeout;

impl Connection {
    /// Publishes in a transaction that is rolled back: exchange, key and user are judged, and nobody gets anything. One
    /// trial at a time on a connection.
    pub(crate) async fn try_publish(&self, letter: Letter) -> Result<(), Fault> {
        let mut ended = self.ended();
        let channel = self.channel().await?;
        let Err(fault) = channel.publish_in_vain(letter).await else {
            channel.close().await;
            return Ok(());
        };
        // A refusal may come before anything was asked that it could answer; that of a channel is always said here.
        match timeout(channel.answer, ended.changed()).await {
            Ok(Ok(())) => Err(ended.borrow().clone().unwrap_or(fault)),
            Ok(Err(_)) | Err(_) => Err(fault),
        }
    }

    /// Asks to read with an argument that no broker takes: who may read hears of the argument, others that they may
    /// not. Nobody reads.
    pub(crate) async fn try_consume(&self, queue: &str) -> Result<(), Fault> {
        let channel = self.channel().await?;
        let mut args = FieldTable::default();
        args.insert("x-priority".into(), AMQPValue::LongString("none".into()));
        let options = BasicConsumeOptions::default();
        let asked = channel
            .inner
            .basic_consume(short(queue)?, "".into(), options, args);
        match channel.ask("basic.consume", asked).await {
            Err(fault) if fault.is_mismatch() => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => {
                channel.close().await;
                Ok(())
            }
        }
    }
}

impl Channel {
    async fn publish_in_vain(&self, letter: Letter) -> Result<(), Fault> {
        self.ask("tx.select", self.inner.tx_select()).await?;
        let (exchange, key) = (short(&letter.route.exchange)?, short(&letter.route.key)?);
        let options = BasicPublishOptions::default();
        let sent =
            self.inner
                .basic_publish(exchange, key, options, &letter.body, letter.properties);
        // Without confirms its answer is there at once, and says nothing.
        drop(self.ask("basic.publish", sent).await?);
        self.ask("tx.rollback", self.inner.tx_rollback()).await
    }
}

//! One channel: requests with a deadline, deliveries, and publishes that are confirmed.
//!
//! Two rules make this client cheap and right: what needs no answer (publish, ack) is polled once, which queues its
//! frames, and one task alone publishes on a channel, since confirms are counted.

use super::fault::Fault;
use super::properties::{Envelope, Letter};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel as Inner, Confirmation, ExchangeKind};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;
use warrener_model::id::MessageId;

mod trial;

/// How a queue is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On disk, for all.
    Durable,
    /// For this connection alone, until its reader ends.
    Own,
}

/// An argument of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    Text(&'static str),
    Name(String),
    Number(i64),
    Yes,
}

/// What a queue answers when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) name: String,
    pub(crate) ready: u32,
    pub(crate) consumers: u32,
}

/// What the broker said of one publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// It has it, or has returned it; else it refused it.
    pub(crate) taken: bool,
    /// A message that came back. Not always this one: see `crate::confirms`.
    pub(crate) returned: Option<MessageId>,
}

/// A publish on its way to its confirm.
pub(crate) type Publishing = Pin<Box<dyn Future<Output = Result<Confirm, Fault>> + Send>>;

/// See the module. Dropping the last handle closes it.
#[derive(Clone)]
pub(crate) struct Channel {
    inner: Inner,
    answer: Duration,
}

impl Channel {
    pub(super) fn new(inner: Inner, answer: Duration) -> Self {
        Self { inner, answer }
    }

    async fn ask<T>(
        &self,
        what: &str,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Fault> {
        match timeout(self.answer, request).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::late(what)),
        }
    }

    /// Makes a queue, or sees that it exists in this shape.
    pub(crate) async fn declare_queue(
        &self,
        name: &str,
        kind: Kind,
        args: &[(&'static str, Arg)],
    ) -> Result<Counts, Fault> {
        let own = kind == Kind::Own;
        let options = QueueDeclareOptions {
            durable: !own,
            exclusive: own,
            auto_delete: own,
            ..QueueDeclareOptions::default()
        };
        self.queue(name, options, table(args)).await
    }

    /// Sees whether a queue exists.
    pub(crate) async fn find_queue(&self, name: &str) -> Result<Counts, Fault> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        self.queue(name, options, FieldTable::default()).await
    }

    async fn queue(
        &self,
        name: &str,
        options: QueueDeclareOptions,
        args: FieldTable,
    ) -> Result<Counts, Fault> {
        let asked = self.inner.queue_declare(short(name)?, options, args);
        let queue = self.ask("queue.declare", asked).await?;
        Ok(Counts {
            name: queue.name().as_str().to_owned(),
            ready: queue.message_count(),
            consumers: queue.consumer_count(),
        })
    }

    /// Makes an exchange, or sees that it exists in this shape.
    pub(crate) async fn declare_exchange(&self, name: &str, kind: &str) -> Result<(), Fault> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        self.exchange(name, kind, options).await
    }

    /// Sees whether an exchange exists.
    pub(crate) async fn find_exchange(&self, name: &str) -> Result<(), Fault> {
        let options = ExchangeDeclareOptions {
            passive: true,
            ..ExchangeDeclareOptions::default()
        };
        self.exchange(name, "topic", options).await
    }

    async fn exchange(
        &self,
        name: &str,
        kind: &str,
        options: ExchangeDeclareOptions,
    ) -> Result<(), Fault> {
        let kind = match kind {
            "direct" => ExchangeKind::Direct,
            "fanout" => ExchangeKind::Fanout,
            _ => ExchangeKind::Topic,
        };
        let none = FieldTable::default();
        let asked = self
            .inner
            .exchange_declare(short(name)?, kind, options, none);
        self.ask("exchange.declare", asked).await
    }

    /// Removes a queue with what is in it; one that is not there is removed already.
    pub(crate) async fn delete_queue(&self, name: &str) -> Result<(), Fault> {
        let options = QueueDeleteOptions::default();
        let asked = self.inner.queue_delete(short(name)?, options);
        self.ask("queue.delete", asked).await.map(|_| ())
    }

    /// Removes an exchange; one that is not there is removed already.
    pub(crate) async fn delete_exchange(&self, name: &str) -> Result<(), Fault> {
        let options = ExchangeDeleteOptions::default();
        let asked = self.inner.exchange_delete(short(name)?, options);
        self.ask("exchange.delete", asked).await
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let names = (short(queue)?, short(exchange)?, short(key)?);
        let asked = self
            .inner
            .queue_bind(names.0, names.1, names.2, options, none);
        self.ask("queue.bind", asked).await
    }

    /// From now on the publishes of this channel are confirmed.
    pub(crate) async fn confirm(&self) -> Result<(), Fault> {
        let asked = self.inner.confirm_select(ConfirmSelectOptions::default());
        self.ask("confirm.select", asked).await
    }

    /// Starts to deliver, at most `credit` unsettled at a time.
    pub(crate) async fn consume(
        &self,
        queue: &str,
        credit: u32,
        alone: bool,
    ) -> Result<Consumer, Fault> {
        let credit = u16::try_from(credit).unwrap_or(u16::MAX);
        let asked = self.inner.basic_qos(credit, BasicQosOptions::default());
        self.ask("basic.qos", asked).await?;
        let options = BasicConsumeOptions {
            exclusive: alone,
            ..BasicConsumeOptions::default()
        };
        let none = FieldTable::default();
        let asked = self
            .inner
            .basic_consume(short(queue)?, "".into(), options, none);
        Ok(Consumer(self.ask("basic.consume", asked).await?))
    }

    /// Ends the deliveries to a reader; what it has stays its own.
    pub(crate) async fn cancel(&self, reader: &Consumer) -> Result<(), Fault> {
        let options = BasicCancelOptions::default();
        let asked = self.inner.basic_cancel(reader.0.tag(), options);
        self.ask("basic.cancel", asked).await
    }

    /// Sends a message; what it gives must be kept, and polled until the broker answers.
    pub(crate) fn publish(&self, letter: Letter) -> Publishing {
        let channel = self.inner.clone();
        let mut publishing: Publishing = Box::pin(async move {
            let options = BasicPublishOptions {
                mandatory: letter.route.mandatory,
                ..BasicPublishOptions::default()
            };
            let exchange = short(&letter.route.exchange)?;
            let key = short(&letter.route.key)?;
            let sent =
                channel.basic_publish(exchange, key, options, &letter.body, letter.properties);
            let (taken, returned) = match sent.await?.await? {
                Confirmation::Ack(returned) => (true, returned),
                Confirmation::Nack(returned) => (false, returned),
                Confirmation::NotRequested => {
                    return Err(Fault::local("the channel does not confirm"));
                }
            };
            let id = returned.and_then(|back| back.properties.message_id().clone());
            Ok(Confirm {
                taken,
                returned: id.and_then(|id| id.as_str().parse().ok()),
            })
        });
        // Its frames are queued by this, in the order of the calls. What it answers is kept for its next poll.
        match publishing.as_mut().now_or_never() {
            Some(done) => Box::pin(std::future::ready(done)),
            None => publishing,
        }
    }

    /// Done with a delivery of this channel.
    pub(crate) fn ack(&self, tag: u64) {
        once(self.inner.basic_ack(tag, BasicAckOptions::default()));
    }

    /// Gives a delivery of this channel back.
    pub(crate) fn requeue(&self, tag: u64) {
        let options = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        once(self.inner.basic_nack(tag, options));
    }

    /// Refuses a delivery of this channel for good: the broker knows where it goes.
    pub(crate) fn reject(&self, tag: u64) {
        once(self.inner.basic_reject(tag, BasicRejectOptions::default()));
    }

    /// Ends it; what it held goes back.
    pub(crate) async fn close(&self) {
        // A channel that is over already needs no goodbye.
        let _ = self
            .ask("channel.close", self.inner.close(200, "done".into()))
            .await;
    }
}

/// Queues the frames of a request that has no answer. If the channel is gone the delivery is another reader's by now.
fn once(request: impl Future<Output = lapin::Result<()>>) {
    let _ = request.now_or_never();
}

fn short(text: &str) -> Result<ShortString, Fault> {
    ShortString::try_new(text).map_err(|_| Fault::local(format!("\"{text}\" is too long a name")))
}

fn table(args: &[(&'static str, Arg)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, arg) in args {
        let value = match arg {
            Arg::Text(text) => AMQPValue::LongString((*text).into()),
            Arg::Name(name) => AMQPValue::LongString(name.as_str().into()),
            Arg::Number(number) => AMQPValue::LongLongInt(*number),
            Arg::Yes => AMQPValue::Boolean(true),
        };
        table.insert((*name).into(), value);
    }
    table
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.inner.id())
    }
}

/// A message that was delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// By this the channel knows it.
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    /// The routing key it was published with.
    pub(crate) key: String,
    pub(crate) envelope: Envelope,
    pub(crate) body: Bytes,
}

/// Deliveries; over when the broker cancels it, or its channel or connection end. None of these is told apart: the
/// reader begins anew.
#[derive(Debug)]
pub(crate) struct Consumer(lapin::Consumer);

impl Stream for Consumer {
    type Item = Delivered;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivered>> {
        self.0.poll_next_unpin(cx).map(|item| {
            let delivery = item?.ok()?;
            Some(Delivered {
                tag: delivery.delivery_tag,
                redelivered: delivery.redelivered,
                key: delivery.routing_key.to_string(),
                envelope: Envelope(delivery.properties),
                body: delivery.data.into(),
            })
        })
    }
}

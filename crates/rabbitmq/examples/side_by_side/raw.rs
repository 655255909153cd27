//! A raw client with the same promises as far as it can give them, and without a store: quorum queues, persistent
//! messages, confirms, an ack only after the result's confirm.

use crate::Result;
use crate::load::{FAN, SINGLE, SLOTS, Turn, WARM, WINDOW, Watch, body, next};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, PublisherConfirm,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const TASKS: &str = "tasks";
const RESULTS: &str = "results";
/// Results that the producer may hold.
const RESULTS_HELD: u16 = 500;

/// The end that submits and reads results.
struct Producer {
    channel: Channel,
    starts: mpsc::UnboundedReceiver<Instant>,
    results: mpsc::UnboundedReceiver<Instant>,
    _connections: [Connection; 2],
}

pub(crate) async fn measure(url: &str, broker: u32, tasks: usize) -> Result<Turn> {
    let mut producer = Producer::start(url).await?;
    let mut turn = Turn {
        tasks,
        ..Turn::default()
    };
    for n in 0..WARM + SINGLE {
        let at = Instant::now();
        producer.publish(1).await?;
        let start = next(&mut producer.starts, "start").await? - at;
        let recorded = next(&mut producer.results, "result").await? - at;
        if n >= WARM {
            turn.start.push(start);
            turn.recorded.push(recorded);
        }
    }
    let watch = Watch::start(broker)?;
    producer.publish(tasks).await?;
    for _ in 0..tasks {
        next(&mut producer.results, "result").await?;
    }
    (turn.wall, turn.cpu) = watch.stop()?;
    let all = u64::try_from(tasks)?;
    turn.messages = [("task".to_owned(), all), ("result".to_owned(), all)].into();
    turn.calls = [("publish", all * 2)].into();
    turn.fan = producer.fan().await?;
    Ok(turn)
}

impl Producer {
    async fn start(url: &str) -> Result<Producer> {
        let (worker, producer) = (connect(url).await?, connect(url).await?);
        let channel = publishing(&producer).await?;
        for queue in [TASKS, RESULTS] {
            declare(&channel, queue).await?;
        }
        let (started, starts) = mpsc::unbounded_channel();
        let publish = publishing(&worker).await?;
        let (work, tasks) = consume(&worker, TASKS, SLOTS).await?;
        let (confirms, confirmed) = mpsc::unbounded_channel();
        tokio::spawn(acknowledge(work, confirmed));
        tokio::spawn(handle(tasks, publish, started, confirms));
        let (ended, results) = mpsc::unbounded_channel();
        let (read, deliveries) = consume(&producer, RESULTS, RESULTS_HELD).await?;
        tokio::spawn(collect(deliveries, read, ended));
        Ok(Producer {
            channel,
            starts,
            results,
            _connections: [worker, producer],
        })
    }

    /// Counts results, and then submits the join: what it knows of them is gone with its process.
    async fn fan(&mut self) -> Result<Duration> {
        let at = Instant::now();
        for tasks in [FAN, 1] {
            self.publish(tasks).await?;
            for _ in 0..tasks {
                next(&mut self.results, "result").await?;
            }
        }
        Ok(at.elapsed())
    }

    /// All of them confirmed, a window at a time.
    async fn publish(&self, tasks: usize) -> Result<()> {
        let body = body();
        let mut window = VecDeque::new();
        for _ in 0..tasks {
            window.push_back(send(&self.channel, TASKS, body.as_bytes()).await?);
            if window.len() >= WINDOW
                && let Some(oldest) = window.pop_front()
            {
                taken(oldest).await?;
            }
        }
        for confirm in window {
            taken(confirm).await?;
        }
        Ok(())
    }
}

/// Runs every task: reads its input, and publishes it as its output.
async fn handle(
    mut tasks: Consumer,
    publish: Channel,
    started: mpsc::UnboundedSender<Instant>,
    confirms: mpsc::UnboundedSender<(u64, PublisherConfirm)>,
) -> Result<()> {
    while let Some(delivery) = tasks.next().await {
        let delivery = delivery?;
        let _ = started.send(Instant::now());
        let input: serde_json::Value = serde_json::from_slice(&delivery.data)?;
        let confirm = send(&publish, RESULTS, &serde_json::to_vec(&input)?).await?;
        confirms.send((delivery.delivery_tag, confirm))?;
    }
    Ok(())
}

/// Acknowledges tasks whose results are safe.
async fn acknowledge(
    work: Channel,
    mut confirmed: mpsc::UnboundedReceiver<(u64, PublisherConfirm)>,
) -> Result<()> {
    while let Some((tag, confirm)) = confirmed.recv().await {
        taken(confirm).await?;
        work.basic_ack(tag, BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Reads results.
async fn collect(
    mut results: Consumer,
    read: Channel,
    ended: mpsc::UnboundedSender<Instant>,
) -> Result<()> {
    while let Some(delivery) = results.next().await {
        let delivery = delivery?;
        let _: serde_json::Value = serde_json::from_slice(&delivery.data)?;
        let _ = ended.send(Instant::now());
        read.basic_ack(delivery.delivery_tag, BasicAckOptions::default())
            .await?;
    }
    Ok(())
}

async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

async fn publishing(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    let options = ConfirmSelectOptions::default();
    channel.confirm_select(options).await?;
    Ok(channel)
}

async fn declare(channel: &Channel, queue: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    let quorum = AMQPValue::LongString("quorum".into());
    arguments.insert("x-queue-type".into(), quorum);
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.into(), options, arguments);
    declared.await?;
    Ok(())
}

async fn consume(connection: &Connection, queue: &str, credit: u16) -> Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(credit, BasicQosOptions::default())
        .await?;
    let options = BasicConsumeOptions::default();
    let none = FieldTable::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, none);
    let consumer = consumer.await?;
    Ok((channel, consumer))
}

async fn send(channel: &Channel, queue: &str, body: &[u8]) -> Result<PublisherConfirm> {
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish("".into(), queue.into(), options, body, persistent);
    Ok(sent.await?)
}

async fn taken(confirm: PublisherConfirm) -> Result<()> {
    match confirm.await?.is_ack() {
        true => Ok(()),
        false => Err("the broker did not take a message".into()),
    }
}

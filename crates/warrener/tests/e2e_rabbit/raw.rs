//! A client of RabbitMQ that knows nothing but the contract, and may break it.

use crate::harness::{PATIENCE, until};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
    ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A connection, and the name under which it speaks.
pub(crate) struct Raw {
    runtime: Runtime,
    _connection: Connection,
    channel: Channel,
    pub(crate) agent: String,
    pub(crate) instance: String,
    control: Option<Consumer>,
}

/// A message as its sender wants it.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) store: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Note {
    /// With this body instead.
    pub(crate) fn with(&self, body: impl Into<Vec<u8>>) -> Note {
        Note {
            id: Some(Uuid::new_v4().to_string()),
            body: body.into(),
            ..self.clone()
        }
    }
}

impl Raw {
    pub(crate) fn new(url: &str, agent: &str, instance: &str) -> Raw {
        let runtime = Runtime::new().unwrap();
        let (connection, channel) = runtime.block_on(async {
            let connection = Connection::connect(url, ConnectionProperties::default())
                .await
                .unwrap();
            let channel = connection.create_channel().await.unwrap();
            let confirm = ConfirmSelectOptions::default();
            channel.confirm_select(confirm).await.unwrap();
            (connection, channel)
        });
        Raw {
            runtime,
            _connection: connection,
            channel,
            agent: agent.into(),
            instance: instance.into(),
            control: None,
        }
    }

    /// What it says of itself, with more.
    pub(crate) fn named(&self, more: &Value) -> Value {
        let mut body = json!({ "v": 1, "agent_id": self.agent, "instance": self.instance });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    /// A message to the servers, as the contract has it.
    pub(crate) fn note(&self, kind: &str, more: &Value) -> Note {
        Note {
            exchange: "agent.in".into(),
            key: format!("{kind}.{}", self.agent),
            kind: Some(kind.into()),
            id: Some(Uuid::new_v4().to_string()),
            store: None,
            body: self.named(more).to_string().into(),
        }
    }

    /// Publishes; the broker must take it.
    #[track_caller]
    pub(crate) fn send(&self, note: &Note) {
        let short = |text: &String| ShortString::try_new(text.as_str()).unwrap();
        let mut properties = BasicProperties::default();
        if let Some(kind) = &note.kind {
            properties = properties.with_type(short(kind));
        }
        if let Some(id) = &note.id {
            properties = properties.with_message_id(short(id));
        }
        if let Some(store) = &note.store {
            let mut headers = FieldTable::default();
            let store = AMQPValue::LongString(store.as_str().into());
            headers.insert("warrener-store".into(), store);
            properties = properties.with_headers(headers);
        }
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let (exchange, key) = (short(&note.exchange), short(&note.key));
        let confirm = self.runtime.block_on(async {
            let sent = self
                .channel
                .basic_publish(exchange, key, options, &note.body, properties);
            sent.await.unwrap().await.unwrap()
        });
        assert!(confirm.is_ack(), "{note:?}: {confirm:?}");
    }

    pub(crate) fn say(&self, kind: &str, more: &Value) {
        self.send(&self.note(kind, more));
    }

    /// Declares the control queue of this name, and reads it.
    pub(crate) fn listen(&mut self) {
        let queue = format!("agent.control.{}.{}", self.agent, self.instance);
        self.control = Some(self.consume(&queue, true));
    }

    /// A queue of its own with copies of the server's events.
    pub(crate) fn watch(&mut self, pattern: &str) {
        let queue = format!("watch-{}", self.agent);
        let consumer = self.consume(&queue, true);
        let bound = self.channel.queue_bind(
            queue.as_str().into(),
            "agent.status".into(),
            ShortString::try_new(pattern).unwrap(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        self.runtime.block_on(bound).unwrap();
        self.control = Some(consumer);
    }

    fn consume(&self, queue: &str, own: bool) -> Consumer {
        let name = || ShortString::try_new(queue).unwrap();
        self.runtime.block_on(async {
            if own {
                let exclusive = QueueDeclareOptions {
                    exclusive: true,
                    ..QueueDeclareOptions::default()
                };
                let made = self
                    .channel
                    .queue_declare(name(), exclusive, FieldTable::default());
                made.await.unwrap();
            }
            let options = BasicConsumeOptions::default();
            let tag = ShortString::default();
            let read = self
                .channel
                .basic_consume(name(), tag, options, FieldTable::default());
            read.await.unwrap()
        })
    }

    /// The next message that it reads: its routing key, type and body.
    #[track_caller]
    pub(crate) fn next(&mut self) -> (String, String, Value) {
        let control = self.control.as_mut().expect("it listens");
        let delivery: Delivery = self.runtime.block_on(async {
            let next = tokio::time::timeout(PATIENCE, control.next()).await;
            let delivery = next.expect("a message comes").unwrap().unwrap();
            delivery.ack(BasicAckOptions::default()).await.unwrap();
            delivery
        });
        let kind = delivery.properties.kind().clone().unwrap_or_default();
        let body = serde_json::from_slice(&delivery.data).unwrap();
        (delivery.routing_key.to_string(), kind.to_string(), body)
    }

    /// The next message of this type; others are read and forgotten.
    #[track_caller]
    pub(crate) fn hear(&mut self, kind: &str) -> Value {
        loop {
            let (_, found, body) = self.next();
            if found == kind {
                assert_eq!(body["v"], 1, "{body}");
                return body;
            }
        }
    }

    /// Takes one message out of a queue.
    #[track_caller]
    pub(crate) fn take(&self, queue: &str) -> Value {
        let name = || ShortString::try_new(queue).unwrap();
        until(queue, || {
            let got = self
                .channel
                .basic_get(name(), BasicGetOptions { no_ack: true });
            let got = self.runtime.block_on(got).unwrap()?;
            Some(serde_json::from_slice(&got.delivery.data).unwrap())
        })
    }

    /// Joins as a worker of the default lane.
    #[track_caller]
    pub(crate) fn join(&mut self, slots: u32) -> Value {
        self.listen();
        self.say("hello", &json!({ "lanes": ["default"], "slots": slots }));
        self.hear("welcome")
    }
}

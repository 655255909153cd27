//! The AsyncAPI document of what agents and servers say to each other over AMQP.
//!
//! Nothing of it is written down twice: bodies are the types of `warrener_model::message`, objects are what `topology`
//! declares under the names of `names`, and which message goes where is the table in `table`.

mod objects;
mod payload;
mod table;

use crate::names::Names;
use objects::Objects;
use payload::Schemas;
use serde_json::{Map, Value, json};
use table::{LINES, Line, Way};
use warrener_model::name::Namespace;

/// What every object of the binding carries.
const BINDING: &str = "0.3.0";

/// The channel on which servers answer.
const CONTROL: &str = "control";
/// The channels of the lane that has no name in its queue, and of any other.
const OFFERS: [&str; 2] = ["tasks", "tasks.lane"];

const ABOUT: &str = "\
What an agent says and hears, version 1 of the messages. The document is written from the agent's side: it *sends* to the
servers and *receives* from them. How to write an agent, step by step, with the reason of each rule: `docs/agents-amqp.md`.

- Bodies are UTF-8 JSON with `\"v\": 1`; another version is rejected. Unknown fields are ignored. Words may be added.
- Properties: `type` is the message's name, `message_id` a UUID that a resend keeps, `app_id` is `warrener`, `delivery_mode`
  2, `content_type` `application/json`, `timestamp` in seconds, `user_id` the broker's user or nothing.
- Leaders send `submit` and `cancel`, watchers receive copies of events: `docs/amqp.md`.
- A work queue is declared by a server, read by agents; the control queue is declared by its agent, for each boot anew.
- Acknowledge or keep; what cannot be read is rejected without requeue.";

/// The document, with the names that objects have in this namespace.
pub fn document(namespace: &Namespace) -> Value {
    let names = Names::new(namespace);
    let objects = Objects::of(&names);
    let mut schemas = Schemas::default();
    let messages: Map<String, Value> = LINES
        .iter()
        .map(|line| (line.key.to_owned(), message(line, &mut schemas)))
        .collect();
    let operations = LINES.iter().flat_map(operations);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Warrener: agents over AMQP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "servers": { "rabbitmq": server() },
        "channels": channels(&objects),
        "operations": operations.collect::<Map<_, _>>(),
        "components": {
            "schemas": schemas.needed(messages.values()),
            "messages": messages,
            "securitySchemes": {
                "password": {
                    "type": "userPassword",
                    "description": "A user of the broker, with the rights of its role.",
                },
                "certificate": {
                    "type": "X509",
                    "description": "SASL EXTERNAL, where the broker takes certificates.",
                },
            },
        },
        "x-warrener-topology": objects.listed(),
    })
}

fn server() -> Value {
    json!({
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ; `amqps`, port 5671, with TLS.",
        "variables": {
            "host": { "default": "localhost" },
            "port": { "default": "5672" },
            "vhost": { "default": "%2f", "description": "Encoded as in a URL." },
        },
        "security": [
            { "$ref": "#/components/securitySchemes/password" },
            { "$ref": "#/components/securitySchemes/certificate" },
        ],
    })
}

fn message(line: &Line, schemas: &mut Schemas) -> Value {
    let examples = line.examples().map(|body| json!({ "payload": body }));
    json!({
        "name": line.kind,
        "title": line.key,
        "summary": line.when,
        "headers": payload::headers(),
        "payload": (line.body)(schemas),
        "examples": examples.collect::<Vec<_>>(),
        "bindings": { "amqp": { "messageType": line.kind, "bindingVersion": BINDING } },
    })
}

/// A key of the inbox exchange for each message that agents send, and the queues that they read.
fn channels(objects: &Objects) -> Map<String, Value> {
    let mut channels = Map::new();
    for line in LINES {
        if let Way::Says(inbox) = line.way {
            let (address, exchange) = objects.said(line.kind);
            let about = format!(
                "The exchange puts it into {}, which servers read.",
                objects.inbox(inbox)
            );
            let binding = json!({ "is": "routingKey", "exchange": exchange });
            let made = channel(&address, &about, binding, |one| one.key == line.key);
            channels.insert(line.key.to_owned(), made);
        }
    }
    let about = "The offers of a lane. Which queues an agent reads, its welcome says.";
    for (name, (address, queue)) in OFFERS.into_iter().zip(objects.work()) {
        let binding = json!({ "is": "queue", "queue": queue });
        let made = channel(&address, about, binding, |one| one.way == Way::Offered);
        channels.insert(name.to_owned(), made);
    }
    let about = "What servers tell this boot of this agent. The agent declares it before its first hello, for itself alone; it ends with its reader.";
    let (address, queue) = objects.control();
    let binding = json!({ "is": "queue", "queue": queue });
    let made = channel(&address, about, binding, |one| one.way == Way::Told);
    channels.insert(CONTROL.to_owned(), made);
    let about =
        "Copies, after the commit and best effort. Bind a queue of your own; nobody is owed one.";
    for line in LINES {
        if let Way::Seen(key) = line.way {
            let (address, exchange) = objects.seen(key);
            let binding = json!({ "is": "routingKey", "exchange": exchange });
            let made = channel(&address, about, binding, |one| one.key == line.key);
            channels.insert(line.key.to_owned(), made);
        }
    }
    channels
}

fn channel(address: &str, about: &str, mut binding: Value, of: impl Fn(&Line) -> bool) -> Value {
    let lines = LINES.iter().filter(|line| of(line));
    let messages = lines.map(|line| {
        let named = format!("#/components/messages/{}", line.key);
        (line.key.to_owned(), json!({ "$ref": named }))
    });
    binding["bindingVersion"] = BINDING.into();
    json!({
        "address": address,
        "description": about,
        "parameters": parameters(address),
        "messages": messages.collect::<Map<_, _>>(),
        "bindings": { "amqp": binding },
    })
}

/// What stands in braces in an address.
fn parameters(address: &str) -> Map<String, Value> {
    let known = [
        (
            "agent_id",
            "The agent's own id. The broker can be told to let its user write under no other.",
        ),
        ("instance", "This boot of the agent."),
        ("lane", "A lane that the agent serves."),
        ("event", "What happened: `event` of the body."),
        ("space", "The space of the key."),
        (
            "key",
            "The key, which may have dots: bind with `#` behind the space.",
        ),
    ];
    let found = known
        .into_iter()
        .filter(|(name, _)| address.contains(&format!("{{{name}}}")));
    let described = found.map(|(name, about)| (name.to_owned(), json!({ "description": about })));
    described.collect()
}

/// One for each channel that the message goes through.
fn operations(line: &Line) -> Vec<(String, Value)> {
    let name = line.operation();
    match line.way {
        Way::Says(_) => vec![(name, operation(line, "send", line.key))],
        Way::Told => vec![(name, operation(line, "receive", CONTROL))],
        Way::Seen(_) => vec![(name, operation(line, "receive", line.key))],
        Way::Offered => {
            let of_lane = name.clone() + "OfLane";
            let names = [name, of_lane].into_iter().zip(OFFERS);
            let made = names.map(|(name, channel)| (name, operation(line, "receive", channel)));
            made.collect()
        }
    }
}

fn operation(line: &Line, action: &str, channel: &str) -> Value {
    let mut binding = match line.way {
        Way::Says(_) => json!({ "deliveryMode": 2, "mandatory": true, "timestamp": true }),
        Way::Told | Way::Offered | Way::Seen(_) => json!({ "ack": true }),
    };
    binding["bindingVersion"] = BINDING.into();
    let mut operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "messages": [in_channel(channel, line.key)],
        "summary": line.when,
        "bindings": { "amqp": binding },
    });
    if !line.answers.is_empty() {
        let answers = line.answers.iter().map(|key| in_channel(CONTROL, key));
        operation["reply"] = json!({
            "channel": { "$ref": format!("#/channels/{CONTROL}") },
            "messages": answers.collect::<Vec<_>>(),
        });
    }
    operation
}

fn in_channel(channel: &str, key: &str) -> Value {
    json!({ "$ref": format!("#/channels/{channel}/messages/{key}") })
}

#[cfg(test)]
mod tests;

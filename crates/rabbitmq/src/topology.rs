//! The queues, exchanges and bindings behind addresses (contracts.md section 5): what they are, how they are made, and
//! what is said when one of them exists in another shape.
//!
//! Whatever makes a queue what it is stands in its arguments, explicitly and equal on every version of the broker, so a
//! broker that has it otherwise refuses to declare it again: that is drift, and a person decides what to do. A changed
//! table here is a new [`VERSION`]; the owner's message carries it (see `owner`).

use crate::amqp::{Arg, Channel, Fault, Kind};
use crate::names::{Names, inbox_types};
use crate::settings::Limits;
use std::fmt;
use warrener_backend::broker::{Address, Inbox};
use warrener_backend::error::Error;

/// The version of these tables.
pub const VERSION: u32 = 2;

/// A message that comes back more often than this is a dead letter.
const DELIVERY_LIMIT: i64 = 20;
const PRESENCE_TTL_MS: i64 = 30_000;
const SIGNALS_TTL_MS: i64 = 5 * 60_000;

pub(crate) type Args = Vec<(&'static str, Arg)>;

/// One thing to declare. Their order matters: what dead letters go to exists before what they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Exchange(String, &'static str),
    Queue(String, Args),
    Binding {
        queue: String,
        exchange: String,
        key: String,
    },
}

/// What these addresses need. Topics and control addresses need nothing: see [`base`].
pub(crate) fn parts(names: &Names, limits: &Limits, addresses: &[Address]) -> Vec<Part> {
    let mut parts = Vec::new();
    let made = |address: &&Address| !matches!(address, Address::Topic(_) | Address::Control(_));
    if addresses.iter().any(|address| made(&address)) {
        dead(names, limits, &mut parts);
    }
    for address in addresses {
        match address {
            Address::Offers(lane) => {
                let (queue, exchange) = (names.offers(lane), names.tasks_exchange());
                parts.push(Part::Exchange(exchange.clone(), "direct"));
                parts.push(Part::Queue(queue.clone(), kept(names, limits.offers)));
                parts.push(binding(&queue, &exchange, lane.as_str()));
            }
            Address::Inbox(inbox) => {
                let (queue, exchange) = (names.inbox(*inbox), names.inbox_exchange());
                let args = match inbox {
                    Inbox::Results => kept(names, limits.results),
                    Inbox::Submit => kept(names, limits.submit),
                    Inbox::Presence => passing(limits.presence, PRESENCE_TTL_MS),
                    Inbox::Signals => passing(limits.signals, SIGNALS_TTL_MS),
                };
                parts.push(Part::Exchange(exchange.clone(), "topic"));
                parts.push(Part::Queue(queue.clone(), args));
                for kind in inbox_types(*inbox) {
                    parts.push(binding(&queue, &exchange, &format!("{kind}.*")));
                }
            }
            Address::Dead | Address::Control(_) | Address::Topic(_) => {}
        }
    }
    parts
}

fn dead(names: &Names, limits: &Limits, parts: &mut Vec<Part>) {
    let (queue, exchange) = (names.dead(), names.dead_exchange());
    let mut args = quorum(limits.dead);
    args.push(("x-overflow", Arg::Text("reject-publish")));
    parts.push(Part::Exchange(exchange.clone(), "fanout"));
    parts.push(Part::Queue(queue.clone(), args));
    parts.push(binding(&queue, &exchange, ""));
}

/// What is there without being asked for.
pub(crate) fn base(names: &Names) -> Vec<Part> {
    let topics = names.topic_exchanges().into_iter();
    topics
        .map(|exchange| Part::Exchange(exchange, "topic"))
        .collect()
}

/// The queue that says whose namespace it is. One reads at a time, in the order of a queue: see `owner`.
pub(crate) fn owner(names: &Names) -> Part {
    let mut args = quorum(1);
    args.push(("x-overflow", Arg::Text("reject-publish")));
    args.push(("x-single-active-consumer", Arg::Yes));
    Part::Queue(names.owner(), args)
}

/// The queue of one boot of an agent, which dies with its reader.
pub(crate) fn control(limits: &Limits) -> Args {
    vec![
        ("x-queue-type", Arg::Text("classic")),
        ("x-max-length", Arg::Number(limits.control.into())),
        ("x-overflow", Arg::Text("reject-publish")),
    ]
}

/// The queue of one watcher.
pub(crate) fn watcher(limits: &Limits) -> Args {
    vec![
        ("x-queue-type", Arg::Text("classic")),
        ("x-max-length", Arg::Number(limits.topic.into())),
        ("x-overflow", Arg::Text("drop-head")),
    ]
}

fn quorum(max: u32) -> Args {
    vec![
        ("x-queue-type", Arg::Text("quorum")),
        ("x-delivery-limit", Arg::Number(DELIVERY_LIMIT)),
        ("x-max-length", Arg::Number(max.into())),
    ]
}

/// Nothing of it is lost: what is too much is refused, what cannot be delivered goes to the dead letters.
fn kept(names: &Names, max: u32) -> Args {
    let mut args = quorum(max);
    args.extend([
        ("x-overflow", Arg::Text("reject-publish")),
        ("x-dead-letter-exchange", Arg::Name(names.dead_exchange())),
        ("x-dead-letter-strategy", Arg::Text("at-least-once")),
    ]);
    args
}

/// Old news is no news, and no dead letter either.
fn passing(max: u32, ttl_ms: i64) -> Args {
    let mut args = quorum(max);
    args.extend([
        ("x-overflow", Arg::Text("drop-head")),
        ("x-message-ttl", Arg::Number(ttl_ms)),
    ]);
    args
}

fn binding(queue: &str, exchange: &str, key: &str) -> Part {
    Part::Binding {
        queue: queue.to_owned(),
        exchange: exchange.to_owned(),
        key: key.to_owned(),
    }
}

/// Makes them, in this order.
pub(crate) async fn declare(channel: &Channel, parts: &[Part]) -> Result<(), Fault> {
    for part in parts {
        match part {
            Part::Exchange(name, kind) => channel.declare_exchange(name, kind).await?,
            Part::Queue(name, args) => {
                channel.declare_queue(name, Kind::Durable, args).await?;
            }
            Part::Binding {
                queue,
                exchange,
                key,
            } => channel.bind(queue, exchange, key).await?,
        }
    }
    Ok(())
}

/// An object that exists in another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `queue` or `exchange`, and its name.
    pub object: String,
    /// Which argument differs.
    pub argument: String,
    /// What the broker has.
    pub is: String,
    /// What this program declares.
    pub should: String,
}

impl Drift {
    /// Reads the broker's refusal to declare something again.
    pub(crate) fn read(fault: &Fault) -> Option<Drift> {
        if !fault.is_mismatch() {
            return None;
        }
        // inequivalent arg 'x-max-length' for queue 'agent.tasks' in vhost '/': received the value '5' of type 'long'
        // but current is the value '9' of type 'long'
        let text = fault.text();
        let (_, rest) = text.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once("' for ")?;
        let (object, rest) = rest.split_once(" in vhost ")?;
        let (_, rest) = rest.split_once("received ")?;
        let (should, is) = rest.split_once(" but current is ")?;
        Some(Drift {
            object: object.replace('\'', ""),
            argument: argument.to_owned(),
            is: value(is),
            should: value(should),
        })
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> String {
        let (kind, name) = self
            .object
            .split_once(' ')
            .unwrap_or(("queue", &self.object));
        match kind {
            "queue" => format!(
                "stop all servers and agents, let {name} run empty or accept to lose what is in it (the store offers it again), delete it (rabbitmqctl delete_queue {name}) and start a server; if a policy or another program made it so, change that first"
            ),
            _ => format!(
                "stop all servers and agents, delete the {kind} {name} in the management interface, and start a server, which makes it anew"
            ),
        }
    }
}

fn value(text: &str) -> String {
    let text = text.strip_prefix("the value ").unwrap_or(text);
    let text = text.split(" of type ").next().unwrap_or(text);
    text.trim_matches('\'').to_owned()
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drift {
            object,
            argument,
            is,
            should,
        } = self;
        write!(
            f,
            "{object} exists with {argument} = {is}, and should have {should}: {}",
            self.remedy()
        )
    }
}

impl From<Drift> for Error {
    fn from(drift: Drift) -> Error {
        Error::Invalid(drift.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::name::{Lane, Namespace};

    fn names() -> Names {
        Names::new(&Namespace::new("agent").unwrap())
    }

    fn arg(parts: &[Part], queue: &str, name: &str) -> Option<Arg> {
        parts.iter().find_map(|part| match part {
            Part::Queue(found, args) if found == queue => {
                let found = args.iter().find(|(arg, _)| *arg == name);
                found.map(|(_, value)| value.clone())
            }
            _ => None,
        })
    }

    #[test]
    fn dead_letters_have_a_place_before_anything_can_die() {
        let offers = Address::Offers(Lane::new("one").unwrap());
        let parts = parts(&names(), &Limits::default(), &[offers, Address::Dead]);
        let place = |queue: &str| {
            let found = |part: &Part| matches!(part, Part::Queue(name, _) if name == queue);
            parts.iter().position(found).unwrap()
        };
        assert!(place("agent.tasks.dead") < place("agent.tasks.one"));
    }

    #[test]
    fn queues_have_the_arguments_of_the_contract() {
        let inboxes = [
            Inbox::Results,
            Inbox::Presence,
            Inbox::Signals,
            Inbox::Submit,
        ];
        let mut all: Vec<Address> = inboxes.map(Address::Inbox).into();
        all.push(Address::Offers(Lane::new("default").unwrap()));
        let parts = parts(&names(), &Limits::default(), &all);
        for queue in ["agent.tasks", "agent.results", "agent.submit"] {
            let arg = |name| arg(&parts, queue, name);
            assert_eq!(arg("x-queue-type"), Some(Arg::Text("quorum")));
            assert_eq!(arg("x-delivery-limit"), Some(Arg::Number(20)));
            assert_eq!(arg("x-overflow"), Some(Arg::Text("reject-publish")));
            let to = Some(Arg::Name("agent.dead".into()));
            assert_eq!(arg("x-dead-letter-exchange"), to, "{queue}");
            assert_eq!(
                arg("x-dead-letter-strategy"),
                Some(Arg::Text("at-least-once"))
            );
        }
        for (queue, ttl) in [("agent.presence", 30_000), ("agent.signals", 300_000)] {
            let arg = |name| arg(&parts, queue, name);
            assert_eq!(arg("x-message-ttl"), Some(Arg::Number(ttl)));
            assert_eq!(arg("x-max-length"), Some(Arg::Number(100_000)));
            assert_eq!(arg("x-overflow"), Some(Arg::Text("drop-head")));
            assert_eq!(
                arg("x-dead-letter-exchange"),
                None,
                "old news is no dead letter"
            );
        }
    }
}

//! Queues, exchanges and bindings as the document shows them: read from the tables that they are declared from.

use crate::amqp::Arg;
use crate::names::{Names, inbox_key};
use crate::settings::Limits;
use crate::topology::{self, Args, Part};
use serde_json::{Map, Value, json};
use warrener_backend::broker::{Address, Inbox};
use warrener_model::agent::Who;
use warrener_model::id::InstanceId;
use warrener_model::name::{AgentId, Lane};

/// Words for what differs from lane to lane and from agent to agent. Each is a name that there could be, so that what is
/// made of it comes out of the functions which make all names; then it is put into braces.
const LANE: &str = "lane";
const AGENT: &str = "agent_id";
const INSTANCE: &str = "instance";

/// See the module.
pub(super) struct Objects<'a> {
    names: &'a Names,
    limits: Limits,
    /// What servers declare.
    parts: Vec<Part>,
}

impl<'a> Objects<'a> {
    pub(super) fn of(names: &'a Names) -> Objects<'a> {
        let limits = Limits::default();
        let mut addresses: Vec<Address> = Inbox::ALL.map(Address::Inbox).into();
        addresses.extend(lanes().map(Address::Offers));
        let mut all = vec![topology::owner(names)];
        all.extend(topology::base(names));
        all.extend(topology::parts(names, &limits, &addresses));
        let mut parts: Vec<Part> = Vec::new();
        for part in all {
            // An exchange stands there once for each queue behind it.
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        Objects {
            names,
            limits,
            parts,
        }
    }

    /// The address and the binding of the work queue of the lane that has no name in it, and of any other.
    pub(super) fn work(&self) -> [(String, Value); 2] {
        lanes().map(|lane| {
            let name = braced_name(&self.names.offers(&lane));
            let binding = queue(&name, true);
            (name, binding)
        })
    }

    /// The same of the queue of one boot of an agent.
    pub(super) fn control(&self) -> (String, Value) {
        let who = Who {
            agent: agent(),
            instance: InstanceId::try_from(INSTANCE.to_owned()).expect("it is an instance"),
        };
        let name = braced_name(&self.names.control(&who));
        let binding = queue(&name, false);
        (name, binding)
    }

    /// The key under which agents say something of this type, and the binding of the exchange they say it to.
    pub(super) fn said(&self, kind: &str) -> (String, Value) {
        let name = self.names.inbox_exchange();
        let found = self.parts.iter().find_map(|part| match part {
            Part::Exchange(found, kind) if *found == name => Some(*kind),
            _ => None,
        });
        let binding = exchange(&name, found.unwrap_or_default());
        (braced(&inbox_key(kind, Some(&agent()))), binding)
    }

    /// The key that copies come under, and the binding of the exchange that watchers bind their queues to.
    pub(super) fn seen(&self, key: &str) -> (String, Value) {
        let found = self.names.bindings(key).expect("it is short");
        let (name, key) = found.into_iter().next().expect("a key leads somewhere");
        (key, exchange(&name, "topic"))
    }

    /// The queue in which servers find what is said to this inbox.
    pub(super) fn inbox(&self, inbox: Inbox) -> String {
        self.names.inbox(inbox)
    }

    /// Everything, with all arguments, so that another program can declare the same.
    pub(super) fn listed(&self) -> Value {
        let (mut exchanges, mut queues, mut bindings) = (vec![], vec![], vec![]);
        for part in &self.parts {
            match part {
                Part::Exchange(name, kind) => exchanges.push(exchange(name, kind)),
                Part::Queue(name, args) => {
                    queues.push(declared(queue(&braced_name(name), true), "server", args));
                }
                Part::Binding {
                    queue,
                    exchange,
                    key,
                } => bindings.push(json!({
                    "queue": braced_name(queue), "exchange": exchange, "key": braced(key),
                })),
            }
        }
        let args = topology::control(&self.limits);
        queues.push(declared(self.control().1, "agent", &args));
        json!({
            "version": topology::VERSION,
            "exchanges": exchanges,
            "queues": queues,
            "bindings": bindings,
        })
    }
}

fn lanes() -> [Lane; 2] {
    [Lane::default(), Lane::new(LANE).expect("it is a lane")]
}

fn agent() -> AgentId {
    AgentId::new(AGENT).expect("it is an agent")
}

fn exchange(name: &str, kind: &str) -> Value {
    json!({ "name": name, "type": kind, "durable": true, "autoDelete": false })
}

/// A queue for all and on disk, or for its reader alone.
fn queue(name: &str, shared: bool) -> Value {
    json!({ "name": name, "durable": shared, "exclusive": !shared, "autoDelete": !shared })
}

fn declared(mut queue: Value, by: &str, args: &Args) -> Value {
    let value = |arg: &Arg| match arg {
        Arg::Text(text) => Value::from(*text),
        Arg::Name(name) => Value::from(name.as_str()),
        Arg::Number(number) => Value::from(*number),
        Arg::Yes => Value::from(true),
    };
    let args = args
        .iter()
        .map(|(name, arg)| ((*name).to_owned(), value(arg)));
    queue["declaredBy"] = by.into();
    queue["arguments"] = args.collect::<Map<_, _>>().into();
    queue
}

/// The first word of an object's name is the namespace, whatever it is.
fn braced_name(name: &str) -> String {
    match name.split_once('.') {
        Some((namespace, rest)) => format!("{namespace}.{}", braced(rest)),
        None => name.to_owned(),
    }
}

fn braced(words: &str) -> String {
    let words = words.split('.').map(|word| match word {
        LANE | AGENT | INSTANCE => format!("{{{word}}}"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(".")
}

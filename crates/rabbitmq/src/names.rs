//! Names: which queue, exchange and key an address is (contracts.md section 5), and back.

use warrener_backend::broker::{Address, Inbox, Message};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::Who;
use warrener_model::name::{AgentId, Lane, Namespace};

/// The lane that has no name of its own in its queue.
const DEFAULT_LANE: &str = "default";
/// Longer keys do not fit, with all that is put before them, into AMQP's 255 bytes.
const TOPIC_BYTES_MAX: usize = 180;
/// The topic exchanges that are named by the first word of their keys; all other keys are of the first one.
const TOPICS: [&str; 3] = ["status", "brainstorm", "state"];

/// Where a message is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The empty one leads to the queue that the key names.
    pub(crate) exchange: String,
    pub(crate) key: String,
    /// Whether somebody has to be there.
    pub(crate) mandatory: bool,
    /// What shares a channel.
    pub(crate) group: Group,
}

/// A queue that does not answer holds up its whole channel, so queues of different sorts are published to on different
/// ones; of lanes there may be many, and they share a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Offers(u8),
    Inbox(Inbox),
    Control,
    Dead,
    Topics,
}

/// How many channels the lanes share.
const LANE_CHANNELS: u32 = 8;

impl Group {
    fn of(address: &Address) -> Group {
        match address {
            Address::Offers(lane) => {
                let mix = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
                let hash = lane.as_str().bytes().fold(0, mix) % LANE_CHANNELS;
                Group::Offers(u8::try_from(hash).unwrap_or_default())
            }
            Address::Inbox(inbox) => Group::Inbox(*inbox),
            Address::Control(_) => Group::Control,
            Address::Dead => Group::Dead,
            Address::Topic(_) => Group::Topics,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: Namespace,
}

impl Names {
    pub(crate) fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
        }
    }

    /// The first word of all names.
    pub(crate) fn space(&self) -> &str {
        self.namespace.as_str()
    }

    fn named(&self, rest: &str) -> String {
        format!("{}.{rest}", self.namespace)
    }

    pub(crate) fn inbox_exchange(&self) -> String {
        self.named("in")
    }

    pub(crate) fn tasks_exchange(&self) -> String {
        self.named("tasks")
    }

    pub(crate) fn dead_exchange(&self) -> String {
        self.named("dead")
    }

    pub(crate) fn topic_exchanges(&self) -> [String; 3] {
        TOPICS.map(|topic| self.named(topic))
    }

    pub(crate) fn owner(&self) -> String {
        self.named("owner")
    }

    pub(crate) fn dead(&self) -> String {
        self.named("tasks.dead")
    }

    pub(crate) fn offers(&self, lane: &Lane) -> String {
        match lane.as_str() {
            DEFAULT_LANE => self.named("tasks"),
            lane => self.named(&format!("tasks.{lane}")),
        }
    }

    pub(crate) fn inbox(&self, inbox: Inbox) -> String {
        self.named(inbox_word(inbox))
    }

    pub(crate) fn control(&self, who: &Who) -> String {
        self.named(&format!("control.{}.{}", who.agent, who.instance))
    }

    /// The queue behind an address, if it has one that others can name.
    pub(crate) fn queue(&self, address: &Address) -> Option<String> {
        match address {
            Address::Offers(lane) => Some(self.offers(lane)),
            Address::Inbox(inbox) => Some(self.inbox(*inbox)),
            Address::Control(who) => Some(self.control(who)),
            Address::Dead => Some(self.dead()),
            Address::Topic(_) => None,
        }
    }

    /// Where a message to this address goes.
    ///
    /// # Errors
    /// `Invalid` for a message that is of no type that is spoken there, and for a topic that is too long.
    pub(crate) fn route(&self, address: &Address, message: &Message) -> Result<Route> {
        let (exchange, key, mandatory) = match address {
            Address::Offers(lane) => (self.tasks_exchange(), lane.as_str().to_owned(), true),
            Address::Inbox(inbox) => {
                let kind = &*message.kind;
                if !inbox_types(*inbox).contains(&kind) {
                    let types = inbox_types(*inbox).join(", ");
                    return Err(Error::Invalid(format!(
                        "a message of type \"{kind:.60}\" does not belong into {address}; what does: {types}"
                    )));
                }
                let key = inbox_key(kind, message.sender.as_ref());
                (self.inbox_exchange(), key, true)
            }
            Address::Control(who) => (String::new(), self.control(who), true),
            Address::Dead => (self.dead_exchange(), message.kind.to_string(), true),
            Address::Topic(key) => {
                let (topic, key) = self.topic(key)?;
                (self.named(topic), key, false)
            }
        };
        Ok(Route {
            exchange,
            key,
            mandatory,
            group: Group::of(address),
        })
    }

    /// Who sent what came to an inbox by this key: as sure as the broker's topic permissions make it.
    pub(crate) fn sender(key: &str) -> Option<AgentId> {
        AgentId::new(key.split_once('.')?.1).ok()
    }

    /// The exchange of a topic, and its key there.
    fn topic(&self, key: &str) -> Result<(&'static str, String)> {
        if key.len() > TOPIC_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a topic has {} bytes; at most {TOPIC_BYTES_MAX} are allowed",
                key.len()
            )));
        }
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        let own = TOPICS[1..].iter().find(|topic| **topic == first);
        let (topic, rest) = own.map_or((TOPICS[0], key), |topic| (*topic, rest));
        Ok((topic, self.topic_key(topic, rest)))
    }

    /// A key on the exchange of a topic; of state without the namespace (contracts.md section 6).
    fn topic_key(&self, topic: &str, rest: &str) -> String {
        let dot = if rest.is_empty() { "" } else { "." };
        let own = (topic != "state").then(|| format!("{}.", self.namespace));
        format!("{}{topic}{dot}{rest}", own.unwrap_or_default())
    }

    /// Where a watcher's queue is bound, by exchange and key: a pattern may reach over several exchanges.
    ///
    /// # Errors
    /// `Invalid` for a pattern that is too long.
    pub(crate) fn bindings(&self, pattern: &str) -> Result<Vec<(String, String)>> {
        let (first, rest) = pattern.split_once('.').unwrap_or((pattern, ""));
        let (topic, key) = self.topic(pattern)?;
        let mut found = vec![(self.named(topic), key)];
        // A star stands for the word that names the other exchanges; a hash for it and for more.
        let elsewhere = match first {
            "*" => rest,
            "#" => pattern,
            _ => return Ok(found),
        };
        for topic in &TOPICS[1..] {
            found.push((self.named(topic), self.topic_key(topic, elsewhere)));
        }
        Ok(found)
    }

    /// The address of a queue that a dead letter came from, as the port writes it.
    pub(crate) fn address_of(&self, queue: &str) -> String {
        let rest = queue.strip_prefix(self.namespace.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix('.'));
        let inbox = Inbox::ALL
            .into_iter()
            .find(|inbox| rest == Some(inbox_word(*inbox)));
        match (inbox, rest) {
            (Some(inbox), _) => Address::Inbox(inbox).to_string(),
            (None, Some("tasks.dead")) => Address::Dead.to_string(),
            (None, Some("tasks")) => format!("offers/{DEFAULT_LANE}"),
            (None, Some(rest)) => match rest.strip_prefix("tasks.") {
                Some(lane) => format!("offers/{lane}"),
                None => queue.to_owned(),
            },
            (None, None) => queue.to_owned(),
        }
    }
}

fn inbox_word(inbox: Inbox) -> &'static str {
    match inbox {
        Inbox::Results => "results",
        Inbox::Presence => "presence",
        Inbox::Signals => "signals",
        Inbox::Submit => "submit",
    }
}

/// The key under which an agent says something of this type. No agent has the name of nobody.
pub(crate) fn inbox_key(kind: &str, from: Option<&AgentId>) -> String {
    format!("{kind}.{}", from.map_or("-", AgentId::as_str))
}

/// What is said in an inbox. A message's type alone leads to its queue.
pub(crate) fn inbox_types(inbox: Inbox) -> &'static [&'static str] {
    match inbox {
        Inbox::Results => &["claim", "outcome", "answer", "state"],
        Inbox::Presence => &["hello", "heartbeat", "bye"],
        Inbox::Signals => &["signal"],
        Inbox::Submit => &["submit", "cancel", "heard"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use warrener_model::Timestamp;
    use warrener_model::id::{InstanceId, MessageId};

    fn names() -> Names {
        Names::new(&Namespace::new("agent").unwrap())
    }

    fn lane(name: &str) -> Address {
        Address::Offers(Lane::new(name).unwrap())
    }

    fn message(kind: &str) -> Message {
        Message {
            id: MessageId::new(Timestamp::from_millis(0), [0; 10]),
            kind: kind.into(),
            store: None,
            trace: None,
            sender: Some(AgentId::new("ann").unwrap()),
            body: Bytes::from_static(b"{}"),
            reason: None,
        }
    }

    #[test]
    fn addresses_lead_where_the_contract_says() {
        let control = Address::Control(Who {
            agent: AgentId::new("backend-1").unwrap(),
            instance: InstanceId::random(0x5f0c_2a9e),
        });
        let status = |key: &str| Address::Topic(key.into());
        for (to, kind, exchange, key, queue) in [
            (
                lane("default"),
                "task",
                "agent.tasks",
                "default",
                Some("agent.tasks"),
            ),
            (
                lane("backend"),
                "task",
                "agent.tasks",
                "backend",
                Some("agent.tasks.backend"),
            ),
            (
                Address::Inbox(Inbox::Results),
                "claim",
                "agent.in",
                "claim.ann",
                Some("agent.results"),
            ),
            (
                Address::Inbox(Inbox::Presence),
                "bye",
                "agent.in",
                "bye.ann",
                Some("agent.presence"),
            ),
            (
                control,
                "cancel",
                "",
                "agent.control.backend-1.5f0c2a9e",
                Some("agent.control.backend-1.5f0c2a9e"),
            ),
            (
                Address::Dead,
                "task",
                "agent.dead",
                "task",
                Some("agent.tasks.dead"),
            ),
            (
                status("task.dead"),
                "event",
                "agent.status",
                "agent.status.task.dead",
                None,
            ),
            (
                status("alert"),
                "event",
                "agent.status",
                "agent.status.alert",
                None,
            ),
            (
                status("brainstorm.s1.idea"),
                "event",
                "agent.brainstorm",
                "agent.brainstorm.s1.idea",
                None,
            ),
            (status("state"), "event", "agent.state", "state", None),
        ] {
            let route = names().route(&to, &message(kind)).unwrap();
            assert_eq!((&*route.exchange, &*route.key), (exchange, key), "{to}");
            assert_eq!(route.mandatory, !matches!(to, Address::Topic(_)));
            assert_eq!(names().queue(&to).as_deref(), queue);
            if let (Some(queue), false) = (queue, exchange.is_empty()) {
                assert_eq!(names().address_of(queue), to.to_string());
            }
        }
        assert_eq!(names().address_of("somebody's"), "somebody's");
    }

    #[test]
    fn what_does_not_belong_into_an_inbox_is_refused() {
        assert_eq!(Names::sender("claim.ann"), AgentId::new("ann").ok());
        assert_eq!(Names::sender("claim.-"), None);
        let refused = names().route(&Address::Inbox(Inbox::Presence), &message("claim"));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("hello, heartbeat, bye"), "{text}");
    }

    #[test]
    fn patterns_reach_over_all_exchanges_they_may_mean() {
        for (pattern, expected) in [
            ("task.*", &[("agent.status", "agent.status.task.*")][..]),
            ("state.#", &[("agent.state", "state.#")]),
            (
                "#",
                &[
                    ("agent.status", "agent.status.#"),
                    ("agent.brainstorm", "agent.brainstorm.#"),
                    ("agent.state", "state.#"),
                ],
            ),
            (
                "*.lost",
                &[
                    ("agent.status", "agent.status.*.lost"),
                    ("agent.brainstorm", "agent.brainstorm.lost"),
                    ("agent.state", "state.lost"),
                ],
            ),
        ] {
            let found = names().bindings(pattern).unwrap();
            let found: Vec<(&str, &str)> = found.iter().map(|(e, k)| (&**e, &**k)).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        assert!(names().bindings(&"x".repeat(181)).is_err());
    }
}

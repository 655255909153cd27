//! Messages as AMQP carries them: properties and headers (contracts.md section 5).

use crate::names::Route;
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::str::FromStr;
use std::time::Duration;
use warrener_backend::broker::Message;
use warrener_backend::error::{Error, Result};
use warrener_model::id::{MessageId, StoreId};

const APP_ID: &str = "warrener";
const STORE: &str = "warrener-store";
const TRACE: &str = "traceparent";
const REASON: &str = "warrener-reject-reason";
const PERSISTENT: u8 = 2;

/// What a broker adds to a message on its way. A copy begins anew: on some versions a count that is carried along
/// makes the next return its last.
const FROM_BROKER: [&str; 5] = [
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-acquired-count",
];

/// A message ready to be published.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// Its `message_id`, by which a return is known.
    pub(crate) id: MessageId,
    pub(crate) route: Route,
    pub(crate) body: Bytes,
    pub(super) properties: BasicProperties,
}

impl Letter {
    /// # Errors
    /// `Invalid` for what AMQP cannot carry.
    pub(crate) fn new(
        route: Route,
        message: Message,
        expires: Option<Duration>,
        user: Option<&str>,
    ) -> Result<Letter> {
        let mut headers = FieldTable::default();
        let texts = [
            (STORE, message.store.map(|store| store.to_string())),
            (TRACE, message.trace),
            (REASON, message.reason),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                headers.insert(name.into(), AMQPValue::LongString(value.into()));
            }
        }
        let mut properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_app_id(APP_ID.into())
            .with_message_id(short(&message.id.to_string())?)
            .with_type(short(&message.kind)?)
            .with_timestamp(seconds(message.id))
            .with_headers(headers);
        if let Some(user) = user {
            properties = properties.with_user_id(short(user)?);
        }
        if let Some(expires) = expires {
            properties = properties.with_expiration(short(&expires.as_millis().to_string())?);
        }
        Ok(Letter {
            id: message.id,
            route,
            body: message.body,
            properties,
        })
    }
}

fn short(text: &str) -> Result<ShortString> {
    ShortString::try_new(text)
        .map_err(|_| Error::Invalid(format!("\"{text:.60}…\" is longer than 255 bytes")))
}

/// Ids begin with the milliseconds in which they were made.
fn seconds(id: MessageId) -> u64 {
    let millis = id.as_bytes()[..6].iter();
    millis.fold(0, |sum, byte| sum << 8 | u64::from(*byte)) / 1000
}

/// What came with a body.
#[derive(Clone, Debug)]
pub(crate) struct Envelope(pub(super) BasicProperties);

/// Why the broker put a message among the dead letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Death {
    /// `rejected`, `expired`, `delivery_limit`, `maxlen`.
    pub(crate) why: String,
    /// The queue it died in.
    pub(crate) queue: String,
}

impl Envelope {
    /// The message.
    ///
    /// # Errors
    /// Which of its properties is missing or is not what it should be.
    pub(crate) fn message(&self, body: Bytes) -> std::result::Result<Message, String> {
        let id = text_of(self.0.message_id());
        let store = self.header(STORE);
        Ok(Message {
            id: id
                .and_then(|id| id.parse().ok())
                .ok_or("its message_id is missing, or is not a UUID")?,
            kind: text_of(self.0.kind()).ok_or("its type is missing")?.into(),
            store: store
                .map(|store| StoreId::from_str(&store))
                .transpose()
                .map_err(|error| format!("its {STORE}: {error}"))?,
            sender: None,
            trace: self.header(TRACE),
            body,
            reason: self.header(REASON),
        })
    }

    /// The message of a dead letter, however little of it can be read: there is no other place it could go to.
    pub(crate) fn remains(&self, body: Bytes) -> Message {
        let id = text_of(self.0.message_id()).and_then(|id| id.parse().ok());
        Message {
            id: id.unwrap_or_else(random_id),
            kind: text_of(self.0.kind()).unwrap_or("unknown").into(),
            store: self.header(STORE).and_then(|store| store.parse().ok()),
            sender: None,
            trace: self.header(TRACE),
            body,
            reason: self.header(REASON),
        }
    }

    /// The newest entry of the broker's own account of it.
    pub(crate) fn death(&self) -> Option<Death> {
        let headers = self.0.headers().as_ref()?.inner();
        let AMQPValue::FieldArray(entries) = headers.get("x-death")? else {
            return None;
        };
        let AMQPValue::FieldTable(entry) = entries.as_slice().first()? else {
            return None;
        };
        let text = |name: &str| entry.inner().get(name).and_then(text);
        Some(Death {
            why: text("reason")?,
            queue: text("queue")?,
        })
    }

    /// A copy for the dead letters, with a reason. All else is as it came, as far as it is its sender's.
    pub(crate) fn dead_copy(
        &self,
        body: Bytes,
        route: Route,
        reason: &str,
        user: Option<&str>,
    ) -> Letter {
        let mut headers = FieldTable::default();
        if let Some(old) = self.0.headers() {
            for (name, value) in old.inner() {
                if !FROM_BROKER.iter().any(|own| name.as_str().starts_with(own)) {
                    headers.insert(name.clone(), value.clone());
                }
            }
        }
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        let known = text_of(self.0.message_id()).and_then(|id| id.parse().ok());
        let id = known.unwrap_or_else(random_id);
        let mut properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_app_id(APP_ID.into())
            .with_message_id(ShortString::try_new(id.to_string()).unwrap_or_default())
            .with_timestamp(seconds(id))
            .with_headers(headers);
        if let Some(kind) = self.0.kind() {
            properties = properties.with_type(kind.clone());
        }
        if let Some(content) = self.0.content_type() {
            properties = properties.with_content_type(content.clone());
        }
        if let Some(user) = user.and_then(|user| ShortString::try_new(user).ok()) {
            properties = properties.with_user_id(user);
        }
        Letter {
            id,
            route,
            body,
            properties,
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        text(self.0.headers().as_ref()?.inner().get(name)?)
    }
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn text_of(property: &Option<ShortString>) -> Option<&str> {
    property.as_ref().map(ShortString::as_str)
}

fn random_id() -> MessageId {
    MessageId::from_bytes(std::array::from_fn(|_| fastrand::u8(..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Timestamp;

    fn message() -> Message {
        let at = Timestamp::from_millis(1_700_000_000_999);
        Message {
            id: MessageId::new(at, [3; 10]),
            kind: "task".into(),
            store: Some(StoreId::new(at, [7; 10])),
            sender: None,
            trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            body: Bytes::from_static(b"{}"),
            reason: None,
        }
    }

    fn route() -> Route {
        Route {
            exchange: "agent.tasks".into(),
            key: "default".into(),
            mandatory: true,
            group: crate::names::Group::Control,
        }
    }

    fn envelope(message: Message) -> Envelope {
        let letter = Letter::new(route(), message, None, Some("smith"));
        Envelope(letter.unwrap().properties)
    }

    #[test]
    fn the_properties_are_those_of_the_contract() {
        let expires = Some(Duration::from_secs(30));
        let letter = Letter::new(route(), message(), expires, Some("smith")).unwrap();
        let p = &letter.properties;
        assert_eq!(*p.delivery_mode(), Some(2));
        assert_eq!(text_of(p.content_type()), Some("application/json"));
        assert_eq!(text_of(p.app_id()), Some("warrener"));
        assert_eq!(text_of(p.message_id()), Some(&*message().id.to_string()));
        assert_eq!(text_of(p.user_id()), Some("smith"));
        assert_eq!(text_of(p.kind()), Some("task"));
        assert_eq!(*p.timestamp(), Some(1_700_000_000), "in seconds");
        assert_eq!(text_of(p.expiration()), Some("30000"));
        let headers = p.headers().as_ref().unwrap().inner();
        let names: Vec<&str> = headers.keys().map(ShortString::as_str).collect();
        assert_eq!(names, ["traceparent", "warrener-store"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut with_reason = message();
        with_reason.reason = Some("no such field".into());
        let mut plain = message();
        (plain.store, plain.trace) = (None, None);
        for message in [message(), with_reason, plain] {
            let read = envelope(message.clone()).message(message.body.clone());
            assert_eq!(read, Ok(message));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why_and_still_has_remains() {
        let whole = envelope(message()).0;
        let cases = [
            (whole.clone().with_message_id("7".into()), "message_id"),
            (
                BasicProperties::default()
                    .with_message_id(ShortString::try_new(message().id.to_string()).unwrap()),
                "type",
            ),
            (BasicProperties::default(), "message_id"),
        ];
        for (properties, word) in cases {
            let envelope = Envelope(properties);
            let why = envelope.message(Bytes::new()).unwrap_err();
            assert!(why.contains(word), "{why}");
            assert_eq!(envelope.remains(Bytes::from_static(b"x")).body, "x");
        }
        let mut headers = FieldTable::default();
        headers.insert(STORE.into(), AMQPValue::LongString("mine".into()));
        let why = Envelope(whole.with_headers(headers)).message(Bytes::new());
        assert!(why.unwrap_err().contains(STORE));
    }

    #[test]
    fn a_dead_copy_begins_its_counts_anew() {
        let mut headers = FieldTable::default();
        for name in [
            "x-death",
            "x-delivery-count",
            "x-first-death-queue",
            "x-mine",
        ] {
            headers.insert(name.into(), AMQPValue::LongLongInt(7));
        }
        let old = Envelope(envelope(message()).0.with_headers(headers));
        let copy = old.dead_copy(Bytes::new(), route(), "why", None);
        let headers = copy.properties.headers().as_ref().unwrap().inner();
        let names: Vec<&str> = headers.keys().map(ShortString::as_str).collect();
        assert_eq!(names, ["warrener-reject-reason", "x-mine"]);
        assert_eq!(copy.id, message().id);
    }

    #[test]
    fn names_longer_than_amqp_can_carry_are_refused() {
        let mut long = message();
        long.kind = "k".repeat(256).into();
        let refused = Letter::new(route(), long, None, None);
        assert!(matches!(refused, Err(Error::Invalid(_))));
    }
}

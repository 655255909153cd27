//! The port's words as the link's, and back.

use bytes::Bytes;
use std::time::Duration;
use warrener_api::link::{Code, Letter, Problem, Sent};
use warrener_api::link::{Depth, Health, Receipt, Verdict};
use warrener_backend::broker::{self, Address, Inbox, Message, Outgoing};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::Who;
use warrener_model::id::InstanceId;
use warrener_model::json::Json;
use warrener_model::name::{AgentId, Lane};

/// What failed, in errors about the link itself.
pub(crate) const LINK: &str = "link";

/// Reads an address as [`Address`] displays it.
pub(crate) fn address(text: &str) -> Result<Address> {
    let unreadable = || Error::Invalid(format!("\"{text}\" is not an address"));
    let (sort, rest) = text.split_once('/').unwrap_or((text, ""));
    match (sort, rest) {
        ("offers", lane) => {
            let lane = Lane::new(lane).map_err(|error| Error::Invalid(error.to_string()))?;
            Ok(Address::Offers(lane))
        }
        ("inbox", "results") => Ok(Address::Inbox(Inbox::Results)),
        ("inbox", "presence") => Ok(Address::Inbox(Inbox::Presence)),
        ("inbox", "signals") => Ok(Address::Inbox(Inbox::Signals)),
        ("inbox", "submit") => Ok(Address::Inbox(Inbox::Submit)),
        ("control", who) => {
            let (agent, instance) = who.split_once('/').ok_or_else(unreadable)?;
            Ok(Address::Control(self::who(agent, instance)?))
        }
        ("dead", "") => Ok(Address::Dead),
        ("topic", key) => Ok(Address::Topic(key.into())),
        _ => Err(unreadable()),
    }
}

/// Reads who an agent is.
pub(crate) fn who(agent: &str, instance: &str) -> Result<Who> {
    Ok(Who {
        agent: AgentId::new(agent).map_err(|error| Error::Invalid(error.to_string()))?,
        instance: InstanceId::try_from(instance.to_owned())
            .map_err(|error| Error::Invalid(error.to_string()))?,
    })
}

pub(crate) fn letter(message: &Message) -> Result<Letter> {
    let body = String::from_utf8(message.body.to_vec())
        .map_err(|error| error.to_string())
        .and_then(|text| Json::parse(text).map_err(|error| error.to_string()))
        .map_err(|error| Error::Invalid(format!("the body is not JSON: {error}")))?;
    Ok(Letter {
        id: message.id,
        kind: message.kind.as_ref().to_owned(),
        store: message.store,
        trace: message.trace.clone(),
        reason: message.reason.clone(),
        body,
    })
}

pub(crate) fn message(letter: Letter) -> Message {
    Message {
        id: letter.id,
        kind: letter.kind.into(),
        store: letter.store,
        // Whatever a client says of itself: the gate knows.
        sender: None,
        trace: letter.trace,
        body: Bytes::copy_from_slice(letter.body.as_str().as_bytes()),
        reason: letter.reason,
    }
}

pub(crate) fn sent(out: &Outgoing) -> Result<Sent> {
    Ok(Sent {
        to: out.to.to_string(),
        // A fraction of a millisecond is not "at once".
        expires_ms: out
            .expires
            .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)),
        message: letter(&out.message)?,
    })
}

pub(crate) fn outgoing(sent: Sent) -> Result<Outgoing> {
    Ok(Outgoing {
        to: address(&sent.to)?,
        message: message(sent.message),
        expires: sent.expires_ms.map(Duration::from_millis),
    })
}

pub(crate) fn problem(error: &Error) -> Problem {
    let (code, what, reason) = match error {
        Error::Unavailable { what, reason } => (Code::Unavailable, what.as_str(), reason.as_str()),
        Error::NotFound(what) => (Code::NotFound, what.as_str(), ""),
        Error::Taken { what, reason } => (Code::Taken, what.as_str(), reason.as_str()),
        Error::NotAllowed(reason) => (Code::NotAllowed, "", reason.as_str()),
        Error::Unsupported(what) => (Code::Unsupported, *what, ""),
        Error::Invalid(reason) => (Code::Invalid, "", reason.as_str()),
        other => {
            return Problem {
                code: Code::Other,
                what: String::new(),
                reason: other.to_string(),
            };
        }
    };
    Problem {
        code,
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn error(problem: Problem) -> Error {
    let Problem { code, what, reason } = problem;
    match code {
        Code::NotFound => Error::NotFound(what),
        Code::Taken => Error::Taken { what, reason },
        Code::NotAllowed => Error::NotAllowed(reason),
        // The port names what is not supported in words of its own, so the words are a list.
        Code::Unsupported => Error::Unsupported(match what.as_str() {
            "topics" => "topics",
            "wills" => "wills",
            _ => "this operation",
        }),
        Code::Invalid => Error::Invalid(reason),
        Code::Unavailable => Error::Unavailable { what, reason },
        Code::Other => Error::unavailable(LINK, reason),
    }
}

/// Pairs of words that are the same on both sides.
macro_rules! same {
    ($($to_wire:ident, $from_wire:ident: $wire:ident = $port:path { $($variant:ident),* })*) => { $(
        pub(crate) fn $to_wire(it: $port) -> $wire {
            match it { $(<$port>::$variant => $wire::$variant),* }
        }
        pub(crate) fn $from_wire(it: $wire) -> $port {
            match it { $($wire::$variant => <$port>::$variant),* }
        }
    )* };
}

same! {
    receipt, receipt_back: Receipt = broker::Receipt { Confirmed, Unroutable, Full, Unknown }
}

pub(crate) fn verdict(verdict: broker::Verdict) -> Verdict {
    match verdict {
        broker::Verdict::Ack => Verdict::Ack,
        broker::Verdict::Reject(reason) => Verdict::Reject(reason),
        broker::Verdict::Requeue => Verdict::Requeue,
    }
}

pub(crate) fn verdict_back(verdict: Verdict) -> broker::Verdict {
    match verdict {
        Verdict::Ack => broker::Verdict::Ack,
        Verdict::Reject(reason) => broker::Verdict::Reject(reason),
        Verdict::Requeue => broker::Verdict::Requeue,
    }
}

pub(crate) fn health(health: broker::Health) -> Health {
    match health {
        broker::Health::Up => Health::Up,
        broker::Health::Blocked(why) => Health::Blocked(why),
        broker::Health::Down(why) => Health::Down(why),
    }
}

pub(crate) fn health_back(health: Health) -> broker::Health {
    match health {
        Health::Up => broker::Health::Up,
        Health::Blocked(why) => broker::Health::Blocked(why),
        Health::Down(why) => broker::Health::Down(why),
    }
}

pub(crate) fn depth(depth: broker::Depth) -> Depth {
    Depth {
        ready: depth.ready,
        unsettled: depth.unsettled,
        consumers: depth.consumers,
    }
}

pub(crate) fn depth_back(depth: Depth) -> broker::Depth {
    broker::Depth {
        ready: depth.ready,
        unsettled: depth.unsettled,
        consumers: depth.consumers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_displayed() {
        for text in [
            "offers/default",
            "inbox/results",
            "inbox/presence",
            "inbox/signals",
            "inbox/submit",
            "control/ann/00000001",
            "dead",
            "topic/task.*.#",
            "topic/a/b",
        ] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "offers",
            "offers/",
            "offers/high",
            "offers/A",
            "inbox",
            "inbox/other",
            "control/ann",
            "control/ann/",
            "control//1",
            "dead/1",
            "nowhere/1",
        ] {
            let result = address(text);
            assert!(matches!(result, Err(Error::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn errors_keep_their_kind_over_the_link() {
        for sent in [
            Error::unavailable("broker", "away"),
            Error::NotFound("offers/one".into()),
            Error::Taken {
                what: "control/ann/1".into(),
                reason: "read".into(),
            },
            Error::NotAllowed("no".into()),
            Error::Unsupported("wills"),
            Error::Invalid("credit".into()),
        ] {
            assert_eq!(error(problem(&sent)).to_string(), sent.to_string());
        }
        let damaged = Error::Damaged {
            what: "store".into(),
            reason: "bits".into(),
        };
        assert!(matches!(
            error(problem(&damaged)),
            Error::Unavailable { .. }
        ));
    }
}

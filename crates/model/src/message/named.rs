//! Whom a message names as its sender: to be compared with who sent it, before anybody believes it.

use crate::agent::{Who, WhoFields};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a body says of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// One boot of one agent.
    Somebody(Who),
    /// Nothing.
    Nobody,
    /// Half a name, or one that there cannot be.
    Unreadable,
}

/// Reads the sender that a body of any type names.
pub fn named(body: &[u8]) -> Named {
    #[derive(Deserialize)]
    struct Parts {
        agent_id: Option<IgnoredAny>,
        instance: Option<IgnoredAny>,
    }
    if let Ok(who) = serde_json::from_slice::<WhoFields>(body) {
        return Named::Somebody(who.into());
    }
    match serde_json::from_slice(body) {
        Ok(Parts {
            agent_id: None,
            instance: None,
        }) => Named::Nobody,
        _ => Named::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::{Named, named};

    #[test]
    fn a_sender_is_named_whole_or_not_at_all() {
        let whole = named(br#"{"v":1,"agent_id":"ann","instance":"00000001"}"#);
        assert!(matches!(whole, Named::Somebody(who) if who.agent.as_str() == "ann"));
        for nobody in [&br#"{"v":1}"#[..], b"{}"] {
            assert_eq!(named(nobody), Named::Nobody);
        }
        for bad in [
            &br#"{"agent_id":"ann"}"#[..],
            br#"{"instance":"00000001"}"#,
            br#"{"agent_id":"NO","instance":"00000001"}"#,
            b"nonsense",
            b"[1]",
        ] {
            assert_eq!(named(bad), Named::Unreadable, "{bad:?}");
        }
    }
}

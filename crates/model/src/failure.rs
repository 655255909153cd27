//! Failure classes (contracts.md section 2), why a task is dead, and the fingerprint that groups failures.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What kind of failure ended an attempt. The class alone decides what happens next ([`crate::retry`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something outside did not answer. Made by handlers, exit 75.
    Network,
    /// The attempt ran longer than it may. Made by the runtime and by handlers.
    Timeout,
    /// The input can never work. Made by handlers, exit 64 and 65, and by submit.
    Invalid,
    /// Somebody asked us to slow down; may carry how long. Made by handlers.
    RateLimit,
    /// Memory, disk, licences: not enough of something here. Made by handlers, exit 69.
    Resource,
    /// The handler says no. Made by handlers, any other exit code.
    Business,
    /// Stop and tell a person. Made by handlers, exit 77.
    Critical,
    /// The agent is gone: lease over, or superseded. Made by the server only.
    Lost,
    /// The handler died: a signal, exit 128 or more, out of memory, a panic. Made by the runtime.
    Crash,
    /// The runtime had to stop (drain, deploy): never counted. Made by the runtime.
    Interrupted,
}

impl Class {
    /// Every class, in the order of the table in contracts.md.
    pub const ALL: [Class; 10] = [
        Class::Network,
        Class::Timeout,
        Class::Invalid,
        Class::RateLimit,
        Class::Resource,
        Class::Business,
        Class::Critical,
        Class::Lost,
        Class::Crash,
        Class::Interrupted,
    ];

    /// The name used in JSON, files and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Network => "network",
            Class::Timeout => "timeout",
            Class::Invalid => "invalid",
            Class::RateLimit => "rate_limit",
            Class::Resource => "resource",
            Class::Business => "business",
            Class::Critical => "critical",
            Class::Lost => "lost",
            Class::Crash => "crash",
            Class::Interrupted => "interrupted",
        }
    }

    /// The class that a command's exit code means (contracts.md section 4); `None` for success.
    pub fn from_exit_code(code: i32) -> Option<Class> {
        match code {
            0 => None,
            75 => Some(Class::Network),
            64 | 65 => Some(Class::Invalid),
            69 => Some(Class::Resource),
            77 => Some(Class::Critical),
            128.. => Some(Class::Crash),
            _ => Some(Class::Business),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        Class::ALL
            .into_iter()
            .find(|c| c.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "class",
                word: s.into(),
            })
    }
}

/// Why a task is dead (contracts.md section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// Class invalid: no retry can help.
    Invalid,
    /// The retries of its class, or all its attempts, are used up.
    Exhausted,
    /// Class critical.
    Critical,
    /// It keeps killing the program that runs it.
    Poison,
    /// The broker or the agents refused it three times.
    Rejected,
}

impl DeadReason {
    /// The name used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            DeadReason::Invalid => "invalid",
            DeadReason::Exhausted => "exhausted",
            DeadReason::Critical => "critical",
            DeadReason::Poison => "poison",
            DeadReason::Rejected => "rejected",
        }
    }
}

impl FromStr for DeadReason {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [
            DeadReason::Invalid,
            DeadReason::Exhausted,
            DeadReason::Critical,
            DeadReason::Poison,
            DeadReason::Rejected,
        ]
        .into_iter()
        .find(|r| r.as_str() == s)
        .ok_or_else(|| UnknownWord {
            what: "dead reason",
            word: s.into(),
        })
    }
}

/// A word that is not in the list it should come from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{word}\"")]
pub struct UnknownWord {
    /// Which list was asked.
    pub what: &'static str,
    /// The word.
    pub word: String,
}

/// Groups failures that look alike: class, kind and message with its numbers, ids and quoted parts blanked.
/// Returns 16 hexadecimal digits (FNV-1a, stable over versions).
pub fn fingerprint(class: Class, kind: &str, message: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    feed(class.as_str());
    feed(kind);
    feed(&normalised(message));
    format!("{hash:016x}")
}

/// The first line of a message, with every word that holds a digit replaced by `#`.
fn normalised(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split_whitespace()
        .map(|word| {
            if word.bytes().any(|b| b.is_ascii_digit()) {
                "#"
            } else {
                word
            }
        })
        .take(40)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_map_as_the_contract_says() {
        let table = [
            (0, None),
            (1, Some(Class::Business)),
            (64, Some(Class::Invalid)),
            (65, Some(Class::Invalid)),
            (69, Some(Class::Resource)),
            (75, Some(Class::Network)),
            (77, Some(Class::Critical)),
            (127, Some(Class::Business)),
            (128, Some(Class::Crash)),
            (137, Some(Class::Crash)),
        ];
        for (code, class) in table {
            assert_eq!(Class::from_exit_code(code), class, "exit {code}");
        }
    }

    #[test]
    fn a_fingerprint_ignores_numbers_and_later_lines() {
        let one = fingerprint(
            Class::Network,
            "fetch",
            "host 10.0.0.1 did not answer\nat line 3",
        );
        let two = fingerprint(Class::Network, "fetch", "host 10.0.0.2 did not answer");
        assert_eq!(one, two);
        assert_ne!(
            one,
            fingerprint(Class::Timeout, "fetch", "host 10.0.0.2 did not answer")
        );
        assert_ne!(
            one,
            fingerprint(Class::Network, "push", "host 10.0.0.2 did not answer")
        );
    }

    #[test]
    fn words_parse_back() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert!("nonsense".parse::<Class>().is_err());
    }
}

//! Validated names: lanes, agents, kinds, capabilities, state spaces (contracts.md section 0).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Lane names that mean something to the broker and cannot be a user's lane.
pub const RESERVED_LANES: [&str; 9] = [
    "high", "low", "dead", "results", "signals", "submit", "owner", "presence", "control",
];

/// A name that breaks the rules; says which, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Wrong characters, empty, or too long.
    #[error("{what} \"{name}\" must match {pattern}")]
    Pattern {
        /// What the name was for.
        what: &'static str,
        /// What was given (at most 100 characters of it).
        name: String,
        /// The pattern that names of this sort match.
        pattern: &'static str,
    },
    /// A lane that the broker keeps for itself.
    #[error(
        "lane \"{0}\" is reserved (high low dead results signals submit owner presence control)"
    )]
    Reserved(String),
}

pub(crate) const SHORT: &str = "[a-z0-9][a-z0-9_-]{0,47}";
pub(crate) const DOTTED: &str = "[a-z0-9][a-z0-9._-]{0,95}";
pub(crate) const KEY: &str = "[a-z0-9][a-z0-9._-]{0,127}";

fn matches(name: &str, dots: bool, longest: usize) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first
        && name.len() <= longest
        && bytes.all(|b| {
            b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || b == b'_'
                || b == b'-'
                || (dots && b == b'.')
        })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $dots:literal, $longest:literal, $pattern:expr, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] when the name breaks the pattern or is reserved.
            pub fn new(name: &str) -> Result<Self, NameError> {
                if !matches(name, $dots, $longest) {
                    let name = name.chars().take(100).collect();
                    return Err(NameError::Pattern { what: $what, name, pattern: $pattern });
                }
                if $reserved.contains(&name) {
                    return Err(NameError::Reserved(name.into()));
                }
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                Self::new(&s)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

const NONE: [&str; 0] = [];

name!(
    /// What users submit to and agents serve.
    Lane, "lane", false, 48, SHORT, RESERVED_LANES
);
name!(
    /// Who an agent is; the same over its restarts.
    AgentId, "agent id", false, 48, SHORT, NONE
);
name!(
    /// The prefix of every queue and exchange.
    Namespace, "namespace", false, 48, SHORT, NONE
);
name!(
    /// What sort of work a task is.
    Kind, "kind", true, 96, DOTTED, NONE
);
name!(
    /// What an agent says it is good at.
    Capability, "capability", true, 96, DOTTED, NONE
);

name!(
    /// Keys of shared state that belong together.
    Space, "state space", false, 48, SHORT, NONE
);
name!(
    /// What a value of shared state is found by.
    StateKey, "state key", true, 128, KEY, NONE
);
name!(
    /// Which schedule it is.
    ScheduleName, "schedule", false, 48, SHORT, NONE
);

name!(
    /// Which of its outputs a piece of a program's log is from.
    LogStream, "stream", false, 48, SHORT, NONE
);

impl Default for LogStream {
    fn default() -> Self {
        Self("stderr".into())
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self("default".into())
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("agent".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for good in ["a", "0", "back-end_2", &"x".repeat(48)] {
            assert!(Lane::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a b", "ä", &"x".repeat(49)] {
            assert!(Lane::new(bad).is_err(), "{bad}");
        }
        assert!(Kind::new("code.review.v2").is_ok());
        assert!(Kind::new(&"x".repeat(97)).is_err());
        assert_eq!(Lane::new("dead"), Err(NameError::Reserved("dead".into())));
        assert!(AgentId::new("dead").is_ok());
    }

    #[test]
    fn a_name_says_what_would_be_accepted() {
        let text = Lane::new("No Way").unwrap_err().to_string();
        assert_eq!(text, "lane \"No Way\" must match [a-z0-9][a-z0-9_-]{0,47}");
    }
}

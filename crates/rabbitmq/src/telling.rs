//! What people hear of a broker's connections: the first failure and each other one, once, and that all are there again.
//! A line for each try would hide everything else.

use crate::amqp::Target;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tracing::{info, warn};
use warrener_backend::error::Error;

/// The connections of a handle.
const LINES: usize = 2;

/// Why each connection is away, by its purpose; nothing for one that is up.
#[derive(Debug, Default)]
pub(crate) struct Telling(Mutex<BTreeMap<&'static str, Option<String>>>);

impl Telling {
    /// This connection could not be made.
    pub(crate) fn away(&self, purpose: &'static str, broker: &Target, error: &Error) {
        if self.is_news(purpose, &error.to_string()) {
            let (reason, hint) = (error.reason(), hint(error));
            warn!(%broker, reason, hint, "no connection to the broker");
        }
    }

    /// This connection is there.
    pub(crate) fn up(&self, purpose: &'static str, broker: &Target) {
        if self.is_whole(purpose) {
            info!(%broker, "connected");
        }
    }

    /// Notes the reason; says whether it is none that was told already, of this connection or the other one.
    fn is_news(&self, purpose: &'static str, reason: &str) -> bool {
        // Times and ports of one and the same failure differ from try to try.
        let reason: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = lines.values().any(|why| why.as_ref() == Some(&reason));
        lines.insert(purpose, Some(reason));
        !told
    }

    /// Notes that it is up; says whether all are.
    fn is_whole(&self, purpose: &'static str) -> bool {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.insert(purpose, None);
        lines.len() == LINES && lines.values().all(Option::is_none)
    }
}

/// What to do about it.
fn hint(error: &Error) -> &'static str {
    match error {
        Error::NotAllowed(_) => "check user, password and vhost of the broker's URL",
        Error::Untrusted { .. } => {
            "check the address, and whom both ends trust: ca, cert and key of the broker"
        }
        Error::Invalid(_) | Error::Taken { .. } => "do what the reason says",
        _ => {
            "check the broker's URL, and that RabbitMQ runs there and can be reached; it is tried again until then"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_whichever_connection_has_it_and_however_often() {
        let telling = Telling::default();
        assert!(telling.is_news("publish", "refused at 10:00:01"));
        assert!(!telling.is_news("consume", "refused at 10:00:02"));
        assert!(!telling.is_news("publish", "refused at 10:00:03"));
        assert!(telling.is_news("publish", "no such host"));
        assert!(!telling.is_news("consume", "no such host"));
    }

    #[test]
    fn that_it_is_there_is_told_when_all_are_and_the_next_failure_is_news_again() {
        let telling = Telling::default();
        assert!(telling.is_news("publish", "refused"));
        assert!(!telling.is_whole("publish"));
        assert!(telling.is_whole("consume"));
        assert!(telling.is_news("consume", "refused"));
        assert!(!telling.is_news("publish", "refused"));
        assert!(!telling.is_whole("publish"));
        assert!(telling.is_whole("consume"));
    }
}

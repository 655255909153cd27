//! Why there is no answer.

use crate::problem::Problem;
use crate::tls::Fault;
use std::io;
use std::time::Duration;

/// Why there is no answer. What the caller can do: start a server, wait longer, or read the problem.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none that can be used.
    #[error("cannot use the server address \"{url}\": {reason}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// Nobody answers there, or the connection broke.
    #[error("no server answers at {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// Who answers has not shown that it is the server that was meant: nothing was sent to it.
    #[error("the server at {url} cannot be trusted: {reason}")]
    Untrusted {
        /// The address.
        url: String,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// The server took longer than it may.
    #[error("{url} did not answer within {} ms", after.as_millis())]
    TimedOut {
        /// The address.
        url: String,
        /// How long it had.
        after: Duration,
    },
    /// The server says no.
    #[error(transparent)]
    Problem(Problem),
    /// Something answers, but not Warrener.
    #[error("{url} answered {}, but not as Warrener does: {reason}", said(*.status))]
    Unreadable {
        /// The address.
        url: String,
        /// The HTTP status; 0 if it was no HTTP.
        status: u16,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ClientError {
    /// What the library says of a request to this address, which had this long.
    pub(super) fn of(error: ureq::Error, url: &str, after: Duration) -> ClientError {
        let url = url.to_owned();
        let reason = match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                "no connection in time".into()
            }
            ureq::Error::Timeout(_) => return ClientError::TimedOut { url, after },
            ureq::Error::HostNotFound => "there is no such host".into(),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "connection refused".into()
            }
            ureq::Error::Io(error) => match Fault::of(&error) {
                Some(Fault::Untrusted(reason)) => return ClientError::Untrusted { url, reason },
                Some(Fault::NotTls(reason)) => {
                    return ClientError::Unreadable {
                        url,
                        status: 0,
                        reason,
                    };
                }
                None => error.to_string(),
            },
            ureq::Error::ConnectionFailed => "connection failed".into(),
            ureq::Error::BadUri(reason) => return ClientError::Address { url, reason },
            ureq::Error::Http(error) => {
                let reason = error.to_string();
                return ClientError::Address { url, reason };
            }
            other => {
                let reason = other.to_string();
                return ClientError::Unreadable {
                    url,
                    status: 0,
                    reason,
                };
            }
        };
        ClientError::Unreachable { url, reason }
    }
}

/// A status, if there was one.
fn said(status: u16) -> String {
    if status == 0 {
        "something".into()
    } else {
        status.to_string()
    }
}

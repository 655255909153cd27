//! What went wrong, by what the caller can do about it.

use lapin::{Error, ErrorKind};

/// What ended with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The request only: it was never sent.
    Request,
    /// The channel, and all that was open on it.
    Channel,
    /// The connection, or nobody knows.
    Connection,
}

/// An answer that is none, or a refusal.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Fault {
    /// The broker's code, if it answered.
    code: Option<u16>,
    /// What it said.
    text: String,
    pub(crate) scope: Scope,
}

impl Fault {
    pub(crate) fn local(scope: Scope, text: impl Into<String>) -> Self {
        Fault {
            code: None,
            text: text.into(),
            scope,
        }
    }

    pub(crate) fn late(what: &str) -> Self {
        Fault::local(Scope::Connection, format!("no answer to {what} in time"))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// There is no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// Another connection has it alone.
    pub(crate) fn is_locked(&self) -> bool {
        self.code == Some(405)
    }

    /// Not allowed; or, of a reader, that another one reads it alone.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.code, Some(403 | 530))
    }

    /// It exists in another shape.
    pub(crate) fn is_mismatch(&self) -> bool {
        self.code == Some(406)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error.kind() {
            ErrorKind::ProtocolError(said) => Fault {
                code: Some(said.get_id()),
                text: said.get_message().as_str().to_owned(),
                // The soft errors of AMQP 0-9-1 end a channel, the hard ones the connection.
                scope: match said.get_id() {
                    311 | 313 | 403 | 404 | 405 | 406 => Scope::Channel,
                    _ => Scope::Connection,
                },
            },
            ErrorKind::InvalidChannelState(..) => {
                Fault::local(Scope::Channel, "the channel was closed")
            }
            other => Fault::local(Scope::Connection, other.to_string()),
        }
    }
}

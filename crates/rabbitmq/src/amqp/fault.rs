//! What went wrong, by what the caller can do about it.

use lapin::{Error, ErrorKind};

/// An answer that is none, or a refusal.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Fault {
    /// The broker's code, if it answered.
    code: Option<u16>,
    /// What it said.
    text: String,
}

impl Fault {
    pub(crate) fn local(text: impl Into<String>) -> Self {
        Fault {
            code: None,
            text: text.into(),
        }
    }

    pub(crate) fn late(what: &str) -> Self {
        Fault::local(format!("no answer to {what} in time"))
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

    /// This end does not believe the broker's certificate, or the other way round.
    pub(crate) fn is_untrusted(&self) -> bool {
        // The client has no kind for it. An alert is what the broker says of our certificate.
        let text = self.text.to_lowercase();
        self.code.is_none() && (text.contains("certificate") || text.contains("fatal alert"))
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
            },
            _ => Fault::local(error.to_string()),
        }
    }
}

//! What a back-end may answer instead of a result: variants by what the caller can do.

/// The result of every operation of a port.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not happen, or may not have happened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The back-end is away: try again later. Nothing is known to have happened.
    #[error("{what} is not available: {reason}")]
    Unavailable {
        /// Which back-end.
        what: String,
        /// What it said.
        reason: String,
    },
    /// The address does not exist (yet): a server makes it, try again later.
    #[error("{0} does not exist yet; a server makes it")]
    NotFound(String),
    /// Somebody else has it: an agent of the same name, or a server with the same folder.
    #[error("{what} is taken: {reason}")]
    Taken {
        /// What.
        what: String,
        /// By whom, and what to do.
        reason: String,
    },
    /// The other side does not allow it: trying again does not help.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// One of the two ends has not shown the other that it is who is meant: trying again does not help.
    #[error("{what} is not trusted: {reason}")]
    Untrusted {
        /// What.
        what: String,
        /// What is wrong with its certificate, or with ours.
        reason: String,
    },
    /// This back-end cannot do it; its capabilities say so.
    #[error("{0} is not supported by this back-end")]
    Unsupported(&'static str),
    /// What is stored cannot be read: a person must look.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// What.
        what: String,
        /// How it shows, and what to do.
        reason: String,
    },
    /// There is no room: disk full, folder read-only. Nothing happened; try again when there is.
    #[error("{what} cannot be written: {reason}")]
    NoRoom {
        /// What.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// Too much is asked at once: later. Nothing happened.
    #[error("too much is asked of {0} at once")]
    Overloaded(String),
    /// A mistake of the caller.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl Error {
    /// Away, with its reason.
    pub fn unavailable(what: impl Into<String>, reason: impl ToString) -> Self {
        Error::Unavailable {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// Why, without what: for whoever says that in his own words.
    pub fn reason(&self) -> String {
        match self {
            Error::Unavailable { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the same operation may work later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Error::Unavailable { .. }
                | Error::NotFound(_)
                | Error::NoRoom { .. }
                | Error::Overloaded(_)
        )
    }
}

//! Says once that a part waits for the broker, and not ten times a second for as long as it is away.

use warrener_backend::Error;

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Away(bool);

impl Away {
    /// It is away.
    pub(crate) fn says(&mut self, part: &str, error: &Error) {
        if std::mem::replace(&mut self.0, true) {
            tracing::debug!(%error, "{part} still waits for the broker");
        } else {
            tracing::warn!(%error, "{part} waits for the broker");
        }
    }

    /// It is back.
    pub(crate) fn is_back(&mut self) {
        self.0 = false;
    }
}

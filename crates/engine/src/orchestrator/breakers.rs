//! Circuit breakers: how they stand, and a person's word that it works again.

use super::Orchestrator;
use crate::breakers::BreakerView;
use crate::error::{Error, Result};
use warrener_model::Kind;

impl Orchestrator {
    /// The breakers of kinds that worked since the start, or that have a rule of their own.
    pub fn breakers(&self) -> Vec<BreakerView> {
        self.core.breakers.views()
    }

    /// Closes the breaker of a kind at once; what runs now does not count for it.
    ///
    /// # Errors
    /// `NotFound` when tasks of this kind have none; `Backend`.
    pub async fn reset_breaker(&self, kind: &Kind, reason: Option<&str>) -> Result<BreakerView> {
        let at = self.core.now().await?;
        let not_found = || Error::NotFound {
            what: "breaker",
            id: kind.to_string(),
        };
        let view = self.core.breakers.reset(kind, at).ok_or_else(not_found)?;
        tracing::info!(%kind, reason, "circuit breaker closed by hand");
        self.core.alerts.circuit_closed(kind);
        self.core.ready.notify_one();
        Ok(view)
    }
}

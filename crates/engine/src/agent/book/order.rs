//! What a book asks of its session.

use warrener_model::ClaimId;

/// What the session shall do.
#[derive(Debug, PartialEq)]
pub(in crate::agent) enum Order {
    /// Ask for this run (again).
    Claim { claim: ClaimId, started: bool },
    /// Start this run.
    Start { claim: ClaimId },
    /// Acknowledge what was delivered for this run and forget it.
    Drop { claim: ClaimId },
    /// Stop this run, say nothing.
    Stop { claim: ClaimId },
    /// Say this outcome (again).
    Report { claim: ClaimId },
    /// Acknowledge what was delivered for this run.
    Ack { claim: ClaimId },
}

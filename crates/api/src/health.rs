//! Health: whether the process lives, and whether it can work.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `/livez` and `/readyz`: 200 when ok, 503 when not. Machines read the status, people the checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Every check is ok.
    pub ok: bool,
    /// The server's software.
    pub version: String,
    /// What was looked at: `store`, `broker`, `draining`.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// More, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Health {
    /// The sum of some checks.
    pub fn of(version: impl Into<String>, checks: Vec<Check>) -> Self {
        Health {
            ok: checks.iter().all(|check| check.ok),
            version: version.into(),
            checks,
        }
    }
}

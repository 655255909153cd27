//! How browsers come in: one-time codes, and the sessions they are exchanged for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/login/codes`: lets one browser in, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginCode {
    /// What the browser shows, in the fragment of the address: `/#code=…`.
    pub code: String,
    /// How long it can be used.
    pub expires_in_ms: u64,
}

/// `POST /api/v1/login`: the session itself is in a cookie that no script can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedIn {
    /// How long it lasts.
    pub expires_in_ms: u64,
}

/// `POST /api/v1/logout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedOut {
    /// Whether there was a session that ended by this.
    pub ended: bool,
}

//! The upgrade: what a client says of itself in its headers, and why it may be turned away.

use crate::wire;
use warrener_api::link::{AGENT_HEADER, INSTANCE_HEADER, ROLE_HEADER};
use warrener_model::agent::{Role, Who};

/// What a client says of itself in the headers of the upgrade, before anybody checked it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The bearer token.
    pub token: Option<String>,
    /// The agent.
    pub who: Option<Who>,
    /// The role it wants to act in.
    pub role: Role,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask")
            .field("who", &self.who)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Why an upgrade is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: headers that cannot be read, or another subprotocol.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no token, or one that nobody knows.
    #[error("a valid token is needed")]
    Unauthenticated,
    /// 403: the token does not allow this agent or role.
    #[error("not allowed: {0}")]
    NotAllowed(String),
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::BadRequest(_) => 400,
            Refusal::Unauthenticated => 401,
            Refusal::NotAllowed(_) => 403,
        }
    }
}

impl Ask {
    /// Reads the headers, given a way to look one up.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] when one of them cannot be read.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Ask, Refusal> {
        let bad = |error: String| Refusal::BadRequest(error);
        let who = match (header(AGENT_HEADER), header(INSTANCE_HEADER)) {
            (None, None) => None,
            (Some(agent), Some(instance)) => {
                let who = wire::who(agent, instance);
                Some(who.map_err(|error| bad(error.to_string()))?)
            }
            _ => {
                let both = format!("{AGENT_HEADER} and {INSTANCE_HEADER} go together");
                return Err(bad(both));
            }
        };
        let role = match header(ROLE_HEADER) {
            None => Role::default(),
            Some(role) => role.parse().map_err(|_| bad(format!("no role {role:?}")))?,
        };
        let token = header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then(|| token.trim().to_owned())
        });
        Ok(Ask { token, who, role })
    }
}

//! How an agent reaches its broker: by a link to the server, or by RabbitMQ itself; and why it never will.

use crate::rabbit;
use std::sync::Arc;
use std::time::Duration;
use warrener_api::problem::Problem;
use warrener_api::tls::Roots;
use warrener_backend::{Broker, Error};
use warrener_link::{Connection, LinkBroker, LinkOptions};
use warrener_model::agent::{Role, Who};
use warrener_rabbitmq::{RabbitBroker, Role as RabbitRole};

/// How often it is asked how the connection stands.
const LOOK: Duration = Duration::from_secs(1);

/// What an agent was told.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// A WebSocket to the server at this URL.
    Link {
        url: String,
        token: Option<String>,
        /// Whom `https` trusts.
        roots: Roots,
    },
    /// RabbitMQ.
    Rabbit(Box<rabbit::Way>),
}

/// A connection that is there, or being made.
pub(super) enum Line {
    Link(LinkBroker, String),
    Rabbit(RabbitBroker),
}

impl Way {
    /// Begins to connect. `again` is the longest wait between two tries.
    pub(super) fn connect(&self, who: Who, role: Role, again: Duration) -> Result<Line, Problem> {
        match self {
            Way::Link { url, token, roots } => {
                let link = LinkBroker::connect(LinkOptions {
                    url: url.clone(),
                    token: token.clone(),
                    roots: roots.clone(),
                    agent: Some(who),
                    role,
                    reconnect_max: again,
                    ..LinkOptions::default()
                });
                let usage = |error: Error| Problem::new("usage", error.to_string());
                Ok(Line::Link(link.map_err(usage)?, url.clone()))
            }
            Way::Rabbit(way) => way
                .connect(RabbitRole::Agent(who))
                .map(Line::Rabbit)
                .map_err(|error| Problem::new("config_invalid", error.to_string())),
        }
    }
}

impl Line {
    pub(super) fn broker(&self) -> Arc<dyn Broker> {
        match self {
            Line::Link(link, _) => Arc::new(link.clone()),
            Line::Rabbit(rabbit) => Arc::new(rabbit.clone()),
        }
    }

    /// Waits until it is certain that there will never be a connection.
    pub(super) async fn refused(&self) -> Problem {
        match self {
            Line::Link(link, url) => {
                let mut connection = link.connected();
                loop {
                    let now = connection.borrow_and_update().clone();
                    if let Some(problem) = hopeless(&now, url) {
                        return problem;
                    }
                    if connection.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
            // One that was let in once tries again for ever: passwords are changed at both ends, one after the other.
            Line::Rabbit(rabbit) => loop {
                match rabbit.ready(LOOK).await {
                    Ok(()) => std::future::pending().await,
                    Err(error @ (Error::NotAllowed(_) | Error::Untrusted { .. })) => {
                        if let Some(problem) = rabbit::hopeless(&error) {
                            return problem;
                        }
                    }
                    Err(error) => tracing::debug!(%error, "no broker yet"),
                }
            },
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Line::Link(link, _) => link.close().await,
            Line::Rabbit(rabbit) => rabbit.close().await,
        }
    }
}

/// Why there will never be a link, if there will not.
fn hopeless(connection: &Connection, url: &str) -> Option<Problem> {
    let reason = connection.reason()?;
    let problem =
        |code, words| Problem::new(code, format!("the server at {url} {words}: {reason}"));
    Some(match connection {
        Connection::Refused { .. } => problem("unauthenticated", "refused the link"),
        Connection::Untrusted { .. } => problem("server_untrusted", "cannot be trusted"),
        Connection::Unusable { .. } => problem("server_unreachable", "does not take the link")
            .hint("check the address: https:// for a server with TLS, http:// without"),
        Connection::Away { .. } | Connection::Up | Connection::Closed => return None,
    })
}

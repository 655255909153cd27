//! Links on a listener of their own, without an HTTP server around: for tests and small programs.

use crate::frame::{config, frames};
use crate::gate::Peer;
use crate::serve::{ServeOptions, serve_link};
use crate::upgrade::{Ask, Refusal};
use std::fmt;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tracing::debug;
use warrener_api::link::{PATH, SUBPROTOCOL};
use warrener_backend::broker::Broker;

/// Says who a client is from what it says of itself.
#[derive(Clone)]
pub struct Admit(Arc<Rule>);

type Rule = dyn Fn(&Ask) -> Result<Peer, Refusal> + Send + Sync;

impl Admit {
    /// By this rule.
    pub fn by(rule: impl Fn(&Ask) -> Result<Peer, Refusal> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }
}

impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admit")
    }
}

/// Accepts and serves links until `options.stop`; dropping it breaks all of them.
pub async fn serve_listener(
    listener: TcpListener,
    broker: Arc<dyn Broker>,
    admit: Admit,
    options: ServeOptions,
) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    links.spawn(serve_stream(stream, broker.clone(), admit.clone(), options.clone()));
                }
                Err(error) => debug!(%error, "a connection was not accepted"),
            },
            Some(_) = links.join_next() => {}
            () = options.stop.cancelled() => break,
        }
    }
    // They were told by the same token, and each says goodbye in its own time.
    while links.join_next().await.is_some() {}
}

/// Serves one connection that was accepted: the upgrade, then the link.
pub async fn serve_stream(
    stream: TcpStream,
    broker: Arc<dyn Broker>,
    admit: Admit,
    options: ServeOptions,
) {
    let mut peer = None;
    let _ = stream.set_nodelay(true);
    #[expect(
        clippy::result_large_err,
        reason = "the signature is the library's, and it is called once a connection"
    )]
    let check = |request: &Request, mut response: Response| match admitted(request, &admit) {
        Ok(admitted) => {
            peer = Some(admitted);
            let protocol = HeaderValue::from_static(SUBPROTOCOL);
            response
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
            Ok(response)
        }
        Err(refusal) => {
            let mut response = ErrorResponse::new(Some(refusal.to_string()));
            *response.status_mut() =
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
            Err(response)
        }
    };
    let upgrade = accept_hdr_async_with_config(stream, check, Some(config()));
    let socket = match tokio::time::timeout(options.ping, upgrade).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return debug!(%error, "an upgrade failed"),
        Err(_) => return debug!("an upgrade took too long"),
    };
    let Some(peer) = peer else { return };
    Box::pin(serve_link(frames(socket), broker, peer, options)).await;
}

fn admitted(request: &Request, admit: &Admit) -> Result<Peer, Refusal> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    if request.uri().path() != PATH {
        return Err(Refusal::BadRequest(format!("the link is at {PATH}")));
    }
    let protocols = header("sec-websocket-protocol").unwrap_or_default();
    if !protocols.split(',').any(|p| p.trim() == SUBPROTOCOL) {
        return Err(Refusal::BadRequest(format!(
            "the subprotocol is {SUBPROTOCOL}"
        )));
    }
    admit.0(&Ask::read(header)?)
}

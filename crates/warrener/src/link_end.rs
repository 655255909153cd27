//! Joins the two: the WebSocket that the HTTP server accepted, and the server's end of the link.

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, future};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warrener_api::problem::Problem;
use warrener_backend::Broker;
use warrener_engine::Orchestrator;
use warrener_link::{Ask, Frame, Peer, ServeOptions, SocketError, Tally, serve_link};
use warrener_server::link::{self, LinkAsk, LinkBroken, LinkFrame, LinkSocket};

/// Serves links on a broker of this process.
#[derive(Debug)]
pub(crate) struct LinkEnd {
    broker: Arc<dyn Broker>,
    refusals: Arc<Refusals>,
}

/// What links are refused is counted with everything else that is.
#[derive(Debug)]
struct Refusals(Orchestrator);

impl Tally for Refusals {
    fn refused(&self, class: &'static str) {
        self.0.count_refusal("link", class);
    }
}

impl LinkEnd {
    pub(crate) fn new(broker: Arc<dyn Broker>, orchestrator: Orchestrator) -> Self {
        let refusals = Arc::new(Refusals(orchestrator));
        LinkEnd { broker, refusals }
    }
}

fn read(ask: &LinkAsk) -> Result<Ask, Problem> {
    Ask::read(|name| ask.header(name)).map_err(|refusal| {
        let code = match refusal.status() {
            401 => "unauthenticated",
            403 => "not_allowed",
            _ => "bad_request",
        };
        Problem::new(code, refusal.to_string())
    })
}

#[async_trait]
impl link::LinkEnd for LinkEnd {
    fn admit(&self, ask: &LinkAsk) -> Result<(), Problem> {
        read(ask).map(|_| ())
    }

    async fn serve(&self, socket: LinkSocket, ask: LinkAsk, stop: CancellationToken) {
        let Ok(ask) = read(&ask) else { return };
        let agent = ask.who.as_ref().map(|who| who.agent.to_string());
        let peer = Peer {
            who: ask.who,
            role: ask.role,
            token: "data folder".into(),
        };
        let broken = |error: LinkBroken| SocketError(error.0);
        let socket = socket
            .map(move |frame| frame.map(inward).map_err(broken))
            .sink_map_err(broken)
            .with(|frame| future::ready(Ok::<_, SocketError>(outward(frame))));
        let options = ServeOptions {
            stop,
            tally: Some(self.refusals.clone()),
            ..ServeOptions::default()
        };
        let end = serve_link(socket, self.broker.clone(), peer, options).await;
        tracing::debug!(agent, %end, "link ended");
    }
}

fn inward(frame: LinkFrame) -> Frame {
    match frame {
        LinkFrame::Text(text) => Frame::Text(text),
        LinkFrame::Binary => Frame::Binary,
        LinkFrame::Ping => Frame::Ping,
        LinkFrame::Pong => Frame::Pong,
        LinkFrame::Close { code, reason } => Frame::Close { code, reason },
    }
}

fn outward(frame: Frame) -> LinkFrame {
    match frame {
        Frame::Text(text) => LinkFrame::Text(text),
        Frame::Binary => LinkFrame::Binary,
        Frame::Ping => LinkFrame::Ping,
        Frame::Pong => LinkFrame::Pong,
        Frame::Close { code, reason } => LinkFrame::Close { code, reason },
    }
}

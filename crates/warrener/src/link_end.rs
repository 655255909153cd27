//! Joins the two: the WebSocket that the HTTP server accepted, and the server's end of the link.

use crate::rabbit;
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, future};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_api::problem::Problem;
use warrener_backend::Error;
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_engine::Orchestrator;
use warrener_link::{Ask, Frame, Peer, ServeOptions, SocketError, Tally, serve_link};
use warrener_model::agent::Who;
use warrener_rabbitmq::{RabbitBroker, Role};
use warrener_server::link::{self, LinkAsk, LinkBroken, LinkFrame, LinkSocket};

/// How long a link waits for its connections to RabbitMQ before it answers without.
const READY: Duration = Duration::from_secs(2);

/// Serves links on the server's broker; where that is RabbitMQ, each agent with connections of its own, whose end gives
/// back what it had not acknowledged, as an agent's that came by itself.
#[derive(Debug)]
pub(crate) struct LinkEnd {
    broker: Arc<dyn Broker>,
    rabbit: Option<rabbit::Way>,
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
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        rabbit: Option<rabbit::Way>,
        orchestrator: Orchestrator,
    ) -> Self {
        LinkEnd {
            broker,
            rabbit,
            refusals: Arc::new(Refusals(orchestrator)),
        }
    }

    async fn behind(&self, who: Option<&Who>) -> Result<Arc<dyn Broker>, Error> {
        match (&self.rabbit, who) {
            (Some(way), Some(who)) => {
                let rabbit = way.connect(Role::Agent(who.clone()))?;
                // A broker that is away is no reason to refuse: the agent hears of it, and tries again.
                if let Err(error) = rabbit.ready(READY).await {
                    tracing::debug!(agent = %who.agent, %error, "no broker for a link yet");
                }
                Ok(Arc::new(NoWills(rabbit)))
            }
            _ => Ok(self.broker.clone()),
        }
    }
}

/// RabbitMQ for one link. A will is not kept: the deliveries that come back say the same.
#[derive(Debug)]
struct NoWills(RabbitBroker);

#[async_trait]
impl Broker for NoWills {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<(), Error> {
        self.0.ensure(addresses).await
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>, Error> {
        self.0.publish(batch).await
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription, Error> {
        let will = None;
        self.0.subscribe(Subscribe { will, ..subscribe }).await
    }

    async fn depth(&self, address: &Address) -> Result<Depth, Error> {
        self.0.depth(address).await
    }

    async fn health(&self) -> Health {
        self.0.health().await
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
        let broker = match self.behind(ask.who.as_ref()).await {
            Ok(broker) => broker,
            Err(error) => return tracing::warn!(agent, %error, "no broker for a link"),
        };
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
        let end = serve_link(socket, broker, peer, options).await;
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

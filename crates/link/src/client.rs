//! The client's end: a broker whose other half is a server.
//!
//! All reading and writing is on a thread of its own (`thread`), so that a program that keeps its
//! runtime busy still answers pings. What is here turns the port's calls into requests and waits
//! for their answers. While the link is away calls fail with `Unavailable`, subscriptions end and
//! the caller subscribes again; what an old connection delivered can no longer be settled.

mod connection;
mod refusal;
mod split;
mod target;
mod thread;

use crate::wire::{self, LINK};
use async_trait::async_trait;
use connection::{Command, Heard};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use warrener_api::link::{self, Answer, ToServer};
use warrener_api::tls::Roots;
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::{Role, Who};
use warrener_model::limits::LINK_FRAME_BYTES;

/// How to reach a server, and as whom.
#[derive(Clone)]
pub struct LinkOptions {
    /// `http://host:port` or `https://…` of the server.
    pub url: String,
    /// The bearer token.
    pub token: Option<String>,
    /// Whom `https` trusts.
    pub roots: Roots,
    /// The agent that this program is; none for one that only submits or watches.
    pub agent: Option<Who>,
    /// The role that it acts in.
    pub role: Role,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a request may take to be answered.
    pub request_timeout: Duration,
    /// How long a call waits for a link that is away, before it fails.
    pub patience: Duration,
    /// The first wait before a new connection; the next are longer, each a random part of its time.
    pub reconnect_base: Duration,
    /// The longest wait before a new connection.
    pub reconnect_max: Duration,
    /// How often to ask whether the server is there. Three without a sign of life end a connection.
    pub ping: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8420".into(),
            token: None,
            roots: Roots::default(),
            agent: None,
            role: Role::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            patience: Duration::ZERO,
            reconnect_base: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(5),
            ping: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for LinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkOptions")
            .field("url", &self.url)
            .field("agent", &self.agent)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// How the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// There is none; another one is tried again and again.
    Away {
        /// Why.
        reason: String,
    },
    /// It is there.
    Up,
    /// The server does not want this client: no further one is tried.
    Refused {
        /// What it said.
        reason: String,
    },
    /// Who answered has not shown, with a certificate, that it is the server. No further one is tried.
    Untrusted {
        /// What is wrong with the certificate.
        reason: String,
    },
    /// What answered does not speak as a server does. No further one is tried.
    Unusable {
        /// How it speaks.
        reason: String,
    },
    /// This end closed it.
    Closed,
}

impl Connection {
    /// Why there is none; nothing if there is one, or this end closed it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Connection::Away { reason }
            | Connection::Refused { reason }
            | Connection::Untrusted { reason }
            | Connection::Unusable { reason } => Some(reason),
            Connection::Up | Connection::Closed => None,
        }
    }
}

/// A link; a cheap handle. It ends with the last handle, or with [`LinkBroker::close`].
#[derive(Clone)]
pub struct LinkBroker {
    shared: Arc<Shared>,
}

struct Shared {
    options: LinkOptions,
    commands: mpsc::UnboundedSender<Command>,
    connection: watch::Receiver<Connection>,
    /// Numbers of requests; never used twice, whatever connection they go over.
    numbers: AtomicU64,
    stop: CancellationToken,
    _last: DropGuard,
}

impl LinkBroker {
    /// Begins to connect, and goes on doing so; comes back at once. See [`LinkBroker::connected`].
    ///
    /// # Errors
    /// `Invalid` for a URL that is none, `Unavailable` when the system gives no thread.
    pub fn connect(options: LinkOptions) -> Result<LinkBroker> {
        let target = target::read(&options.url, &options.roots)?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let not_yet = Connection::Away {
            reason: "not connected yet".into(),
        };
        let (state, connection) = watch::channel(not_yet);
        let stop = CancellationToken::new();
        let supervisor = thread::Supervisor {
            target,
            options: options.clone(),
            commands: inbox,
            back: commands.downgrade(),
            state,
            stop: stop.clone(),
        };
        supervisor.start()?;
        let shared = Shared {
            options,
            commands,
            connection,
            numbers: AtomicU64::new(0),
            _last: stop.clone().drop_guard(),
            stop,
        };
        Ok(LinkBroker {
            shared: Arc::new(shared),
        })
    }

    /// How the link is, and every change of it.
    pub fn connected(&self) -> watch::Receiver<Connection> {
        self.shared.connection.clone()
    }

    /// Waits until the link is up.
    ///
    /// # Errors
    /// `NotAllowed` when the server refuses, or cannot be trusted, `Unavailable` when it is not up within the time.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let mut connection = self.connected();
        let settled = connection.wait_for(|now| !matches!(now, Connection::Away { .. }));
        let now = match timeout(within, settled).await {
            Ok(Ok(now)) => now.clone(),
            Ok(Err(_)) => Connection::Closed,
            Err(_) => self.shared.connection.borrow().clone(),
        };
        match now {
            Connection::Up => Ok(()),
            Connection::Away { reason } => Err(Error::unavailable(LINK, reason)),
            Connection::Refused { reason }
            | Connection::Untrusted { reason }
            | Connection::Unusable { reason } => Err(Error::NotAllowed(reason)),
            Connection::Closed => Err(Error::unavailable(LINK, "it was closed")),
        }
    }

    /// Says goodbye and ends the link for all its handles, after verdicts given before. Waits for
    /// the thread to end, but no longer than it takes to say goodbye.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        let mut connection = self.connected();
        // An error says that the thread has ended, too.
        let _ = connection.wait_for(|now| *now == Connection::Closed).await;
    }

    fn number(&self) -> u64 {
        self.shared.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn send(&self, command: Command) -> Result<()> {
        let sent = self.shared.commands.send(command);
        sent.map_err(|_| Error::unavailable(LINK, "it was closed"))
    }

    /// One request and what came of it; `Heard::Lost` after the time that a request may take.
    async fn ask(&self, n: u64, request: ToServer) -> Result<Heard> {
        let text = checked(&request)?;
        self.ready(self.shared.options.patience).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Ask { n, text, reply })?;
        Ok(
            match timeout(self.shared.options.request_timeout, answer).await {
                Ok(Ok(heard)) => heard,
                Ok(Err(_)) => Heard::Lost("the link ended".into()),
                Err(_) => Heard::Lost("no answer in time".into()),
            },
        )
    }

    async fn answer(&self, n: u64, request: ToServer) -> Result<Answer> {
        match self.ask(n, request).await? {
            Heard::Answer(answer) => Ok(answer),
            Heard::Problem(problem) => Err(wire::error(problem)),
            Heard::NotSent(error) => Err(error),
            Heard::Lost(reason) => Err(Error::unavailable(LINK, reason)),
        }
    }
}

/// What answers a request of another kind: the two ends do not speak the same version.
fn confused() -> Error {
    Error::unavailable(LINK, "the server gave the answer to another question")
}

/// Writes a request, unless it is larger than a frame may be.
fn checked(request: &ToServer) -> Result<String> {
    let text = request.write();
    if text.len() > LINK_FRAME_BYTES {
        return Err(Error::Invalid(format!(
            "{} bytes are more than a frame of the link holds; the limit is {LINK_FRAME_BYTES}",
            text.len()
        )));
    }
    Ok(text)
}

#[async_trait]
impl Broker for LinkBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durable: false,
            direct: true,
            wills: true,
            topics: true,
            counts: true,
            reasons: true,
        }
    }

    async fn ensure(&self, _: &[Address]) -> Result<()> {
        Err(Error::NotAllowed("only servers make addresses".into()))
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        let parts = split::split(&batch)?;
        let mut receipts = Vec::with_capacity(batch.len());
        for part in parts {
            let size = part.len();
            let n = self.number();
            let request = ToServer::Publish(link::Publish { n, batch: part });
            let first = receipts.is_empty();
            match self.ask(n, request).await {
                Ok(Heard::Answer(Answer::Receipts(part))) if part.len() == size => {
                    receipts.extend(part.into_iter().map(wire::receipt_back));
                }
                Ok(Heard::Lost(_)) => receipts.extend(vec![Receipt::Unknown; size]),
                Ok(Heard::Problem(problem)) if first => return Err(wire::error(problem)),
                Ok(Heard::NotSent(error)) | Err(error) if first => return Err(error),
                Ok(Heard::Answer(_)) if first => return Err(confused()),
                // Some of the batch is there already, so this cannot be an error of the whole.
                // `Unknown` is the answer that promises nothing.
                Ok(_) | Err(_) => receipts.extend(vec![Receipt::Unknown; size]),
            }
        }
        Ok(receipts)
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        let n = self.number();
        let text = checked(&ToServer::Subscribe(link::Subscribe {
            n,
            from: subscribe.from.to_string(),
            credit: subscribe.credit,
            will: subscribe.will.as_ref().map(wire::sent).transpose()?,
        }))?;
        self.ready(self.shared.options.patience).await?;
        let (reply, mut answer) = oneshot::channel();
        self.send(Command::Subscribe { n, text, reply })?;
        match timeout(self.shared.options.request_timeout, &mut answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::unavailable(LINK, "the link ended")),
            Err(_) => {
                // It may come at this very moment, and dropping it would publish its will. After
                // this no other comes: the thread closes what nobody waits for.
                answer.close();
                match answer.try_recv() {
                    Ok(result) => result,
                    Err(_) => Err(Error::unavailable(LINK, "no answer in time")),
                }
            }
        }
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        let n = self.number();
        let of = address.to_string();
        let ask = ToServer::Depth(link::AskDepth { n, of });
        match self.answer(n, ask).await? {
            Answer::Depth(depth) => Ok(wire::depth_back(depth)),
            _ => Err(confused()),
        }
    }

    async fn health(&self) -> Health {
        let n = self.number();
        let ask = ToServer::Health(link::AskHealth { n });
        let answer = timeout(Duration::from_secs(3), self.answer(n, ask)).await;
        match answer {
            Ok(Ok(Answer::Health(health))) => wire::health_back(health),
            Ok(Ok(_)) => Health::Down(confused().to_string()),
            Ok(Err(error)) => Health::Down(error.to_string()),
            Err(_) => Health::Down("no answer in time".into()),
        }
    }
}

impl fmt::Debug for LinkBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkBroker")
            .field("options", &self.shared.options)
            .field("connection", &*self.shared.connection.borrow())
            .finish_non_exhaustive()
    }
}

//! The thread of a link: one supervisor that makes connections for ever, each disposable.

use super::connection::{Command, Heard, Run, run};
use super::refusal::sentence;
use super::target::Target;
use super::{Connection, LinkOptions};
use crate::frame::{Frame, SocketError, config, frames};
use crate::wire::LINK;
use futures_util::{Sink, Stream};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError, SubProtocolError};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use warrener_api::link::{AGENT_HEADER, INSTANCE_HEADER, ROLE_HEADER, SUBPROTOCOL};
use warrener_api::tls::Fault;
use warrener_backend::error::{Error, Result};

/// Why a connection was not made.
enum NoLink {
    /// It may be at another time.
    Away(String),
    /// It will not be with what answers there now: this is why.
    Never(Connection),
}

/// See the module.
pub(super) struct Supervisor {
    pub(super) target: Target,
    pub(super) options: LinkOptions,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// For subscriptions and deliveries to speak back; weak, so that they keep nothing alive.
    pub(super) back: mpsc::WeakUnboundedSender<Command>,
    pub(super) state: watch::Sender<Connection>,
    pub(super) stop: CancellationToken,
}

impl Supervisor {
    /// Starts the thread. It ends by `stop` only.
    pub(super) fn start(mut self) -> Result<()> {
        let unavailable = |error: std::io::Error| Error::unavailable(LINK, error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(unavailable)?;
        std::thread::Builder::new()
            .name("warrener-link".into())
            .spawn(move || {
                runtime.block_on(self.supervise());
                // Looking up a name cannot be interrupted; nobody need wait for it.
                runtime.shutdown_background();
            })
            .map_err(unavailable)?;
        Ok(())
    }

    async fn supervise(&mut self) {
        let stop = self.stop.clone();
        let mut failures = 0;
        let mut number = 0;
        // The reason that people heard last: a line for each try would hide everything else.
        let mut told = None;
        while !stop.is_cancelled() {
            match self.dial().await {
                None => break,
                Some(Ok(socket)) => {
                    number += 1;
                    told = None;
                    info!(url = self.options.url, "link is up");
                    self.state.send_replace(Connection::Up);
                    let began = Instant::now();
                    run(Run {
                        socket,
                        number,
                        commands: &mut self.commands,
                        back: self.back.clone(),
                        state: &self.state,
                        ping: self.options.ping,
                        stop: &stop,
                    })
                    .await;
                    info!(url = self.options.url, now = ?*self.state.borrow(), "link ended");
                    // A server that accepts and hangs up at once is no better than one that is away.
                    if began.elapsed() >= self.options.reconnect_max {
                        failures = 0;
                    }
                }
                Some(Err(NoLink::Away(reason))) => self.away(reason, &mut told),
                Some(Err(NoLink::Never(why))) => {
                    // What was a server before may be one again: certificates are renewed, proxies come and go.
                    let refused = matches!(why, Connection::Refused { .. });
                    match why.reason().filter(|_| number > 0 && !refused) {
                        Some(reason) => self.away(reason.to_owned(), &mut told),
                        None => {
                            self.give_up(why).await;
                            break;
                        }
                    }
                }
            }
            let wait = self.wait(failures);
            failures = failures.saturating_add(1);
            refuse(&mut self.commands, &self.state, &stop, Some(wait)).await;
        }
        self.commands.close();
        self.state.send_replace(Connection::Closed);
    }

    fn away(&self, reason: String, told: &mut Option<String>) {
        let url = &self.options.url;
        if told.as_ref() == Some(&reason) {
            debug!(url, reason, "no link yet");
        } else {
            let hint = "check the address, and that the server runs; it is tried again until then";
            warn!(url, reason, hint, "no link to the server");
            *told = Some(reason.clone());
        }
        self.state.send_replace(Connection::Away { reason });
    }

    /// Says why there will be no link, to everybody who asks until the end.
    async fn give_up(&mut self, why: Connection) {
        warn!(url = self.options.url, ?why, "there will be no link");
        self.state.send_replace(why);
        refuse(&mut self.commands, &self.state, &self.stop, None).await;
    }

    /// Full jitter: a thousand agents whose server came back do not come back in one moment.
    fn wait(&self, failures: u32) -> Duration {
        let base = self.options.reconnect_base;
        let most = base.saturating_mul(2u32.saturating_pow(failures.min(31)));
        most.min(self.options.reconnect_max)
            .mul_f64(fastrand::f64())
    }

    /// Makes a connection, and refuses what is asked meanwhile. `None` when it is to stop.
    async fn dial(&mut self) -> Option<std::result::Result<impl Socket + use<>, NoLink>> {
        let within = self.options.connect_timeout;
        let dialing = timeout(within, upgrade(&self.target, &self.options));
        tokio::select! {
            result = dialing => Some(match result {
                Ok(result) => result,
                Err(_) => Err(NoLink::Away("no connection in time".into())),
            }),
            () = refuse(&mut self.commands, &self.state, &self.stop, None) => None,
        }
    }
}

/// What a connection reads from and writes to.
pub(super) trait Socket:
    Stream<Item = std::result::Result<Frame, SocketError>>
    + Sink<Frame, Error = SocketError>
    + Unpin
    + Send
{
}

impl<T> Socket for T where
    T: Stream<Item = std::result::Result<Frame, SocketError>>
        + Sink<Frame, Error = SocketError>
        + Unpin
        + Send
{
}

async fn upgrade(
    target: &Target,
    options: &LinkOptions,
) -> std::result::Result<impl Socket + use<>, NoLink> {
    let away = |error: std::io::Error| NoLink::Away(error.to_string());
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(away)?;
    stream.set_nodelay(true).map_err(away)?;
    let stream = match &target.tls {
        None => Either::Left(stream),
        Some(tls) => {
            let connector = TlsConnector::from(tls.config.clone());
            let secured = connector.connect(tls.name.clone(), stream).await;
            Either::Right(secured.map_err(|error| match Fault::of(&error) {
                Some(Fault::Untrusted(reason)) => NoLink::Never(Connection::Untrusted { reason }),
                Some(Fault::NotTls(reason)) => NoLink::Never(Connection::Unusable { reason }),
                None => away(error),
            })?)
        }
    };
    let mut request = ClientRequestBuilder::new(target.uri.clone())
        .with_sub_protocol(SUBPROTOCOL)
        .with_header(ROLE_HEADER, options.role.as_str());
    if let Some(token) = &options.token {
        request = request.with_header("authorization", format!("Bearer {token}"));
    }
    if let Some(who) = &options.agent {
        request = request
            .with_header(AGENT_HEADER, who.agent.as_str())
            .with_header(INSTANCE_HEADER, who.instance.as_str());
    }
    match client_async_with_config(request, stream, Some(config())).await {
        Ok((socket, _)) => Ok(frames(socket)),
        Err(error) => Err(no_link(error)),
    }
}

fn no_link(error: WsError) -> NoLink {
    match error {
        WsError::Http(response) => {
            let status = response.status();
            let reason = sentence(status, response.body().as_deref().unwrap_or_default());
            match status.as_u16() {
                400 => NoLink::Never(Connection::Unusable { reason }),
                401 | 403 => NoLink::Never(Connection::Refused { reason }),
                _ => NoLink::Away(reason),
            }
        }
        WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        )) => NoLink::Away(format!("the server does not speak {SUBPROTOCOL}")),
        other => NoLink::Away(other.to_string()),
    }
}

/// Answers everything with what the link is, for some time or until it stops.
async fn refuse(
    commands: &mut mpsc::UnboundedReceiver<Command>,
    state: &watch::Sender<Connection>,
    stop: &CancellationToken,
    time: Option<Duration>,
) {
    let refusing = async {
        while let Some(command) = commands.recv().await {
            let error = match &*state.borrow() {
                Connection::Refused { reason }
                | Connection::Untrusted { reason }
                | Connection::Unusable { reason } => Error::NotAllowed(reason.clone()),
                Connection::Away { reason } => Error::unavailable(LINK, reason),
                Connection::Up | Connection::Closed => Error::unavailable(LINK, "it ended"),
            };
            // Nobody waits for those who wait no longer; verdicts and ends are of old connections.
            match command {
                Command::Ask { reply, .. } => drop(reply.send(Heard::NotSent(error))),
                Command::Subscribe { reply, .. } => drop(reply.send(Err(error))),
                Command::Settle { .. } | Command::Enough { .. } | Command::Close { .. } => {}
            }
        }
        stop.cancelled().await;
    };
    tokio::select! {
        () = refusing => {}
        () = stop.cancelled() => {}
        () = async {
            match time {
                Some(time) => sleep(time).await,
                None => std::future::pending().await,
            }
        } => {}
    }
}

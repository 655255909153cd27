//! The greeting of a connection under TLS: several at once, each within a time, so that nobody who connects and says
//! nothing keeps others out. Who speaks plain HTTP here is told so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use warrener_api::Problem;

/// Greetings at once; who comes then waits in the system's queue.
const GREETINGS: usize = 1_024;
/// How long one may take.
const GREETING: Duration = Duration::from_secs(10);
/// The first byte of a client that speaks TLS (RFC 8446: a record of type handshake).
const HANDSHAKE: u8 = 22;
/// Of a request that is refused so much is read away, so that the answer is not lost with it.
const READ_AWAY: u64 = 64 * 1024;

/// A connection, and who is at its other end.
pub(super) type Greeted = (TlsStream<TcpStream>, SocketAddr);

/// Greetings that go on.
#[derive(Debug)]
pub(super) struct Greeter {
    config: Arc<ServerConfig>,
    greetings: JoinSet<Option<Greeted>>,
}

impl Greeter {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Greeter {
            config,
            greetings: JoinSet::new(),
        }
    }

    /// Whether it takes one more.
    pub(super) fn has_room(&self) -> bool {
        self.greetings.len() < GREETINGS
    }

    pub(super) fn greet(&mut self, stream: TcpStream, peer: SocketAddr) {
        let acceptor = TlsAcceptor::from(self.config.clone());
        self.greetings.spawn(async move {
            let greeting = tokio::time::timeout(GREETING, greet(acceptor, stream)).await;
            match greeting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => stream.map(|stream| (stream, peer)),
                Err(error) => {
                    tracing::debug!(%peer, %error, "no TLS with this client");
                    None
                }
            }
        });
    }

    /// The next connection that can be used. Cancel-safe; never comes back while there is no greeting.
    pub(super) async fn next(&mut self) -> Greeted {
        loop {
            match self.greetings.join_next().await {
                Some(Ok(Some(greeted))) => return greeted,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// `None` for a client that was told to use TLS.
async fn greet(
    acceptor: TlsAcceptor,
    mut stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    if length == 0 || first[0] == HANDSHAKE {
        return acceptor.accept(stream).await.map(Some);
    }
    stream.write_all(refusal().as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(READ_AWAY);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(None)
}

/// What a request without TLS is answered.
fn refusal() -> String {
    let detail = "this address speaks TLS, and the request came without";
    let problem = Problem::new("bad_request", detail).hint("use https:// instead of http://");
    let body = serde_json::to_string(&problem).expect("a problem has string keys only");
    let length = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

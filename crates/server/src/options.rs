//! What a server is told.

use crate::http::link::LinkEnd;
use crate::login::Logins;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use warrener_model::limits;

/// How to serve.
#[derive(Clone)]
pub struct ServerOptions {
    /// The token of the operator: whoever shows it may do everything. Never empty.
    pub token: String,
    /// Names that a request may have in `Host`, without ports; where the server is bound to loopback, beside those of
    /// loopback. Elsewhere and behind a proxy any name, if there are none here.
    pub allowed_hosts: Vec<String>,
    /// Speaks TLS with everybody.
    pub tls: Option<Arc<ServerConfig>>,
    /// A proxy in front speaks TLS with the browsers: their origin is `https`, and `Host` is what the proxy passes on.
    pub behind_proxy: bool,
    /// Serves links; without it the link answers `unavailable`.
    pub link: Option<Arc<dyn LinkEnd>>,
    /// A stream says something at least this often.
    pub keep_alive: Duration,
    /// How browsers come in; whoever holds a clone can let one in.
    pub logins: Logins,
    /// Streams at once; more are refused as overloaded.
    pub streams: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a batch.
    pub batch_bytes: usize,
    /// A body comes whole within this.
    pub body_time: Duration,
    /// A client that takes nothing of its answer for this long is cut.
    pub stalled: Duration,
    /// How long requests may take to end after the shutdown began.
    pub patience: Duration,
}

impl ServerOptions {
    /// Whether browsers speak TLS with this server, or with the proxy in front of it.
    pub(crate) fn is_secure(&self) -> bool {
        self.behind_proxy || self.tls.is_some()
    }
}

impl Default for ServerOptions {
    /// Everything but the token.
    fn default() -> Self {
        ServerOptions {
            token: String::new(),
            allowed_hosts: vec![],
            tls: None,
            behind_proxy: false,
            link: None,
            keep_alive: Duration::from_secs(15),
            logins: Logins::default(),
            streams: 512,
            // The largest input with the largest description and labels, and room for escapes.
            body_bytes: 1024 * 1024,
            batch_bytes: limits::BATCH_BYTES,
            body_time: Duration::from_secs(60),
            stalled: Duration::from_secs(30),
            patience: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ServerOptions {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("allowed_hosts", &self.allowed_hosts)
            .field("tls", &self.tls.is_some())
            .field("behind_proxy", &self.behind_proxy)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

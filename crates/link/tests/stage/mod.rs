//! A server with a link on a real socket, and a pipe before each client that can be cut or stopped.
#![allow(dead_code, reason = "each test file uses its own part of the stage")]
#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set is a failed test"
)]

pub(crate) mod pipe;
pub(crate) mod raw;

use pipe::Pipe;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warrener_backend::MemoryBroker;
use warrener_backend::fault::{FaultyBroker, Plan};
use warrener_backend::memory::MemoryOptions;
use warrener_link::listen::Admit;
use warrener_link::{
    Connection, LinkBroker, LinkOptions, Peer, Refusal, ServeOptions, serve_listener,
};
use warrener_model::agent::{Role, Who};

/// The one token that the server knows.
pub(crate) const TOKEN: &str = "sesame";

/// No link takes this long on any machine; a hang does.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) broker: MemoryBroker,
    pub(crate) address: SocketAddr,
    pub(crate) options: ServeOptions,
    plan: Plan,
    server: JoinHandle<()>,
}

impl Stage {
    pub(crate) async fn new(memory: MemoryOptions, options: ServeOptions) -> Self {
        Self::with_plan(memory, options, Plan::default()).await
    }

    /// A stage whose server meets faults.
    pub(crate) async fn with_plan(
        memory: MemoryOptions,
        options: ServeOptions,
        plan: Plan,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let broker = MemoryBroker::new(memory);
        let faulty = FaultyBroker::new(Arc::new(broker.clone()), plan.clone());
        let server = tokio::spawn(serve_listener(
            listener,
            Arc::new(faulty),
            admit(),
            options.clone(),
        ));
        Self {
            plan,
            broker,
            address,
            options,
            server,
        }
    }

    pub(crate) async fn plain() -> Self {
        Self::new(MemoryOptions::default(), quick()).await
    }

    /// The server's process dies.
    pub(crate) async fn kill_server(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    /// The server says goodbye to its links and ends.
    pub(crate) async fn stop_server(&mut self) {
        self.options.stop.cancel();
        let _ = (&mut self.server).await;
        self.options.stop = CancellationToken::new();
    }

    /// And comes back at the same address.
    pub(crate) async fn start_server(&mut self) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                // The port may linger for a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let broker = Arc::new(self.broker.clone());
        let broker = Arc::new(FaultyBroker::new(broker, self.plan.clone()));
        self.server = tokio::spawn(serve_listener(
            listener,
            broker,
            admit(),
            self.options.clone(),
        ));
    }

    /// A client that is up, and the pipe that it goes through.
    pub(crate) async fn client(&self, who: Option<&Who>, role: Role) -> (LinkBroker, Pipe) {
        let pipe = Pipe::to(self.address).await;
        let link = LinkBroker::connect(client_options(pipe.address, who, role)).unwrap();
        link.ready(HANG).await.unwrap();
        (link, pipe)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits until a link is as it should be, and says how it is.
pub(crate) async fn becomes(
    link: &LinkBroker,
    wanted: impl Fn(&Connection) -> bool + Send,
) -> Connection {
    let mut connection = link.connected();
    let now = tokio::time::timeout(HANG, connection.wait_for(|now| wanted(now))).await;
    now.expect("the link never came to it").unwrap().clone()
}

pub(crate) fn is_away(connection: &Connection) -> bool {
    matches!(connection, Connection::Away { .. })
}

fn admit() -> Admit {
    Admit::by(|ask| match ask.token.as_deref() {
        Some(TOKEN) => Ok(Peer {
            who: ask.who.clone(),
            role: ask.role,
            token: "test".into(),
        }),
        Some("only-monitor") if ask.role != Role::Monitor => {
            Err(Refusal::NotAllowed("this token is for role monitor".into()))
        }
        _ => Err(Refusal::Unauthenticated),
    })
}

/// Timers of a test: short, but long enough for a machine that is busy.
pub(crate) fn quick() -> ServeOptions {
    ServeOptions {
        ping: Duration::from_millis(500),
        goodbye: Duration::from_millis(500),
        misses: 20,
        ..ServeOptions::default()
    }
}

pub(crate) fn client_options(address: SocketAddr, who: Option<&Who>, role: Role) -> LinkOptions {
    LinkOptions {
        url: format!("http://{address}"),
        token: Some(TOKEN.into()),
        agent: who.cloned(),
        role,
        request_timeout: HANG,
        reconnect_base: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(100),
        ..LinkOptions::default()
    }
}

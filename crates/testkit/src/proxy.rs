//! A bad network: a TCP proxy before a server, whose faults are set while connections live.
//!
//! [`Proxy`] listens, refuses, and sets faults for all; [`Connection`] is the handle of one. A fault holds until
//! another is set. Nothing in here knows what the bytes mean.

mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::ports::Ports;

/// What happens to the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: they pass as they come.
    None,
    /// They arrive later, in order.
    Delay(Duration),
    /// At most this many a second pass, each way.
    Throttle(u32),
    /// Those that go this way vanish, and nobody is told. The stream has a hole ever after.
    Lose(Way),
    /// Nothing moves and nothing ends, as with a pulled cable: both sockets stay open whatever the other side does.
    Hang,
    /// The connection ends, with a reset on both sides.
    Cut,
}

/// From the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

/// The handle of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    fault: Arc<watch::Sender<Fault>>,
}

impl Connection {
    /// From now on, for this connection.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Waits until both sockets are closed, for whatever reason.
    pub async fn ended(&self) {
        self.fault.closed().await;
    }
}

/// See the module. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    connections: watch::Receiver<Vec<Connection>>,
    gate: mpsc::Sender<(Gate, oneshot::Sender<io::Result<()>>)>,
    task: JoinHandle<()>,
    _ports: Ports,
}

/// Whether the port is open.
#[derive(Clone, Copy, Debug)]
enum Gate {
    Open,
    Closed,
}

impl Proxy {
    /// A proxy before this server, on a port of its own.
    ///
    /// # Errors
    /// If its port cannot be bound.
    pub async fn start(server: SocketAddr) -> io::Result<Proxy> {
        let ports = Ports::take();
        let port = ports.first();
        let listener = listen(port).await?;
        let (fault, faults) = watch::channel(Fault::None);
        let (list, connections) = watch::channel(Vec::new());
        let (gate, gates) = mpsc::channel(1);
        let door = Door {
            port,
            server,
            faults,
            list,
        };
        Ok(Proxy {
            port,
            fault,
            connections,
            gate,
            task: tokio::spawn(door.run(listener, gates)),
            _ports: ports,
        })
    }

    /// Where clients connect, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, for every connection, also those to come.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
        self.each(|connection| connection.set(fault));
    }

    /// Ends every connection there is with a reset; new ones are as before.
    pub fn cut(&self) {
        self.each(|connection| connection.set(Fault::Cut));
    }

    /// Refuses new connections, as if no server were there; those there are go on.
    ///
    /// # Errors
    /// Never for this; see [`Proxy::admit`].
    pub async fn refuse(&self) -> io::Result<()> {
        self.turn(Gate::Closed).await
    }

    /// Takes new connections again, on the same port.
    ///
    /// # Errors
    /// If the port cannot be bound any more.
    pub async fn admit(&self) -> io::Result<()> {
        self.turn(Gate::Open).await
    }

    /// The connection that came as number `index`, counted from 0; waits until it is there.
    pub async fn connection(&self, index: usize) -> Connection {
        let mut connections = self.connections.clone();
        let seen = connections.wait_for(|list| list.len() > index).await;
        seen.expect("the list lives as long as the proxy")[index].clone()
    }

    /// How many connections ever came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    fn each(&self, act: impl Fn(&Connection)) {
        self.connections.borrow().iter().for_each(act);
    }

    async fn turn(&self, gate: Gate) -> io::Result<()> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the proxy ended");
        let sent = self.gate.send((gate, answer)).await;
        sent.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task behind a proxy: owns the port and the connections, which end with it.
struct Door {
    port: u16,
    server: SocketAddr,
    faults: watch::Receiver<Fault>,
    list: watch::Sender<Vec<Connection>>,
}

impl Door {
    async fn run(
        self,
        listener: TcpListener,
        mut gates: mpsc::Receiver<(Gate, oneshot::Sender<io::Result<()>>)>,
    ) {
        let mut listener = Some(listener);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                // First, so that a client that comes after `refuse` was answered finds no one.
                biased;
                turned = gates.recv() => {
                    let Some((gate, answer)) = turned else { return };
                    // The proxy may have stopped waiting.
                    let _ = answer.send(self.turn(gate, &mut listener).await);
                }
                client = accept(listener.as_ref()) => {
                    tasks.spawn(self.connect(client));
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    async fn turn(&self, gate: Gate, listener: &mut Option<TcpListener>) -> io::Result<()> {
        match (gate, &listener) {
            (Gate::Closed, _) => *listener = None,
            (Gate::Open, None) => *listener = Some(listen(self.port).await?),
            (Gate::Open, Some(_)) => {}
        }
        Ok(())
    }

    fn connect(&self, client: TcpStream) -> impl Future<Output = ()> + use<> {
        let (fault, faults) = watch::channel(*self.faults.borrow());
        let connection = Connection {
            fault: Arc::new(fault),
        };
        self.list.send_modify(|list| list.push(connection));
        let server = self.server;
        async move {
            // A server that is not there shows to the client as a reset.
            match TcpStream::connect(server).await {
                Ok(server) => pump::run(client, server, faults).await,
                Err(_) => drop(client.set_zero_linger()),
            }
        }
    }
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// The next client; never, where the port is closed.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
    }
}

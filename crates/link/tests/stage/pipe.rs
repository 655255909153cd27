//! A piece of network between a client and a server, to be cut or stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Default)]
struct Valve {
    /// How often it was cut.
    cuts: u64,
    /// Nothing passes, nothing ends.
    stopped: bool,
}

pub(crate) struct Pipe {
    pub(crate) address: SocketAddr,
    valve: Arc<watch::Sender<Valve>>,
    accepting: JoinHandle<()>,
}

impl Pipe {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let valve = Arc::new(watch::Sender::new(Valve::default()));
        let state = valve.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let valve = state.subscribe();
                tokio::spawn(async move {
                    let _ = carry(client, server, valve).await;
                });
            }
        });
        Self {
            address,
            valve,
            accepting,
        }
    }

    /// Ends every connection without a word; new ones pass.
    pub(crate) fn cut(&self) {
        self.valve.send_modify(|valve| valve.cuts += 1);
    }

    /// From now on nothing passes and nothing ends, like a machine that fell off the network.
    pub(crate) fn stop(&self) {
        self.valve.send_modify(|valve| valve.stopped = true);
    }

    /// What was stopped goes on.
    pub(crate) fn go_on(&self) {
        self.valve.send_modify(|valve| valve.stopped = false);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    mut valve: watch::Receiver<Valve>,
) -> std::io::Result<()> {
    let before = valve.borrow().cuts;
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (there, back) = (valve.clone(), valve.clone());
    tokio::select! {
        result = one_way(client_in, server_out, there) => result,
        result = one_way(server_in, client_out, back) => result,
        _ = valve.wait_for(|valve| valve.cuts > before) => Ok(()),
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut valve: watch::Receiver<Valve>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let _ = valve.wait_for(|valve| !valve.stopped).await;
        let size = from.read(&mut buffer).await?;
        let _ = valve.wait_for(|valve| !valve.stopped).await;
        if size == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..size]).await?;
    }
}

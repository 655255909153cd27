//! Connections, plain or under TLS. Those of clients that stop reading are cut: a stream holds memory and a place only
//! as long as it moves.

mod tls;

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// A listener whose connections are [`Moving`].
#[derive(Debug)]
pub(crate) struct Guarded {
    listener: TcpListener,
    greeter: Option<tls::Greeter>,
    patience: Duration,
}

/// A connection as it came, or under TLS.
pub(crate) type Wire = Either<TcpStream, TlsStream<TcpStream>>;

impl Guarded {
    pub(crate) fn new(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        patience: Duration,
    ) -> Self {
        Guarded {
            listener,
            greeter: tls.map(tls::Greeter::new),
            patience,
        }
    }
}

impl Listener for Guarded {
    type Io = Moving<Wire>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (wire, peer) = match &mut self.greeter {
            None => {
                let (stream, peer) = connection(&mut self.listener).await;
                (Either::Left(stream), peer)
            }
            Some(greeter) => loop {
                tokio::select! {
                    (stream, peer) = connection(&mut self.listener), if greeter.has_room() => {
                        greeter.greet(stream, peer);
                    }
                    (stream, peer) = greeter.next() => break (Either::Right(stream), peer),
                }
            },
        };
        (Moving::new(wire, self.patience), peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn connection(listener: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, peer) = Listener::accept(listener).await;
    // Answers and events are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    (stream, peer)
}

/// A connection that ends with an error when the other side takes nothing for a while.
#[derive(Debug)]
pub(crate) struct Moving<S> {
    inner: S,
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Moving<S> {
    fn new(inner: S, patience: Duration) -> Self {
        Moving {
            inner,
            patience,
            stalled: None,
        }
    }

    /// Passes on what the inner one says; counts the time that it says nothing.
    fn timed<T>(
        &mut self,
        answer: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if answer.is_ready() {
            self.stalled = None;
            return answer;
        }
        let patience = self.patience;
        let until = || Box::pin(tokio::time::sleep_until(Instant::now() + patience));
        match self.stalled.get_or_insert_with(until).as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Moving<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Moving<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.timed(answer, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.timed(answer, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_cut_and_a_slow_one_is_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Moving::new(near, Duration::from_secs(30));
        let slow = async {
            let mut two = [0; 2];
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                far.read_exact(&mut two).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(b"12345678"), slow);
        written.unwrap();
        let error = near.write_all(b"12345678").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

//! The two streams of one connection, each a reader and a writer with a short queue between them, so that
//! what is delayed does not delay what comes after it once more.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Fault, Way};

const CHUNK_BYTES: usize = 16 << 10;
/// What may be under way in one direction; more waits in the sender's socket.
const CHUNKS_MAX: usize = 1024;
/// How often a throttled stream moves.
const BEAT: Duration = Duration::from_millis(10);

/// Carries both ways until both sides have ended, or the connection is cut.
pub(super) async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    faults: watch::Receiver<Fault>,
) {
    // Small frames must not wait for each other here; without it they are only later.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let carried = {
        let (client_out, client_in) = client.split();
        let (server_out, server_in) = server.split();
        let both = async {
            tokio::try_join!(
                carry(client_out, server_in, Way::Up, faults.clone()),
                carry(server_out, client_in, Way::Down, faults.clone()),
            )
        };
        tokio::select! {
            carried = both => carried.is_ok(),
            () = until(faults.clone(), |fault| fault == Fault::Cut) => false,
        }
    };
    if !carried {
        // A close without linger is a reset.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn carry(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    let (queue, queued) = mpsc::channel(CHUNKS_MAX);
    tokio::try_join!(
        read(from, queue, way, faults.clone()),
        write(to, queued, faults)
    )?;
    Ok(())
}

async fn read(
    mut from: ReadHalf<'_>,
    queue: mpsc::Sender<(Instant, Bytes)>,
    way: Way,
    faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        moving(&faults).await;
        // The end of one side is news like others: while nothing moves it must not get through.
        let read = from.read(&mut chunk).await;
        moving(&faults).await;
        let length = read?;
        if length == 0 {
            return Ok(());
        }
        let fault = *faults.borrow();
        let due = match fault {
            Fault::Lose(lost) if lost == way => continue,
            Fault::Delay(delay) => Instant::now() + delay,
            Fault::None | Fault::Throttle(_) | Fault::Lose(_) | Fault::Hang | Fault::Cut => {
                Instant::now()
            }
        };
        let bytes = Bytes::copy_from_slice(&chunk[..length]);
        if queue.send((due, bytes)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut queued: mpsc::Receiver<(Instant, Bytes)>,
    faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    while let Some((due, mut bytes)) = queued.recv().await {
        sleep_until(due).await;
        while !bytes.is_empty() {
            moving(&faults).await;
            let fault = *faults.borrow();
            let Fault::Throttle(per_second) = fault else {
                to.write_all_buf(&mut bytes).await?;
                break;
            };
            let room = (per_second as usize / 100).max(1).min(bytes.len());
            to.write_all(&bytes.split_to(room)).await?;
            sleep(BEAT).await;
        }
    }
    to.shutdown().await
}

async fn moving(faults: &watch::Receiver<Fault>) {
    until(faults.clone(), |fault| fault != Fault::Hang).await;
}

/// Waits for such a fault. A connection without handles is of a proxy that is being dropped: it waits for its end.
async fn until(mut faults: watch::Receiver<Fault>, such: impl Fn(Fault) -> bool) {
    if faults.wait_for(|fault| such(*fault)).await.is_err() {
        std::future::pending().await
    }
}

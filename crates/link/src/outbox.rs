//! Frames on their way out: pushed by whoever has something to say, written by one future beside it.
//!
//! Nobody waits for the socket, so nobody who speaks stops listening. What waits is counted in bytes;
//! the speaker decides what is too much.

use crate::frame::Frame;
use futures_util::{Sink, SinkExt};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Where frames are pushed.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    frames: mpsc::UnboundedSender<Frame>,
    waiting: watch::Sender<usize>,
}

/// Where they are taken from. Ends when every [`Outbox`] is gone and all is written.
#[derive(Debug)]
pub(crate) struct Waiting {
    frames: mpsc::UnboundedReceiver<Frame>,
    waiting: watch::Sender<usize>,
}

/// Why writing ended before its time.
#[derive(Debug)]
pub(crate) enum Stuck {
    /// The other side took nothing for too long.
    Stalled,
    /// The socket is broken.
    Broken(String),
}

pub(crate) fn outbox() -> (Outbox, Waiting) {
    let (sender, frames) = mpsc::unbounded_channel();
    let (waiting, _) = watch::channel(0);
    let outbox = Outbox {
        frames: sender,
        waiting: waiting.clone(),
    };
    (outbox, Waiting { frames, waiting })
}

impl Outbox {
    /// After the writer ended it goes nowhere, and whoever waits for the writer knows that.
    pub(crate) fn push(&self, frame: Frame) {
        self.waiting.send_modify(|bytes| *bytes += frame.size());
        let _ = self.frames.send(frame);
    }

    /// How much waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Waits until less than this waits.
    pub(crate) async fn below(&self, limit: usize) {
        // It only fails when all senders are gone, and this is one.
        let _ = self
            .waiting
            .subscribe()
            .wait_for(|bytes| *bytes < limit)
            .await;
    }
}

impl Waiting {
    /// Writes what is pushed, as fast as the other side takes it.
    pub(crate) async fn write<S>(mut self, mut sink: S, patience: Duration) -> Result<(), Stuck>
    where
        S: Sink<Frame> + Unpin,
        S::Error: std::fmt::Display,
    {
        loop {
            let frame = match self.frames.try_recv() {
                Ok(frame) => frame,
                Err(_) => {
                    // Only when nothing waits: many small frames share one call of the system.
                    done(timeout(patience, sink.flush()).await)?;
                    match self.frames.recv().await {
                        Some(frame) => frame,
                        None => return Ok(()),
                    }
                }
            };
            let size = frame.size();
            done(timeout(patience, sink.feed(frame)).await)?;
            self.waiting.send_modify(|bytes| *bytes -= size);
        }
    }
}

fn done<E: std::fmt::Display>(
    result: Result<Result<(), E>, tokio::time::error::Elapsed>,
) -> Result<(), Stuck> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Stuck::Broken(error.to_string())),
        Err(_) => Err(Stuck::Stalled),
    }
}

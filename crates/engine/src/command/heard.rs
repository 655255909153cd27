//! The four pipes of a program: its input is fed, and what it says is read and told on. The receiver may be slow: then
//! the program waits for it, as long as it runs; what bounds memory is in each [`Ear`].

use super::control::Control;
use super::log::Log;
use super::output::Output;
use super::running::Pipes;
use super::{Program, Signal};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long the rest of the log waits for a receiver that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything a program said.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) output: Output,
    pub(super) log: Log,
    pub(super) control: Control,
}

impl Heard {
    /// Nothing yet.
    pub(super) fn new(program: &Program) -> Self {
        Self {
            output: Output::new(program.output_limit),
            log: Log::new(program.log_limit),
            control: Control::default(),
        }
    }

    /// Serves the four pipes until all are closed.
    ///
    /// # Cancel safety
    /// What was read is kept.
    pub(super) async fn listen(
        &mut self,
        pipes: Pipes,
        task: &[u8],
        signals: &Sender<Signal>,
        over: &CancellationToken,
    ) {
        let Pipes {
            mut stdin,
            stdout,
            stderr,
            control,
        } = pipes;
        let feed = async move {
            // A program may ignore its input; the pipe then breaks, and that is its right.
            let _ = stdin.write_all(task).await;
        };
        tokio::join!(
            feed,
            pump(stdout, &mut self.output, signals, over),
            pump(stderr, &mut self.log, signals, over),
            pump(control, &mut self.control, signals, over),
        );
    }

    /// Sends what is left to tell, as long as somebody takes it.
    pub(super) async fn tell_rest(&mut self, signals: &Sender<Signal>) {
        self.control.close();
        self.log.close();
        while let Some(signal) = self.control.next().or_else(|| self.log.next()) {
            match timeout(PATIENCE, signals.send(signal)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}

/// Takes what is read from a pipe.
pub(super) trait Ear {
    /// More was read.
    fn push(&mut self, bytes: &[u8]);
    /// Whether there is something to tell.
    fn has_next(&self) -> bool {
        false
    }
    /// The next thing to tell.
    fn next(&mut self) -> Option<Signal> {
        None
    }
    /// Whether to tell first and read on later.
    fn is_full(&self) -> bool {
        false
    }
}

/// Reads a pipe to its end, and tells what there is to tell whenever the receiver has room. Once the program is over,
/// it only reads: the rest is told when everything is cleared away.
async fn pump(
    mut pipe: impl AsyncRead + Unpin,
    ear: &mut impl Ear,
    signals: &Sender<Signal>,
    over: &CancellationToken,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let live = !over.is_cancelled() && !signals.is_closed();
        tokio::select! {
            biased;
            permit = signals.reserve(), if live && ear.has_next() => {
                if let (Ok(permit), Some(signal)) = (permit, ear.next()) {
                    permit.send(signal);
                }
            }
            read = pipe.read(&mut bytes), if !live || !ear.is_full() => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => ear.push(&bytes[..count]),
            },
            () = over.cancelled(), if live => {}
        }
    }
}

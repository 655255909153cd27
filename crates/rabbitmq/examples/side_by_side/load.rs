//! What is asked of every way, and what a turn of it gives.

use crate::cpu::Cpu;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Tasks that an agent runs at once; the raw client's prefetch.
pub(crate) const SLOTS: u16 = 200;
/// Offers of a fast lane that are out at once; what the raw client publishes before it waits for confirms.
pub(crate) const WINDOW: usize = 1_000;
/// Tasks that are submitted one at a time to be measured.
pub(crate) const SINGLE: usize = 200;
/// Those before them, which nobody measures.
pub(crate) const WARM: usize = 20;
/// Tasks that one more waits for.
pub(crate) const FAN: usize = 1_000;
/// What no turn takes, on any machine: longer is a fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a turn gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    /// One at a time: until the handler began.
    pub(crate) start: Vec<Duration>,
    /// One at a time: until the result was recorded; for the raw client, until it was there.
    pub(crate) recorded: Vec<Duration>,
    /// All at once: tasks, and how long they took.
    pub(crate) tasks: usize,
    pub(crate) wall: Duration,
    /// Who used the processor meanwhile.
    pub(crate) cpu: Cpu,
    /// Messages that were published and confirmed meanwhile, by type.
    pub(crate) messages: BTreeMap<String, u64>,
    /// Calls meanwhile: publishes of a batch, commits, reads.
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// After that: [`FAN`] tasks and one that begins when all of them have ended, until its result is there.
    pub(crate) fan: Duration,
}

impl Turn {
    /// Tasks a second, all at once.
    pub(crate) fn rate(&self) -> f64 {
        self.tasks as f64 / self.wall.as_secs_f64()
    }
}

/// A JSON text of 1 KiB: every task's input and output.
pub(crate) fn body() -> String {
    format!("\"{}\"", "x".repeat(1_022))
}

/// The next one, or a fault instead of a wait for ever.
pub(crate) async fn next<T>(from: &mut mpsc::UnboundedReceiver<T>, what: &str) -> crate::Result<T> {
    match tokio::time::timeout(PATIENCE, from.recv()).await {
        Ok(Some(item)) => Ok(item),
        Ok(None) => Err(format!("no more {what}: its sender ended").into()),
        Err(_) => Err(format!("no {what} within {} s", PATIENCE.as_secs()).into()),
    }
}

/// A clock and the processor, from here on.
pub(crate) struct Watch {
    at: Instant,
    cpu: Cpu,
    broker: u32,
}

impl Watch {
    pub(crate) fn start(broker: u32) -> crate::Result<Watch> {
        let cpu = Cpu::now(broker)?;
        let at = Instant::now();
        Ok(Watch { at, cpu, broker })
    }

    pub(crate) fn stop(self) -> crate::Result<(Duration, Cpu)> {
        let wall = self.at.elapsed();
        Ok((wall, Cpu::now(self.broker)?.since(&self.cpu)))
    }
}

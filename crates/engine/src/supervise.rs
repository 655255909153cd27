//! The only place that spawns: a scope owns its tasks, stops them together, and hears when one of them dies.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tasks that live and end together. A task that panics stops the others: half an engine is worse than none.
#[derive(Debug)]
pub struct Scope {
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
}

/// How a scope ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// As asked, every task returned.
    Clean,
    /// Some tasks did not return in time and were dropped.
    Late(usize),
    /// A task panicked.
    Panicked(String),
}

impl Scope {
    /// A scope that stops when `parent` is cancelled.
    pub fn new(parent: &CancellationToken) -> Self {
        Scope {
            tasks: JoinSet::new(),
            stop: parent.child_token(),
        }
    }

    /// Cancelled when this scope stops.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until the scope is told to stop or a task panics; then gives the others this long to return.
    pub async fn run(mut self, patience: Duration) -> Stopped {
        let mut panicked = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(name)) => tracing::debug!(task = name, "ended"),
                    Some(Err(error)) if error.is_panic() => {
                        panicked = Some(error.to_string());
                        self.stop.cancel();
                        break;
                    }
                    Some(Err(_)) => {}
                    None => break,
                },
            }
        }
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(patience, rest).await.is_ok();
        match panicked {
            Some(error) => Stopped::Panicked(error),
            None if in_time => Stopped::Clean,
            None => Stopped::Late(self.tasks.len()),
        }
    }
}

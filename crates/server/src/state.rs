//! What every handler can reach.

use crate::failure::Failure;
use crate::guard::Hosts;
use crate::login;
use crate::options::ServerOptions;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warrener_api::Problem;
use warrener_engine::Orchestrator;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

/// See [`App`].
pub(crate) struct Inner {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) options: ServerOptions,
    pub(crate) hosts: Hosts,
    /// The name of the cookie with a browser's session.
    pub(crate) cookie: String,
    /// Ends waits, streams and links.
    pub(crate) stop: CancellationToken,
    /// Links outlive the request that opened them.
    pub(crate) links: TaskTracker,
    streams: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        orchestrator: Orchestrator,
        options: ServerOptions,
        bound: SocketAddr,
        stop: CancellationToken,
    ) -> Self {
        App(Arc::new(Inner {
            hosts: Hosts::new(&options, bound),
            cookie: login::cookie_name(options.is_secure(), bound.port()),
            streams: Arc::new(Semaphore::new(options.streams)),
            links: TaskTracker::new(),
            orchestrator,
            options,
            stop,
        }))
    }

    /// Room for one more stream; it is given back when the permit is dropped.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{} streams are open already", self.options.streams);
            Failure::from(Problem::new("overloaded", detail))
        })
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

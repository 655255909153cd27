//! The handle: it connects, waits, claims, and says goodbye. What the port asks for is in `broker`.

use crate::amqp::{Greeting, Target};
use crate::consumer::Held;
use crate::names::Names;
use crate::owner;
use crate::publisher::Pulse;
use crate::sessions::{Consume, Ground, Publish};
use crate::settings::Settings;
use crate::supervisor::{BROKER, Line, Session, Supervisor, error};
use crate::telling::Telling;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use warrener_backend::broker::Capabilities;
use warrener_backend::error::{Error, Result};
use warrener_model::id::StoreId;

/// RabbitMQ; a cheap handle. It ends with the last handle, or with [`RabbitBroker::close`].
#[derive(Clone)]
pub struct RabbitBroker {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    ground: Arc<Ground>,
    pub(crate) publishing: watch::Receiver<Line<Publish>>,
    consuming: watch::Receiver<Line<Consume>>,
    /// Control queues that were ours on an earlier connection, which the broker may not have missed yet.
    pub(crate) controls: Mutex<HashSet<String>>,
    pub(crate) held: Held,
    pub(crate) runtime: Handle,
    stop: CancellationToken,
    _last: DropGuard,
}

/// What a [`RabbitBroker`] can do, always.
pub const CAPABILITIES: Capabilities = Capabilities {
    durable: true,
    direct: false,
    wills: false,
    topics: true,
    counts: false,
    reasons: false,
};

impl RabbitBroker {
    /// Begins to connect, and goes on doing so; comes back at once. See [`RabbitBroker::ready`].
    ///
    /// # Errors
    /// `Invalid` for settings that cannot work, `Unavailable` when the system gives no thread.
    pub fn connect(settings: Settings) -> Result<RabbitBroker> {
        let settings = Arc::new(settings);
        let ground = Arc::new(Ground {
            target: Target::read(&settings)?,
            names: Names::new(&settings.namespace),
            pulse: Arc::new(Pulse::default()),
            ensured: Mutex::default(),
            claimed: Mutex::default(),
            settings,
        });
        let stop = CancellationToken::new();
        let not_yet = "not connected yet";
        let (publish, publishing) = watch::channel(Line::Away(not_yet.into()));
        let (consume, consuming) = watch::channel(Line::Away(not_yet.into()));
        let telling = Arc::new(Telling::default());
        let supervisors = (
            supervisor(&ground, "publish", publish, &telling, &stop),
            supervisor(&ground, "consume", consume, &telling, &stop),
        );
        let runtime = thread(supervisors)?;
        let shared = Shared {
            ground,
            publishing,
            consuming,
            controls: Mutex::default(),
            held: Held::default(),
            runtime,
            _last: stop.clone().drop_guard(),
            stop,
        };
        Ok(RabbitBroker {
            shared: Arc::new(shared),
        })
    }

    /// Waits until it can be worked with.
    ///
    /// # Errors
    /// Why it cannot within the time: `NotAllowed`, `Untrusted`, `Invalid` (drift), `Taken`, `Unavailable`.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let mut publishing = self.shared.publishing.clone();
        let mut consuming = self.shared.consuming.clone();
        let both = async {
            let _ = publishing
                .wait_for(|line| matches!(line, Line::Up(_)))
                .await;
            let _ = consuming.wait_for(|line| matches!(line, Line::Up(_))).await;
        };
        // Whatever the wait came to, the lines say how it is now.
        let _ = timeout(within, both).await;
        self.publishing()?;
        self.consuming()?;
        Ok(())
    }

    /// Claims the namespace for a store, for as long as this handle lives; before anything else a server does. See
    /// `owner`.
    ///
    /// # Errors
    /// `Taken` with the names of both stores, `NotAllowed` for agents, `Unavailable`.
    pub async fn claim_ownership(&self, store: StoreId) -> Result<()> {
        self.servers_only("claim the namespace")?;
        let ground = self.shared.ground.clone();
        let claiming = async move {
            owner::claim(&ground.settings, &ground.target, store).await?;
            *ground
                .claimed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(store);
            Ok(())
        };
        let ended = |_| Err(Error::unavailable(BROKER, "it was closed"));
        self.shared
            .runtime
            .spawn(claiming)
            .await
            .unwrap_or_else(ended)
    }

    /// Waits until a later claim, on a new connection, finds the namespace to be another store's. Never comes back otherwise.
    pub async fn lost_ownership(&self) -> Error {
        let mut publishing = self.shared.publishing.clone();
        let mut consuming = self.shared.consuming.clone();
        let error = tokio::select! {
            line = publishing.wait_for(Line::is_taken) => line.ok().and_then(|line| line.up().err()),
            line = consuming.wait_for(Line::is_taken) => line.ok().and_then(|line| line.up().err()),
        };
        match error {
            Some(error) => error,
            // It was closed.
            None => std::future::pending().await,
        }
    }

    /// Product and version, such as `RabbitMQ 3.10.8`, from the handshake.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn version(&self) -> Result<String> {
        let ground = self.shared.ground.clone();
        let asking = async move {
            crate::amqp::greet(&ground.target, ground.settings.connect_deadline).await
        };
        match self.shared.runtime.spawn(asking).await {
            Ok(Ok(Greeting { product, version })) => Ok(format!("{product} {version}")),
            Ok(Err(fault)) => Err(error("the greeting", fault)),
            Err(_) => Err(Error::unavailable(BROKER, "it was closed")),
        }
    }

    /// Ends both connections for all handles, after what was said before. Waits no longer than an answer may take.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        let mut publishing = self.shared.publishing.clone();
        let mut consuming = self.shared.consuming.clone();
        // The senders go when their supervisors have said goodbye.
        let gone = async {
            while publishing.changed().await.is_ok() {}
            while consuming.changed().await.is_ok() {}
        };
        let _ = timeout(self.settings().answer_deadline * 2, gone).await;
    }

    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.shared.ground
    }

    pub(crate) fn publishing(&self) -> Result<Arc<Publish>> {
        self.shared.publishing.borrow().up()
    }

    pub(crate) fn consuming(&self) -> Result<Arc<Consume>> {
        self.shared.consuming.borrow().up()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.ground.settings
    }

    pub(crate) fn names(&self) -> &Names {
        &self.shared.ground.names
    }
}

fn supervisor<S>(
    ground: &Arc<Ground>,
    purpose: &'static str,
    line: watch::Sender<Line<S>>,
    telling: &Arc<Telling>,
    stop: &CancellationToken,
) -> Supervisor<S>
where
    S: Session<Ground = Arc<Ground>>,
{
    Supervisor {
        target: ground.target.clone(),
        settings: ground.settings.clone(),
        purpose,
        ground: ground.clone(),
        line,
        telling: telling.clone(),
        stop: stop.clone(),
    }
}

/// A thread with a runtime of its own: a program that keeps its runtime busy still answers the broker's heartbeats.
fn thread(supervisors: (Supervisor<Publish>, Supervisor<Consume>)) -> Result<Handle> {
    let unavailable = |error: std::io::Error| Error::unavailable(BROKER, error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(unavailable)?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("warrener-rabbit".into())
        .spawn(move || {
            let (publish, consume) = supervisors;
            runtime.block_on(async { tokio::join!(publish.run(), consume.run()) });
            // Looking up a name cannot be interrupted; nobody need wait for it.
            runtime.shutdown_background();
        })
        .map_err(unavailable)?;
    Ok(handle)
}

impl fmt::Debug for RabbitBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitBroker")
            .field("target", &self.ground().target)
            .field("publishing", &*self.shared.publishing.borrow())
            .field("consuming", &*self.shared.consuming.borrow())
            .finish_non_exhaustive()
    }
}

//! The port, on two connections. What is here checks who may do what, turns addresses into names, and waits.

use crate::amqp::{BODY_BYTES_MAX, Channel, Fault, Greeting, Kind, Letter, Target};
use crate::consumer::{Held, Reading, Undertaker};
use crate::names::Names;
use crate::owner;
use crate::publisher::Pulse;
use crate::sessions::{Consume, Ground, Publish, declare};
use crate::settings::{Role, Settings};
use crate::supervisor::{BROKER, Line, Supervisor, error};
use crate::topology;
use async_trait::async_trait;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::Who;
use warrener_model::id::StoreId;

/// RabbitMQ; a cheap handle. It ends with the last handle, or with [`RabbitBroker::close`].
#[derive(Clone)]
pub struct RabbitBroker {
    shared: Arc<Shared>,
}

struct Shared {
    ground: Arc<Ground>,
    publishing: watch::Receiver<Line<Publish>>,
    consuming: watch::Receiver<Line<Consume>>,
    /// Control queues that were ours on an earlier connection, which the broker may not have missed yet.
    controls: Mutex<HashSet<String>>,
    held: Held,
    runtime: Handle,
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
        let supervisors = (
            supervisor(&ground, "publish", publish, &stop),
            supervisor(&ground, "consume", consume, &stop),
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
    /// Why it cannot within the time: `NotAllowed`, `Invalid` (drift), `Taken`, `Unavailable`.
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

    pub(crate) fn runtime(&self) -> &Handle {
        &self.shared.runtime
    }

    fn settings(&self) -> &Settings {
        &self.shared.ground.settings
    }

    fn names(&self) -> &Names {
        &self.shared.ground.names
    }

    pub(crate) fn publishing(&self) -> Result<Arc<Publish>> {
        self.shared.publishing.borrow().up()
    }

    pub(crate) fn consuming(&self) -> Result<Arc<Consume>> {
        self.shared.consuming.borrow().up()
    }

    fn servers_only(&self, what: &str) -> Result<()> {
        match &self.settings().role {
            Role::Server => Ok(()),
            Role::Agent(who) => Err(Error::NotAllowed(format!(
                "agent {} may not {what}",
                who.agent
            ))),
        }
    }

    fn may_publish(&self, to: &Address) -> Result<()> {
        match to {
            Address::Inbox(_) => Ok(()),
            _ => self.servers_only(&format!("publish to {to}")),
        }
    }

    fn may_read(&self, from: &Address) -> Result<()> {
        match (from, &self.settings().role) {
            (Address::Offers(_) | Address::Topic(_), _) => Ok(()),
            (Address::Control(whose), Role::Agent(who)) if whose == who => Ok(()),
            (Address::Inbox(_) | Address::Dead, Role::Server) => Ok(()),
            (Address::Control(_), Role::Server) => Err(Error::NotAllowed(format!(
                "{from} is read by its agent alone"
            ))),
            _ => self.servers_only(&format!("read {from}")),
        }
    }

    fn letter(&self, out: Outgoing) -> Result<Letter> {
        let size = out.message.body.len();
        if size > BODY_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a message of {size} bytes is more than the broker takes; the limit is {BODY_BYTES_MAX}"
            )));
        }
        let route = self.names().route(&out.to, &out.message)?;
        Letter::new(route, out.message, out.expires, self.ground().target.user())
    }

    /// Makes or finds the queue to read, and says whether it is read alone.
    async fn source(&self, channel: &Channel, from: &Address) -> Result<(String, bool)> {
        let wrong = |fault: Fault| error(&from.to_string(), fault);
        match from {
            Address::Topic(pattern) => {
                let args = topology::watcher(&self.settings().limits);
                let bindings = self.names().bindings(pattern)?;
                let made = channel
                    .declare_queue("", Kind::Own, &args)
                    .await
                    .map_err(wrong)?;
                for (exchange, key) in bindings {
                    channel
                        .bind(&made.name, &exchange, &key)
                        .await
                        .map_err(wrong)?;
                }
                Ok((made.name, true))
            }
            Address::Control(who) => Ok((self.control(channel, who).await?, true)),
            Address::Offers(_) | Address::Inbox(_) | Address::Dead => {
                let queue = self.names().queue(from).unwrap_or_default();
                channel.find_queue(&queue).await.map_err(wrong)?;
                Ok((queue, false))
            }
        }
    }

    async fn control(&self, channel: &Channel, who: &Who) -> Result<String> {
        let queue = self.names().control(who);
        let args = topology::control(&self.settings().limits);
        let taken = |fault: Fault| self.taken(&queue, who, fault);
        channel
            .declare_queue(&queue, Kind::Own, &args)
            .await
            .map_err(taken)?;
        Ok(queue)
    }

    /// What it means that somebody has a control queue.
    fn taken(&self, queue: &str, who: &Who, fault: Fault) -> Error {
        let address = Address::Control(who.clone()).to_string();
        let controls = self
            .shared
            .controls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if fault.is_locked() && controls.contains(queue) {
            // A connection whose cable was cut lives on at the broker until its heartbeat is missed.
            let why = "the broker has not missed our last connection yet";
            return Error::unavailable(address, why);
        }
        if fault.is_locked() || fault.is_refused() && fault.text().contains("exclusive") {
            return Error::Taken {
                what: address,
                reason: "another process reads it; a new boot needs a new instance".into(),
            };
        }
        error(&address, fault)
    }
}

fn supervisor<S>(
    ground: &Arc<Ground>,
    purpose: &'static str,
    line: watch::Sender<Line<S>>,
    stop: &CancellationToken,
) -> Supervisor<S>
where
    S: crate::supervisor::Session<Ground = Arc<Ground>>,
{
    Supervisor {
        target: ground.target.clone(),
        settings: ground.settings.clone(),
        purpose,
        ground: ground.clone(),
        line,
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

#[async_trait]
impl Broker for RabbitBroker {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        self.servers_only("make addresses")?;
        self.publishing()?;
        let session = self.consuming()?;
        let ground = self.ground();
        let parts = topology::parts(&ground.names, &ground.settings.limits, addresses);
        declare(&session.connection, &parts).await?;
        ground.remember(addresses);
        Ok(())
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        batch.iter().try_for_each(|out| self.may_publish(&out.to))?;
        let letters: Result<Vec<Letter>> = batch.into_iter().map(|out| self.letter(out)).collect();
        let letters = letters?;
        let session = self.publishing()?;
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        session.publish(letters).await
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        let Subscribe { from, credit, will } = subscribe;
        if will.is_some() {
            return Err(Error::Unsupported("wills"));
        }
        if credit == 0 {
            return Err(Error::Invalid("a subscription needs credit".into()));
        }
        self.may_read(&from)?;
        let session = self.consuming()?;
        let wrong = |fault: Fault| error(&from.to_string(), fault);
        let channel = session.connection.channel().await.map_err(wrong)?;
        let (queue, alone) = self.source(&channel, &from).await?;
        let consumer = match channel.consume(&queue, credit, alone).await {
            Ok(consumer) => consumer,
            Err(fault) => {
                return Err(match &from {
                    Address::Control(who) => self.taken(&queue, who, fault),
                    _ => wrong(fault),
                });
            }
        };
        if let Address::Control(_) = from {
            let mut controls = self
                .shared
                .controls
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            controls.insert(queue);
        }
        let undertaker = self.settings().is_server().then(|| Undertaker {
            line: self.shared.publishing.clone(),
            names: self.names().clone(),
            user: self.ground().target.user().map(str::to_owned),
        });
        let reading = Reading {
            from,
            channel,
            consumer,
            names: self.names().clone(),
            undertaker,
            held: self.shared.held.clone(),
        };
        Ok(reading.start(&self.shared.runtime))
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        if let (Address::Inbox(_) | Address::Dead, Role::Agent(_)) =
            (address, &self.settings().role)
        {
            self.servers_only(&format!("ask about {address}"))?;
        }
        let Some(queue) = self.names().queue(address) else {
            return Err(Error::Unsupported("the depth of a topic"));
        };
        let session = self.consuming()?;
        let wrong = |fault: Fault| error(&address.to_string(), fault);
        let channel = session.connection.channel().await.map_err(wrong)?;
        match channel.find_queue(&queue).await {
            Ok(counts) => {
                channel.close().await;
                Ok(Depth {
                    ready: counts.ready.into(),
                    unsettled: self.shared.held.at(address),
                    consumers: counts.consumers.into(),
                })
            }
            Err(fault) if fault.is_locked() => {
                Err(Error::Unsupported("the depth of another's control address"))
            }
            Err(fault) => Err(wrong(fault)),
        }
    }

    async fn health(&self) -> Health {
        let publishing = match self.publishing() {
            Ok(session) => session,
            Err(error) => return Health::Down(error.to_string()),
        };
        if let Err(error) = self.consuming() {
            return Health::Down(error.to_string());
        }
        if let Some(why) = publishing.blocked() {
            return Health::Blocked(why);
        }
        let deadline = self.settings().confirm_deadline;
        if self.ground().pulse.is_weak(deadline) {
            return Health::Down(format!(
                "it did not confirm a message within {} ms; a queue may have lost its majority",
                deadline.as_millis()
            ));
        }
        Health::Up
    }
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

//! The memory broker: the port within one process, and the executable specification of it.
//!
//! It promises no durability and says so: what it holds ends with the process, and the server offers
//! again whatever the store says is waiting. All state is behind one std mutex that is never held
//! over an await; each operation costs the same however much waits (a copy to watchers costs one
//! step a watcher). It ends with the last of its handles: then every subscription is over.

mod pattern;
mod queue;
mod state;

use crate::broker::{
    Address, Broker, Capabilities, Depth, End, Health, Outgoing, Receipt, Settle, Subscribe,
    Subscription, Verdict,
};
use crate::error::{Error, Result};
use async_trait::async_trait;
use state::State;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use warrener_model::agent::Who;

/// How the reason of a dead letter begins when its message was delivered too often; its old address
/// follows.
pub const DELIVERY_LIMIT: &str = "delivery-limit";

/// What happens to a message that comes to a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is not taken: [`Receipt::Full`].
    Reject,
    /// It is taken, and the oldest that waits is lost.
    DropOldest,
}

/// How many messages may wait in a queue; what is delivered and not settled does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub messages: usize,
    /// What happens to more.
    pub over: Overflow,
}

/// The limits of every sort of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of each lane.
    pub offers: Limit,
    /// Of claims and outcomes.
    pub results: Limit,
    /// Of hello, heartbeat, bye.
    pub presence: Limit,
    /// Of log and progress.
    pub signals: Limit,
    /// Of submissions.
    pub submit: Limit,
    /// Of each agent's control address.
    pub control: Limit,
    /// Of dead letters.
    pub dead: Limit,
    /// Of the copies for each watcher.
    pub topic: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        let reject = |messages| Limit {
            messages,
            over: Overflow::Reject,
        };
        let drop_oldest = |messages| Limit {
            messages,
            over: Overflow::DropOldest,
        };
        Self {
            offers: reject(100_000),
            results: reject(1_000_000),
            presence: drop_oldest(100_000),
            signals: drop_oldest(100_000),
            submit: reject(1_000_000),
            control: reject(10_000),
            dead: drop_oldest(10_000),
            topic: drop_oldest(1_000),
        }
    }
}

/// How a memory broker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// What it says it can do. Without wills or topics it answers `Unsupported` to both; the other
    /// two change nothing here, only what its users do with it.
    pub capabilities: Capabilities,
    /// A message that comes back after more deliveries than this is a dead letter.
    pub dead_limit: u32,
    /// How much may wait where.
    pub limits: Limits,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            capabilities: Capabilities {
                durable: false,
                direct: true,
                wills: true,
                topics: true,
                counts: true,
                reasons: true,
            },
            dead_limit: 20,
            limits: Limits::default(),
        }
    }
}

/// The memory broker; a cheap handle, all clones are the same broker.
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
    /// Whose connection this stands for; none is a server's.
    agent: Option<Who>,
}

struct Shared {
    capabilities: Capabilities,
    state: Mutex<State>,
}

impl Shared {
    /// Does something under the lock, then drops what it left behind (see [`State::late`]).
    fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut State, &Weak<Shared>) -> R) -> R {
        let me = Arc::downgrade(self);
        let (result, late) = {
            // A panic while it is held would be a bug of this file; the others go on as they can.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = act(&mut state, &me);
            (result, std::mem::take(&mut state.late))
        };
        drop(late);
        result
    }
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryBroker {
    /// An empty broker, with a server's handle.
    pub fn new(options: MemoryOptions) -> Self {
        let shared = Shared {
            capabilities: options.capabilities,
            state: Mutex::new(State::new(options)),
        };
        Self {
            shared: Arc::new(shared),
            agent: None,
        }
    }

    /// A handle that stands for the connection of one agent: it may not `ensure`, and
    /// [`MemoryBroker::cut`] ends what it subscribed to.
    pub fn for_agent(&self, who: &Who) -> Self {
        Self {
            shared: self.shared.clone(),
            agent: Some(who.clone()),
        }
    }

    /// As a broker whose disk is new: messages, subscriptions and addresses are gone. For tests.
    pub fn lose_everything(&self) {
        self.shared.with(|state, _| state.forget(true));
    }

    /// As a broker that was started again: messages and subscriptions are gone, addresses are still
    /// there. For tests.
    pub fn restart(&self) {
        self.shared.with(|state, _| state.forget(false));
    }

    /// Ends every subscription of one agent as if its connection had died: wills are published,
    /// deliveries go back. For tests.
    pub fn cut(&self, who: &Who) {
        self.shared.with(|state, me| state.cut(me, who));
    }

    fn check(&self, address: &Address) -> Result<()> {
        match address {
            Address::Topic(_) if !self.shared.capabilities.topics => {
                Err(Error::Unsupported("topics"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    fn capabilities(&self) -> Capabilities {
        self.shared.capabilities
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        if self.agent.is_some() {
            return Err(Error::NotAllowed("only servers make addresses".into()));
        }
        addresses.iter().try_for_each(|to| self.check(to))?;
        self.shared
            .with(|state, _| addresses.iter().for_each(|to| state.ensure(to)));
        Ok(())
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        batch.iter().try_for_each(|out| self.check(&out.to))?;
        Ok(self.shared.with(|state, me| {
            let receipts = batch.into_iter().map(|out| state.publish(me, out));
            receipts.collect()
        }))
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        self.check(&subscribe.from)?;
        if subscribe.will.is_some() && !self.shared.capabilities.wills {
            return Err(Error::Unsupported("wills"));
        }
        if subscribe.credit == 0 {
            return Err(Error::Invalid("a subscription needs credit".into()));
        }
        let owner = self.agent.clone();
        let (reader, deliveries) = self
            .shared
            .with(|state, me| state.subscribe(me, subscribe, owner))?;
        let end = Way {
            shared: Arc::downgrade(&self.shared),
            reader,
            tag: 0,
        };
        Ok(Subscription::new(deliveries, Box::new(end)))
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        self.check(address)?;
        self.shared.with(|state, _| state.depth(address))
    }

    async fn health(&self) -> Health {
        Health::Up
    }
}

impl fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBroker")
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// The way back from a subscription, or one of its deliveries, to the broker.
struct Way {
    shared: Weak<Shared>,
    reader: queue::Reader,
    tag: u64,
}

impl Settle for Way {
    fn settle(self: Box<Self>, verdict: Verdict) {
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|state, me| state.settle(me, self.reader, self.tag, verdict));
        }
    }
}

impl End for Way {
    fn end(self: Box<Self>, clean: bool) {
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|state, me| state.end(me, self.reader, clean));
        }
    }

    fn enough(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|state, _| state.enough(self.reader));
        }
    }
}

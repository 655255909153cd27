//! The broker port: addresses and messages, semantics and not AMQP.
//!
//! A broker carries offers to agents and what they say back. Delivery is at least once: whatever was delivered and not
//! settled comes again, marked `redelivered`. Nothing here is durable unless [`Capabilities::durable`] says so.

use crate::error::Result;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use warrener_model::agent::Who;
use warrener_model::id::{MessageId, StoreId};
use warrener_model::name::{AgentId, Lane};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// The offers of a lane: agents compete for them. Exists once a server ensured it.
    Offers(Lane),
    /// To the servers, who compete. Exists once a server ensured it.
    Inbox(Inbox),
    /// To one boot of one agent. Exists while that agent is subscribed to it.
    Control(Who),
    /// What was rejected, or delivered too often. Exists once a server ensured it, or sooner: a back-end may make it
    /// before the first address whose messages can die.
    Dead,
    /// Copies for watchers: every subscriber gets one; nobody need be there. Always exists.
    Topic(String),
}

/// What agents say to servers. A message belongs into the inbox that its type is named at: a back-end may find the way by
/// the type alone, and answer `Invalid` for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inbox {
    /// Claims, outcomes, answers, state: `claim outcome answer state`.
    Results,
    /// `hello heartbeat bye`.
    Presence,
    /// Log and progress, `signal`: apart from presence, so that a flood of one drops nothing of the other.
    Signals,
    /// Submissions and cancels: `submit cancel`.
    Submit,
}

impl Inbox {
    /// Every inbox.
    pub const ALL: [Inbox; 4] = [
        Inbox::Results,
        Inbox::Presence,
        Inbox::Signals,
        Inbox::Submit,
    ];
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Offers(lane) => write!(f, "offers/{lane}"),
            Address::Inbox(Inbox::Results) => f.write_str("inbox/results"),
            Address::Inbox(Inbox::Presence) => f.write_str("inbox/presence"),
            Address::Inbox(Inbox::Signals) => f.write_str("inbox/signals"),
            Address::Inbox(Inbox::Submit) => f.write_str("inbox/submit"),
            Address::Control(who) => write!(f, "control/{}/{}", who.agent, who.instance),
            Address::Dead => f.write_str("dead"),
            Address::Topic(key) => write!(f, "topic/{key}"),
        }
    }
}

/// A message, whatever carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// A resend keeps it.
    pub id: MessageId,
    /// The type of the body (`warrener_model::message::Body::TYPE`).
    pub kind: Arc<str>,
    /// The store whose server sent it, or that its sender belongs to.
    pub store: Option<StoreId>,
    /// The agent that sent it, where the back-end has made sure of it; nobody else can set it.
    pub sender: Option<AgentId>,
    /// W3C trace context.
    pub trace: Option<String>,
    /// JSON.
    pub body: Bytes,
    /// On [`Address::Dead`] only: why it is there.
    pub reason: Option<String>,
}

/// How the reason of a dead letter begins that no reader got to see: without an id or a type it is no message.
pub const UNREADABLE: &str = "unreadable: ";

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where to.
    pub to: Address,
    /// What.
    pub message: Message,
    /// Dropped when nobody took it within this.
    pub expires: Option<Duration>,
}

/// What became of one published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The broker has it, in a queue.
    Confirmed,
    /// There is no such address: nobody will get it.
    Unroutable,
    /// The queue is full: it was not taken. A queue that was full may refuse until a good part of it was read.
    Full,
    /// No answer in time: it may or may not be there.
    Unknown,
}

/// What a back-end can do. A fixed list, asserted by the conformance cases both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Confirmed messages survive a restart of the broker.
    pub durable: bool,
    /// The servers hand out work on the control address, with its grant: the delivery is the claim.
    pub direct: bool,
    /// When a subscription ends without a word, its will is published.
    pub wills: bool,
    /// Copies to watchers.
    pub topics: bool,
    /// [`Depth::unsettled`] counts what every reader holds; without it, only what readers of this handle do.
    pub counts: bool,
    /// What an agent says when it rejects is in the dead letter. Without it only a server's words are: an agent that
    /// may not write to [`Address::Dead`] leaves the reason `rejected`.
    pub reasons: bool,
}

/// What to subscribe to.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Where from.
    pub from: Address,
    /// How many unsettled deliveries to hold at most.
    pub credit: u32,
    /// Published when this subscription ends without [`Subscription::close`] (see [`Capabilities::wills`]).
    pub will: Option<Outgoing>,
}

/// How many messages wait at an address, and who reads there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Not delivered.
    pub ready: u64,
    /// Delivered, not settled (see [`Capabilities::counts`]).
    pub unsettled: u64,
    /// Subscriptions.
    pub consumers: u64,
}

/// Whether the broker can be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Up,
    /// It takes nothing for now (alarm, blocked).
    Blocked(String),
    /// Away.
    Down(String),
}

/// The port.
#[async_trait]
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// What this back-end can do.
    fn capabilities(&self) -> Capabilities;

    /// After this the addresses exist. Only servers call it; control and topics need none.
    ///
    /// # Errors
    /// `Unavailable`, `NotAllowed` (an agent's connection), `Invalid` (the address exists in another shape).
    async fn ensure(&self, addresses: &[Address]) -> Result<()>;

    /// Publishes all; after this each is confirmed in a queue, or its receipt says why not, in order. A message whose
    /// receipt is not `Confirmed` may only have arrived if it is `Unknown`.
    ///
    /// # Errors
    /// `Unavailable` when nothing was published; `NotAllowed` when one of them may not be, then none was.
    ///
    /// # Cancel safety
    /// When dropped, any part of the batch may have been published.
    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>>;

    /// Starts to deliver.
    ///
    /// # Errors
    /// `NotFound` (no server has made it yet), `Taken` (a control address has one reader), `NotAllowed`, `Unavailable`.
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription>;

    /// How full an address is. Advisory.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `NotAllowed`.
    async fn depth(&self, address: &Address) -> Result<Depth>;

    /// Whether it can be worked with; never waits for an answer longer than a few seconds.
    async fn health(&self) -> Health;
}

/// Deliveries of one address. Dropping it ends the subscription: what was not settled is delivered to others, and the
/// will is published.
pub struct Subscription {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    end: Option<Box<dyn End>>,
}

/// What a back-end does when a subscription ends.
pub trait End: Send + Sync {
    /// Ends it; `clean` when the reader said so.
    fn end(self: Box<Self>, clean: bool);

    /// See [`Subscription::enough`].
    fn enough(&self);
}

impl Subscription {
    /// For back-ends. The channel is bounded by the credit: a back-end never sends more than that unsettled.
    pub fn new(deliveries: mpsc::UnboundedReceiver<Delivery>, end: Box<dyn End>) -> Self {
        Self {
            deliveries,
            end: Some(end),
        }
    }

    /// The next delivery; `None` when the subscription is over (connection lost, address gone): subscribe again.
    ///
    /// # Cancel safety
    /// Cancel safe: no delivery is lost.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// A delivery that is there already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }

    /// Takes no more of an address that others read, too. What was delivered before comes and is settled as ever; once
    /// all of it is, the subscription is over.
    pub fn enough(&self) {
        if let Some(end) = &self.end {
            end.enough();
        }
    }

    /// Ends it on purpose: no will.
    pub fn close(mut self) {
        self.finish(true);
    }

    fn finish(&mut self, clean: bool) {
        // What waits unread goes back first, or it would count against the credit of nobody.
        self.deliveries.close();
        while self.deliveries.try_recv().is_ok() {}
        if let Some(end) = self.end.take() {
            end.end(clean);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.finish(false);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// What a reader decides of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done with it.
    Ack,
    /// Cannot be read: to [`Address::Dead`], with this reason.
    Reject(String),
    /// Deliver it again, to anybody. It may count as a delivery too many, or not; what a reader held when it ended does.
    Requeue,
}

/// What a back-end does with a verdict. Not confirmed: a verdict that is lost with the connection means redelivery.
pub trait Settle: Send + Sync {
    /// Does it.
    fn settle(self: Box<Self>, verdict: Verdict);
}

/// A delivered message. Settled once by value; dropped unsettled it is delivered again.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// It was delivered before: a hint.
    pub redelivered: bool,
    settle: Option<Box<dyn Settle>>,
}

impl Delivery {
    /// For back-ends.
    pub fn new(message: Message, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self {
            message,
            redelivered,
            settle: Some(settle),
        }
    }

    /// Done with it.
    pub fn ack(self) {
        self.settle(Verdict::Ack);
    }

    /// Cannot be read.
    pub fn reject(self, reason: impl Into<String>) {
        self.settle(Verdict::Reject(reason.into()));
    }

    /// Decides.
    pub fn settle(mut self, verdict: Verdict) {
        if let Some(settle) = self.settle.take() {
            settle.settle(verdict);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.settle(Verdict::Requeue);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}

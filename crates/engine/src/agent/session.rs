//! The session: connects, joins, does what the [`Book`] orders, drains. One loop owns everything; nothing in it waits
//! for the broker, or a slow broker would hold up revokes and the end of runs.

use super::book::{Book, Clock};
use super::heartbeat::Heart;
use super::outbox::{self, Letter};
use super::signals::{self, Said};
use super::{AgentOptions, Ended, Executor, Stopped};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Broker, Delivery, Inbox, Message, Outgoing, Subscription};
use warrener_model::agent::Who;
use warrener_model::decision::Answer;
use warrener_model::id::{MessageId, StoreId};
use warrener_model::message::{self, Body, Bye, Hello, Offer, Queue};
use warrener_model::{AgentId, ClaimId, Lane, SessionId, Timestamp};

mod invites;
mod lanes;
mod orders;
mod told;

/// Messages to publish, waiting; what does not fit is said again later.
const OUTBOX: usize = 4_096;
/// How often the session looks at what is due.
const TICK: Duration = Duration::from_millis(50);
/// The longest wait before the session asks again whether there is a connection.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long the last outcomes of a drain may take to be recorded.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Makes messages in the name of this agent.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) broker: Arc<dyn Broker>,
    agent: AgentId,
    store: Arc<Mutex<Option<StoreId>>>,
}

impl Sender {
    pub(super) fn letter<B: Body>(&self, to: Address, body: &B) -> Outgoing {
        let id = MessageId::new(crate::clock::wall(), crate::core::random());
        self.letter_as(id, to, body)
    }

    fn letter_as<B: Body>(&self, id: MessageId, to: Address, body: &B) -> Outgoing {
        let store = *self.store.lock().expect("an id does not panic");
        let body = message::encode(body).into();
        let message = Message {
            id,
            kind: B::TYPE.into(),
            store,
            sender: Some(self.agent.clone()),
            trace: None,
            body,
            reason: None,
        };
        Outgoing {
            to,
            message,
            expires: None,
        }
    }
}

/// What comes in from the broker.
enum Incoming {
    Control(Delivery),
    Offer(Delivery),
    Lost,
}

/// What comes from this agent's own parts.
enum Inner {
    /// The run has a slot of this agent.
    Began(ClaimId),
    Ended(ClaimId, Timestamp, Ended),
    Answered(SessionId, u32, Result<Answer, String>),
}

struct Session {
    sender: Sender,
    executor: Arc<dyn Executor>,
    options: AgentOptions,
    who: Who,
    clock: Clock,
    book: Book,
    heart: Heart,
    outbox: mpsc::Sender<Letter>,
    said: mpsc::Sender<Said>,
    ended: mpsc::UnboundedSender<Inner>,
    invites: invites::Invites,
    runs: JoinSet<()>,
    stops: HashMap<ClaimId, CancellationToken>,
    /// Deliveries kept until the handoff time, and when they came.
    deliveries: HashMap<ClaimId, (Delivery, Instant)>,
    /// A resend of an outcome keeps its id.
    outcomes: HashMap<ClaimId, MessageId>,
    slots: Arc<Semaphore>,
    incoming: mpsc::Sender<Incoming>,
    /// The control address of this connection, while it lasts.
    readers: JoinSet<()>,
    /// Offers, and who stops them: a second welcome must not read a lane twice, and a drain reads none.
    offers: JoinSet<()>,
    serving: HashMap<Lane, CancellationToken>,
    /// What the last welcome named.
    queues: Vec<Queue>,
    joined: bool,
    /// How long a delivery may be kept.
    handoff: Duration,
    hello_at: Instant,
    /// When the loop went round last.
    round: Instant,
    draining: bool,
    /// Set once it shall leave: until when what runs may go on.
    leaving: Option<Instant>,
    unwelcome: Option<Stopped>,
}

/// Runs an agent from its first hello to its goodbye.
pub(super) async fn run(
    broker: Arc<dyn Broker>,
    executor: Arc<dyn Executor>,
    options: AgentOptions,
    who: Who,
    shutdown: CancellationToken,
) -> Stopped {
    let timers = options.timers;
    let heart = match Heart::start(broker.clone(), who.clone(), timers.heartbeat) {
        Ok(heart) => heart,
        Err(error) => return Stopped::Unwelcome("internal".into(), error.to_string()),
    };
    let sender = Sender {
        broker: broker.clone(),
        agent: who.agent.clone(),
        store: Arc::default(),
    };
    let (outbox, letters) = mpsc::channel(OUTBOX);
    let (sent, mut receipts) = mpsc::unbounded_channel();
    let (said, signals) = signals::channel();
    let (ended, mut inner) = mpsc::unbounded_channel();
    let (incoming, mut messages) = mpsc::channel(1_024);
    let mut parts = JoinSet::new();
    parts.spawn(outbox::run(broker, timers.confirm, letters, sent));
    parts.spawn(signals::publish(sender.clone(), signals));
    let mut session = Session {
        slots: Arc::new(Semaphore::new(options.slots as usize)),
        clock: Clock {
            repeat: timers.claim_repeat,
            fresh: timers.grant_fresh,
            again: timers.outcome_again,
        },
        sender,
        executor,
        handoff: options.timers.handoff,
        options,
        who,
        book: Book::default(),
        heart,
        outbox,
        said,
        ended,
        invites: invites::Invites::default(),
        runs: JoinSet::new(),
        stops: HashMap::new(),
        deliveries: HashMap::new(),
        outcomes: HashMap::new(),
        incoming,
        readers: JoinSet::new(),
        offers: JoinSet::new(),
        serving: HashMap::new(),
        queues: Vec::new(),
        joined: false,
        hello_at: Instant::now(),
        round: Instant::now(),
        draining: false,
        leaving: None,
        unwelcome: None,
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asked = false;
    loop {
        tokio::select! {
            Some(message) = messages.recv() => session.take(message).await,
            Some(news) = inner.recv() => match news {
                Inner::Began(claim) => session.book.began(claim),
                Inner::Ended(claim, started, ended) => session.run_ended(claim, started, ended),
                Inner::Answered(id, round, answer) => session.has_answered(id, round, answer),
            },
            Some((claim, receipt)) = receipts.recv() => session.sent(claim, &receipt),
            _ = tick.tick() => session.tick().await,
            () = shutdown.cancelled(), if !asked => {
                asked = true;
                let until = Instant::now() + session.options.drain;
                session.leave(until);
            }
        }
        while session.runs.try_join_next().is_some() {}
        while session.offers.try_join_next().is_some() {}
        if parts.try_join_next().is_some() {
            let words = "a part of the agent ended that should not".into();
            session.unwelcome = Some(Stopped::Unwelcome("internal".into(), words));
        }
        if let Some(stopped) = session.is_over() {
            session.goodbye().await;
            return stopped;
        }
        session.pulse();
        session.round = Instant::now();
    }
}

impl Session {
    /// The loop goes round at every tick. If it did not for longer than a grant is fresh, this process was stopped, or
    /// starved: what waits unread may be as old as that, and the welcome to a new hello is the mark that ends it.
    fn look_back(&mut self) {
        if self.round.elapsed() <= self.clock.fresh || self.readers.is_empty() {
            return;
        }
        tracing::info!(agent = %self.who.agent, "stood still; joining again");
        self.book.stood_still();
        self.joined = false;
        self.hello_at = Instant::now();
        self.round = Instant::now();
    }

    fn pulse(&self) {
        let (held, busy) = (self.book.held(), self.book.running().len());
        self.heart.set(|pulse| {
            pulse.joined = self.joined;
            pulse.draining = self.draining;
            pulse.slots = self.options.slots;
            pulse.busy = u32::try_from(busy).unwrap_or(u32::MAX);
            pulse.held = held;
        });
    }

    /// Connects if there is no connection, says hello until it is answered, says again what is due.
    async fn tick(&mut self) {
        self.look_back();
        let now = Instant::now();
        if self.readers.is_empty() {
            if now < self.hello_at {
                return;
            }
            if let Err(error) = self.connect().await {
                // Jittered, so that a team does not come back in step; soon, because asking costs nothing.
                let most = self.options.timers.hello.min(RECONNECT);
                self.hello_at = now + most.mul_f64(0.1 + 0.9 * fastrand::f64());
                tracing::debug!(%error, "not connected yet");
                return;
            }
        }
        if !self.joined && self.hello_at <= now && self.leaving.is_none() {
            self.hello_at = now + self.options.timers.hello;
            let hello: Hello = self.options.card(&self.who);
            let mut letter = self.sender.letter(Address::Inbox(Inbox::Presence), &hello);
            // Whose namespace it is now the welcome says; the store of the last one may be gone.
            letter.message.store = None;
            self.post(letter, None);
        }
        for order in self.book.due(now, self.clock) {
            self.obey(order);
        }
        let handoff = self.handoff;
        let late = |at: &Instant| now.duration_since(*at) >= handoff / 2;
        let due: Vec<ClaimId> = self
            .deliveries
            .iter()
            .filter(|(_, (_, at))| late(at))
            .map(|(c, _)| *c)
            .collect();
        for claim in due {
            let order = self.book.hand_over(claim, now + self.clock.repeat);
            order.into_iter().for_each(|order| self.obey(order));
        }
        if self.leaving.is_some_and(|until| until <= now) {
            // Time is over: what runs is stopped and given back.
            self.stops.values().for_each(CancellationToken::cancel);
        }
    }

    async fn connect(&mut self) -> warrener_backend::Result<()> {
        let bye = Bye {
            who: self.who.clone().into(),
            reason: "gone".into(),
        };
        let wills = self.sender.broker.capabilities().wills;
        let mut bye = self.sender.letter(Address::Inbox(Inbox::Presence), &bye);
        bye.message.store = None;
        let will = wills.then_some(bye);
        let from = Address::Control(self.who.clone());
        let subscribe = Subscribe {
            from,
            credit: 1_024,
            will,
        };
        let control = self.sender.broker.subscribe(subscribe).await?;
        self.listen(control);
        self.joined = false;
        self.hello_at = Instant::now();
        Ok(())
    }

    /// Passes on what the server says; the end of it is the end of the session.
    fn listen(&mut self, mut control: Subscription) {
        let incoming = self.incoming.clone();
        self.readers.spawn(async move {
            while let Some(delivery) = control.next().await {
                if incoming.send(Incoming::Control(delivery)).await.is_err() {
                    return;
                }
            }
            // The session is gone only when the agent is.
            let _ = incoming.send(Incoming::Lost).await;
        });
    }

    async fn take(&mut self, message: Incoming) {
        self.look_back();
        match message {
            Incoming::Control(delivery) => {
                if let Err(error) = self.told(&delivery.message).await {
                    tracing::warn!(%error, "message from the server rejected");
                    delivery.reject(error.to_string());
                } else {
                    delivery.ack();
                }
            }
            Incoming::Offer(delivery) => match message::decode::<Offer>(&delivery.message.body) {
                Ok(offer) => self.offered(offer, Some(delivery)),
                Err(error) => delivery.reject(error.to_string()),
            },
            Incoming::Lost => self.disconnected(),
        }
    }

    fn disconnected(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        tracing::info!(agent = %self.who.agent, running = self.book.running().len(), "connection lost");
        self.readers.abort_all();
        self.readers = JoinSet::new();
        self.offers.abort_all();
        self.serving.clear();
        self.joined = false;
        self.hello_at = Instant::now();
        // Tags of another connection mean nothing: dropping these does no harm, settling them would.
        self.deliveries.clear();
        for order in self.book.disconnected() {
            self.obey(order);
        }
    }

    /// Whether there is nothing more to do.
    fn is_over(&self) -> Option<Stopped> {
        if let Some(stopped) = &self.unwelcome {
            return Some(stopped.clone());
        }
        let until = self.leaving?;
        if self.book.is_empty() {
            return Some(Stopped::Drained);
        }
        (Instant::now() >= until + LAST_WORDS).then(|| Stopped::Cut(self.book.len()))
    }

    /// Says goodbye if somebody can hear it.
    async fn goodbye(&mut self) {
        self.heart.set(|pulse| pulse.joined = false);
        self.stops.values().for_each(CancellationToken::cancel);
        self.invites.stop();
        if !self.readers.is_empty() {
            let bye = Bye {
                who: self.who.clone().into(),
                reason: "stop".into(),
            };
            let letter = self.sender.letter(Address::Inbox(Inbox::Presence), &bye);
            let said = self.sender.broker.publish(vec![letter]);
            let _ = tokio::time::timeout(Duration::from_secs(2), said).await;
        }
        let rest = async { while self.runs.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    }
}

//! The server played by hand: the test says to one agent what it wants, in the order it wants, and hears what it answers.

use crate::ground::Ground;
use crate::harness::{Mode, boot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Broker, Inbox, Message, Outgoing, Subscription};
use warrener_engine::agent::Stopped;
use warrener_engine::{TaskContext, TaskError, Timers, Worker};
use warrener_model::agent::Who;
use warrener_model::id::MessageId;
use warrener_model::message::{
    self, Body, Claim, Drain, Granted, Heartbeat, Hello, Offer, Outcome, Queue, Resume, Welcome,
};
use warrener_model::{ClaimId, Class, Json, Lane, TaskId, Timestamp};

pub(crate) struct Desk {
    pub(crate) mode: Mode,
    pub(crate) ground: Ground,
    broker: Arc<dyn Broker>,
    results: Subscription,
    presence: Subscription,
    /// The inputs of the runs that started, in order.
    pub(crate) started: mpsc::UnboundedReceiver<serde_json::Value>,
    pub(crate) agent: JoinHandle<Stopped>,
    pub(crate) stop: CancellationToken,
    numbers: AtomicU32,
}

impl Desk {
    /// A desk and one agent `a` with some slots, whose runs say that they started and then do what this says.
    pub(crate) async fn new<R>(
        mode: Mode,
        timers: Timers,
        then: impl Fn(TaskContext) -> R + Send + Sync + 'static,
    ) -> Self
    where
        R: Future<Output = Result<serde_json::Value, TaskError>> + Send + 'static,
    {
        let ground = Ground::new(mode).await;
        let broker = ground.server().await;
        let inboxes = [
            Inbox::Results,
            Inbox::Presence,
            Inbox::Signals,
            Inbox::Submit,
        ];
        let mut addresses: Vec<Address> = inboxes.map(Address::Inbox).into();
        addresses.extend([Address::Dead, Address::Offers(Lane::default())]);
        broker.ensure(&addresses).await.unwrap();
        let read = |inbox| Subscribe {
            from: Address::Inbox(inbox),
            credit: 1_000,
            will: None,
        };
        let (say, started) = mpsc::unbounded_channel();
        let handler = move |context: TaskContext, input: serde_json::Value| {
            say.send(input).unwrap();
            then(context)
        };
        let who = boot("a");
        let worker = Worker::builder(ground.agent(&who), "a")
            .concurrency(2)
            .options(|options| {
                options.instance = Some(who.instance);
                options.timers = timers;
                options.drain = Duration::from_millis(300);
            })
            .handle("work", handler)
            .unwrap()
            .build();
        let stop = CancellationToken::new();
        Desk {
            mode,
            results: broker.subscribe(read(Inbox::Results)).await.unwrap(),
            presence: broker.subscribe(read(Inbox::Presence)).await.unwrap(),
            agent: tokio::spawn(worker.run(stop.clone())),
            broker,
            ground,
            started,
            stop,
            numbers: AtomicU32::new(0),
        }
    }

    /// The next hello, answered.
    pub(crate) async fn welcome(&mut self) -> Who {
        let who = self.hello().await;
        self.greet(&who).await;
        who
    }

    /// The next hello.
    pub(crate) async fn hello(&mut self) -> Who {
        let hello: Hello = heard(&mut self.presence).await;
        hello.who()
    }

    pub(crate) async fn greet(&self, who: &Who) {
        let queue = Queue {
            queue: "agent.tasks".into(),
            lane: Lane::default(),
            prefetch: 2,
            start: "claim".into(),
        };
        let welcome = Welcome {
            who: who.clone().into(),
            queues: match self.mode {
                Mode::Direct => vec![],
                Mode::Claim | Mode::Fast => vec![queue],
            },
            heartbeat_ms: 50,
            lease_ms: 45_000,
            handoff_ms: 60_000,
            max_body_bytes: 1 << 20,
            server_time: Timestamp::from_millis(1),
        };
        self.say(who, &welcome).await;
    }

    /// Says something to the agent.
    pub(crate) async fn say<B: Body>(&self, who: &Who, body: &B) {
        self.send(Address::Control(who.clone()), body).await;
    }

    pub(crate) async fn send<B: Body>(&self, to: Address, body: &B) {
        let out = Outgoing {
            to,
            message: letter(body),
            expires: None,
        };
        self.broker.publish(vec![out]).await.unwrap();
    }

    /// The next result of this sort.
    pub(crate) async fn hear<B: Body>(&mut self) -> B {
        heard(&mut self.results).await
    }

    /// The next heartbeat that says it is in this state.
    pub(crate) async fn beat(&mut self, state: &str) {
        loop {
            let beat: Heartbeat = heard(&mut self.presence).await;
            if beat.state == state {
                return;
            }
        }
    }

    /// Waits until the agent has heeded everything that was said to it: words come in order.
    pub(crate) async fn heeded(&mut self, who: &Who) {
        let reason = String::from("a mark");
        let drain = Drain {
            deadline: None,
            within_ms: None,
            reason: reason.clone(),
            stay: true,
        };
        self.say(who, &drain).await;
        self.beat("draining").await;
        self.say(who, &Resume { reason }).await;
        self.beat("up").await;
    }

    /// Waits until nothing that was delivered from here is unsettled; and nothing was given back.
    pub(crate) async fn settled(&self, from: &Address) {
        loop {
            let depth = self.ground.depth(from).await;
            assert_eq!(depth.ready, 0, "not given back");
            if depth.unsettled == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A task with this input: its offer, not yet sent.
    pub(crate) fn offer(&self, input: &str) -> Offer {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let id = TaskId::new(Timestamp::from_millis(1), [number as u8; 10]);
        Offer {
            input: Json::parse(input.into()).unwrap(),
            ..task(id)
        }
    }

    /// Hands the task to the agent with its grant; on claim lanes the agent claims it first.
    pub(crate) async fn hand(&mut self, who: &Who, offer: &Offer, epoch: u64) -> ClaimId {
        match self.mode {
            Mode::Direct => {
                let claim = ClaimId::new(Timestamp::from_millis(1), [epoch as u8; 10]);
                let grant = Some(grant(offer, claim, epoch));
                let offer = Offer {
                    grant,
                    ..offer.clone()
                };
                self.say(who, &offer).await;
                claim
            }
            Mode::Claim | Mode::Fast => {
                self.send(Address::Offers(offer.lane.clone()), offer).await;
                let claim: Claim = self.hear().await;
                assert_eq!(claim.task_id, offer.task_id);
                self.say(who, &grant(offer, claim.claim, epoch)).await;
                claim.claim
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.agent.abort();
    }
}

/// A task as its first offer describes it.
pub(crate) fn task(task_id: TaskId) -> Offer {
    Offer {
        task_id,
        offer: 1,
        kind: "work".parse().unwrap(),
        lane: Lane::default(),
        priority: Default::default(),
        title: String::new(),
        description: String::new(),
        input: Json::null(),
        labels: Default::default(),
        run_id: None,
        step: None,
        parent_id: None,
        timeout_ms: None,
        deadline: None,
        created_at: Timestamp::default(),
        max_attempts: 25,
        grant: None,
        attempt: None,
        epoch: None,
        task_token: None,
        replays: 0,
        not_before: None,
        ready_at: None,
        progress: None,
        error: None,
        usage: None,
    }
}

/// A failure that is not tried again.
pub(crate) fn critical() -> message::Failure {
    message::Failure {
        class: Class::Critical,
        message: "no".into(),
        detail: serde_json::Value::Null,
        retry_after_ms: None,
    }
}

pub(crate) fn grant(offer: &Offer, claim: ClaimId, epoch: u64) -> Granted {
    Granted {
        task_id: offer.task_id,
        claim,
        attempt: 1,
        epoch,
        lease_ms: 45_000,
        timeout_ms: None,
        started_at: None,
        version: None,
        task_token: None,
    }
}

/// The outcome's task and epoch, for an answer.
pub(crate) fn recorded(outcome: &Outcome) -> message::Recorded {
    let entry = message::Entry {
        task_id: outcome.task_id,
        epoch: outcome.epoch,
    };
    message::Recorded {
        leases: vec![entry],
    }
}

pub(crate) fn letter<B: Body>(body: &B) -> Message {
    Message {
        id: MessageId::new(Timestamp::from_millis(1), rand()),
        kind: B::TYPE.into(),
        store: None,
        sender: None,
        trace: None,
        body: message::encode(body).into(),
        reason: None,
    }
}

fn rand() -> [u8; 10] {
    std::array::from_fn(|_| fastrand::u8(..))
}

/// The next message of this sort; others are read and forgotten.
pub(crate) async fn heard<B: Body>(from: &mut Subscription) -> B {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), from.next()).await;
        let delivery = next
            .unwrap_or_else(|_| panic!("no {} came", B::TYPE))
            .expect("the subscription goes on");
        let body = message::decode::<B>(&delivery.message.body);
        let kind = delivery.message.kind.clone();
        delivery.ack();
        if *kind == *B::TYPE {
            return body.unwrap();
        }
    }
}

//! The agent played by hand: the test says to a real server what it wants, when it wants, and hears what it answers.

use crate::desk::{heard, letter};
use crate::harness::{World, boot, up};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Broker, Delivery, Inbox, Message, Outgoing, Subscription};
use warrener_model::agent::{Card, Who};
use warrener_model::message::{
    self, Body, Claim, ClaimRefused, Granted, Heartbeat, Held, Offer, Outcome, Status, Welcome,
};
use warrener_model::{ClaimId, Json, Lane, TaskId, Timestamp};

pub(crate) struct Puppet {
    pub(crate) who: Who,
    pub(crate) slots: u32,
    broker: Arc<dyn Broker>,
    control: Subscription,
    /// On claim lanes.
    offers: Option<Subscription>,
    /// The kind it does.
    kind: &'static str,
}

impl Puppet {
    /// Says hello, and waits for its welcome.
    pub(crate) async fn join(world: &World, name: &str, slots: u32) -> Self {
        let mut puppet = Self::enter(world, name, slots, "*").await;
        if !puppet.broker.capabilities().direct {
            let offers = Subscribe {
                from: Address::Offers(Lane::default()),
                credit: slots,
                will: None,
            };
            puppet.offers = Some(puppet.broker.subscribe(offers).await.unwrap());
        }
        puppet
    }

    /// One that answers and does no work.
    pub(crate) async fn adviser(world: &World, name: &str) -> Self {
        Self::enter(world, name, 1, "advice").await
    }

    async fn enter(world: &World, name: &str, slots: u32, kind: &'static str) -> Self {
        let who = boot(name);
        let broker = world.ground.agent(&who);
        up(&*broker).await;
        let control = Subscribe {
            from: Address::Control(who.clone()),
            credit: 100,
            will: None,
        };
        let mut puppet = Puppet {
            control: broker.subscribe(control).await.unwrap(),
            offers: None,
            broker,
            who,
            slots,
            kind,
        };
        puppet.hello().await;
        puppet.hear::<Welcome>().await;
        puppet
    }

    pub(crate) async fn hello(&self) {
        let card = Card {
            who: self.who.clone().into(),
            name: String::new(),
            role: Default::default(),
            lanes: vec![Lane::default()],
            kinds: vec![self.kind.into()],
            capabilities: Default::default(),
            slots: self.slots,
            version: String::new(),
            host: String::new(),
        };
        self.say(Inbox::Presence, &card).await;
    }

    /// The next offer, and the delivery that brought it, not settled.
    pub(crate) async fn offer(&mut self) -> (Offer, Delivery) {
        let offers = self.offers.as_mut().expect("offers are for claim lanes");
        let next = tokio::time::timeout(Duration::from_secs(30), offers.next()).await;
        let delivery = next.expect("an offer comes").expect("the lane is there");
        (message::decode(&delivery.message.body).unwrap(), delivery)
    }

    /// Takes the next task: hears its grant, or claims and acknowledges its offer.
    pub(crate) async fn take(&mut self) -> Granted {
        if self.offers.is_none() {
            let offer: Offer = self.hear().await;
            return offer.grant.expect("the delivery is the claim");
        }
        // What a boot before this one did not get to acknowledge comes again, and may be stale by then.
        loop {
            let (offer, delivery) = self.offer().await;
            let claim = self.claim_of(&offer, delivery.redelivered);
            self.say(Inbox::Results, &claim).await;
            let answer = self.answer(&claim).await;
            delivery.ack();
            if let Some(granted) = answer {
                return granted;
            }
        }
    }

    /// What becomes of a claim; nothing if it is refused.
    async fn answer(&mut self, claim: &Claim) -> Option<Granted> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), self.control.next()).await;
            let delivery = next.expect("it is answered").expect("the address is there");
            let (kind, body) = (delivery.message.kind.clone(), delivery.message.body.clone());
            delivery.ack();
            match &*kind {
                Granted::TYPE => {
                    let granted: Granted = message::decode(&body).unwrap();
                    if granted.claim == claim.claim {
                        return Some(granted);
                    }
                }
                ClaimRefused::TYPE => {
                    let refused: ClaimRefused = message::decode(&body).unwrap();
                    if refused.claim == claim.claim {
                        return None;
                    }
                }
                _ => {}
            }
        }
    }

    /// From now on offers are for others.
    pub(crate) fn reads_no_offers(&mut self) {
        self.offers = None;
    }

    /// Says hello to the next server. An embedded broker ended with its server, and every connection with it.
    pub(crate) async fn back(self, world: &World) -> Self {
        if world.broker.capabilities().durable {
            self.hello().await;
            return self;
        }
        Self::enter(world, self.who.agent.as_str(), self.slots, self.kind).await
    }

    /// The process dies: nobody reads any more, and no will is left.
    pub(crate) fn die(self) {
        self.control.close();
    }

    pub(crate) async fn say<B: Body>(&self, inbox: Inbox, body: &B) {
        self.send(inbox, letter(body)).await;
    }

    pub(crate) async fn send(&self, inbox: Inbox, message: Message) {
        let sender = Some(self.who.agent.clone());
        let out = Outgoing {
            to: Address::Inbox(inbox),
            message: Message { sender, ..message },
            expires: None,
        };
        self.broker.publish(vec![out]).await.unwrap();
    }

    /// The next word of this sort from the server.
    pub(crate) async fn hear<B: Body>(&mut self) -> B {
        heard(&mut self.control).await
    }

    /// The types of everything that it is told up to and with this one.
    pub(crate) async fn told_until(&mut self, last: &str) -> Vec<String> {
        let mut told = vec![];
        while told.last().is_none_or(|kind| kind != last) {
            let next = tokio::time::timeout(Duration::from_secs(30), self.control.next()).await;
            let delivery = next.expect("it is told").expect("the address is there");
            told.push(delivery.message.kind.to_string());
            delivery.ack();
        }
        told
    }

    pub(crate) fn claim_of(&self, offer: &Offer, redelivered: bool) -> Claim {
        let random = std::array::from_fn(|_| fastrand::u8(..));
        Claim {
            task_id: offer.task_id,
            offer: offer.offer,
            claim: ClaimId::new(Timestamp::from_millis(1), random),
            who: self.who.clone().into(),
            redelivered,
            started: false,
        }
    }

    /// Asks, and hears yes.
    pub(crate) async fn granted(&mut self, claim: &Claim) -> Granted {
        self.say(Inbox::Results, claim).await;
        let granted: Granted = self.hear().await;
        assert_eq!(granted.claim, claim.claim);
        granted
    }

    /// Asks, and hears no.
    pub(crate) async fn refused(&mut self, claim: &Claim) -> String {
        self.say(Inbox::Results, claim).await;
        let refused: ClaimRefused = self.hear().await;
        assert_eq!(refused.claim, claim.claim);
        refused.reason
    }

    pub(crate) fn outcome(&self, task_id: TaskId, epoch: u64, output: &str) -> Outcome {
        Outcome {
            task_id,
            attempt: 1,
            epoch,
            who: self.who.clone().into(),
            status: Status::Succeeded,
            output: Some(Json::parse(json!(output).to_string()).unwrap()),
            error: None,
            reason: None,
            started_at: None,
            finished_at: None,
            usage: None,
        }
    }

    /// A heartbeat that lists these.
    pub(crate) async fn beat(&self, leases: &[(TaskId, u64)]) {
        let held = |(task_id, epoch): &(TaskId, u64)| Held {
            task_id: *task_id,
            attempt: 1,
            epoch: *epoch,
            progress: None,
        };
        let beat = Heartbeat {
            who: self.who.clone().into(),
            slots: self.slots,
            busy: 0,
            state: "up".into(),
            rss_bytes: 0,
            cpu: 0.0,
            leases: leases.iter().map(held).collect(),
        };
        self.say(Inbox::Presence, &beat).await;
    }
}

//! The loop of the server's end: one event at a time.

use super::{LinkEnd, ServeOptions};
use crate::frame::{Frame, SocketError};
use crate::gate::{Objection, Peer};
use crate::outbox::Outbox;
use crate::wire;
use futures_util::future::{BoxFuture, select_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;
use warrener_api::link;
use warrener_api::link::{Answer, Deliver, Over, Reply, ToClient, ToServer};
use warrener_backend::broker::{self, Broker, Delivery, Subscription};
use warrener_backend::error::{Error, Result};
use warrener_model::limits::LINK_FRAME_BYTES;

/// A subscription and what of it is not settled. The subscription is dropped first: it takes back
/// in order whatever is out, and the deliveries have nothing left to say.
struct Sub {
    subscription: Subscription,
    held: HashMap<u64, Delivery>,
}

/// What a request came to.
enum Done {
    Answer(u64, Result<Answer>),
    Sub(u64, Result<Subscription>),
}

enum Event {
    Frame(Option<std::result::Result<Frame, SocketError>>),
    Done(Done),
    Delivery(u64, Option<Delivery>),
    Tick,
    Stop,
}

/// See the module.
pub(super) struct Session {
    broker: Arc<dyn Broker>,
    peer: Peer,
    options: ServeOptions,
    out: Outbox,
    subs: HashMap<u64, Sub>,
    at_work: FuturesUnordered<BoxFuture<'static, Done>>,
    tags: u64,
    /// Pings since something was heard. Counted, not measured: time that this process did not
    /// get to run says nothing about the peer.
    silent: u32,
    ticks: Interval,
}

impl Session {
    pub(super) fn new(
        broker: Arc<dyn Broker>,
        peer: Peer,
        options: ServeOptions,
        out: Outbox,
    ) -> Self {
        let mut ticks = interval(options.ping);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            broker,
            peer,
            options,
            out,
            subs: HashMap::new(),
            at_work: FuturesUnordered::new(),
            tags: 0,
            silent: 0,
            ticks,
        }
    }

    /// Runs until the link ends; takes itself along, so that by then nothing is subscribed.
    pub(super) async fn run<S>(mut self, stream: &mut S) -> LinkEnd
    where
        S: Stream<Item = std::result::Result<Frame, SocketError>> + Unpin,
    {
        loop {
            let step = match self.event(stream).await {
                Event::Frame(frame) => self.frame(frame),
                Event::Done(done) => self.done(done),
                Event::Delivery(sub, delivery) => {
                    self.deliver(sub, delivery);
                    Ok(())
                }
                Event::Tick => self.tick(),
                Event::Stop => Err(LinkEnd::Stopped),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// All four arms are cancel safe: streams and channels keep what they have.
    async fn event<S>(&mut self, stream: &mut S) -> Event
    where
        S: Stream<Item = std::result::Result<Frame, SocketError>> + Unpin,
    {
        let room = self.at_work.len() < self.options.in_flight;
        tokio::select! {
            frame = stream.next(), if room => Event::Frame(frame),
            Some(done) = self.at_work.next() => Event::Done(done),
            (sub, delivery) = delivery(&mut self.subs, &self.out, self.options.buffer_bytes / 2) => {
                Event::Delivery(sub, delivery)
            }
            event = async {
                tokio::select! {
                    _ = self.ticks.tick() => Event::Tick,
                    () = self.options.stop.cancelled() => Event::Stop,
                }
            } => event,
        }
    }

    fn frame(
        &mut self,
        frame: Option<std::result::Result<Frame, SocketError>>,
    ) -> std::result::Result<(), LinkEnd> {
        self.silent = 0;
        match frame {
            Some(Ok(Frame::Text(text))) => self.text(&text),
            Some(Ok(Frame::Ping | Frame::Pong)) => Ok(()),
            Some(Ok(Frame::Close { .. })) => Err(LinkEnd::Left),
            Some(Ok(Frame::Binary)) => Err(LinkEnd::Malformed("a binary message".into())),
            Some(Err(error)) => Err(LinkEnd::Broken(error.to_string())),
            None => Err(LinkEnd::Broken("end of stream".into())),
        }
    }

    fn text(&mut self, text: &str) -> std::result::Result<(), LinkEnd> {
        if text.len() > LINK_FRAME_BYTES {
            return Err(LinkEnd::TooLarge(text.len()));
        }
        let frame = ToServer::read(text).map_err(|e| LinkEnd::Malformed(e.to_string()))?;
        match frame {
            ToServer::Publish(publish) => self.publish(publish),
            ToServer::Subscribe(subscribe) => self.subscribe(subscribe),
            ToServer::Settle(settle) => {
                let sub = self.subs.get_mut(&settle.sub);
                if let Some(delivery) = sub.and_then(|sub| sub.held.remove(&settle.tag)) {
                    delivery.settle(wire::verdict_back(settle.verdict));
                }
                Ok(())
            }
            ToServer::Close(close) => {
                if let Some(sub) = self.subs.remove(&close.sub)
                    && close.clean
                {
                    sub.subscription.close();
                }
                Ok(())
            }
            ToServer::Enough(enough) => {
                if let Some(sub) = self.subs.get(&enough.sub) {
                    sub.subscription.enough();
                }
                Ok(())
            }
            ToServer::Depth(ask) => self.depth(ask),
            ToServer::Health(ask) => {
                let broker = self.broker.clone();
                self.work(async move {
                    let health = wire::health(broker.health().await);
                    Done::Answer(ask.n, Ok(Answer::Health(health)))
                })
            }
        }
    }

    fn publish(&mut self, publish: link::Publish) -> std::result::Result<(), LinkEnd> {
        let n = publish.n;
        let batch: Result<Vec<_>> = publish.batch.into_iter().map(wire::outgoing).collect();
        let checked: Result<Vec<_>> = batch.and_then(|batch| {
            let signed = batch.into_iter().map(|out| self.peer.sign(out));
            signed.map(|out| self.allow(out)).collect()
        });
        match checked {
            Err(error) => self.reply(n, Err(error)),
            Ok(batch) => {
                let broker = self.broker.clone();
                self.work(async move {
                    let receipts = broker.publish(batch).await.map(|receipts| {
                        Answer::Receipts(receipts.into_iter().map(wire::receipt).collect())
                    });
                    Done::Answer(n, receipts)
                })
            }
        }
    }

    fn subscribe(&mut self, ask: link::Subscribe) -> std::result::Result<(), LinkEnd> {
        let n = ask.n;
        match self.subscribe_checked(ask) {
            Err(error) => self.reply(n, Err(error)),
            Ok(ask) => {
                let broker = self.broker.clone();
                self.work(async move { Done::Sub(n, broker.subscribe(ask).await) })
            }
        }
    }

    fn subscribe_checked(&self, ask: link::Subscribe) -> Result<broker::Subscribe> {
        if ask.credit > self.options.credit {
            let most = self.options.credit;
            return Err(Error::Invalid(format!("the most credit is {most}")));
        }
        if self.subs.len() + self.at_work.len() >= self.options.subscriptions {
            let most = self.options.subscriptions;
            return Err(Error::Invalid(format!("the most subscriptions is {most}")));
        }
        if self.subs.contains_key(&ask.n) {
            let again = format!("{} is a subscription already", ask.n);
            return Err(Error::Invalid(again));
        }
        let ask = broker::Subscribe {
            from: wire::address(&ask.from)?,
            credit: ask.credit,
            will: ask.will.map(wire::outgoing).transpose()?,
        };
        self.allow(self.peer.subscribe(ask))
    }

    /// What the gate let through; what it did not is counted.
    fn allow<T>(&self, asked: std::result::Result<T, Objection>) -> Result<T> {
        asked.map_err(|objection| {
            warn!(
                token = self.peer.token,
                class = objection.class,
                "refused: {}",
                objection.reason
            );
            if let Some(tally) = &self.options.tally {
                tally.refused(objection.class);
            }
            objection.into()
        })
    }

    fn depth(&mut self, ask: link::AskDepth) -> std::result::Result<(), LinkEnd> {
        let address = wire::address(&ask.of).and_then(|address| {
            self.allow(self.peer.may_read(&address))?;
            Ok(address)
        });
        match address {
            Err(error) => self.reply(ask.n, Err(error)),
            Ok(address) => {
                let broker = self.broker.clone();
                self.work(async move {
                    let depth = broker.depth(&address).await;
                    Done::Answer(ask.n, depth.map(|d| Answer::Depth(wire::depth(d))))
                })
            }
        }
    }

    fn work(
        &mut self,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> std::result::Result<(), LinkEnd> {
        self.at_work.push(Box::pin(work));
        Ok(())
    }

    fn done(&mut self, done: Done) -> std::result::Result<(), LinkEnd> {
        match done {
            Done::Answer(n, result) => self.reply(n, result),
            Done::Sub(n, Err(error)) => self.reply(n, Err(error)),
            Done::Sub(n, Ok(subscription)) => {
                let held = HashMap::new();
                self.subs.insert(n, Sub { subscription, held });
                self.reply(n, Ok(Answer::Sub(n)))
            }
        }
    }

    /// Answers, unless so much waits unread already that the peer cannot be reading.
    fn reply(&mut self, n: u64, result: Result<Answer>) -> std::result::Result<(), LinkEnd> {
        let (ok, problem) = match result {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(wire::problem(&error))),
        };
        self.push(ToClient::Reply(Reply { n, ok, problem }));
        match self.out.bytes() > self.options.buffer_bytes {
            true => Err(LinkEnd::Slow),
            false => Ok(()),
        }
    }

    fn deliver(&mut self, n: u64, delivery: Option<Delivery>) {
        let Some(delivery) = delivery else {
            self.subs.remove(&n);
            self.push(ToClient::Over(Over { sub: n }));
            return;
        };
        let Some(sub) = self.subs.get_mut(&n) else {
            return;
        };
        let message = match wire::letter(&delivery.message) {
            Ok(message) => message,
            Err(error) => return delivery.reject(error.to_string()),
        };
        self.tags += 1;
        let text = ToClient::Deliver(Deliver {
            sub: n,
            tag: self.tags,
            redelivered: delivery.redelivered,
            message,
        })
        .write();
        if text.len() > LINK_FRAME_BYTES {
            let bytes = text.len();
            return delivery.reject(format!(
                "{bytes} bytes on the link; the limit is {LINK_FRAME_BYTES}"
            ));
        }
        sub.held.insert(self.tags, delivery);
        self.out.push(Frame::Text(text));
    }

    fn tick(&mut self) -> std::result::Result<(), LinkEnd> {
        if self.at_work.len() >= self.options.in_flight {
            // Nobody listens now, so nobody can say that it was silent.
            self.silent = 0;
        }
        if self.silent > self.options.misses {
            return Err(LinkEnd::Silent);
        }
        self.silent += 1;
        self.out.push(Frame::Ping);
        Ok(())
    }

    fn push(&self, frame: ToClient) {
        self.out.push(Frame::Text(frame.write()));
    }
}

/// The next delivery of any subscription; waits while the peer has enough to read.
async fn delivery(
    subs: &mut HashMap<u64, Sub>,
    out: &Outbox,
    enough: usize,
) -> (u64, Option<Delivery>) {
    if subs.is_empty() {
        return pending().await;
    }
    out.below(enough.max(1)).await;
    let turns = subs
        .iter_mut()
        .map(|(n, sub)| Box::pin(async move { (*n, sub.subscription.next().await) }));
    select_all(turns).await.0
}

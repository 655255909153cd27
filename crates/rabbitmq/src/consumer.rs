//! One subscription: a channel of its own, whose deliveries are settled on it and nowhere else.
//!
//! When the reader ends, or the broker cancels, or the channel or its connection end, the channel is closed: what was
//! not settled goes back in its order, and verdicts that come later do nothing. A reader that hears the end begins anew.

use crate::amqp::{Channel, Consumer, Delivered, Envelope};
use crate::names::{Group, Names, Route};
use crate::sessions::Publish;
use crate::supervisor::Line;
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};
use tracing::warn;
use warrener_backend::broker::{
    Address, Delivery, End, Message, Receipt, Settle, Subscription, UNREADABLE, Verdict,
};

/// How the reason of a dead letter begins when its message was delivered too often.
const DELIVERY_LIMIT: &str = "delivery-limit";

/// What a server needs to put a message among the dead letters with a reason. Agents cannot: they write to the inboxes
/// and nowhere else, so what they reject goes there by itself and without their words.
#[derive(Clone)]
pub(crate) struct Undertaker {
    pub(crate) line: watch::Receiver<Line<Publish>>,
    pub(crate) names: Names,
    pub(crate) user: Option<String>,
}

impl fmt::Debug for Undertaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undertaker")
    }
}

/// How much the readers of this process hold, by address: the broker tells of others only what waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<HashMap<Address, u64>>>);

impl Held {
    pub(crate) fn at(&self, address: &Address) -> u64 {
        self.with(address, |held| *held)
    }

    fn with<R>(&self, address: &Address, act: impl FnOnce(&mut u64) -> R) -> R {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.entry(address.clone()).or_default();
        let result = act(held);
        if *held == 0 {
            all.remove(address);
        }
        result
    }
}

/// What a copy for the dead letters is made of.
type Kept = Option<Box<(Envelope, Bytes)>>;

enum Command {
    Settle(u64, Verdict, Kept),
    /// The copy of a rejected message is where it should be, or nowhere.
    Buried(u64, bool),
    /// The reader takes no more.
    Enough,
    End,
}

/// The task behind a subscription.
pub(crate) struct Reading {
    pub(crate) from: Address,
    pub(crate) channel: Channel,
    pub(crate) consumer: Consumer,
    pub(crate) names: Names,
    /// Servers have one.
    pub(crate) undertaker: Option<Undertaker>,
    pub(crate) held: Held,
}

impl Reading {
    /// Starts the task on that runtime.
    pub(crate) fn start(self, runtime: &tokio::runtime::Handle) -> Subscription {
        let (deliveries, receiver) = mpsc::unbounded_channel();
        let (commands, inbox) = mpsc::unbounded_channel();
        let end = Box::new(Way {
            commands: commands.clone(),
            tag: 0,
            kept: None,
        });
        runtime.spawn(self.run(deliveries, commands.downgrade(), inbox));
        Subscription::new(receiver, end)
    }

    async fn run(
        mut self,
        deliveries: mpsc::UnboundedSender<Delivery>,
        back: mpsc::WeakUnboundedSender<Command>,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) {
        let mut holding = 0;
        // What came before the cancel is still read; then there is nothing to read, and what is held is waited for.
        let (mut enough, mut read) = (false, false);
        while !read || holding > 0 {
            let before = holding;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    // Its reader leaves: the end, which is next, takes back all that is out, in order.
                    Some(Command::Settle(_, Verdict::Requeue, _)) if deliveries.is_closed() => {}
                    Some(Command::Settle(tag, verdict, kept)) => {
                        holding -= 1;
                        self.settle(&back, tag, verdict, kept);
                    }
                    Some(Command::Buried(tag, true)) => self.channel.ack(tag),
                    Some(Command::Buried(tag, false)) => self.channel.reject(tag),
                    Some(Command::Enough) if enough || self.reads_alone() => {}
                    Some(Command::Enough) => match self.channel.cancel(&self.consumer).await {
                        Ok(()) => enough = true,
                        Err(_) => break,
                    },
                    Some(Command::End) | None => break,
                },
                delivered = self.consumer.next(), if !read => match delivered {
                    Some(delivered) => holding += self.deliver(&deliveries, &back, delivered),
                    None if enough => read = true,
                    None => break,
                },
            }
            self.held
                .with(&self.from, |held| *held = *held + holding - before);
        }
        self.held.with(&self.from, |held| *held -= holding);
        drop(deliveries);
        self.channel.close().await;
    }

    fn reads_alone(&self) -> bool {
        matches!(self.from, Address::Control(_) | Address::Topic(_))
    }

    /// Hands it to the reader; how many it holds more.
    fn deliver(
        &self,
        deliveries: &mpsc::UnboundedSender<Delivery>,
        back: &mpsc::WeakUnboundedSender<Command>,
        delivered: Delivered,
    ) -> u64 {
        let Delivered {
            tag,
            redelivered,
            key,
            envelope,
            body,
        } = delivered;
        let message = match self.read(&envelope, &key, body.clone()) {
            Read::Message(message) => message,
            Read::Expired => {
                self.channel.ack(tag);
                return 0;
            }
            Read::Unreadable(why) => {
                warn!(from = %self.from, why, "a message that cannot be read");
                let verdict = Verdict::Reject(format!("{UNREADABLE}{why}"));
                self.settle(back, tag, verdict, Some(Box::new((envelope, body))));
                return 0;
            }
        };
        let Some(commands) = back.upgrade() else {
            return 0;
        };
        let kept = self
            .undertaker
            .is_some()
            .then(|| Box::new((envelope, body)));
        let way = Way {
            commands,
            tag,
            kept,
        };
        // A reader that has just left settles it by dropping it, and its end takes it back.
        let _ = deliveries.send(Delivery::new(message, redelivered, Box::new(way)));
        1
    }

    fn read(&self, envelope: &Envelope, key: &str, body: Bytes) -> Read {
        if self.from != Address::Dead {
            return match envelope.message(body) {
                Ok(mut message) => {
                    if matches!(self.from, Address::Inbox(_)) {
                        message.sender = Names::sender(key);
                    }
                    Read::Message(message)
                }
                Err(why) => Read::Unreadable(why),
            };
        }
        let mut message = envelope.remains(body);
        // A copy with a reason never died by itself; whatever did is believed less than the broker.
        if let Some(death) = envelope.death() {
            // Not a dead letter: nobody wanted it any more, and its sender said so.
            if death.why == "expired" {
                return Read::Expired;
            }
            let why = match &*death.why {
                "delivery_limit" => DELIVERY_LIMIT,
                other => other,
            };
            let from = self.names.address_of(&death.queue);
            message.reason = Some(format!("{why} (from {from})"));
        }
        Read::Message(message)
    }

    fn settle(
        &self,
        back: &mpsc::WeakUnboundedSender<Command>,
        tag: u64,
        verdict: Verdict,
        kept: Kept,
    ) {
        match verdict {
            Verdict::Ack => self.channel.ack(tag),
            Verdict::Requeue => self.channel.requeue(tag),
            // Copies and dead letters just go.
            Verdict::Reject(_) if matches!(self.from, Address::Dead | Address::Topic(_)) => {
                self.channel.ack(tag);
            }
            Verdict::Reject(reason) => match (&self.undertaker, kept) {
                (Some(undertaker), Some(kept)) => {
                    let (envelope, body) = *kept;
                    let reason = format!("{reason} (from {})", self.from);
                    let burial = undertaker.clone().bury(envelope, body, reason);
                    let back = back.clone();
                    tokio::spawn(async move {
                        let buried = burial.await;
                        if let Some(commands) = back.upgrade() {
                            // If the reading is over the broker delivers it again.
                            let _ = commands.send(Command::Buried(tag, buried));
                        }
                    });
                }
                _ => self.channel.reject(tag),
            },
        }
    }
}

enum Read {
    Message(Message),
    Expired,
    Unreadable(String),
}

impl Undertaker {
    /// Publishes the copy; whether the dead letters have it, or nobody keeps any.
    async fn bury(self, envelope: Envelope, body: Bytes, reason: String) -> bool {
        let Ok(session) = self.line.borrow().up() else {
            return false;
        };
        let route = Route {
            exchange: self.names.dead_exchange(),
            key: String::new(),
            mandatory: true,
            group: Group::Dead,
        };
        let letter = envelope.dead_copy(body, route, &reason, self.user.as_deref());
        let receipts = session.publish(vec![letter]).await;
        matches!(
            receipts.as_deref(),
            Ok([Receipt::Confirmed | Receipt::Unroutable])
        )
    }
}

/// The way back from a subscription, or one of its deliveries, to its task.
struct Way {
    commands: mpsc::UnboundedSender<Command>,
    tag: u64,
    kept: Kept,
}

impl Settle for Way {
    fn settle(self: Box<Self>, verdict: Verdict) {
        let _ = self
            .commands
            .send(Command::Settle(self.tag, verdict, self.kept));
    }
}

impl End for Way {
    fn end(self: Box<Self>, _clean: bool) {
        let _ = self.commands.send(Command::End);
    }

    fn enough(&self) {
        let _ = self.commands.send(Command::Enough);
    }
}

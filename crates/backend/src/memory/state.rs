//! Everything the memory broker knows, behind its one lock: queues, subscriptions, and how messages
//! move between them. No method waits, and none drops a delivery: see [`State::late`].

use super::pattern;
use super::queue::{Queue, Reader, Waiting};
use super::{MemoryOptions, Shared, Way};
use crate::broker::{
    Address, Delivery, Depth, Inbox, Message, Outgoing, Receipt, Subscribe, Verdict,
};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::Weak;
use tokio::sync::mpsc;
use tokio::time::Instant;
use warrener_model::agent::Who;

/// Where messages wait: an address, or the copies for one watcher.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    At(Address),
    Copies(Reader),
}

/// A subscription.
#[derive(Debug)]
struct Sub {
    place: Place,
    owner: Option<Who>,
    credit: usize,
    unsettled: HashMap<u64, Waiting>,
    /// In line for the next message.
    in_line: bool,
    /// It takes no more, and is over when it holds nothing.
    has_enough: bool,
    deliveries: mpsc::UnboundedSender<Delivery>,
    will: Option<Outgoing>,
}

impl Sub {
    /// Whether its queue lives with it.
    fn is_alone(&self) -> bool {
        matches!(
            self.place,
            Place::Copies(_) | Place::At(Address::Control(_))
        )
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    options: MemoryOptions,
    queues: HashMap<Place, Queue>,
    subs: HashMap<Reader, Sub>,
    /// The patterns of those who watch topics.
    watchers: HashMap<Reader, String>,
    numbers: u64,
    /// Deliveries that reached nobody, because their reader is just leaving. Dropping one settles
    /// it, which needs the lock: so whoever holds the lock leaves them here, lets go, and then
    /// drops them.
    pub(super) late: Vec<Delivery>,
}

impl State {
    pub(super) fn new(options: MemoryOptions) -> Self {
        Self {
            options,
            queues: HashMap::new(),
            subs: HashMap::new(),
            watchers: HashMap::new(),
            numbers: 0,
            late: Vec::new(),
        }
    }

    pub(super) fn ensure(&mut self, address: &Address) {
        if matches!(address, Address::Control(_) | Address::Topic(_)) {
            return;
        }
        let limit = self.options.limits.of(address);
        self.queues
            .entry(Place::At(address.clone()))
            .or_insert_with(|| Queue::new(limit));
    }

    pub(super) fn publish(&mut self, me: &Weak<Shared>, out: Outgoing) -> Receipt {
        let expires = out
            .expires
            .and_then(|span| Instant::now().checked_add(span));
        if let Address::Topic(key) = &out.to {
            let readers: Vec<Reader> = self
                .watchers
                .iter()
                .filter(|(_, pattern)| pattern::matches(pattern, key))
                .map(|(reader, _)| *reader)
                .collect();
            for reader in readers {
                self.put(me, &Place::Copies(reader), out.message.clone(), expires);
            }
            return Receipt::Confirmed;
        }
        self.put(me, &Place::At(out.to), out.message, expires)
    }

    fn put(
        &mut self,
        me: &Weak<Shared>,
        place: &Place,
        message: Message,
        expires: Option<Instant>,
    ) -> Receipt {
        let Some(queue) = self.queues.get_mut(place) else {
            return Receipt::Unroutable;
        };
        let receipt = queue.put(message, expires);
        self.pump(me, place);
        receipt
    }

    pub(super) fn subscribe(
        &mut self,
        me: &Weak<Shared>,
        ask: Subscribe,
        owner: Option<Who>,
    ) -> Result<(Reader, mpsc::UnboundedReceiver<Delivery>)> {
        let reader = self.numbers + 1;
        let place = self.place_to_read(reader, &ask.from)?;
        self.numbers = reader;
        let (deliveries, receiver) = mpsc::unbounded_channel();
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.readers += 1;
            queue.wants_more(reader);
        }
        let sub = Sub {
            place: place.clone(),
            owner,
            credit: ask.credit as usize,
            unsettled: HashMap::new(),
            in_line: true,
            has_enough: false,
            deliveries,
            will: ask.will,
        };
        self.subs.insert(reader, sub);
        self.pump(me, &place);
        Ok((reader, receiver))
    }

    /// Finds, or where reading makes it so, makes the queue that a new reader reads.
    fn place_to_read(&mut self, reader: Reader, from: &Address) -> Result<Place> {
        let place = match from {
            Address::Topic(pattern) => {
                self.watchers.insert(reader, pattern.clone());
                Place::Copies(reader)
            }
            _ => Place::At(from.clone()),
        };
        let there = self.queues.contains_key(&place);
        match from {
            Address::Control(_) if there => Err(Error::Taken {
                what: from.to_string(),
                reason: "another process reads it; a new boot needs a new instance".into(),
            }),
            Address::Control(_) | Address::Topic(_) => {
                let limit = self.options.limits.of(from);
                self.queues.insert(place.clone(), Queue::new(limit));
                Ok(place)
            }
            Address::Offers(_) | Address::Inbox(_) | Address::Dead if there => Ok(place),
            Address::Offers(_) | Address::Inbox(_) | Address::Dead => {
                Err(Error::NotFound(from.to_string()))
            }
        }
    }

    /// Hands out what can be handed out.
    fn pump(&mut self, me: &Weak<Shared>, place: &Place) {
        let Some(queue) = self.queues.get_mut(place) else {
            return;
        };
        while let Some((reader, mut waiting)) = queue.next() {
            let Some(sub) = self.subs.get_mut(&reader) else {
                queue.put_back(waiting);
                continue;
            };
            sub.in_line = false;
            self.numbers += 1;
            let tag = self.numbers;
            let way = Box::new(Way {
                shared: me.clone(),
                reader,
                tag,
            });
            let redelivered = waiting.deliveries > 0;
            let delivery = Delivery::new(waiting.message.clone(), redelivered, way);
            match sub.deliveries.send(delivery) {
                Ok(()) => waiting.deliveries += 1,
                // It is leaving and gets no further turn; this one goes back when it has left.
                Err(unread) => self.late.push(unread.0),
            }
            sub.unsettled.insert(tag, waiting);
            queue.unsettled += 1;
            if sub.unsettled.len() < sub.credit && !sub.deliveries.is_closed() {
                sub.in_line = true;
                queue.wants_more(reader);
            }
        }
    }

    pub(super) fn settle(&mut self, me: &Weak<Shared>, reader: Reader, tag: u64, verdict: Verdict) {
        // No such subscription or tag: it ended, and what it held went back then.
        let Some(sub) = self.subs.get_mut(&reader) else {
            return;
        };
        if verdict == Verdict::Requeue && sub.deliveries.is_closed() {
            // Its reader leaves: the end, which is next, takes back all that is out, in order.
            return;
        }
        let Some(waiting) = sub.unsettled.remove(&tag) else {
            return;
        };
        let place = sub.place.clone();
        let again = !sub.in_line && sub.unsettled.len() < sub.credit;
        let again = again && !sub.deliveries.is_closed() && !sub.has_enough;
        let over = sub.has_enough && sub.unsettled.is_empty();
        sub.in_line |= again;
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.unsettled = queue.unsettled.saturating_sub(1);
            if again {
                queue.wants_more(reader);
            }
        }
        if over {
            self.subs.remove(&reader);
        }
        match verdict {
            Verdict::Ack => {}
            Verdict::Requeue => self.put_back(me, &place, waiting),
            Verdict::Reject(reason) => self.bury(me, &place, waiting.message, &reason),
        }
        self.pump(me, &place);
    }

    /// A reader takes no more. One that reads alone does not say so.
    pub(super) fn enough(&mut self, reader: Reader) {
        let Some(sub) = self.subs.get_mut(&reader) else {
            return;
        };
        if sub.has_enough || sub.is_alone() {
            return;
        }
        sub.has_enough = true;
        let over = sub.unsettled.is_empty();
        if let Some(queue) = self.queues.get_mut(&sub.place) {
            queue.leave(reader);
        }
        if over {
            self.subs.remove(&reader);
        }
    }

    fn put_back(&mut self, me: &Weak<Shared>, place: &Place, waiting: Waiting) {
        let circles = waiting.deliveries > self.options.dead_limit;
        // A dead letter has nowhere else to go: it stays until somebody can take it.
        if circles && *place != Place::At(Address::Dead) {
            self.bury(me, place, waiting.message, super::DELIVERY_LIMIT);
        } else if let Some(queue) = self.queues.get_mut(place) {
            queue.put_back(waiting);
        }
    }

    /// To the dead letters, if anybody keeps them. Copies and dead letters themselves just go.
    fn bury(&mut self, me: &Weak<Shared>, place: &Place, message: Message, reason: &str) {
        let Place::At(from) = place else { return };
        if *from == Address::Dead {
            return;
        }
        let message = Message {
            reason: Some(format!("{reason} (from {from})")),
            ..message
        };
        self.put(me, &Place::At(Address::Dead), message, None);
    }

    /// Ends a subscription: what it held goes back, then its will is published.
    pub(super) fn end(&mut self, me: &Weak<Shared>, reader: Reader, clean: bool) {
        let Some(mut sub) = self.subs.remove(&reader) else {
            return;
        };
        self.watchers.remove(&reader);
        // The queues that live with their reader end with it, and with them what waits there.
        if sub.is_alone() {
            self.queues.remove(&sub.place);
        } else if let Some(queue) = self.queues.get_mut(&sub.place) {
            if !sub.has_enough {
                queue.leave(reader);
            }
            let held = sub.unsettled.len() as u64;
            queue.unsettled = queue.unsettled.saturating_sub(held);
            for (_, waiting) in sub.unsettled.drain() {
                self.put_back(me, &sub.place, waiting);
            }
            self.pump(me, &sub.place);
        }
        if let (false, Some(will)) = (clean, sub.will.take()) {
            self.publish(me, will);
        }
    }

    /// Ends what belongs to one agent, as if its connection had died.
    pub(super) fn cut(&mut self, me: &Weak<Shared>, who: &Who) {
        let control = Place::At(Address::Control(who.clone()));
        let mut readers: Vec<Reader> = self
            .subs
            .iter()
            .filter(|(_, sub)| sub.owner.as_ref() == Some(who) || sub.place == control)
            .map(|(reader, _)| *reader)
            .collect();
        readers.sort_unstable();
        for reader in readers {
            self.end(me, reader, false);
        }
    }

    /// Forgets all subscriptions and messages; no wills, for whoever would publish them is gone.
    pub(super) fn forget(&mut self, addresses: bool) {
        self.subs.clear();
        self.watchers.clear();
        if addresses {
            self.queues.clear();
        }
        let limits = self.options.limits;
        self.queues.retain(|place, queue| match place {
            Place::Copies(_) | Place::At(Address::Control(_)) => false,
            Place::At(address) => {
                *queue = Queue::new(limits.of(address));
                true
            }
        });
    }

    pub(super) fn depth(&self, address: &Address) -> Result<Depth> {
        if let Address::Topic(key) = address {
            let mut sum = Depth::default();
            for (reader, pattern) in &self.watchers {
                if let Some(queue) = self.queues.get(&Place::Copies(*reader))
                    && pattern::matches(pattern, key)
                {
                    let depth = queue.depth();
                    sum.ready += depth.ready;
                    sum.unsettled += depth.unsettled;
                    sum.consumers += depth.consumers;
                }
            }
            return Ok(sum);
        }
        match self.queues.get(&Place::At(address.clone())) {
            Some(queue) => Ok(queue.depth()),
            None => Err(Error::NotFound(address.to_string())),
        }
    }
}

impl super::Limits {
    fn of(&self, address: &Address) -> super::Limit {
        match address {
            Address::Offers(_) => self.offers,
            Address::Inbox(Inbox::Results) => self.results,
            Address::Inbox(Inbox::Presence) => self.presence,
            Address::Inbox(Inbox::Signals) => self.signals,
            Address::Inbox(Inbox::Submit) => self.submit,
            Address::Control(_) => self.control,
            Address::Dead => self.dead,
            Address::Topic(_) => self.topic,
        }
    }
}

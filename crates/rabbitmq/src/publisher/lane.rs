//! One publishing channel: what is in flight on it, by whom it is waited for, and until when.

use crate::amqp::{Channel, Confirm, Connection, Fault, Letter, Publishing};
use crate::confirms::Confirms;
use crate::names::Group;
use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll};
use tokio::time::Instant;
use warrener_backend::broker::Receipt;
use warrener_model::id::MessageId;

/// A message of a batch: the batch, and which one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u64, pub(super) usize);

/// See the module.
pub(super) struct Lane {
    group: Group,
    channel: Channel,
    confirms: Confirms,
    flights: Vec<(MessageId, Publishing)>,
    /// Who waits. What is in flight and not in here was given up: nobody waits for it.
    places: HashMap<MessageId, Place>,
    /// In the order they were sent.
    deadlines: VecDeque<(Instant, MessageId)>,
    nacks: u32,
    nacks_max: u32,
    open: bool,
}

impl Lane {
    pub(super) async fn open(
        connection: &Connection,
        group: Group,
        nacks_max: u32,
    ) -> Result<Lane, Fault> {
        let channel = connection.channel().await?;
        channel.confirm().await?;
        Ok(Lane {
            group,
            channel,
            confirms: Confirms::default(),
            flights: Vec::new(),
            places: HashMap::new(),
            deadlines: VecDeque::new(),
            nacks: 0,
            nacks_max,
            open: true,
        })
    }

    /// Whether it may be used for these.
    pub(super) fn serves(&self, group: Group) -> bool {
        self.open && self.group == group
    }

    /// Whether it may still be used.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether nobody waits for it.
    pub(super) fn is_answered(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.confirms.len()
    }

    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.confirms.knows(id)
    }

    pub(super) fn send(&mut self, place: Place, letter: Letter, deadline: Instant) {
        let id = letter.id;
        self.confirms.sent(id, letter.route.mandatory);
        self.places.insert(id, place);
        self.deadlines.push_back((deadline, id));
        self.flights.push((id, self.channel.publish(letter)));
    }

    /// What was decided since; an error when the channel is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<(Place, Receipt)>, Fault>> {
        let mut heard = Vec::new();
        // Until a whole round finds nothing new: then no confirm is left unseen that was there before one of these.
        while self.round(cx, &mut heard)? {}
        if heard.is_empty() {
            return Poll::Pending;
        }
        let mut decided = Vec::new();
        for (id, receipt) in self.confirms.heard(heard) {
            self.nacks = match receipt {
                Receipt::Full => self.nacks + 1,
                _ => 0,
            };
            if let Some(place) = self.places.remove(&id) {
                decided.push((place, receipt));
            }
        }
        // On some versions a channel whose first message met an election is refused for ever; another one is not.
        self.open &= self.nacks < self.nacks_max;
        Poll::Ready(Ok(decided))
    }

    fn round(
        &mut self,
        cx: &mut Context<'_>,
        heard: &mut Vec<(MessageId, Confirm)>,
    ) -> Result<bool, Fault> {
        let before = heard.len();
        let mut fault = None;
        self.flights
            .retain_mut(|(id, flight)| match flight.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(confirm)) => {
                    heard.push((*id, confirm));
                    false
                }
                Poll::Ready(Err(error)) => {
                    fault.get_or_insert(error);
                    false
                }
            });
        fault.map_or(Ok(heard.len() > before), Err)
    }

    /// When the next one that is waited for is unknown.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        while let Some((deadline, id)) = self.deadlines.front() {
            if self.places.contains_key(id) {
                return Some(*deadline);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// Those whose time is over. After that it takes no more: what broke the promise once is not asked again.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Place> {
        let mut passed = Vec::new();
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            let next = self.deadlines.pop_front();
            passed.extend(next.and_then(|(_, id)| self.places.remove(&id)));
        }
        self.open &= passed.is_empty();
        passed
    }

    /// All that are still waited for.
    pub(super) fn places(self) -> Vec<Place> {
        self.places.into_values().collect()
    }

    pub(super) async fn close(self) {
        self.channel.close().await;
    }
}

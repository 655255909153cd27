//! One queue: what waits, who reads, and what happens when it is full. Knows nothing of addresses.
//!
//! Messages leave in the order they came. What was delivered and came back goes before everything
//! that was never delivered, again in the order it came.

use super::{Limit, Overflow};
use crate::broker::{Depth, Message, Receipt};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// A subscription.
pub(super) type Reader = u64;

/// A message that is not settled.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its place in the order of this queue.
    pub(super) place: u64,
    /// What it says.
    pub(super) message: Message,
    /// Dropped after this.
    pub(super) expires: Option<Instant>,
    /// How often it was delivered.
    pub(super) deliveries: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    limit: Limit,
    places: u64,
    fresh: VecDeque<Waiting>,
    returned: BTreeMap<u64, Waiting>,
    /// Readers with credit, each at most once; the next one is in front.
    turn: VecDeque<Reader>,
    /// Delivered and not settled.
    pub(super) unsettled: u64,
    /// Everyone who reads, with credit or without.
    pub(super) readers: u64,
}

impl Queue {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            places: 0,
            fresh: VecDeque::new(),
            returned: BTreeMap::new(),
            turn: VecDeque::new(),
            unsettled: 0,
            readers: 0,
        }
    }

    fn ready(&self) -> usize {
        self.fresh.len() + self.returned.len()
    }

    /// Takes a new message, or says that there is no room.
    pub(super) fn put(&mut self, message: Message, expires: Option<Instant>) -> Receipt {
        if self.ready() >= self.limit.messages {
            // What is over its time takes no room from what is not.
            self.drop_expired();
        }
        if self.ready() >= self.limit.messages {
            match self.limit.over {
                Overflow::Reject => return Receipt::Full,
                Overflow::DropOldest => drop(self.pop()),
            }
        }
        self.places += 1;
        self.fresh.push_back(Waiting {
            place: self.places,
            message,
            expires,
            deliveries: 0,
        });
        Receipt::Confirmed
    }

    /// Takes a message back that was delivered. Never refused: it was counted when it came.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.returned.insert(waiting.place, waiting);
    }

    /// The next message and who gets it, if there are both. The reader's turn is over: it comes
    /// back with [`Queue::wants_more`].
    pub(super) fn next(&mut self) -> Option<(Reader, Waiting)> {
        if self.turn.is_empty() {
            return None;
        }
        self.drop_expired();
        let waiting = self.pop()?;
        let reader = self.turn.pop_front()?;
        Some((reader, waiting))
    }

    /// A reader that is not in line goes to its end.
    pub(super) fn wants_more(&mut self, reader: Reader) {
        self.turn.push_back(reader);
    }

    /// A reader leaves.
    pub(super) fn leave(&mut self, reader: Reader) {
        self.turn.retain(|other| *other != reader);
        self.readers = self.readers.saturating_sub(1);
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            ready: self.ready() as u64,
            unsettled: self.unsettled,
            consumers: self.readers,
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        match self.returned.pop_first() {
            Some((_, waiting)) => Some(waiting),
            None => self.fresh.pop_front(),
        }
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        let over = |waiting: &Waiting| waiting.expires.is_some_and(|at| at <= now);
        while let Some(entry) = self.returned.first_entry() {
            if !over(entry.get()) {
                return;
            }
            entry.remove();
        }
        while self.fresh.front().is_some_and(over) {
            self.fresh.pop_front();
        }
    }
}

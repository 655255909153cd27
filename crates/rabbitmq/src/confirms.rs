//! Which published message came to what: the rule that is right whatever the client attaches to a confirm.
//!
//! The broker sends the return of an unroutable message before its ack, on the same channel. The client puts returns
//! into a queue and gives, with every confirm it processes, the oldest one to that confirm, whosever it is. So a return
//! is never lost, but it may come with the confirm of another message, before or after its own. Three facts decide:
//!
//! 1. A return that was seen, with whatever confirm, names its message: that one is unroutable.
//! 2. A confirm that carries no return says that the queue of returns was empty when it was processed. Then whatever
//!    was confirmed at that moment or before has no return that is still to be seen.
//! 3. When no confirm is outstanding the queue is empty: it is never longer than the number of returned messages that
//!    are not confirmed yet (a return adds one to both; a confirm takes one from the queue, if there is one).
//!
//! So a confirm with somebody else's return is held until fact 2 or 3 settles it. Fact 2 needs to know what was
//! processed before: the caller hands over confirms in [`Confirms::heard`] until nothing new is there to be seen, so
//! each call holds whatever was processed before any of its members, and all that comes later was processed later.

use crate::amqp::Confirm;
use std::collections::{HashMap, HashSet};
use warrener_backend::broker::Receipt;
use warrener_model::id::MessageId;

/// The messages of one channel that are not decided yet.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// Sent and not confirmed; whether it may be returned.
    open: HashMap<MessageId, bool>,
    /// Confirmed, with the return of another message.
    held: HashSet<MessageId>,
    /// Returned and not decided.
    returned: HashSet<MessageId>,
}

/// What was decided.
pub(crate) type Decided = Vec<(MessageId, Receipt)>;

impl Confirms {
    /// Whether this id is on its way already. A second message with it has to wait: returns are known by their id.
    pub(crate) fn knows(&self, id: MessageId) -> bool {
        self.open.contains_key(&id) || self.held.contains(&id)
    }

    /// How many are not decided.
    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.held.len()
    }

    pub(crate) fn sent(&mut self, id: MessageId, mandatory: bool) {
        self.open.insert(id, mandatory);
    }

    /// Takes all confirms that are there to be seen: see the module for what "all" has to mean.
    pub(crate) fn heard(&mut self, confirms: Vec<(MessageId, Confirm)>) -> Decided {
        let mut decided = Decided::new();
        let seen = confirms.iter().filter_map(|(_, confirm)| confirm.returned);
        self.returned.extend(seen);
        let empty = confirms
            .iter()
            .any(|(_, confirm)| confirm.returned.is_none());
        let before = std::mem::take(&mut self.held);
        for (id, confirm) in confirms {
            let Some(mandatory) = self.open.remove(&id) else {
                continue;
            };
            if !confirm.taken {
                // What is returned is acknowledged; what is refused was never returned.
                decided.push((id, Receipt::Full));
            } else if self.returned.remove(&id) {
                decided.push((id, Receipt::Unroutable));
            } else if !mandatory || confirm.returned.is_none() {
                decided.push((id, Receipt::Confirmed));
            } else {
                self.held.insert(id);
            }
        }
        for id in before {
            if self.returned.remove(&id) {
                decided.push((id, Receipt::Unroutable));
            } else if empty {
                decided.push((id, Receipt::Confirmed));
            } else {
                self.held.insert(id);
            }
        }
        if self.open.is_empty() {
            let rest = self.held.drain().map(|id| (id, Receipt::Confirmed));
            decided.extend(rest);
            self.returned.clear();
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use warrener_model::Timestamp;

    fn id(n: usize) -> MessageId {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&(n as u64).to_be_bytes());
        MessageId::new(Timestamp::from_millis(1), random)
    }

    fn confirm(returned: Option<usize>) -> Confirm {
        Confirm {
            taken: true,
            returned: returned.map(id),
        }
    }

    #[test]
    fn a_return_that_comes_with_another_confirm_finds_its_message() {
        let mut confirms = Confirms::default();
        for n in 0..3 {
            confirms.sent(id(n), true);
        }
        // Message 1 was returned; the ack of 0 came between its return and its own ack.
        assert_eq!(confirms.heard(vec![(id(0), confirm(Some(1)))]), []);
        let decided = confirms.heard(vec![(id(1), confirm(None))]);
        let expected = [(id(1), Receipt::Unroutable), (id(0), Receipt::Confirmed)];
        assert_eq!(decided, expected);
        let decided = confirms.heard(vec![(id(2), confirm(None))]);
        assert_eq!(decided, [(id(2), Receipt::Confirmed)]);
        assert_eq!(confirms.len(), 0);
    }

    #[test]
    fn a_confirm_with_the_return_of_another_waits_for_its_own() {
        let mut confirms = Confirms::default();
        for n in 0..3 {
            confirms.sent(id(n), true);
        }
        // 0 and 1 were returned, 1 was confirmed first and took the older return.
        assert_eq!(confirms.heard(vec![(id(1), confirm(Some(0)))]), []);
        assert!(confirms.knows(id(1)));
        let mut decided = confirms.heard(vec![(id(0), confirm(Some(1)))]);
        decided.sort_by_key(|(id, _)| *id);
        assert_eq!(
            decided,
            [(id(0), Receipt::Unroutable), (id(1), Receipt::Unroutable)]
        );
    }

    #[test]
    fn what_is_refused_is_full_and_still_hands_on_a_return() {
        let mut confirms = Confirms::default();
        confirms.sent(id(0), true);
        confirms.sent(id(1), true);
        let refused = Confirm {
            taken: false,
            returned: Some(id(1)),
        };
        assert_eq!(
            confirms.heard(vec![(id(0), refused)]),
            [(id(0), Receipt::Full)]
        );
        let decided = confirms.heard(vec![(id(1), confirm(None))]);
        assert_eq!(decided, [(id(1), Receipt::Unroutable)]);
    }

    /// What the broker and the client do with `fates`, message by message: true is unroutable. `order` says who goes on.
    fn play(fates: &[bool], order: &[u8], cuts: &[bool]) {
        let mut confirms = Confirms::default();
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let mut unsent: VecDeque<usize> = (0..fates.len()).collect();
        let (mut sent, mut returned) = (Vec::new(), Vec::new());
        let mut batch = Vec::new();
        let mut receipts = HashMap::new();
        let mut order = order.iter().cycle();
        let mut cuts = cuts.iter().cycle();
        while !(unsent.is_empty() && sent.is_empty() && returned.is_empty()) {
            let dice = usize::from(*order.next().unwrap());
            match dice % 3 {
                0 => {
                    if let Some(n) = unsent.pop_front() {
                        confirms.sent(id(n), true);
                        sent.push(n);
                    }
                    continue;
                }
                1 if !sent.is_empty() => {
                    // The broker looks at one: a return first, then its ack, and other acks between them.
                    let n = sent.swap_remove(dice % sent.len());
                    if fates[n] {
                        waiting.push_back(n);
                        returned.push(n);
                        continue;
                    }
                    batch.push((id(n), confirm(waiting.pop_front())));
                }
                2 if !returned.is_empty() => {
                    let n = returned.swap_remove(dice % returned.len());
                    batch.push((id(n), confirm(waiting.pop_front())));
                }
                _ => continue,
            }
            if *cuts.next().unwrap() {
                // Within a batch nobody knows the order.
                batch.reverse();
                receipts.extend(confirms.heard(std::mem::take(&mut batch)));
            }
        }
        receipts.extend(confirms.heard(batch));
        assert_eq!(confirms.len(), 0, "everything is decided");
        for (n, unroutable) in fates.iter().enumerate() {
            let expected = match unroutable {
                true => Receipt::Unroutable,
                false => Receipt::Confirmed,
            };
            assert_eq!(receipts[&id(n)], expected, "message {n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn every_message_gets_its_own_receipt(
            fates in proptest::collection::vec(any::<bool>(), 1..60),
            // All three moves are in it, so that every game ends.
            order in proptest::collection::vec(any::<u8>(), 1..40).prop_map(|mut o| { o.extend([0, 1, 2]); o }),
            cuts in proptest::collection::vec(any::<bool>(), 1..9),
        ) {
            play(&fates, &order, &cuts);
        }
    }
}

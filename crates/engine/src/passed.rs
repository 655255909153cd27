//! Which fast offers their queue has passed: nobody claims those, so that alone tells a run from an offer that waits.
//! The watching is pure; the shell says what was seen, and forgets it all when the silence may have been its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::{Lane, Timestamp};

/// Marks kept for one lane: so finely is the wait measured.
const MARKS: u32 = 32;

/// What was seen of one lane's queue.
#[derive(Debug, Default)]
struct Watch {
    /// The newest offer that an agent spoke of: queues deliver in order, so all older ones were delivered.
    told: Option<Timestamp>,
    /// Up to which offer the queue had passed, and since when that was known.
    marks: VecDeque<(Instant, Timestamp)>,
    /// Passed so long ago that an agent would have spoken.
    over: Option<Timestamp>,
}

impl Watch {
    fn look(&mut self, now: Instant, wait: Duration, seen: Seen) -> Option<Timestamp> {
        let passed = self
            .told
            .max(seen.empty_at)
            .map(|at| at.minus(seen.confirm));
        if let Some(passed) = passed
            && self.marks.back().is_none_or(|(since, mark)| {
                *mark < passed && now.duration_since(*since) >= wait / MARKS
            })
        {
            self.marks.push_back((now, passed));
        }
        while let Some((since, mark)) = self.marks.front()
            && now.duration_since(*since) >= wait
        {
            self.over = Some(*mark);
            self.marks.pop_front();
        }
        self.over
    }
}

/// One look at a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The store's clock, if nothing waited in it.
    pub(crate) empty_at: Option<Timestamp>,
    /// How long after its commit an offer may still reach the queue.
    pub(crate) confirm: Duration,
}

/// Every fast lane.
#[derive(Debug, Default)]
pub(crate) struct Passed(Mutex<BTreeMap<Lane, Watch>>);

impl Passed {
    /// An agent spoke of an offer made then: it was delivered.
    pub(crate) fn told(&self, lane: &Lane, offered_at: Option<Timestamp>) {
        let mut lanes = self.0.lock().expect("a map does not panic");
        let watch = lanes.entry(lane.clone()).or_default();
        watch.told = watch.told.max(offered_at);
    }

    /// Up to which time the offers of this lane are overdue: passed for `wait`.
    pub(crate) fn look(
        &self,
        lane: &Lane,
        now: Instant,
        wait: Duration,
        seen: Seen,
    ) -> Option<Timestamp> {
        let mut lanes = self.0.lock().expect("a map does not panic");
        let watch = lanes.entry(lane.clone()).or_default();
        watch.look(now, wait, seen)
    }

    /// This server, the store or the broker was away: agents may have spoken and not been heard.
    pub(crate) fn forget(&self) {
        self.0.lock().expect("a map does not panic").clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(90);
    const CONFIRM: Duration = Duration::from_secs(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn seen(empty_at: Option<i64>) -> Seen {
        Seen {
            empty_at: empty_at.map(at),
            confirm: CONFIRM,
        }
    }

    /// Looks every 5 s; each says whether the queue was empty. What was overdue at the last one.
    fn watch(empty: &[bool]) -> Option<Timestamp> {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut over = None;
        for (i, empty) in (0..).zip(empty) {
            let seconds = i * 5;
            let now = start + Duration::from_secs(seconds);
            let empty_at = empty.then_some(i64::try_from(seconds).unwrap());
            over = watch.look(now, WAIT, seen(empty_at));
        }
        over
    }

    #[test]
    fn an_offer_in_a_queue_that_never_was_empty_is_never_overdue() {
        assert_eq!(watch(&[false; 100]), None);
    }

    #[test]
    fn an_offer_is_overdue_a_whole_wait_after_its_queue_was_seen_empty() {
        let mut looks = [false; 25];
        looks[4] = true;
        assert_eq!(watch(&looks[..22]), None);
        // Seen at 20 s; what was committed within the last 10 s may have come after that.
        assert_eq!(watch(&looks[..23]), Some(at(10)));
        assert_eq!(watch(&looks), Some(at(10)));
    }

    #[test]
    fn the_word_of_a_later_offer_says_that_the_queue_passed_the_earlier_ones() {
        let (lane, start) = (Lane::default(), Instant::now());
        let passed = Passed::default();
        passed.told(&lane, Some(at(100)));
        passed.told(&lane, Some(at(50)));
        assert_eq!(passed.look(&lane, start, WAIT, seen(None)), None);
        let later = start + WAIT;
        let over = passed.look(&lane, later, WAIT, seen(None));
        assert_eq!(over, Some(at(90)));
        passed.forget();
        assert_eq!(passed.look(&lane, later, WAIT, seen(None)), None);
    }

    #[test]
    fn marks_are_bounded_however_often_somebody_looks() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        for i in 0..10_000u32 {
            let now = start + Duration::from_millis(10) * i;
            watch.look(now, WAIT, seen(Some(i64::from(i))));
            assert!(watch.marks.len() <= 33);
        }
    }
}

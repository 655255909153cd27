//! Tasks whose offer came to an agent that it was not for. A queue gives an offer to anybody who reads it, so the next
//! one waits a little, longer each time: else a task whose only agent has just died would go round as fast as it can.

use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::TaskId;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);
/// More than ever go round at a time; what was forgotten goes round a few times more.
const TASKS: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Rests(HashMap<TaskId, Rest>);

#[derive(Debug)]
struct Rest {
    span: Duration,
    until: Instant,
}

impl Rests {
    /// It came to the wrong one.
    pub(super) fn refused(&mut self, task: TaskId, now: Instant) {
        if self.0.len() >= TASKS {
            self.0.clear();
        }
        let last = self.0.get(&task).map(|rest| rest.span);
        let span = last.map_or(FIRST, |span| (span * 2).min(LONGEST));
        // Two that wait for each other's agent would else come to the wrong ones in step, again and again.
        let until = now + span.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.0.insert(task, Rest { span, until });
    }

    /// It came to the right one.
    pub(super) fn over(&mut self, task: TaskId) {
        self.0.remove(&task);
    }

    /// There may be a right one now for all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How long until the next one may be offered again.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let waits = self.0.values().map(|rest| rest.until);
        let next = waits.filter(|until| now < *until).min();
        next.map(|until| until - now)
    }

    /// Those that wait.
    pub(super) fn now(&self, now: Instant) -> HashSet<TaskId> {
        let waits = self.0.iter().filter(|(_, rest)| now < rest.until);
        waits.map(|(task, _)| *task).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Timestamp;

    #[test]
    fn who_goes_round_waits_longer_each_time_and_no_longer_once_it_arrived() {
        let task = TaskId::new(Timestamp::from_millis(1), [0; 10]);
        let start = Instant::now();
        let mut rests = Rests::default();
        let waits =
            |rests: &Rests, ms| rests.now(start + Duration::from_millis(ms)).contains(&task);
        assert!(!waits(&rests, 0));
        assert_eq!(rests.next(start), None);
        rests.refused(task, start);
        assert!(waits(&rests, 9) && !waits(&rests, 20));
        let next = rests.next(start).unwrap().as_millis();
        assert!((9..=20).contains(&next), "{next} ms");
        rests.refused(task, start);
        assert!(waits(&rests, 19) && !waits(&rests, 40));
        for _ in 0..100 {
            rests.refused(task, start);
        }
        assert!(waits(&rests, 999) && !waits(&rests, 2_000));
        rests.over(task);
        assert!(!waits(&rests, 0));
        rests.refused(task, start);
        rests.clear();
        assert!(rests.now(start).is_empty());
    }
}

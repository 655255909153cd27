//! The store's clock over the system's: forward with it, but never back, and never standing still.
//!
//! A system clock that is set back an hour must not hold up a retry for an hour, so the store goes on from where it was
//! at the pace of the monotonic clock, until the system's clock is ahead again.

use std::time::Instant;
use warrener_model::Timestamp;

/// The latest time that was told, and when.
#[derive(Debug)]
pub(crate) struct Pace {
    told: Timestamp,
    at: Instant,
}

impl Pace {
    /// Begins at the system's time.
    pub(crate) fn new(system: Timestamp, at: Instant) -> Self {
        Pace { told: system, at }
    }

    /// The time to tell, given what the system's clock and the monotonic clock say.
    pub(crate) fn now(&mut self, system: Timestamp, at: Instant) -> Timestamp {
        let paced = self.told.plus(at.saturating_duration_since(self.at));
        if system >= self.told {
            // Also after small steps back: they are slower, not backwards.
            (self.told, self.at) = (system, at);
        } else if paced > self.told {
            (self.told, self.at) = (paced, at);
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_back_goes_on_at_its_own_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(Timestamp::from_millis(1_000), start);
        let mut look = |system, after| {
            let at = start + Duration::from_millis(after);
            pace.now(Timestamp::from_millis(system), at).as_millis()
        };
        assert_eq!(look(1_500, 500), 1_500);
        assert_eq!(look(90_000, 600), 90_000, "set forward: it follows");
        assert_eq!(look(2_000, 700), 90_100, "set back: it goes on");
        assert_eq!(look(2_300, 1_000), 90_400);
        assert_eq!(look(90_401, 1_100), 90_401, "caught up: it follows again");
    }
}

//! A lane: what is set for it, how many tasks it has in which state, and who serves it.

use crate::words::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::{Lane, State, Timestamp};

/// A lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Lane)]
pub struct LaneObject {
    /// Its name.
    pub name: String,
    /// How its tasks start: a fast lane is one only on a broker with queues.
    #[serde(default)]
    #[schema(required = true, value_type = words::Start)]
    pub start: Word,
    /// Nothing of it is started.
    pub paused: bool,
    /// Why it is paused.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Since when it is paused.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub paused_at: Option<Timestamp>,
    /// Since when the oldest ready task waits.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub oldest_ready_at: Option<Timestamp>,
    /// How many tasks are in each state; states without tasks are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counts: BTreeMap<Word, u64>,
    /// Live agents that serve it.
    pub agents: u32,
    /// Their slots.
    pub slots: u32,
    /// How many tasks they run, of this lane and others.
    pub busy: u32,
}

impl LaneObject {
    /// A lane of which nothing is known but its name.
    pub fn new(name: &Lane) -> Self {
        LaneObject {
            name: name.to_string(),
            ..LaneObject::default()
        }
    }

    /// Adds how many of its tasks are in a state, and since when the oldest ready one waits.
    pub fn count(&mut self, state: State, count: u64, oldest: Option<Timestamp>) {
        if count > 0 {
            *self.counts.entry(state.as_str().into()).or_default() += count;
        }
        if state == State::Ready {
            self.oldest_ready_at = [self.oldest_ready_at, oldest].into_iter().flatten().min();
        }
    }

    /// How many of its tasks are in this state.
    pub fn of_state(&self, state: &str) -> u64 {
        self.counts.get(state).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_the_oldest_wins() {
        let mut lane = LaneObject::new(&Lane::default());
        lane.count(State::Ready, 2, Some(Timestamp::from_millis(9)));
        lane.count(State::Ready, 1, Some(Timestamp::from_millis(7)));
        lane.count(State::Dead, 0, None);
        assert_eq!((lane.of_state("ready"), lane.of_state("dead")), (3, 0));
        assert_eq!(lane.oldest_ready_at, Some(Timestamp::from_millis(7)));
        assert_eq!(lane.counts.len(), 1);
    }
}

//! The books: every accepted task is in exactly one state, or it is lost.

use crate::words::Word;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warrener_model::State;

/// The answer to `GET /api/v1/books`: `accepted` = the sum of the final states + `open` + `purged` + `lost`. What
/// was accepted and purged is counted when it happens, the states from what is stored: a loss shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Books {
    /// Tasks that somebody was ever told are accepted.
    pub accepted: u64,
    /// Those that ended, and were purged when their time was over.
    #[serde(default)]
    #[schema(required = true)]
    pub purged: u64,
    /// How many are in each state, every state named.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub states: BTreeMap<Word, u64>,
    /// How many are not final.
    pub open: u64,
    /// Accepted, not purged, and in no state: 0, or something is wrong with the store.
    pub lost: u64,
}

impl Books {
    /// Closes the books: what was accepted and purged, against what is there (a state may come several times).
    pub fn of(accepted: u64, purged: u64, counts: impl IntoIterator<Item = (State, u64)>) -> Self {
        let mut books = Books {
            accepted,
            purged,
            ..Books::default()
        };
        books.states = State::ALL.iter().map(|s| (s.as_str().into(), 0)).collect();
        let mut found = 0;
        for (state, count) in counts {
            *books.states.entry(state.as_str().into()).or_default() += count;
            found += count;
            if !state.is_final() {
                books.open += count;
            }
        }
        books.lost = accepted.saturating_sub(purged + found);
        books
    }

    /// How many are in this state.
    pub fn of_state(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_close_when_every_accepted_task_is_in_a_state() {
        let rows = [(State::Succeeded, 5), (State::Ready, 1), (State::Ready, 2)];
        let books = Books::of(8, 0, rows);
        assert_eq!((books.open, books.lost, books.of_state("ready")), (3, 0, 3));
        assert_eq!(books.states.len(), State::ALL.len());
        assert_eq!(Books::of(9, 0, rows).lost, 1);
        assert_eq!(Books::of(9, 1, rows).lost, 0);
    }
}

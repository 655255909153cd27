//! How many tasks are in each lane, state and kind: changes are gathered over a transaction and written once.

use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use warrener_model::State;

/// Where a task counts.
type Place<'a> = (&'a str, State, &'a str);

/// Changes in the order they came, so that those of a change that was refused can be taken back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta(Vec<(String, State, String, i64)>);

impl Delta {
    /// So many tasks more, or less.
    pub(crate) fn add(&mut self, (lane, state, kind): Place<'_>, by: i64) {
        self.0.push((lane.into(), state, kind.into(), by));
    }

    /// A place to come back to.
    pub(crate) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Forgets what came after.
    pub(crate) fn back_to(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Writes the sums.
    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut sums: BTreeMap<Place<'_>, i64> = BTreeMap::new();
        for (lane, state, kind, by) in &self.0 {
            *sums.entry((lane, *state, kind)).or_default() += by;
        }
        let mut statement = db.prepare_cached(
            "INSERT INTO tally (lane, state, kind, n) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        for ((lane, state, kind), by) in sums.into_iter().filter(|(_, by)| *by != 0) {
            statement.execute(params![lane, state.as_str(), kind, by])?;
        }
        Ok(())
    }
}

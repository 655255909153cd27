//! Pages of tasks: keyset pagination over an index, so that the last page costs what the first one does.

use crate::error::reading;
use crate::filter::Condition;
use crate::row::{self, Part};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use warrener_backend::Result;
use warrener_backend::query::{List, SortKey};
use warrener_model::Task;

/// A page.
pub(crate) fn page(db: &Connection, list: &List) -> Result<Vec<Task>> {
    let mut numbers = vec![];
    for run in runs(list)? {
        let left = list.limit - numbers.len();
        numbers.extend(run.numbers(db, left).map_err(|e| reading(&e))?);
    }
    let part = if list.bodies { Part::Whole } else { Part::Head };
    numbers
        .into_iter()
        .map(|n| row::by_number(db, n, part).map_err(|e| reading(&e)))
        .collect()
}

/// Tasks that an index has in the order wanted.
#[derive(Debug)]
pub(crate) struct Run {
    condition: Condition,
    order: String,
}

/// What the rest of the list, after the page before, is made of, in order.
pub(crate) fn runs(list: &List) -> Result<Vec<Run>> {
    let all = Condition::of(&list.filter, list.now)?;
    Ok(match list.sort {
        SortKey::Created => vec![sorted(list, all, "t.created_at")],
        SortKey::Priority => vec![sorted(list, all, "t.priority")],
        SortKey::Finished => finished(list, all),
    })
}

/// In two runs, since those that have not ended come last in both directions.
fn finished(list: &List, all: Condition) -> Vec<Run> {
    let last = list.unfinished_place();
    let mut runs = vec![];
    if list.after.is_none_or(|(at, _)| at != last) {
        let mut ended = all.clone();
        ended.and("t.finished_at IS NOT NULL", []);
        runs.push(sorted(list, ended, "t.finished_at"));
    }
    let mut rest = all;
    rest.and("t.finished_at IS NULL", []);
    let (than, order) = if list.descending {
        ('<', "t.id DESC")
    } else {
        ('>', "t.id")
    };
    if let Some((_, id)) = list.after.filter(|(at, _)| *at == last) {
        let id = Value::Blob(id.as_bytes().to_vec());
        rest.and(&format!("t.id {than} ?"), [id]);
    }
    runs.push(Run {
        condition: rest,
        order: order.into(),
    });
    runs
}

fn sorted(list: &List, mut condition: Condition, column: &str) -> Run {
    let (than, order) = if list.descending {
        ('<', format!("{column} DESC, t.id DESC"))
    } else {
        ('>', format!("{column}, t.id"))
    };
    if let Some((at, id)) = list.after {
        let id = Value::Blob(id.as_bytes().to_vec());
        condition.and(&format!("({column}, t.id) {than} (?, ?)"), [at.into(), id]);
    }
    Run { condition, order }
}

impl Run {
    /// Row numbers only: what is sorted stays small, and a row is read once it is known to be wanted.
    pub(crate) fn sql(&self) -> String {
        format!(
            "SELECT t.n FROM task t WHERE {} ORDER BY {} LIMIT ?",
            self.condition.sql, self.order
        )
    }

    fn numbers(mut self, db: &Connection, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let sql = self.sql();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.condition.values.push(Value::Integer(limit));
        let mut statement = db.prepare_cached(&sql)?;
        let rows =
            statement.query_map(params_from_iter(&self.condition.values), |row| row.get(0))?;
        rows.collect()
    }
}

//! Pages of tasks: keyset pagination over an index, so that the last page costs what the first one does.

use crate::filter::Condition;
use crate::row::{self, Part};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use warrener_backend::Result;
use warrener_backend::query::{List, SortKey};
use warrener_model::Task;

/// A page.
pub(crate) fn page(db: &Connection, list: &List) -> Result<Vec<Task>> {
    let condition = Condition::of(&list.filter, list.now)?;
    let numbers = numbers(db, list, &condition).map_err(|e| crate::error::reading(&e))?;
    let part = if list.bodies { Part::Whole } else { Part::Head };
    numbers
        .into_iter()
        .map(|n| row::by_number(db, n, part).map_err(|e| crate::error::reading(&e)))
        .collect()
}

fn numbers(db: &Connection, list: &List, condition: &Condition) -> rusqlite::Result<Vec<i64>> {
    match list.sort {
        SortKey::Created => sorted(db, list, condition, "t.created_at", list.limit),
        SortKey::Priority => sorted(db, list, condition, "t.priority", list.limit),
        SortKey::Finished => finished(db, list, condition),
    }
}

/// In two parts, since those that have not ended come last in both directions.
fn finished(db: &Connection, list: &List, condition: &Condition) -> rusqlite::Result<Vec<i64>> {
    let open = list.unfinished_place();
    let mut numbers = vec![];
    if list.after.is_none_or(|(at, _)| at != open) {
        let mut ended = condition.clone();
        ended.and("t.finished_at IS NOT NULL", []);
        numbers = sorted(db, list, &ended, "t.finished_at", list.limit)?;
    }
    let left = list.limit - numbers.len();
    if left > 0 {
        let mut rest = condition.clone();
        rest.and("t.finished_at IS NULL", []);
        let after = list.after.filter(|(at, _)| *at == open);
        if let Some((_, id)) = after {
            let than = if list.descending { '<' } else { '>' };
            let id = Value::Blob(id.as_bytes().to_vec());
            rest.and(&format!("t.id {than} ?"), [id]);
        }
        let order = if list.descending { "t.id DESC" } else { "t.id" };
        numbers.extend(select(db, &rest, order, left)?);
    }
    Ok(numbers)
}

fn sorted(
    db: &Connection,
    list: &List,
    condition: &Condition,
    column: &str,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut condition = condition.clone();
    let (than, order) = if list.descending {
        ('<', format!("{column} DESC, t.id DESC"))
    } else {
        ('>', format!("{column}, t.id"))
    };
    if let Some((at, id)) = list.after {
        let id = Value::Blob(id.as_bytes().to_vec());
        condition.and(&format!("({column}, t.id) {than} (?, ?)"), [at.into(), id]);
    }
    select(db, &condition, &order, limit)
}

/// Row numbers only: what is sorted stays small, and the rows are read once they are known to be wanted.
fn select(
    db: &Connection,
    condition: &Condition,
    order: &str,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let sql = format!(
        "SELECT t.n FROM task t WHERE {} ORDER BY {order} LIMIT {limit}",
        condition.sql
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&condition.values), |row| row.get(0))?;
    rows.collect()
}

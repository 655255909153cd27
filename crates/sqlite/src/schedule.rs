//! Schedules: guarded writes of whole rows, and a history of bounded length for each.

use crate::cells::Cells;
use crate::read::{all, bound};
use crate::row::json;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use warrener_backend::Rows;
use warrener_backend::schedule::{FiringRow, ScheduleOp, ScheduleQuery};
use warrener_model::Timestamp;
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{FIRINGS_KEPT, Firing, Schedule};

const ALL: &str = "SELECT body FROM schedule ORDER BY name";
const ONE: &str = "SELECT body FROM schedule WHERE name = ?1";
pub(crate) const DUE: &str = "SELECT body FROM schedule INDEXED BY schedule_due WHERE due_at <= ?1 UNION ALL \
                   SELECT body FROM schedule INDEXED BY schedule_waits WHERE waits = 1 \
                   AND (due_at IS NULL OR due_at > ?1)";
pub(crate) const NEXT_DUE: &str =
    "SELECT min(due_at) FROM schedule INDEXED BY schedule_due WHERE due_at IS NOT NULL";
pub(crate) const FIRINGS: &str =
    "SELECT n, body FROM firing WHERE schedule = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?3";
const OLDEST_KEPT: &str =
    "SELECT n FROM firing WHERE schedule = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2";

/// Does it; `false` when the row is not the one that was read.
pub(crate) fn change(db: &Connection, op: &ScheduleOp) -> rusqlite::Result<bool> {
    match op {
        ScheduleOp::Create(schedule) => create(db, schedule),
        ScheduleOp::Write(schedule, firings) => write(db, schedule, firings),
        ScheduleOp::Delete(name) => delete(db, name).map(|()| true),
    }
}

fn create(db: &Connection, schedule: &Schedule) -> rusqlite::Result<bool> {
    let made = db
        .prepare_cached(
            "INSERT OR IGNORE INTO schedule (name, created_at, version, due_at, waits, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            schedule.name.as_str(),
            schedule.created_at.as_millis(),
            schedule.version.cast_signed(),
            schedule.due_at().map(Timestamp::as_millis),
            schedule.waits(),
            json(schedule)
        ])?;
    Ok(made == 1)
}

fn write(db: &Connection, schedule: &Schedule, firings: &[Firing]) -> rusqlite::Result<bool> {
    let written = db
        .prepare_cached(
            "UPDATE schedule SET version = ?3, due_at = ?4, waits = ?5, body = ?6 \
             WHERE name = ?1 AND created_at = ?2 AND version = ?3 - 1",
        )?
        .execute(params![
            schedule.name.as_str(),
            schedule.created_at.as_millis(),
            schedule.version.cast_signed(),
            schedule.due_at().map(Timestamp::as_millis),
            schedule.waits(),
            json(schedule)
        ])?;
    if written == 0 {
        return Ok(false);
    }
    let name = schedule.name.as_str();
    for firing in firings {
        db.prepare_cached("INSERT INTO firing (schedule, body) VALUES (?1, ?2)")?
            .execute(params![name, json(firing)])?;
    }
    if !firings.is_empty() {
        let last: Option<i64> = db
            .prepare_cached(OLDEST_KEPT)?
            .query_row(params![name, FIRINGS_KEPT.cast_signed()], |row| row.get(0))
            .optional()?;
        if let Some(last) = last {
            db.prepare_cached("DELETE FROM firing WHERE schedule = ?1 AND n <= ?2")?
                .execute(params![name, last])?;
        }
    }
    Ok(true)
}

fn delete(db: &Connection, name: &ScheduleName) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM schedule WHERE name = ?1",
        "DELETE FROM firing WHERE schedule = ?1",
    ] {
        db.prepare_cached(sql)?.execute([name.as_str()])?;
    }
    Ok(())
}

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &ScheduleQuery) -> rusqlite::Result<Rows> {
    Ok(match query {
        ScheduleQuery::All => Rows::Schedules(all(db, ALL, [], schedule)?),
        ScheduleQuery::One(name) => Rows::Schedules(all(db, ONE, [name.as_str()], schedule)?),
        ScheduleQuery::Due(now) => Rows::Schedules(all(db, DUE, [now.as_millis()], schedule)?),
        ScheduleQuery::NextDue => {
            let mut next = db.prepare_cached(NEXT_DUE)?;
            Rows::NextDue(next.query_row([], |row| Cells::new(row).maybe_time())?)
        }
        ScheduleQuery::Firings {
            name,
            before,
            limit,
        } => {
            let before = before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
            let page = params![name.as_str(), before, bound(*limit)];
            Rows::Firings(all(db, FIRINGS, page, firing)?)
        }
    })
}

fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    Cells::new(row).json()
}

fn firing(row: &Row<'_>) -> rusqlite::Result<FiringRow> {
    let mut cells = Cells::new(row);
    Ok(FiringRow {
        n: cells.next::<i64>()?.cast_unsigned(),
        firing: cells.json()?,
    })
}

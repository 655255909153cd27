//! Shared state: versions of keys, their heads, locks. Every decision is the model's, made here on what is stored.
//!
//! Each operation decides before it writes, so that one that is refused leaves nothing to take back.

mod query;

use crate::cells::Cells;
use crate::read::{all, bound};
pub(crate) use query::query;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use warrener_backend::state::{StateOp, Stated, Write};
use warrener_model::event::Cursor;
use warrener_model::limits::{RESTORE_BYTES, RESTORE_KEYS};
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::{Hold, Lock, Want, fence, lock};
use warrener_model::state::{Act, Cause, Head, Plan, Refusal, restore, write};
use warrener_model::{Json, Timestamp};

/// A key, and who writes it when.
#[derive(Clone, Copy)]
struct At<'a> {
    space: &'a Space,
    key: &'a StateKey,
    now: Timestamp,
    actor: &'a str,
    request: Option<&'a str>,
}

type Decided<T> = rusqlite::Result<Result<T, Refusal>>;

/// Does one, or says why not.
pub(crate) fn apply(db: &Connection, op: &StateOp) -> Decided<Stated> {
    match op {
        StateOp::Write(op) => one(db, op),
        StateOp::Expire { now, limit } => expire(db, *now, *limit).map(|n| Ok(Stated::Many(n))),
        StateOp::Restore {
            space,
            then,
            now,
            actor,
        } => whole(db, space, *then, *now, actor),
        StateOp::Lock {
            space,
            name,
            want,
            now,
        } => locked(db, space, name, want, *now),
        StateOp::Forget { before, limit } => {
            forget(db, *before, *limit).map(|n| Ok(Stated::Many(n)))
        }
    }
}

fn one(db: &Connection, op: &Write) -> Decided<Stated> {
    let at = At {
        space: &op.space,
        key: &op.key,
        now: op.now,
        actor: &op.actor,
        request: op.request.as_deref(),
    };
    if let Some(done) = answered(db, at, &op.act)? {
        return Ok(done);
    }
    if let Some((name, token)) = &op.fence
        && let Err(why) = fence(&lock_of(db, &op.space, name)?, *token)
    {
        return Ok(Err(why));
    }
    let head = head(db, &op.space, &op.key)?;
    match write(head, op.now, op.expect, &op.act) {
        Ok(plan) => carry_out(db, at, plan, &op.act).map(Ok),
        Err(why) => Ok(Err(why)),
    }
}

/// What the same request was answered; another write under its id is refused.
fn answered(
    db: &Connection,
    at: At<'_>,
    act: &Act,
) -> rusqlite::Result<Option<Result<Stated, Refusal>>> {
    let Some(request) = at.request else {
        return Ok(None);
    };
    let sql = "SELECT version, n, value, expires_at FROM state_version INDEXED BY state_request \
               WHERE space = ?1 AND key = ?2 AND request = ?3";
    let mut found = db.prepare_cached(sql)?;
    let key = params![at.space.as_str(), at.key.as_str(), request];
    found
        .query_row(key, |row| {
            let version = row.get::<_, i64>(0)?.cast_unsigned();
            let value: Option<String> = row.get(2)?;
            let wanted = match act {
                Act::Set { value, .. } => Some(value.as_str()),
                Act::Delete => None,
            };
            if value.as_deref() != wanted {
                return Ok(Err(Refusal::Request(version)));
            }
            let expires_at: Option<i64> = row.get(3)?;
            Ok(Ok(Stated::Written {
                version,
                cursor: Cursor(row.get::<_, i64>(1)?.cast_unsigned()),
                expires_at: expires_at.map(Timestamp::from_millis),
            }))
        })
        .optional()
}

fn carry_out(db: &Connection, at: At<'_>, plan: Plan, act: &Act) -> rusqlite::Result<Stated> {
    if let Some(version) = plan.expired {
        tombstone(db, at, version)?;
    }
    let (value, expires_at) = match act {
        Act::Set { value, expires_at } => (Some(value), *expires_at),
        Act::Delete => (None, None),
    };
    let cursor = put(db, at, plan.version, plan.cause, value, expires_at)?;
    Ok(Stated::Written {
        version: plan.version,
        cursor,
        expires_at,
    })
}

/// The version that says that a value is over.
fn tombstone(db: &Connection, at: At<'_>, version: u64) -> rusqlite::Result<()> {
    let at = At {
        actor: "server",
        request: None,
        ..at
    };
    put(db, at, version, Cause::Expired, None, None).map(drop)
}

fn put(
    db: &Connection,
    at: At<'_>,
    version: u64,
    cause: Cause,
    value: Option<&Json>,
    expires_at: Option<Timestamp>,
) -> rusqlite::Result<Cursor> {
    let (space, key) = (at.space.as_str(), at.key.as_str());
    let (version, expires_at) = (version.cast_signed(), expires_at.map(Timestamp::as_millis));
    let sql = "INSERT INTO state_version (space, key, version, at, cause, actor, value, expires_at, request) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    db.prepare_cached(sql)?.execute(params![
        space,
        key,
        version,
        at.now.as_millis(),
        cause.as_str(),
        at.actor,
        value.map(Json::as_str),
        expires_at,
        at.request,
    ])?;
    let n = db.last_insert_rowid();
    let sql = "INSERT INTO state_head (space, key, n, version, live, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT (space, key) DO UPDATE SET n = excluded.n, version = excluded.version, \
               live = excluded.live, expires_at = excluded.expires_at";
    let head = params![space, key, n, version, value.is_some(), expires_at];
    db.prepare_cached(sql)?.execute(head)?;
    Ok(Cursor(n.cast_unsigned()))
}

fn head(db: &Connection, space: &Space, key: &StateKey) -> rusqlite::Result<Head> {
    let sql = "SELECT version, live, expires_at FROM state_head WHERE space = ?1 AND key = ?2";
    let mut found = db.prepare_cached(sql)?;
    let found = found.query_row([space.as_str(), key.as_str()], |row| {
        read_head(&mut Cells::new(row))
    });
    Ok(found.optional()?.unwrap_or_default())
}

fn read_head(cells: &mut Cells<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        version: cells.next::<i64>()?.cast_unsigned(),
        live: cells.next()?,
        expires_at: cells.maybe_time()?,
    })
}

fn expire(db: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let sql = "SELECT space, key, version FROM state_head INDEXED BY state_over \
               WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    let over = all(db, sql, params![now.as_millis(), bound(limit)], |row| {
        let mut cells = Cells::new(row);
        Ok((cells.word()?, cells.word()?, cells.next::<i64>()?))
    })?;
    for (space, key, version) in &over {
        let at = At {
            space,
            key,
            now,
            actor: "server",
            request: None,
        };
        tombstone(db, at, version.cast_unsigned() + 1)?;
    }
    Ok(over.len())
}

fn whole(
    db: &Connection,
    space: &Space,
    then: Cursor,
    now: Timestamp,
    actor: &str,
) -> Decided<Stated> {
    if then < query::forgotten(db)? || then > query::newest(db)? {
        return Ok(Err(Refusal::Forgotten));
    }
    let sql = "SELECT h.key, h.version, h.live, h.expires_at, v.value, w.value, w.expires_at \
               FROM state_head h JOIN state_version v ON v.n = h.n LEFT JOIN state_version w ON w.n = \
               (SELECT max(n) FROM state_version INDEXED BY state_key WHERE space = h.space AND key = h.key AND n <= ?2) \
               WHERE h.space = ?1 AND v.n IS NOT w.n AND (v.value IS NOT w.value OR v.expires_at IS NOT w.expires_at) LIMIT ?3";
    let key = params![
        space.as_str(),
        then.0.cast_signed(),
        bound(RESTORE_KEYS + 1)
    ];
    // All that is done here is done while nobody else writes.
    let mut bytes = 0;
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(key, |row: &Row<'_>| {
        let mut cells = Cells::new(row);
        let (key, head) = (cells.word()?, read_head(&mut cells)?);
        let (current, old, expires_at) = (cells.raw()?, cells.raw()?, cells.maybe_time()?);
        let old = old.as_ref().map(|value| (value, expires_at));
        let current = current.as_ref().map(|value| (value, head.expires_at));
        let size = old.map_or(0, |(value, _)| value.as_str().len());
        Ok((size, (key, head, restore(old, current, now))))
    })?;
    let mut acts: Vec<(StateKey, Head, Option<Act>)> = vec![];
    for row in rows {
        let (size, act) = row?;
        bytes += size;
        if bytes > RESTORE_BYTES {
            return Ok(Err(Refusal::TooLarge(RESTORE_BYTES)));
        }
        acts.push(act);
    }
    if acts.len() > RESTORE_KEYS {
        return Ok(Err(Refusal::TooMany(RESTORE_KEYS)));
    }
    let mut changed = 0;
    for (key, head, act) in &acts {
        let Some(act) = act else { continue };
        // What is over already goes by itself.
        let Ok(plan) = write(*head, now, None, act) else {
            continue;
        };
        let at = At {
            space,
            key,
            now,
            actor,
            request: None,
        };
        let plan = Plan {
            cause: Cause::Restored,
            ..plan
        };
        carry_out(db, at, plan, act)?;
        changed += 1;
    }
    Ok(Ok(Stated::Many(changed)))
}

fn locked(
    db: &Connection,
    space: &Space,
    name: &StateKey,
    want: &Want,
    now: Timestamp,
) -> Decided<Stated> {
    let next = match lock(&lock_of(db, space, name)?, now, want) {
        Ok(next) => next,
        Err(why) => return Ok(Err(why)),
    };
    let sql = "INSERT INTO state_lock (space, name, token, holder, until) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (space, name) DO UPDATE SET token = excluded.token, holder = excluded.holder, \
               until = excluded.until";
    let held = next.held.as_ref();
    db.prepare_cached(sql)?.execute(params![
        space.as_str(),
        name.as_str(),
        next.token.cast_signed(),
        held.map(|hold| hold.holder.as_str()),
        held.map(|hold| hold.until.as_millis()),
    ])?;
    Ok(Ok(Stated::Lock(next)))
}

fn lock_of(db: &Connection, space: &Space, name: &StateKey) -> rusqlite::Result<Lock> {
    let sql = "SELECT token, holder, until FROM state_lock WHERE space = ?1 AND name = ?2";
    let mut found = db.prepare_cached(sql)?;
    let found = found.query_row([space.as_str(), name.as_str()], |row| {
        let mut cells = Cells::new(row);
        let token = cells.next::<i64>()?.cast_unsigned();
        let held = cells.next::<Option<String>>()?.zip(cells.maybe_time()?);
        Ok(Lock {
            token,
            held: held.map(|(holder, until)| Hold { holder, until }),
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// Looks at each version once, when it is old: what it replaced goes.
fn forget(db: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let sql = "SELECT n, space, key, at FROM state_version WHERE n > ?1 ORDER BY n LIMIT ?2";
    let mark = query::forgotten(db)?.0.cast_signed();
    let next: Vec<(i64, String, String, i64)> = all(db, sql, params![mark, bound(limit)], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let old = next
        .iter()
        .take_while(|(.., at)| *at < before.as_millis())
        .count();
    let sql =
        "DELETE FROM state_version INDEXED BY state_key WHERE space = ?1 AND key = ?2 AND n < ?3";
    let mut delete = db.prepare_cached(sql)?;
    for (n, space, key, _) in &next[..old] {
        delete.execute(params![space, key, n])?;
    }
    if let Some((n, ..)) = next[..old].last() {
        db.prepare_cached("UPDATE state_mark SET forgotten = ?1")?
            .execute([n])?;
    }
    Ok(old)
}

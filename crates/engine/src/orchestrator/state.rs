//! Shared state: read, write, watch, restore, lock. The store decides each write; here are the limits and the waiting.

use super::Orchestrator;
use crate::error::{Error, Result};
use std::time::Duration;
use warrener_backend::state::{StateOp, StatePage, StateQuery, Stated, Write};
use warrener_backend::store::{Committed, Op};
use warrener_model::event::Cursor;
use warrener_model::json::Json;
use warrener_model::limits::{
    HORIZON, JSON_DEPTH, LOCK_LEASE, STATE_VALUE_BYTES, STATE_WORD_CHARS,
};
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::{Lock, Want};
use warrener_model::state::{Act, Refusal, Version};
use warrener_model::submission::check_key;
use warrener_model::time::format_span;
use warrener_model::{Mistake, Timestamp};

/// A watcher looks again this often, should a wake-up be missed.
const LOOK: Duration = Duration::from_secs(5);

/// A write that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct StateWrite {
    /// The space.
    pub space: Space,
    /// The key.
    pub key: StateKey,
    /// The value; none to delete.
    pub value: Option<Json>,
    /// How long the value stays.
    pub ttl: Option<Duration>,
    /// The version it must have, 0 for no value.
    pub expect: Option<u64>,
    /// The lock that guards it, and the number its writer had it under.
    pub fence: Option<(StateKey, u64)>,
    /// The id of the request: the same once more changes nothing.
    pub request: Option<String>,
}

/// A write that was made, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version.
    pub version: u64,
    /// Its place.
    pub cursor: Cursor,
    /// When its value goes by itself.
    pub expires_at: Option<Timestamp>,
}

impl Orchestrator {
    /// Makes a version of a key.
    ///
    /// # Errors
    /// `Invalid`, `TooLarge`; `State` when what is stored does not allow it; after `Backend(Unavailable)` it may have
    /// happened: with the id of the request it can be asked again.
    pub async fn write_state(&self, write: StateWrite, actor: &str) -> Result<Written> {
        let now = self.core.now().await?;
        let subject = format!("{}/{}", write.space, write.key);
        let op = prepared(write, now, actor)?;
        let done = self.state_op(op, subject).await?;
        match done {
            Stated::Written {
                version,
                cursor,
                expires_at,
            } => {
                if expires_at.is_some() {
                    self.core.over.notify_one();
                }
                Ok(Written {
                    version,
                    cursor,
                    expires_at,
                })
            }
            other => unreachable!("a store answered {other:?} to a write"),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// `State` when it has none; `Backend`.
    pub async fn state(&self, space: &Space, key: &StateKey) -> Result<Version> {
        let found = self.core.store.state_get(space.clone(), key.clone());
        let found = found.await?.map(|version| *version);
        found.ok_or_else(|| refused(format!("{space}/{key}"), Refusal::Absent))
    }

    /// A page of keys, of versions, or of changes; from a cursor on that is still known.
    ///
    /// # Errors
    /// `State` when what it asks for is forgotten; `Backend`.
    pub async fn state_page(&self, query: StateQuery) -> Result<StatePage> {
        let from = match &query {
            StateQuery::List { then, .. } => *then,
            StateQuery::Changes { after, .. } => Some(*after),
            _ => None,
        };
        let all = matches!(&query, StateQuery::Changes { after, .. } if after.0 == 0);
        let page = self.core.store.state_page(query).await?;
        // From the very beginning is a question that is never too late: it is answered with what is still there.
        match from {
            Some(from) if from < page.forgotten && !all => {
                Err(refused(String::new(), Refusal::Forgotten))
            }
            Some(from) if from > page.at => Err(refused(String::new(), Refusal::Forgotten)),
            _ => Ok(page),
        }
    }

    /// Changes of a space after a cursor: at once if there are some, else as soon as there are, or an empty page when
    /// the time is over.
    ///
    /// # Errors
    /// As [`Orchestrator::state_page`]; `Overloaded` when too many wait.
    pub async fn watch_state(&self, query: StateQuery, within: Duration) -> Result<StatePage> {
        let _place = self.core.waits.enter(&[]).ok_or(Error::Overloaded)?;
        let mut changed = self.core.store.changed();
        let end = tokio::time::Instant::now() + within;
        loop {
            changed.borrow_and_update();
            let page = self.state_page(query.clone()).await?;
            let now = tokio::time::Instant::now();
            if !page.items.is_empty() || now >= end {
                return Ok(page);
            }
            let look = end.min(now + LOOK);
            // A store that closes wakes nobody any more; the next read says so.
            let _ = tokio::time::timeout_at(look, changed.changed()).await;
        }
    }

    /// Makes of a space what it was, by new versions; says how many.
    ///
    /// # Errors
    /// `State` when that is forgotten, or too many keys would change; `Backend`.
    pub async fn restore_state(&self, space: &Space, then: Cursor, actor: &str) -> Result<usize> {
        let op = StateOp::Restore {
            space: space.clone(),
            then,
            now: self.core.now().await?,
            actor: actor.into(),
        };
        let done = self.state_op(op, space.to_string()).await?;
        self.core.over.notify_one();
        match done {
            Stated::Many(count) => Ok(count),
            other => unreachable!("a store answered {other:?} to a restore"),
        }
    }

    /// Takes a lock, keeps it longer, or gives it back.
    ///
    /// # Errors
    /// `Invalid`; `State` when somebody else has it, or it is held no more; `Backend`.
    pub async fn lock_state(&self, space: &Space, name: &StateKey, want: Want) -> Result<Lock> {
        check_want(&want)?;
        let op = StateOp::Lock {
            space: space.clone(),
            name: name.clone(),
            want,
            now: self.core.now().await?,
        };
        match self.state_op(op, format!("{space}/{name}")).await? {
            Stated::Lock(lock) => Ok(lock),
            other => unreachable!("a store answered {other:?} to a lock"),
        }
    }

    /// A lock as it is now; a lease that is over holds nothing.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn state_lock(&self, space: &Space, name: &StateKey) -> Result<Lock> {
        let lock = self.core.store.state_lock(space.clone(), name.clone());
        let (lock, now) = (lock.await?, self.core.now().await?);
        Ok(Lock {
            held: lock.held.filter(|hold| hold.until > now),
            ..lock
        })
    }

    async fn state_op(&self, op: StateOp, subject: String) -> Result<Stated> {
        let committed = self.core.store.commit(vec![Op::State(op).into()]).await?;
        match committed.into_iter().next() {
            Some(Committed::Done { mut stated, .. }) if !stated.is_empty() => Ok(stated.remove(0)),
            Some(Committed::Refused(why)) => Err(refused(subject, why)),
            other => unreachable!("a store answered {other:?} to a change of state"),
        }
    }
}

pub(crate) fn refused(subject: String, why: Refusal) -> Error {
    Error::State { subject, why }
}

/// What a write asks of the store, if it keeps to the limits.
pub(crate) fn prepared(write: StateWrite, now: Timestamp, actor: &str) -> Result<StateOp> {
    check(&write)?;
    let expires_at = write.ttl.map(|ttl| now.plus(ttl));
    let act = match write.value {
        Some(value) => Act::Set { value, expires_at },
        None => Act::Delete,
    };
    Ok(StateOp::Write(Box::new(Write {
        space: write.space,
        key: write.key,
        act,
        expect: write.expect,
        fence: write.fence,
        now,
        actor: actor.into(),
        request: write.request,
    })))
}

/// Whether a write keeps to the limits.
fn check(write: &StateWrite) -> Result<()> {
    let mut mistakes = vec![];
    if let Some(Err(message)) = write.request.as_deref().map(check_key) {
        mistakes.push(Mistake::at("/idempotency_key", message));
    }
    if let Some(value) = &write.value {
        if value.as_str().len() > STATE_VALUE_BYTES {
            let size = value.as_str().len();
            return Err(Error::TooLarge(format!(
                "the value has {size} bytes; a value of shared state has at most {STATE_VALUE_BYTES}"
            )));
        }
        if value.depth() > JSON_DEPTH {
            let message = format!("nested deeper than {JSON_DEPTH} levels");
            mistakes.push(Mistake::at("/value", message));
        }
    }
    mistakes.extend(span("/ttl_ms", write.ttl, HORIZON));
    mistakes.extend(word("/request_id", write.request.as_deref()));
    done(mistakes)
}

fn check_want(want: &Want) -> Result<()> {
    let mut mistakes = vec![];
    match want {
        Want::Acquire { holder, lease } => {
            mistakes.extend(word("/holder", Some(holder)));
            mistakes.extend(span("/lease_ms", Some(*lease), LOCK_LEASE));
        }
        Want::Renew { lease, .. } => mistakes.extend(span("/lease_ms", Some(*lease), LOCK_LEASE)),
        Want::Release { .. } => {}
    }
    done(mistakes)
}

fn done(mistakes: Vec<Mistake>) -> Result<()> {
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(mistakes)),
    }
}

fn span(place: &str, given: Option<Duration>, most: Duration) -> Option<Mistake> {
    let good = Duration::from_millis(1)..=most;
    let wrong = given.is_some_and(|span| !good.contains(&span));
    let most = format_span(most);
    wrong.then(|| Mistake::at(place, format!("must be from 1 ms to {most}")))
}

fn word(place: &str, given: Option<&str>) -> Option<Mistake> {
    let good = |word: &str| {
        (1..=STATE_WORD_CHARS).contains(&word.chars().count())
            && word.chars().all(|c| !c.is_control())
    };
    let wrong = given.is_some_and(|word| !good(word));
    wrong.then(|| {
        let message = format!("must be 1 to {STATE_WORD_CHARS} printable characters");
        Mistake::at(place, message)
    })
}

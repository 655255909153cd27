//! Shared state: versions in the order of the commits, expiry, snapshots by cursor, restores, locks.

use super::Harness;
use super::sample::{at, commit};
use std::time::Duration;
use warrener_backend::state::{StateOp, StatePage, StateQuery, Stated, Write};
use warrener_backend::store::Op;
use warrener_backend::{Committed, Store};
use warrener_model::event::Cursor;
use warrener_model::json::Json;
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::Want;
use warrener_model::state::{Act, Cause, Refusal};

pub(super) fn space() -> Space {
    Space::new("team").expect("a space")
}

fn key(name: &str) -> StateKey {
    StateKey::new(name).expect("a key")
}

fn json(n: i64) -> Json {
    Json::of(&n).expect("a number")
}

pub(super) fn set(name: &str, n: i64) -> Write {
    Write {
        space: space(),
        key: key(name),
        act: Act::Set {
            value: json(n),
            expires_at: None,
        },
        expect: None,
        fence: None,
        now: at(0),
        actor: "user:ann".into(),
        request: None,
    }
}

fn delete(name: &str) -> Write {
    Write {
        act: Act::Delete,
        ..set(name, 0)
    }
}

pub(super) async fn ask(store: &dyn Store, op: StateOp) -> Result<Stated, Refusal> {
    match commit(store, Op::State(op)).await {
        Committed::Done { mut stated, .. } => Ok(stated.remove(0)),
        Committed::Refused(why) => Err(why),
        other => panic!("a store answered {other:?}"),
    }
}

pub(super) async fn write(store: &dyn Store, write: Write) -> Result<u64, Refusal> {
    match ask(store, StateOp::Write(Box::new(write))).await? {
        Stated::Written { version, .. } => Ok(version),
        other => panic!("a store answered {other:?}"),
    }
}

async fn list(store: &dyn Store, prefix: &str, then: Option<Cursor>) -> StatePage {
    let query = StateQuery::List {
        space: space(),
        prefix: prefix.into(),
        after: None,
        then,
        limit: 100,
    };
    store.state_page(query).await.expect("a list")
}

fn values(page: &StatePage) -> Vec<(String, i64)> {
    let value = |one: &Json| one.value().as_i64().expect("a number");
    let items = page.items.iter();
    items
        .map(|one| (one.key.to_string(), one.value.as_ref().map_or(-1, value)))
        .collect()
}

async fn changes(store: &dyn Store, after: Cursor, limit: usize) -> StatePage {
    let query = StateQuery::Changes {
        space: Some(space()),
        prefix: String::new(),
        after,
        limit,
    };
    store.state_page(query).await.expect("changes")
}

/// With everything it was written with, after a reopening; of a deleted key the numbers go on.
pub async fn versions_grow_for_ever<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(write(&*store, set("a", 1)).await, Ok(1));
    assert_eq!(write(&*store, delete("a")).await, Ok(2));
    assert_eq!(write(&*store, delete("a")).await, Err(Refusal::Absent));
    let gone = store.state_get(space(), key("a")).await.expect("a read");
    assert_eq!(gone, None);
    let last = Write {
        now: at(7),
        act: Act::Set {
            value: json(3),
            expires_at: Some(at(900)),
        },
        ..set("a", 3)
    };
    assert_eq!(write(&*store, last).await, Ok(3));
    let store = h.reopen().await;
    let found = store.state_get(space(), key("a")).await.expect("a read");
    let found = found.expect("a value");
    assert_eq!(
        (found.version, found.at, found.cause),
        (3, at(7), Cause::Set)
    );
    assert_eq!(found.actor, "user:ann");
    assert_eq!(
        (found.value, found.expires_at),
        (Some(json(3)), Some(at(900)))
    );
    let history = StateQuery::History {
        space: space(),
        key: key("a"),
        before: None,
        limit: 2,
    };
    let history = store.state_page(history).await.expect("its history");
    let causes: Vec<_> = history.items.iter().map(|v| (v.version, v.cause)).collect();
    assert_eq!(causes, [(3, Cause::Set), (2, Cause::Deleted)]);
}

/// However many add at once, each having read what it expects: nothing is lost, and each version is there once, in order.
pub async fn of_those_that_expect_one_version_one_writes<H: Harness>(h: H) {
    const WRITERS: i64 = 8;
    const EACH: i64 = 25;
    let store = h.open().await;
    let add = |_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                loop {
                    let now = store.state_get(space(), key("n")).await.expect("a read");
                    let expect = now.as_ref().map_or(0, |now| now.version);
                    let n = now.and_then(|now| now.value?.value().as_i64()).unwrap_or(0);
                    let next = Write {
                        expect: Some(expect),
                        ..set("n", n + 1)
                    };
                    match write(&*store, next).await {
                        Ok(_) => break,
                        Err(Refusal::Version(found)) => assert!(found > expect),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        })
    };
    for writer in (0..WRITERS).map(add).collect::<Vec<_>>() {
        writer.await.expect("a writer");
    }
    let mut after = Cursor(0);
    let mut seen = vec![];
    loop {
        let page = changes(&*store, after, 7).await;
        if page.items.is_empty() {
            break;
        }
        seen.extend(page.items.iter().map(|one| one.version));
        after = page.at;
    }
    let all: Vec<u64> = (1..=(WRITERS * EACH).unsigned_abs()).collect();
    assert_eq!(seen, all);
    let end = values(&list(&*store, "", None).await);
    assert_eq!(end, [("n".to_owned(), WRITERS * EACH)]);
}

/// The same request has the answer of the first, also after others wrote; another write under its id is refused.
pub async fn a_request_that_comes_twice_writes_once<H: Harness>(h: H) {
    let store = h.open().await;
    let request = Write {
        request: Some("r-1".into()),
        expect: Some(0),
        ..set("a", 1)
    };
    assert_eq!(write(&*store, request.clone()).await, Ok(1));
    assert_eq!(write(&*store, set("a", 2)).await, Ok(2));
    for act in [
        Act::Delete,
        Act::Set {
            value: json(9),
            expires_at: None,
        },
    ] {
        let other = Write {
            act,
            ..request.clone()
        };
        assert_eq!(write(&*store, other).await, Err(Refusal::Request(1)));
    }
    assert_eq!(write(&*store, request).await, Ok(1));
    assert_eq!(values(&list(&*store, "", None).await), [("a".into(), 2)]);
}

/// As tombstones, those that are over only; a write that comes before makes the tombstone itself.
pub async fn what_is_over_becomes_a_tombstone<H: Harness>(h: H) {
    let store = h.open().await;
    let until = |name: &str, ms| Write {
        act: Act::Set {
            value: json(1),
            expires_at: Some(at(ms)),
        },
        ..set(name, 1)
    };
    for (name, ms) in [("a", 10), ("b", 20), ("c", 30)] {
        assert_eq!(write(&*store, until(name, ms)).await, Ok(1));
    }
    assert_eq!(store.state_next_over().await.expect("a time"), Some(at(10)));
    let late = Write {
        expect: Some(0),
        now: at(20),
        ..set("b", 2)
    };
    assert_eq!(write(&*store, late).await, Ok(3));
    let expire = StateOp::Expire {
        now: at(25),
        limit: 100,
    };
    assert_eq!(ask(&*store, expire.clone()).await, Ok(Stated::Many(1)));
    assert_eq!(ask(&*store, expire).await, Ok(Stated::Many(0)));
    assert_eq!(store.state_next_over().await.expect("a time"), Some(at(30)));
    let left = values(&list(&*store, "", None).await);
    assert_eq!(left, [("b".into(), 2), ("c".into(), 1)]);
    let page = changes(&*store, Cursor(3), 100).await;
    let causes: Vec<_> = page
        .items
        .iter()
        .map(|v| (v.key.as_str(), v.version, v.cause))
        .collect();
    assert_eq!(
        causes,
        [
            ("b", 2, Cause::Expired),
            ("b", 3, Cause::Set),
            ("a", 2, Cause::Expired)
        ]
    );
}

/// A list says of which moment it is; the same moment can be listed later, and made the present again.
pub async fn a_space_becomes_what_it_was_by_new_versions<H: Harness>(h: H) {
    let store = h.open().await;
    for (name, n) in [("a.1", 1), ("a.2", 2), ("b", 3)] {
        write(&*store, set(name, n)).await.expect("a write");
    }
    let then = list(&*store, "", None).await;
    assert_eq!(then.at, Cursor(3));
    write(&*store, set("a.1", 9)).await.expect("a write");
    write(&*store, delete("a.2")).await.expect("a write");
    write(&*store, set("new", 4)).await.expect("a write");
    let now = values(&list(&*store, "a.", None).await);
    assert_eq!(now, [("a.1".into(), 9)]);
    assert_eq!(list(&*store, "", Some(then.at)).await.items, then.items);
    let restore = |then| StateOp::Restore {
        space: space(),
        then,
        now: at(50),
        actor: "user:ann".into(),
    };
    assert_eq!(ask(&*store, restore(then.at)).await, Ok(Stated::Many(3)));
    assert_eq!(ask(&*store, restore(then.at)).await, Ok(Stated::Many(0)));
    assert_eq!(values(&list(&*store, "", None).await), values(&then));
    let page = changes(&*store, Cursor(6), 100).await;
    let made: Vec<_> = page
        .items
        .iter()
        .map(|v| (v.key.as_str(), v.version, v.cause))
        .collect();
    let restored = Cause::Restored;
    assert_eq!(
        made,
        [
            ("a.1", 3, restored),
            ("a.2", 3, restored),
            ("new", 2, restored)
        ]
    );
    let ahead = ask(&*store, restore(Cursor(99))).await;
    assert_eq!(ahead, Err(Refusal::Forgotten));
}

/// What was replaced long ago goes, the newest of each key stays, and whoever asks for what is gone is told.
pub async fn old_versions_are_forgotten<H: Harness>(h: H) {
    let store = h.open().await;
    for (name, ms) in [("a", 1), ("b", 2), ("a", 3), ("a", 40)] {
        let write_at = Write {
            now: at(ms),
            ..set(name, ms)
        };
        write(&*store, write_at).await.expect("a write");
    }
    let forget = StateOp::Forget {
        before: at(10),
        limit: 100,
    };
    assert_eq!(ask(&*store, forget.clone()).await, Ok(Stated::Many(3)));
    assert_eq!(ask(&*store, forget).await, Ok(Stated::Many(0)));
    let page = changes(&*store, Cursor(0), 100).await;
    assert_eq!(page.forgotten, Cursor(3));
    let left: Vec<_> = page
        .items
        .iter()
        .map(|v| (v.key.as_str(), v.version))
        .collect();
    assert_eq!(left, [("b", 1), ("a", 2), ("a", 3)]);
    let restore = StateOp::Restore {
        space: space(),
        then: Cursor(2),
        now: at(50),
        actor: "user:ann".into(),
    };
    assert_eq!(ask(&*store, restore).await, Err(Refusal::Forgotten));
}

/// One holder at a time, over a reopening too; whoever had it before writes nothing more under its number.
pub async fn a_lock_has_one_holder_and_fences_the_others<H: Harness>(h: H) {
    let store = h.open().await;
    let lock = |want, ms| StateOp::Lock {
        space: space(),
        name: key("door"),
        want,
        now: at(ms),
    };
    let acquire = |holder: &str| Want::Acquire {
        holder: holder.into(),
        lease: Duration::from_millis(10),
    };
    let token = |done| match done {
        Ok(Stated::Lock(lock)) => lock.token,
        other => panic!("no lock: {other:?}"),
    };
    assert_eq!(token(ask(&*store, lock(acquire("ann"), 0)).await), 1);
    let held = ask(&*store, lock(acquire("bob"), 9)).await;
    let until = at(10);
    let holder = "ann".into();
    assert_eq!(held, Err(Refusal::Held { holder, until }));
    let store = h.reopen().await;
    assert_eq!(token(ask(&*store, lock(acquire("bob"), 10)).await), 2);
    let fenced = |token| Write {
        fence: Some((key("door"), token)),
        ..set("a", 1)
    };
    assert_eq!(write(&*store, fenced(1)).await, Err(Refusal::Fenced(2)));
    assert_eq!(write(&*store, fenced(2)).await, Ok(1));
    let renew = |token| Want::Renew {
        token,
        lease: Duration::from_millis(10),
    };
    let late = ask(&*store, lock(renew(1), 11)).await;
    assert_eq!(late, Err(Refusal::NotHeld));
    assert_eq!(token(ask(&*store, lock(renew(2), 11)).await), 2);
    let release = Want::Release { token: 2 };
    assert_eq!(token(ask(&*store, lock(release, 12)).await), 2);
    let free = store
        .state_lock(space(), key("door"))
        .await
        .expect("a lock");
    assert_eq!((free.token, free.held), (2, None));
    assert_eq!(token(ask(&*store, lock(acquire("ann"), 12)).await), 3);
}

/// Together with other rows of its change, or not at all.
pub async fn a_refused_write_takes_its_whole_change_back<H: Harness>(h: H) {
    let store = h.open().await;
    let expect = Write {
        expect: Some(5),
        ..set("b", 1)
    };
    let ops = [set("a", 1), expect].map(|write| Op::State(StateOp::Write(Box::new(write))));
    let change = warrener_backend::Change { ops: ops.into() };
    let refused = commit(&*store, change).await;
    assert_eq!(refused, Committed::Refused(Refusal::Version(0)));
    assert_eq!(values(&list(&*store, "", None).await), []);
}

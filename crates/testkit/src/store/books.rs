//! The ledger: what was accepted is counted apart from what is there, so that a loss would show.

use super::Harness;
use super::sample::{accept, at, commit, done, ended, happen, key, submit, task};
use warrener_backend::query::Ledger;
use warrener_backend::store::Purge;
use warrener_backend::{Change, Committed, Store};
use warrener_model::life::{Event, State};

async fn ledger(store: &dyn Store) -> Ledger {
    let mut ledger = store.ledger().await.expect("a ledger");
    ledger.found.retain(|(_, count)| *count > 0);
    ledger.found.sort();
    ledger
}

/// A duplicate is no second task, a refused change none at all; moves change nothing of it; it is durable.
pub async fn what_is_accepted_is_counted_once_and_for_good<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(ledger(&*store).await, Ledger::default());
    let tasks = [task(), task()];
    submit(&*store, &tasks).await;
    let keyed = task();
    done(&*store, accept(&keyed, Some(key("k", 1)))).await;
    done(&*store, accept(&task(), Some(key("k", 1)))).await;
    let ops = vec![accept(&task(), None), accept(&task(), Some(key("k", 2)))];
    let answer = commit(&*store, Change { ops }).await;
    assert!(matches!(answer, Committed::KeyTaken { index: 1, .. }));
    let answer = commit(&*store, accept(&tasks[0], None)).await;
    assert_eq!(answer, Committed::Conflict);
    happen(&*store, tasks[0].id, &Event::Cancel, 5, None).await;
    let expected = Ledger {
        accepted: 3,
        purged: 0,
        found: vec![(State::Ready, 2), (State::Cancelled, 1)],
    };
    assert_eq!(ledger(&*store).await, expected);
    drop(store);
    assert_eq!(ledger(&*h.reopen().await).await, expected);
}

/// Accepted stays, purged grows, and the difference is what is there.
pub async fn what_is_forgotten_is_counted_apart<H: Harness>(h: H) {
    let store = h.open().await;
    let mut old = [task(), task(), task()];
    for one in &mut old[..2] {
        one.life = ended(State::Succeeded, 10);
    }
    submit(&*store, &old).await;
    let purge = Purge {
        finished_before: at(20),
        dead_before: at(20),
        keys_before: at(20),
        limit: 1_000,
    };
    assert_eq!(store.purge(purge).await.expect("a purge"), 2);
    let expected = Ledger {
        accepted: 3,
        purged: 2,
        found: vec![(State::Ready, 1)],
    };
    assert_eq!(ledger(&*store).await, expected);
}

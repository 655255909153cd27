//! What stays when a store is closed and opened again; what a closed one says.

use super::Harness;
use super::agents::agent;
use super::sample::{PATIENCE, accept, assign, at, done, happen, key, lane, submit, task};
use std::time::Duration;
use tokio::task::JoinSet;
use warrener_backend::store::{LaneSettings, Op};
use warrener_backend::{Change, Error, Query};
use warrener_model::event::Cursor;

/// Tasks, history, keys, agents, lanes, counts.
pub async fn everything_is_there_after_it_was_opened_again<H: Harness>(h: H) {
    let store = h.open().await;
    let one = task();
    let settings = LaneSettings {
        lane: lane("a"),
        paused: true,
        reason: Some("a reason".into()),
        since: Some(at(5)),
    };
    let ops = vec![
        accept(&one, Some(key("k", 1))),
        Op::Agent(Box::new(agent("one"))),
        Op::Lane(settings.clone()),
    ];
    done(&*store, Change { ops }).await;
    let moved = happen(&*store, one.id, &assign("one"), 1, None).await;
    let events = store.events(Cursor(0), None, 10).await.expect("events");
    let counts = store.counts().await.expect("counts");
    drop(store);
    let store = h.reopen().await;
    assert_eq!(store.tasks(&[one.id]).await.expect("a read"), [Some(moved)]);
    assert_eq!(
        store.events(Cursor(0), None, 10).await.expect("events"),
        events
    );
    assert_eq!(*store.changed().borrow(), events[1].cursor);
    assert_eq!(store.counts().await.expect("counts"), counts);
    assert_eq!(store.agents().await.expect("agents"), [agent("one")]);
    assert_eq!(store.lanes().await.expect("lanes"), [settings]);
    let again = done(&*store, accept(&task(), Some(key("k", 1)))).await;
    assert_eq!((again[0].task, again[0].existing), (one.id, true));
}

/// And another store has another one.
pub async fn a_store_keeps_its_id<H: Harness>(h: H) {
    let id = h.open().await.id();
    assert_eq!(h.reopen().await.id(), id);
    let other = H::start().await;
    assert_ne!(other.open().await.id(), id);
}

/// Every method, without hanging.
pub async fn a_closed_store_answers_that_it_is<H: Harness>(h: H) {
    let store = h.open().await;
    submit(&*store, &[task()]).await;
    store.close(PATIENCE).await.expect("closed");
    let away = |error| matches!(error, Some(Error::Unavailable { .. }));
    assert!(away(store.commit(vec![]).await.err()));
    assert!(away(store.tasks(&[]).await.err()));
    assert!(away(store.query(Query::Held).await.err()));
    assert!(away(store.events(Cursor(0), None, 1).await.err()));
    assert!(away(store.now().await.err()));
    store
        .close(Duration::ZERO)
        .await
        .expect("closed twice is closed");
}

/// Nobody is left without an answer, and whoever heard yes is right.
pub async fn what_was_handed_over_before_closing_is_answered<H: Harness>(h: H) {
    let store = h.open().await;
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        callers.spawn(async move {
            let one = task();
            let answer = store.commit(vec![accept(&one, None).into()]).await;
            answer.is_ok().then_some(one.id)
        });
    }
    tokio::task::yield_now().await;
    store.close(PATIENCE).await.expect("closed");
    let answers = callers.join_all().await;
    drop(store);
    let store = h.reopen().await;
    let ids: Vec<_> = answers.into_iter().flatten().collect();
    let found = store.tasks(&ids).await.expect("a read");
    assert!(found.iter().all(Option::is_some));
}

/// However often it is asked.
pub async fn time_never_goes_back<H: Harness>(h: H) {
    let store = h.open().await;
    let mut last = store.now().await.expect("a time");
    for _ in 0..1_000 {
        let now = store.now().await.expect("a time");
        assert!(now >= last);
        last = now;
    }
}

//! History: whole, in order, without gaps for whoever follows.

use super::Harness;
use super::sample::{PATIENCE, accept, after, assign, done, event, happen, id, submit, task, to};
use std::collections::BTreeSet;
use tokio::task::JoinSet;
use tokio::time::timeout;
use warrener_backend::store::{Move, Op};
use warrener_model::event::{Cursor, EventKind, TaskEvent};
use warrener_model::life::Event;

/// Every field of every row.
pub async fn history_of_a_task_is_as_it_was_written<H: Harness>(h: H) {
    let store = h.open().await;
    let (one, other) = (task(), task());
    submit(&*store, &[one.clone(), other]).await;
    let life = after(&one.life, &assign("one"), 5).life;
    let mut row = event(&life, EventKind::Started);
    row.actor = "user:ann".into();
    row.detail = serde_json::json!({"reason": "\u{1F407} 'quoted'", "n": [1, null]});
    let op = Move {
        task: one.id,
        version: 1,
        lease_seq: 0,
        life,
        event: Some(row.clone()),
        ending: None,
        input: None,
    };
    done(&*store, Op::Move(Box::new(op))).await;
    let found = store
        .events(Cursor(0), Some(one.id), 10)
        .await
        .expect("events");
    let events: Vec<_> = found.iter().map(|e| e.event.clone()).collect();
    assert_eq!(events, [event(&one.life, EventKind::Submitted), row]);
    assert!(found.iter().all(|e| e.task == one.id));
    let nobody = store.events(Cursor(0), Some(id()), 10).await;
    assert_eq!(nobody.expect("events"), []);
}

/// From where the last piece ended, of all tasks and of one.
pub async fn history_is_read_in_pieces<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = [task(), task(), task()];
    submit(&*store, &tasks).await;
    for one in &tasks {
        happen(&*store, one.id, &Event::Offer, 1, None).await;
    }
    let pieces = async |of, size| {
        let mut all: Vec<TaskEvent> = vec![];
        loop {
            let after = all.last().map_or(Cursor(0), |e| e.cursor);
            let piece = store.events(after, of, size).await.expect("events");
            if piece.is_empty() {
                return all;
            }
            assert!(piece.len() <= size);
            all.extend(piece);
            assert!(all.len() <= 100, "the pieces do not end");
        }
    };
    let whole = store.events(Cursor(0), None, 100).await.expect("events");
    assert_eq!(whole.len(), 6);
    assert!(whole.is_sorted_by(|a, b| a.cursor < b.cursor));
    assert_eq!(pieces(None, 1).await, whole);
    assert_eq!(pieces(None, 4).await, whole);
    let of_one: Vec<_> = whole
        .into_iter()
        .filter(|e| e.task == tasks[1].id)
        .collect();
    assert_eq!(pieces(Some(tasks[1].id), 1).await, of_one);
    assert_eq!(of_one.len(), 2);
}

/// A reader that goes on from its cursor, while many write, sees each row once, in the order of the whole.
pub async fn a_follower_of_many_writers_misses_nothing<H: Harness>(h: H) {
    const WRITERS: usize = 8;
    const TASKS: usize = 40;
    let store = h.open().await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..TASKS {
                let one = task();
                done(&*store, accept(&one, None)).await;
                let life = after(&one.life, &Event::Cancel, 1).life;
                done(&*store, to(&one, life, EventKind::Cancelled, None)).await;
            }
        });
    }
    let mut changed = store.changed();
    let mut seen: Vec<TaskEvent> = vec![];
    let follow = async {
        while seen.len() < WRITERS * TASKS * 2 {
            changed.borrow_and_update();
            let after = seen.last().map_or(Cursor(0), |e| e.cursor);
            let piece = store.events(after, None, 7).await.expect("events");
            if piece.is_empty() {
                changed.changed().await.expect("the store is open");
            }
            seen.extend(piece);
        }
    };
    timeout(PATIENCE, follow).await.expect("every row in time");
    writers.join_all().await;
    assert!(seen.is_sorted_by(|a, b| a.cursor < b.cursor));
    let whole = store.events(Cursor(0), None, 10_000).await.expect("events");
    assert_eq!(seen, whole);
    let ended: BTreeSet<_> = whole
        .iter()
        .filter(|e| e.event.kind == EventKind::Cancelled)
        .map(|e| e.task)
        .collect();
    assert_eq!(ended.len(), WRITERS * TASKS);
}

/// After each commit, with the newest cursor.
pub async fn whoever_watches_is_woken<H: Harness>(h: H) {
    let store = h.open().await;
    let mut changed = store.changed();
    assert_eq!(*changed.borrow_and_update(), Cursor(0));
    for n in 1..=3 {
        submit(&*store, &[task()]).await;
        let newest = async {
            loop {
                changed.changed().await.expect("the store is open");
                let events = store.events(Cursor(0), None, 100).await.expect("events");
                if *changed.borrow() == events[events.len() - 1].cursor {
                    return events.len();
                }
            }
        };
        assert_eq!(timeout(PATIENCE, newest).await.expect("a wake"), n);
    }
}

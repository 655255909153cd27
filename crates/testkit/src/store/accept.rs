//! Accepting: a task is there whole, and a key makes it once.

use super::Harness;
use super::sample::{accept, commit, done, id, key, kind, lane, read, submit, task};
use std::time::Duration;
use tokio::task::JoinSet;
use warrener_backend::store::Accepted;
use warrener_backend::{Change, Committed};
use warrener_model::event::Cursor;
use warrener_model::json::Json;
use warrener_model::retry::Override;
use warrener_model::{Class, Priority};

/// Every field, text of every sort, JSON as it was written.
pub async fn a_task_comes_back_as_it_was_accepted<H: Harness>(h: H) {
    let store = h.open().await;
    let mut full = task();
    full.spec.kind = kind("code.review");
    full.spec.lane = lane("backend");
    full.spec.priority = Priority::Critical;
    full.spec.title = "Grüße, 世界 \u{0} '); DROP TABLE task; --".into();
    full.spec.description = "two\nlines".repeat(1_000);
    full.spec.input = Json::parse(format!(
        "{{ \"b\": 1.50, \"a\": \"{}\" }}",
        "x".repeat(200_000)
    ))
    .expect("json");
    full.spec.labels = [("batch", "42"), ("empty", ""), ("ü", "'\"%_")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    full.spec.timeout = Some(Duration::from_millis(1_500));
    let retry = Override {
        retries: Some(2),
        base_ms: Some(10),
        ..Override::default()
    };
    full.spec.retry = [(Class::Network, retry)].into();
    full.spec.parent = Some(id());
    full.spec.run = Some("run-1".into());
    full.spec.step = Some("build".into());
    full.life.epoch = u64::from(u32::MAX) + 7;
    let plain = task();
    submit(&*store, &[full.clone(), plain.clone()]).await;
    assert_eq!(read(&*store, full.id).await, full);
    assert_eq!(read(&*store, plain.id).await, plain);
}

/// One answer for each id, whatever is asked.
pub async fn tasks_come_in_the_order_asked_and_those_not_there_as_none<H: Harness>(h: H) {
    let store = h.open().await;
    let (one, two, nobody) = (task(), task(), id());
    submit(&*store, &[one.clone(), two.clone()]).await;
    let found = store
        .tasks(&[two.id, nobody, one.id, two.id])
        .await
        .expect("a read");
    assert_eq!(found, [Some(two.clone()), None, Some(one), Some(two)]);
    assert_eq!(store.tasks(&[]).await.expect("a read"), []);
}

/// Twice the same request is one task.
pub async fn the_same_request_under_its_key_names_the_task_that_is_there<H: Harness>(h: H) {
    let store = h.open().await;
    let (first, again) = (task(), task());
    let one = done(&*store, accept(&first, Some(key("k", 1)))).await;
    let two = done(&*store, accept(&again, Some(key("k", 1)))).await;
    let answer = |existing| Accepted {
        task: first.id,
        existing,
    };
    assert_eq!((one, two), (vec![answer(false)], vec![answer(true)]));
    assert_eq!(store.tasks(&[again.id]).await.expect("a read"), [None]);
    let events = store.events(Cursor(0), None, 10).await.expect("events");
    assert_eq!(events.len(), 1, "nothing happened the second time");
}

/// The task that has the key is named, with the place of the accept.
pub async fn a_key_of_another_request_refuses_the_change<H: Harness>(h: H) {
    let store = h.open().await;
    let (owner, new, other) = (task(), task(), task());
    done(&*store, accept(&owner, Some(key("k", 1)))).await;
    let ops = vec![accept(&new, None), accept(&other, Some(key("k", 2)))];
    let answer = commit(&*store, Change { ops }).await;
    let taken = Committed::KeyTaken {
        index: 1,
        task: owner.id,
    };
    assert_eq!(answer, taken);
    let found = store.tasks(&[new.id, other.id]).await.expect("a read");
    assert_eq!(found, [None, None]);
    // What was refused has not used up a key.
    done(&*store, accept(&other, Some(key("other", 2)))).await;
}

/// Within a change, too, a key stands for one task.
pub async fn a_key_twice_in_one_change_makes_one_task<H: Harness>(h: H) {
    let store = h.open().await;
    let (first, second, third) = (task(), task(), task());
    let ops = vec![
        accept(&first, Some(key("k", 1))),
        accept(&second, Some(key("k", 1))),
        accept(&third, None),
    ];
    let accepted = done(&*store, Change { ops }).await;
    let expected = [(first.id, false), (first.id, true), (third.id, false)];
    assert_eq!(
        accepted,
        expected.map(|(task, existing)| Accepted { task, existing })
    );
}

/// An id is never given to a second task.
pub async fn an_id_that_is_there_is_a_conflict<H: Harness>(h: H) {
    let store = h.open().await;
    let first = task();
    submit(&*store, std::slice::from_ref(&first)).await;
    let mut second = task();
    second.id = first.id;
    second.spec.title = "another".into();
    let answer = commit(&*store, accept(&second, None)).await;
    assert_eq!(answer, Committed::Conflict);
    assert_eq!(read(&*store, first.id).await, first);
}

/// Callers at the same time, one task.
pub async fn of_many_callers_with_one_key_one_makes_the_task<H: Harness>(h: H) {
    let store = h.open().await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        callers.spawn(async move { done(&*store, accept(&task(), Some(key("k", 1)))).await[0] });
    }
    let answers = callers.join_all().await;
    let made: Vec<_> = answers.iter().filter(|one| !one.existing).collect();
    assert_eq!(made.len(), 1);
    assert!(answers.iter().all(|one| one.task == made[0].task));
}

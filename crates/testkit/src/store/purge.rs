//! Forgetting: what is old goes whole, what is not stays.

use super::Harness;
use super::sample::{accept, at, done, ended, key, submit, task};
use warrener_backend::store::{LogChunk, Op, Purge};
use warrener_backend::{Change, Store};
use warrener_model::Task;
use warrener_model::event::Cursor;
use warrener_model::filter::Filter;
use warrener_model::life::State;

fn over(state: State, ms: i64) -> Task {
    let mut task = task();
    task.life = ended(state, ms);
    task
}

fn before(finished: i64, dead: i64, keys: i64) -> Purge {
    Purge {
        finished_before: at(finished),
        dead_before: at(dead),
        keys_before: at(keys),
        limit: 1_000,
    }
}

async fn there(store: &dyn Store, tasks: &[Task]) -> Vec<bool> {
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let found = store.tasks(&ids).await.expect("a read");
    found.iter().map(Option::is_some).collect()
}

/// History, log, labels, counts.
pub async fn old_tasks_go_with_all_that_is_theirs<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks = [over(State::Succeeded, 10), over(State::Failed, 20)];
    for one in &mut tasks {
        one.spec.labels.insert("batch".into(), "42".into());
        let log = LogChunk {
            task: one.id,
            attempt: 1,
            at: at(1),
            stream: "stderr".into(),
            text: "text".into(),
        };
        let ops = vec![accept(one, None), Op::Log(log)];
        done(&*store, Change { ops }).await;
    }
    assert_eq!(store.purge(before(20, 0, 0)).await.expect("a purge"), 1);
    assert_eq!(there(&*store, &tasks).await, [false, true]);
    let events = store.events(Cursor(0), None, 10).await.expect("events");
    assert_eq!(
        events.iter().map(|e| e.task).collect::<Vec<_>>(),
        [tasks[1].id]
    );
    assert_eq!(
        store.logs(tasks[0].id, None, 0, 10).await.expect("logs"),
        []
    );
    assert_eq!(
        store
            .logs(tasks[1].id, None, 0, 10)
            .await
            .expect("logs")
            .len(),
        1
    );
    let filter = Filter::parse("label.batch:42").expect("a filter");
    assert_eq!(
        store.count_where(filter, at(0), 10).await.expect("a count"),
        1
    );
    let counts = store.counts().await.expect("counts");
    let left: Vec<_> = counts
        .iter()
        .filter(|c| c.count > 0)
        .map(|c| (c.state, c.count))
        .collect();
    assert_eq!(left, [(State::Failed, 1)]);
}

/// Two ages, and none for what is open.
pub async fn dead_tasks_and_open_ones_stay_longer<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = [
        over(State::Cancelled, 10),
        over(State::Expired, 10),
        over(State::Dead, 10),
        over(State::Dead, 30),
        task(),
    ];
    submit(&*store, &tasks).await;
    assert_eq!(store.purge(before(50, 5, 0)).await.expect("a purge"), 2);
    assert_eq!(
        there(&*store, &tasks).await,
        [false, false, true, true, true]
    );
    assert_eq!(store.purge(before(50, 20, 0)).await.expect("a purge"), 1);
    assert_eq!(
        there(&*store, &tasks).await,
        [false, false, false, true, true]
    );
    assert_eq!(store.purge(before(50, 20, 0)).await.expect("a purge"), 0);
}

/// Call again while it is the limit.
pub async fn a_call_forgets_no_more_than_its_limit<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks: Vec<_> = (0..450).map(|_| over(State::Succeeded, 10)).collect();
    submit(&*store, &tasks).await;
    let mut purge = before(20, 20, 0);
    purge.limit = 220;
    let mut went = vec![];
    for _ in 0..3 {
        went.push(store.purge(purge).await.expect("a purge"));
    }
    assert_eq!(went, [220, 220, 10]);
}

/// So that a request that comes again late is not done twice.
pub async fn a_key_outlives_its_task_for_a_while<H: Harness>(h: H) {
    let store = h.open().await;
    let (old, open) = (over(State::Succeeded, 10), task());
    done(&*store, accept(&old, Some(key("old", 1)))).await;
    done(&*store, accept(&open, Some(key("open", 1)))).await;
    store.purge(before(20, 20, 0)).await.expect("a purge");
    let again = done(&*store, accept(&task(), Some(key("old", 1)))).await;
    assert_eq!((again[0].task, again[0].existing), (old.id, true));
    // The key is as old as its task; that of a task that is there is kept however old.
    store.purge(before(20, 20, 1)).await.expect("a purge");
    let again = done(&*store, accept(&task(), Some(key("old", 2)))).await;
    assert!(!again[0].existing);
    let again = done(&*store, accept(&task(), Some(key("open", 1)))).await;
    assert_eq!((again[0].task, again[0].existing), (open.id, true));
}

/// Whoever has a cursor sees everything that comes after it, also when the newest rows went, and over a restart.
pub async fn no_cursor_is_given_twice<H: Harness>(h: H) {
    let store = h.open().await;
    submit(&*store, &[over(State::Succeeded, 10)]).await;
    let events = store.events(Cursor(0), None, 10).await.expect("events");
    let seen = events[0].cursor;
    assert_eq!(store.purge(before(20, 20, 20)).await.expect("a purge"), 1);
    drop(store);
    let store = h.reopen().await;
    assert!(*store.changed().borrow() >= seen);
    submit(&*store, &[task()]).await;
    let events = store.events(seen, None, 10).await.expect("events");
    assert_eq!(events.len(), 1);
}

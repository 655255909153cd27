//! Changes together: atomic each, in order, sharing a flush.

use super::Harness;
use super::sample::{accept, after, assign, commit, done, key, read, submit, task, to};
use tokio::task::JoinSet;
use warrener_backend::store::{LaneSettings, Op};
use warrener_backend::{Change, Committed};
use warrener_model::State;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::limits;

/// What came before the refused row is taken back: tasks, history, counts, lanes, keys.
pub async fn a_change_happens_whole_or_not_at_all<H: Harness>(h: H) {
    let store = h.open().await;
    let (old, new) = (task(), task());
    submit(&*store, std::slice::from_ref(&old)).await;
    let life = after(&old.life, &assign("one"), 1).life;
    let mut stale = old.clone();
    stale.version = 9;
    let ops = vec![
        accept(&new, Some(key("k", 1))),
        to(&old, life.clone(), EventKind::Started, None),
        Op::Lane(LaneSettings {
            lane: old.spec.lane.clone(),
            paused: true,
            reason: None,
            since: None,
        }),
        to(&stale, life, EventKind::Started, None),
    ];
    assert_eq!(commit(&*store, Change { ops }).await, Committed::Conflict);
    assert_eq!(store.tasks(&[new.id]).await.expect("a read"), [None]);
    assert_eq!(read(&*store, old.id).await, old);
    assert_eq!(store.lanes().await.expect("lanes"), []);
    let events = store.events(Cursor(0), None, 10).await.expect("events");
    assert_eq!(events.len(), 1);
    let counts = store.counts().await.expect("counts");
    assert_eq!(
        (counts.len(), counts[0].state, counts[0].count),
        (1, State::Ready, 1)
    );
    let accepted = done(&*store, accept(&new, Some(key("k", 2)))).await;
    assert!(!accepted[0].existing, "the key was not used up");
}

/// One that is refused leaves the others alone.
pub async fn changes_of_one_call_stand_each_by_itself<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = [task(), task(), task()];
    let mut stale = task();
    stale.version = 3;
    let broken = vec![
        accept(&tasks[1], None),
        to(&stale, stale.life.clone(), EventKind::Ready, None),
    ];
    let changes = vec![
        accept(&tasks[0], None).into(),
        Change { ops: broken },
        accept(&tasks[2], None).into(),
    ];
    let answers = store.commit(changes).await.expect("a commit");
    let happened = answers.map_done();
    assert_eq!(happened, [true, false, true]);
    let found = store
        .tasks(&tasks.each_ref().map(|t| t.id))
        .await
        .expect("a read");
    assert_eq!(found.map_some(), [true, false, true]);
}

/// In order: what the first accepts, the second moves.
pub async fn a_change_sees_those_before_it<H: Harness>(h: H) {
    let store = h.open().await;
    let one = task();
    let life = after(&one.life, &assign("one"), 1).life;
    let changes = vec![
        accept(&one, None).into(),
        to(&one, life.clone(), EventKind::Started, None).into(),
        to(&one, life, EventKind::Started, None).into(),
    ];
    let answers = store.commit(changes).await.expect("a commit");
    assert_eq!(answers.map_done(), [true, true, false]);
    assert_eq!(read(&*store, one.id).await.version, 2);
}

/// The largest batch that users may send.
pub async fn ten_thousand_tasks_are_accepted_in_one_change<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks: Vec<_> = (0..limits::BATCH_ITEMS).map(|_| task()).collect();
    submit(&*store, &tasks).await;
    let counts = store.counts().await.expect("counts");
    assert_eq!(counts[0].count, 10_000);
    let last = tasks.last().expect("tasks");
    assert_eq!(read(&*store, last.id).await, *last);
}

/// Sharing a flush mixes nothing up.
pub async fn callers_at_the_same_time_get_each_their_own_answer<H: Harness>(h: H) {
    let store = h.open().await;
    let mut callers = JoinSet::new();
    for n in 0..64_u8 {
        let store = store.clone();
        callers.spawn(async move {
            let one = task();
            let accepted = done(&*store, accept(&one, Some(key(&format!("k{n}"), n)))).await;
            assert_eq!((accepted[0].task, accepted[0].existing), (one.id, false));
            let mut stale = one.clone();
            stale.version = 1 + u64::from(n % 2);
            let life = after(&one.life, &assign("one"), 1).life;
            let answer = commit(&*store, to(&stale, life, EventKind::Started, None)).await;
            assert_eq!(answer == Committed::Conflict, n % 2 == 1);
        });
    }
    callers.join_all().await;
    let events = store.events(Cursor(0), None, 1_000).await.expect("events");
    assert_eq!(events.len(), 64 + 32);
}

/// No changes, or changes without operations.
pub async fn nothing_to_do_is_done<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(store.commit(vec![]).await.expect("a commit"), []);
    assert_eq!(done(&*store, Change::default()).await, []);
}

trait Happened {
    fn map_done(&self) -> Vec<bool>;
}

impl Happened for Vec<Committed> {
    fn map_done(&self) -> Vec<bool> {
        let done = |answer: &Committed| matches!(answer, Committed::Done { .. });
        self.iter().map(done).collect()
    }
}

trait Found {
    fn map_some(&self) -> Vec<bool>;
}

impl<T> Found for Vec<Option<T>> {
    fn map_some(&self) -> Vec<bool> {
        self.iter().map(Option::is_some).collect()
    }
}

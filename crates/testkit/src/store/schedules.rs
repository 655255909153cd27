//! Schedules: guarded rows, and a history of bounded length.

use super::Harness;
use super::sample::{accept, at, done, task};
use tokio::task::JoinSet;
use warrener_backend::schedule::{ScheduleOp, ScheduleQuery};
use warrener_backend::store::Op;
use warrener_backend::{Change, Committed, Store};
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{FIRINGS_KEPT, Outcome, Schedule, ScheduleRequest, Work};
use warrener_model::{TaskId, Timestamp};

fn name(text: &str) -> ScheduleName {
    ScheduleName::new(text).expect("a name")
}

/// One that is due every second, from the second of this time on.
fn schedule(text: &str, made: Timestamp) -> Schedule {
    let request = format!(
        r#"{{"name":"{text}","every_ms":1000,"overlap":"queue","task":{{"kind":"a","input":1e400}}}}"#
    );
    let request = ScheduleRequest::read(&request).expect("a request");
    request.check(made).expect("a schedule")
}

fn op(op: ScheduleOp) -> Op {
    Op::Schedule(Box::new(op))
}

async fn make(store: &dyn Store, text: &str) -> Schedule {
    let made = schedule(text, at(0));
    done(store, op(ScheduleOp::Create(made.clone()))).await;
    made
}

/// What a server does that looks at it at this time: the write, as it is to be committed.
fn fired(row: &Schedule, now: Timestamp) -> (Schedule, ScheduleOp) {
    let decision = row.look(now, false).expect("something is due");
    let decision = decision.started(Work::Task(TaskId::new(now, [7; 10])), now);
    let write = ScheduleOp::Write(decision.schedule.clone(), decision.firings);
    (decision.schedule, write)
}

async fn one(store: &dyn Store, text: &str) -> Option<Schedule> {
    let found = store.schedules(ScheduleQuery::One(name(text))).await;
    found.expect("an answer").pop()
}

/// With every digit of its input; those of other names are others.
pub async fn a_schedule_is_as_it_was_written_last<H: Harness>(h: H) {
    let store = h.open().await;
    let (b, a) = (make(&*store, "b").await, make(&*store, "a").await);
    let (a2, write) = fired(&a, at(1_500));
    done(&*store, op(write)).await;
    let store = h.reopen().await;
    let all = store.schedules(ScheduleQuery::All).await.expect("all");
    assert_eq!(all, [a2, b]);
    let rows = store.firings(name("a"), None, 10).await.expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].firing.outcome, Outcome::Started);
    done(&*store, op(ScheduleOp::Delete(name("a")))).await;
    assert_eq!(one(&*store, "a").await, None);
    let rows = store.firings(name("a"), None, 10).await.expect("rows");
    assert!(rows.is_empty(), "its history went with it");
}

/// Neither over a newer version, nor over another one that has its name, nor where there is none.
pub async fn a_schedule_is_written_only_over_the_row_that_was_read<H: Harness>(h: H) {
    let store = h.open().await;
    let refused = async |op: Op| {
        let answers = store.commit(vec![Change::from(op)]).await;
        assert_eq!(answers.expect("an answer"), [Committed::Conflict]);
    };
    let read = make(&*store, "a").await;
    refused(op(ScheduleOp::Create(schedule("a", at(5))))).await;
    let (written, write) = fired(&read, at(1_500));
    done(&*store, op(write.clone())).await;
    refused(op(write.clone())).await;
    assert_eq!(one(&*store, "a").await, Some(written));
    done(&*store, op(ScheduleOp::Delete(name("a")))).await;
    refused(op(write.clone())).await;
    done(&*store, op(ScheduleOp::Create(schedule("a", at(5))))).await;
    refused(op(write)).await;
    assert_eq!(one(&*store, "a").await, Some(schedule("a", at(5))));
    let rows = store.firings(name("a"), None, 10).await.expect("rows");
    assert!(rows.is_empty(), "what is refused leaves nothing");
}

/// All read the same row and decide the same; one commit has the task with it.
pub async fn of_many_servers_one_starts_the_task_of_a_slot<H: Harness>(h: H) {
    let store = h.open().await;
    let read = make(&*store, "a").await;
    let mut servers = JoinSet::new();
    for _ in 0..16 {
        let (store, write) = (store.clone(), fired(&read, at(1_500)).1);
        servers.spawn(async move {
            let ops = vec![op(write), accept(&task(), None)];
            store.commit(vec![Change { ops }]).await.expect("an answer")
        });
    }
    let answers = servers.join_all().await;
    let won = answers
        .iter()
        .flatten()
        .filter(|answer| matches!(answer, Committed::Done { .. }));
    assert_eq!(won.count(), 1);
    let ledger = store.ledger().await.expect("books");
    assert_eq!(ledger.accepted, 1);
}

/// Not what is paused, and nothing before its time.
pub async fn what_is_due_or_waits_is_found<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(store.next_slot().await.expect("an answer"), None);
    let read = make(&*store, "a").await;
    let due = async |ms| {
        let found = store.schedules(ScheduleQuery::Due(at(ms))).await;
        found.expect("an answer").len()
    };
    assert_eq!((due(999).await, due(1_000).await), (0, 1));
    assert_eq!(store.next_slot().await.expect("an answer"), Some(at(1_000)));
    // Two slots have come: one starts a task, the other one waits for its end.
    let (waits, write) = fired(&read, at(2_500));
    done(&*store, op(write)).await;
    assert_eq!((due(2_500).await, due(3_000).await), (1, 1));
    let paused = Schedule {
        version: waits.version + 1,
        ..waits.pause(at(2_600))
    };
    done(&*store, op(ScheduleOp::Write(paused, vec![]))).await;
    assert_eq!(due(9_000).await, 0);
    assert_eq!(store.next_slot().await.expect("an answer"), None);
}

/// Each schedule has as many as every other one.
pub async fn the_oldest_firings_go_and_those_of_others_stay<H: Harness>(h: H) {
    let store = h.open().await;
    let (mut a, b) = (make(&*store, "a").await, make(&*store, "b").await);
    done(&*store, op(fired(&b, at(1_500)).1)).await;
    let mut ops = vec![];
    for n in 1..=FIRINGS_KEPT.cast_signed() + 9 {
        let (next, write) = fired(&a, at(n * 1_000));
        ops.push(op(write));
        a = next;
    }
    done(&*store, Change { ops }).await;
    let (mut seen, mut before) = (vec![], None);
    loop {
        let page = store.firings(name("a"), before, 300).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        seen.extend(page.into_iter().map(|row| row.firing.slot.at));
    }
    let newest_first: Vec<_> = (10..=FIRINGS_KEPT.cast_signed() + 9)
        .rev()
        .map(|n| at(n * 1_000))
        .collect();
    assert!(seen == newest_first, "{} rows", seen.len());
    let others = store.firings(name("b"), None, 9).await.expect("rows");
    assert_eq!(others.len(), 1);
}

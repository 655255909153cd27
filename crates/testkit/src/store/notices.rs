//! Notices: ends that somebody has to be told, until they were heard.

use super::Harness;
use super::sample::{at, id, task};
use warrener_backend::notice::{Notice, NoticeOp};
use warrener_backend::store::{Accept, Op, Purge};
use warrener_backend::{Change, Store};
use warrener_model::event::{EventKind, NewEvent};
use warrener_model::name::AgentId;
use warrener_model::{State, TaskId};

fn agent(name: &str) -> AgentId {
    AgentId::new(name).expect("a name")
}

fn notice(name: &str, task: TaskId, version: u64) -> Notice {
    Notice {
        agent: agent(name),
        task,
        version,
    }
}

async fn write(store: &dyn Store, op: NoticeOp) {
    let changes = vec![Change::from(Op::Notice(op))];
    store.commit(changes).await.expect("a commit");
}

/// What is to be told stays until just that was heard, also across a restart; each has its own.
pub async fn what_is_told_stays_until_it_was_heard<H: Harness>(harness: H) {
    let store = harness.open().await;
    let (one, other) = (id(), id());
    for op in [
        NoticeOp::Add(notice("ann", one, 3)),
        NoticeOp::Add(notice("ann", other, 2)),
        NoticeOp::Add(notice("bob", one, 3)),
        // It ended again.
        NoticeOp::Add(notice("ann", one, 5)),
        NoticeOp::Heard(notice("ann", one, 4)),
        NoticeOp::Heard(notice("cleo", one, 9)),
    ] {
        write(&*store, op).await;
    }
    let store = harness.reopen().await;
    let told = store.requesters(10).await.expect("an answer");
    assert_eq!(told, [agent("ann"), agent("bob")]);
    assert_eq!(
        store.requesters(1).await.expect("an answer"),
        [agent("ann")]
    );
    let mut expected = [notice("ann", one, 5), notice("ann", other, 2)];
    expected.sort_by_key(|notice| notice.task);
    let found = store.notices(agent("ann"), 10).await.expect("an answer");
    assert_eq!(found, expected);
    let first = store.notices(agent("ann"), 1).await.expect("an answer");
    assert_eq!(first, expected[..1]);
    write(&*store, NoticeOp::Heard(notice("ann", one, 5))).await;
    write(&*store, NoticeOp::Heard(notice("ann", other, 2))).await;
    assert_eq!(
        store.notices(agent("ann"), 10).await.expect("an answer"),
        []
    );
    assert_eq!(
        store.requesters(10).await.expect("an answer"),
        [agent("bob")]
    );
}

/// Nothing is told of a task that is forgotten.
pub async fn notices_go_with_their_task<H: Harness>(harness: H) {
    let store = harness.open().await;
    let mut over = task();
    over.life.state = State::Cancelled;
    over.life.finished_at = Some(at(1));
    over.spec.requester = Some(super::sample::who("ann"));
    let event = NewEvent {
        at: at(1),
        kind: EventKind::Submitted,
        state: over.life.state,
        attempt: 0,
        epoch: 0,
        agent: None,
        actor: "test".into(),
        detail: serde_json::Value::Null,
    };
    let accept = Accept {
        task: over.clone(),
        key: None,
        event,
        session: None,
    };
    let ops = vec![
        Op::Accept(Box::new(accept)),
        Op::Notice(NoticeOp::Add(notice("ann", over.id, 1))),
    ];
    store.commit(vec![Change { ops }]).await.expect("a commit");
    let read = store.tasks(&[over.id]).await.expect("an answer");
    let read = read[0].as_ref().expect("a task");
    assert_eq!(read.spec.requester, over.spec.requester);
    let purge = Purge {
        finished_before: at(10),
        dead_before: at(10),
        keys_before: at(10),
        limit: 10,
    };
    store.purge(purge).await.expect("a purge");
    assert_eq!(store.requesters(10).await.expect("an answer"), []);
}

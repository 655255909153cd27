//! Sessions: rows that are whole, guarded by their version, found by id, state and time.

use super::Harness;
use super::sample::at;
use warrener_backend::session::SessionOp;
use warrener_backend::store::{Op, Purge};
use warrener_backend::{Change, Committed, Store};
use warrener_model::name::AgentId;
use warrener_model::session::{Event, Living, OpenSession, Session, SessionState, apply, open};
use warrener_model::{SessionId, decision::Answer};

fn session(n: u8, ms: u64) -> Session {
    let request = OpenSession {
        question: format!("{n}, \"quoted\"?"),
        options: vec!["ä".into(), "b".into()],
        deadline_ms: ms,
        ..OpenSession::default()
    };
    let living = Living {
        agent: AgentId::new("ann").expect("a name"),
        capabilities: [].into(),
    };
    let id = SessionId::new(at(i64::from(n)), [n; 10]);
    open(id, &request, &[living], at(i64::from(n))).expect("a session")
}

async fn write(store: &dyn Store, op: SessionOp) -> Committed {
    let changes = vec![Change::from(Op::Session(op))];
    store.commit(changes).await.expect("a commit").remove(0)
}

async fn opened(store: &dyn Store, session: &Session) {
    let written = write(store, SessionOp::Open(Box::new(session.clone()))).await;
    assert_eq!(
        written,
        Committed::Done {
            accepted: vec![],
            stated: vec![]
        }
    );
}

fn answered(session: &Session) -> Session {
    let answer = Answer {
        choice: Some("ä".into()),
        confidence: Some(0.3),
        ..Answer::default()
    };
    let agent = AgentId::new("ann").expect("a name");
    let event = Event::Answer {
        agent,
        round: 1,
        answer,
    };
    let moved = apply(session, event, session.opened_at).session;
    assert_eq!(moved.state, SessionState::Decided);
    moved
}

/// With every answer and all that was counted.
pub async fn a_session_comes_back_as_it_was_written<H: Harness>(h: H) {
    let store = h.open().await;
    let first = session(1, 1_000);
    opened(&*store, &first).await;
    assert_eq!(
        store.session(first.id).await.expect("a row"),
        Some(first.clone())
    );
    let moved = answered(&first);
    write(&*store, SessionOp::Move(Box::new(moved.clone()))).await;
    let store = h.reopen().await;
    assert_eq!(store.session(first.id).await.expect("a row"), Some(moved));
    assert_eq!(store.session(session(2, 1).id).await.expect("none"), None);
}

/// Whoever read an older version changes nothing.
pub async fn of_two_who_move_a_session_one_wins<H: Harness>(h: H) {
    let store = h.open().await;
    let first = session(1, 1_000);
    opened(&*store, &first).await;
    assert_eq!(
        write(&*store, SessionOp::Open(Box::new(first.clone()))).await,
        Committed::Conflict
    );
    let moved = answered(&first);
    let moves = || write(&*store, SessionOp::Move(Box::new(moved.clone())));
    assert_eq!(
        moves().await,
        Committed::Done {
            accepted: vec![],
            stated: vec![]
        }
    );
    assert_eq!(moves().await, Committed::Conflict);
    let nobody = SessionOp::Move(Box::new(session(9, 1)));
    assert_eq!(write(&*store, nobody).await, Committed::Conflict);
}

/// Open ones only, the most overdue first.
pub async fn sessions_that_are_due_are_found<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(store.next_session_due().await.expect("none"), None);
    let all = [session(1, 900), session(2, 100), session(3, 500)];
    for one in &all {
        opened(&*store, one).await;
    }
    assert_eq!(
        store.next_session_due().await.expect("a time"),
        Some(at(102))
    );
    let due = store.sessions_due(at(503), 9).await.expect("rows");
    assert_eq!(due, [all[1].clone(), all[2].clone()]);
    assert_eq!(store.sessions_due(at(503), 1).await.expect("rows").len(), 1);
    write(&*store, SessionOp::Move(Box::new(answered(&all[1])))).await;
    assert_eq!(
        store.next_session_due().await.expect("a time"),
        Some(at(503))
    );
}

/// Newest first, by state, page by page.
pub async fn sessions_are_listed_in_pages<H: Harness>(h: H) {
    let store = h.open().await;
    let all: Vec<Session> = (1..=5).map(|n| session(n, 1_000)).collect();
    for one in &all {
        opened(&*store, one).await;
    }
    write(&*store, SessionOp::Move(Box::new(answered(&all[2])))).await;
    let ids = |rows: Vec<Session>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let page = store.sessions(None, None, 2).await.expect("rows");
    assert_eq!(ids(page), [all[4].id, all[3].id]);
    let page = store
        .sessions(None, Some(all[3].id), 9)
        .await
        .expect("rows");
    assert_eq!(ids(page), [all[2].id, all[1].id, all[0].id]);
    let open = store
        .sessions(Some(SessionState::Open), Some(all[3].id), 9)
        .await
        .expect("rows");
    assert_eq!(ids(open), [all[1].id, all[0].id]);
    assert_eq!(store.count_open_sessions().await.expect("a count"), 4);
}

/// With the tasks that ended then; open ones stay.
pub async fn old_sessions_go<H: Harness>(h: H) {
    let store = h.open().await;
    let (first, second) = (session(1, 1_000), session(2, 1_000));
    for one in [&first, &second] {
        opened(&*store, one).await;
    }
    write(&*store, SessionOp::Move(Box::new(answered(&first)))).await;
    let purge = Purge {
        finished_before: at(10),
        dead_before: at(10),
        keys_before: at(10),
        limit: 10,
    };
    store.purge(purge).await.expect("a purge");
    let left = store.sessions(None, None, 9).await.expect("rows");
    assert_eq!(left, [second]);
}

//! What cases are made of: tasks, changes, and steps of a life as an engine would take them. Holds no cases.

use std::collections::BTreeMap;
use std::time::Duration;
use warrener_backend::store::{Accept, Accepted, Ending, Key, Move, Op};
use warrener_backend::{Change, Committed, Store};
use warrener_model::agent::Who;
use warrener_model::event::{EventKind, NewEvent};
use warrener_model::id::{ClaimId, InstanceId, TaskId};
use warrener_model::json::Json;
use warrener_model::life::{self, Context, Event, Life, State};
use warrener_model::retry::Policies;
use warrener_model::task::{Priority, Spec, Task, TaskError};
use warrener_model::{AgentId, Class, Kind, Lane, Timestamp};

/// A time: so many milliseconds after a beginning.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// A lane.
pub fn lane(name: &str) -> Lane {
    Lane::new(name).expect("a lane")
}

/// A kind.
pub fn kind(name: &str) -> Kind {
    Kind::new(name).expect("a kind")
}

/// A boot of an agent.
pub fn who(name: &str) -> Who {
    Who {
        agent: AgentId::new(name).expect("an agent id"),
        instance: InstanceId::random(7),
    }
}

/// A new id.
pub fn id() -> TaskId {
    TaskId::new(at(0), std::array::from_fn(|_| fastrand::u8(..)))
}

/// A plain task, accepted and ready at this time.
pub fn task_at(ms: i64) -> Task {
    Task {
        id: id(),
        spec: Spec {
            kind: kind("work"),
            lane: lane("a"),
            priority: Priority::Normal,
            title: "A title".into(),
            description: "A brief".into(),
            input: Json::parse("{\"n\": 1}".into()).expect("json"),
            labels: BTreeMap::new(),
            timeout: None,
            retry: BTreeMap::new(),
            parent: None,
            run: None,
            step: None,
            requester: None,
            created_at: at(ms),
        },
        life: Life::new(at(ms), 25, None, None),
        output: None,
        error: None,
        progress: None,
        usage: None,
        version: 1,
    }
}

/// A plain task, ready at time 0.
pub fn task() -> Task {
    task_at(0)
}

/// The key of a request, whose digest is this byte.
pub fn key(text: &str, digest: u8) -> Key {
    Key {
        key: text.into(),
        digest: [digest; 32],
    }
}

/// A row of history for a life.
pub fn event(life: &Life, kind: EventKind) -> NewEvent {
    NewEvent {
        at: life.since,
        kind,
        state: life.state,
        attempt: life.attempt,
        epoch: life.epoch,
        agent: life.lease.as_ref().map(|lease| lease.agent.clone()),
        actor: "server".into(),
        detail: serde_json::Value::Null,
    }
}

/// Accepts a task.
pub fn accept(task: &Task, key: Option<Key>) -> Op {
    Op::Accept(Box::new(Accept {
        session: None,
        task: task.clone(),
        key,
        event: event(&task.life, EventKind::Submitted),
    }))
}

/// An error of this class.
pub fn error(class: Class, message: &str, fingerprint: &str) -> TaskError {
    TaskError {
        class,
        message: message.into(),
        detail: serde_json::json!({"code": 7}),
        fingerprint: fingerprint.into(),
    }
}

/// Commits one change.
pub async fn commit(store: &dyn Store, change: impl Into<Change>) -> Committed {
    let mut answers = store.commit(vec![change.into()]).await.expect("a commit");
    assert_eq!(answers.len(), 1, "one change has one answer");
    answers.remove(0)
}

/// Commits one change, which must happen.
pub async fn done(store: &dyn Store, change: impl Into<Change>) -> Vec<Accepted> {
    match commit(store, change).await {
        Committed::Done { accepted, .. } => accepted,
        other => panic!("a change did not happen: {other:?}"),
    }
}

/// Accepts tasks, all in one change.
pub async fn submit(store: &dyn Store, tasks: &[Task]) {
    let ops = tasks.iter().map(|task| accept(task, None)).collect();
    done(store, Change { ops }).await;
}

/// A task that must be there.
pub async fn read(store: &dyn Store, id: TaskId) -> Task {
    let mut found = store.tasks(&[id]).await.expect("a read");
    found.remove(0).expect("the task is there")
}

/// A move of a task to this life, with its row of history.
pub fn to(task: &Task, life: Life, kind: EventKind, ending: Option<Ending>) -> Op {
    let event = event(&life, kind);
    Op::Move(Box::new(Move {
        task: task.id,
        version: task.version,
        lease_seq: task.life.lease_seq,
        life,
        event: Some(event),
        ending,
        input: None,
    }))
}

/// What an event makes of a life.
pub fn after(life: &Life, event: &Event, ms: i64) -> life::Step {
    let context = Context {
        now: at(ms),
        policies: &Policies::default(),
        roll: 0.5,
    };
    life::apply(life, event, &context).expect("a step that is allowed")
}

/// Lets something happen to a task, as an engine would; what the attempt leaves comes with it.
pub async fn happen(
    store: &dyn Store,
    id: TaskId,
    event: &Event,
    ms: i64,
    ending: Option<Ending>,
) -> Task {
    let task = read(store, id).await;
    let step = after(&task.life, event, ms);
    let kind = step.record.unwrap_or(EventKind::Ready);
    done(store, to(&task, step.life, kind, ending)).await;
    read(store, id).await
}

/// The grant of a task to an agent.
pub fn assign(agent: &str) -> Event {
    Event::Assign {
        claim: ClaimId::new(at(0), std::array::from_fn(|_| fastrand::u8(..))),
        who: who(agent),
    }
}

/// The end of the run that an agent holds.
pub fn outcome(task: &Task, ending: life::Ending) -> Event {
    let lease = task.life.lease.as_ref().expect("a holder");
    Event::Outcome {
        who: Who {
            agent: lease.agent.clone(),
            instance: lease.instance.clone(),
        },
        epoch: task.life.epoch,
        ending,
    }
}

/// A failure of this class.
pub fn failed(class: Class) -> life::Ending {
    life::Ending::Failed {
        class,
        retry_after: None,
    }
}

/// A life that ended, in this state at this time.
pub fn ended(state: State, ms: i64) -> Life {
    let mut life = Life::new(at(0), 25, None, None);
    life.state = state;
    life.since = at(ms);
    life.finished_at = Some(at(ms));
    life
}

/// A life that waits for its time.
pub fn waiting(ms: i64) -> Life {
    Life::new(at(0), 25, Some(at(ms)), None)
}

/// How long a case waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

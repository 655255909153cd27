//! Tells requesters how their tasks ended, on the control address they spoke from last, until they say that they heard it.
//!
//! What is owed is a row that is committed with the end of the task (`transition`), so no crash loses it; whoever it is
//! for may hear it more than once, and knows it by task and version.

use crate::core::Core;
use crate::error::Result;
use crate::refused::Refusal;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::Message;
use warrener_backend::notice::{Notice, NoticeOp};
use warrener_backend::store::{Change, Op};
use warrener_model::agent::{Presence, Who};
use warrener_model::message::{self, Heard, TaskEnded};
use warrener_model::{AgentId, State, Task, TaskId};

/// Ends that are told an agent at once; the next ones once these were heard.
const WINDOW: usize = 16;
/// Requesters that are remembered; of more, those that speak again.
const AGENTS: usize = 10_000;

/// What the parts tell each other of notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    wake: Notify,
    /// Somebody who may have to be told something.
    waiting: Mutex<BTreeSet<AgentId>>,
    /// Where who spoke last.
    places: Mutex<HashMap<AgentId, Who>>,
    /// What was told whom, when, and has not been heard yet.
    told: Mutex<HashMap<AgentId, Told>>,
}

/// By task: the version, and when.
type Told = HashMap<TaskId, (u64, Instant)>;

impl Notices {
    /// Something may have to be told to this agent.
    pub(crate) fn ring(&self, agent: &AgentId) {
        let mut waiting = self.waiting.lock().expect("a set does not panic");
        waiting.insert(agent.clone());
        self.wake.notify_one();
    }

    /// It spoke from there, so that is where it is told.
    pub(crate) fn spoke(&self, who: &Who) {
        let mut places = self.places.lock().expect("a map does not panic");
        if places.get(&who.agent) != Some(who) {
            // What was told elsewhere may not have arrived.
            self.again(&who.agent);
        }
        if places.len() < AGENTS || places.contains_key(&who.agent) {
            places.insert(who.agent.clone(), who.clone());
        }
    }

    /// All that it has not heard is told again at once.
    fn again(&self, agent: &AgentId) {
        let mut told = self.told.lock().expect("a map does not panic");
        told.remove(agent);
    }

    fn told(&self, agent: &AgentId) -> Told {
        let mut told = self.told.lock().expect("a map does not panic");
        told.remove(agent).unwrap_or_default()
    }

    fn keep(&self, agent: &AgentId, now: Told) {
        let mut told = self.told.lock().expect("a map does not panic");
        if !now.is_empty() {
            told.insert(agent.clone(), now);
        }
    }

    fn take(&self) -> BTreeSet<AgentId> {
        std::mem::take(&mut *self.waiting.lock().expect("a set does not panic"))
    }

    fn place(&self, agent: &AgentId) -> Option<Who> {
        let places = self.places.lock().expect("a map does not panic");
        places.get(agent).cloned()
    }
}

/// What has to be written with a move from this state: with an end, whom it has to be told; with a new beginning, that
/// the end before is none.
pub(crate) fn owed(before: State, task: &Task) -> Option<Op> {
    let requester = task.spec.requester.as_ref()?;
    let notice = Notice {
        agent: requester.agent.clone(),
        task: task.id,
        version: task.version,
    };
    let now = task.life.state;
    let op = match (before.is_final(), now.is_final()) {
        _ if before == now => return None,
        (_, true) => NoticeOp::Add(notice),
        (true, false) => NoticeOp::Heard(notice),
        (false, false) => return None,
    };
    Some(Op::Notice(op))
}

/// Takes a `heard` from the inbox of submissions, of a sender that may speak.
///
/// # Errors
/// Why it is refused.
pub(crate) async fn heard(core: &Core, message: &Message) -> std::result::Result<(), Refusal> {
    let heard: Heard = message::decode(&message.body)?;
    let who: Who = heard.who.into();
    let op = |end: message::HeardEnd| {
        Op::Notice(NoticeOp::Heard(Notice {
            agent: who.agent.clone(),
            task: end.task_id,
            version: end.version,
        }))
    };
    let ops: Vec<Op> = heard.ends.into_iter().map(op).collect();
    if ops.is_empty() {
        core.notices.again(&who.agent);
    } else {
        // Not written is not heard: it is told again, and heard again.
        let written = core.store.commit(vec![Change { ops }]).await;
        if let Err(error) = written {
            tracing::debug!(%error, agent = %who.agent, "what it heard is told again");
        }
    }
    core.notices.ring(&who.agent);
    Ok(())
}

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let pause = core.options.timers.hello;
    let mut again = Instant::now();
    while !stop.is_cancelled() {
        if again <= Instant::now() {
            again = Instant::now() + pause;
            match core.store.requesters(AGENTS).await {
                Ok(agents) => agents.iter().for_each(|agent| core.notices.ring(agent)),
                Err(error) => tracing::debug!(%error, "requesters wait"),
            }
        }
        for agent in core.notices.take() {
            if let Err(error) = tell(&core, &agent).await {
                tracing::debug!(%error, %agent, "a requester waits");
            }
        }
        tokio::select! {
            () = core.notices.wake.notified() => {}
            () = tokio::time::sleep_until(again) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Tells an agent the oldest ends that it has not heard of; what it was told a moment ago is not said twice.
async fn tell(core: &Core, agent: &AgentId) -> Result<()> {
    let notices = core.store.notices(agent.clone(), WINDOW).await?;
    let (before, mut told) = (core.notices.told(agent), Told::new());
    for notice in notices {
        let said = before.get(&notice.task);
        let said = said.filter(|(version, at)| {
            *version == notice.version && at.elapsed() < core.options.timers.hello / 2
        });
        if let Some(said) = said {
            told.insert(notice.task, *said);
            continue;
        }
        let Some(task) = core.store.tasks(&[notice.task]).await?.pop().flatten() else {
            continue;
        };
        // Tried again this moment: its next end is told.
        if !task.life.state.is_final() {
            continue;
        }
        let Some(to) = place(core, agent, &task) else {
            break;
        };
        told.insert(notice.task, (notice.version, Instant::now()));
        let now = core.now().await?;
        let ended = TaskEnded {
            version: notice.version,
            ..TaskEnded::of(task)
        };
        let letter = core.letter(&to, &ended, now);
        core.send(vec![letter]).await;
    }
    core.notices.keep(agent, told);
    Ok(())
}

/// Where it is told: where it spoke last, as an agent that lives, or where it asked from.
fn place(core: &Core, agent: &AgentId, task: &Task) -> Option<Who> {
    let lives = core.registry.agent(agent).filter(|agent| {
        let presence = agent.presence;
        matches!(presence, Presence::Up | Presence::Draining)
    });
    core.notices
        .place(agent)
        .or_else(|| lives.map(|agent| agent.card.who()))
        .or_else(|| task.spec.requester.clone())
}

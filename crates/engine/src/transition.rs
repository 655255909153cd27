//! Read, decide, commit, act: the shell around `apply`. The only place that moves tasks.
//!
//! Danger: between the commit and the effects the process may die. Every effect is therefore only a hint that somebody
//! repeats: a grant is claimed again, a revoke follows the next heartbeat, ready work is found by the next dispatch.

use crate::core::Core;
use crate::error::Result;
use crate::notices;
use crate::runs::{Boards, Follow};
use std::collections::{HashMap, HashSet};
use warrener_backend::store::{Change, Committed, Move, Op};
use warrener_model::breaker::Verdict;
use warrener_model::event::NewEvent;
use warrener_model::failure::fingerprint;
use warrener_model::life::{Context, Effect, Event, Life, Refused, Step, apply};
use warrener_model::retry::{Overrides, Policies};
use warrener_model::task::Task;
use warrener_model::{AgentId, SessionId, TaskId, Timestamp};

mod intent;
pub(crate) use intent::Intent;
use intent::lost;

/// How often a decision is made again because somebody else moved the task meanwhile.
const TRIES: usize = 12;
/// Why a run of a fast offer is lost.
const AGAIN: &str = "delivered again: the agent that had it first may be gone";

/// What became of an intent.
#[derive(Debug)]
pub(crate) enum Moved {
    /// Done and durable.
    Yes(Box<Transition>),
    /// Not a transition from where the task is.
    No { task: Box<Task>, refused: Refused },
    /// There is no such task.
    Unknown,
    /// Others were faster each time.
    Contended,
}

/// A move that happened.
#[derive(Debug)]
pub(crate) struct Transition {
    /// The task as it is now.
    pub(crate) task: Task,
    /// What it was before.
    pub(crate) before: warrener_model::State,
    pub(crate) effects: Vec<Effect>,
    /// What the end of its run says of the world outside.
    pub(crate) verdict: Verdict,
}

impl Core {
    /// One intent.
    pub(crate) async fn transition(&self, intent: Intent) -> Result<Moved> {
        let mut moved = self.transitions(vec![intent]).await?;
        Ok(moved.pop().expect("one intent has one answer"))
    }

    /// Several intents, in order; one commit a round for all. Answers in order.
    pub(crate) async fn transitions(&self, intents: Vec<Intent>) -> Result<Vec<Moved>> {
        let mut answers: Vec<Option<Moved>> = intents.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..intents.len()).collect();
        let mut conflicts = 0;
        while !open.is_empty() && conflicts < TRIES {
            // Danger: a decision on a row that is not committed yet could be committed over somebody else's change. So a
            // round decides once a task, and what else is meant for that task waits for the next round's read.
            let (now, later) = once_a_task(&intents, open);
            let again = self.round(&intents, &now, &mut answers).await?;
            conflicts += usize::from(!again.is_empty());
            open = again.into_iter().chain(later).collect();
            open.sort_unstable();
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or(Moved::Contended))
            .collect())
    }

    /// One intent for each of these tasks, as they were just read, in one commit. Whoever was faster is not asked again:
    /// that task is `Contended`.
    pub(crate) async fn transitions_of(
        &self,
        tasks: Vec<Task>,
        intent: impl Fn(&Task) -> Intent,
    ) -> Result<Vec<Moved>> {
        let intents: Vec<Intent> = tasks.iter().map(intent).collect();
        let open: Vec<usize> = (0..intents.len()).collect();
        let mut answers: Vec<Option<Moved>> = intents.iter().map(|_| None).collect();
        self.decide_all(&intents, &open, tasks, &mut answers)
            .await?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or(Moved::Contended))
            .collect())
    }

    /// Reads, decides and commits the open intents once; gives back those that met a conflict.
    async fn round(
        &self,
        intents: &[Intent],
        open: &[usize],
        answers: &mut [Option<Moved>],
    ) -> Result<Vec<usize>> {
        let mut ids: Vec<TaskId> = open.iter().map(|i| intents[*i].task).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = self.store.tasks(&ids).await?;
        let tasks = rows.into_iter().flatten().collect();
        self.decide_all(intents, open, tasks, answers).await
    }

    /// Decides and commits the open intents on rows that were read; gives back those that met a conflict.
    async fn decide_all(
        &self,
        intents: &[Intent],
        open: &[usize],
        rows: Vec<Task>,
        answers: &mut [Option<Moved>],
    ) -> Result<Vec<usize>> {
        let mut tasks: HashMap<TaskId, Task> =
            rows.into_iter().map(|task| (task.id, task)).collect();
        let now = self.now().await?;
        let mut changes = vec![];
        let mut decided = vec![];
        let mut boards = Boards::default();
        for &i in open {
            let intent = &intents[i];
            let Some(task) = tasks.get_mut(&intent.task) else {
                answers[i] = Some(Moved::Unknown);
                continue;
            };
            let fast = task.life.is_fast().then_some(task.life.offered_at);
            if let (Some(offered_at), true) = (fast, is_told(&task.life, &intent.event)) {
                self.passed.told(&task.spec.lane, offered_at);
            }
            match self.decide(task, &intent.event, now) {
                Err(refused) => {
                    answers[i] = Some(Moved::No {
                        task: Box::new(task.clone()),
                        refused,
                    });
                }
                Ok(step) if step.life == task.life => {
                    let before = task.life.state;
                    let moved = Transition {
                        task: task.clone(),
                        before,
                        effects: step.effects,
                        verdict: Verdict::Unclear,
                    };
                    answers[i] = Some(Moved::Yes(Box::new(moved)));
                }
                Ok(step) => {
                    let was = task.clone();
                    let (mut change, moved) = change(task, step, intent, now);
                    match boards
                        .follow(self, was.life.state, &moved.task, now)
                        .await?
                    {
                        Follow::Ops(ops) => {
                            change.ops.extend(intent.with.iter().cloned());
                            change.ops.extend(notices::owed(moved.before, &moved.task));
                            change.ops.extend(ops);
                            changes.push(change);
                            decided.push((i, moved));
                        }
                        Follow::Refused => {
                            let refused = Refused::Illegal(was.life.state);
                            let task = Box::new(was);
                            answers[i] = Some(Moved::No { task, refused });
                        }
                    }
                }
            }
        }
        let mut conflicts = vec![];
        if !changes.is_empty() {
            let committed = self.store.commit(changes).await?;
            for ((i, moved), result) in decided.into_iter().zip(committed) {
                match result {
                    Committed::Done { .. } => {
                        self.after(&moved);
                        answers[i] = Some(Moved::Yes(Box::new(moved)));
                    }
                    Committed::Conflict | Committed::Refused(_) | Committed::KeyTaken { .. } => {
                        conflicts.push(i);
                    }
                }
            }
            self.ask_begun().await;
        }
        Ok(conflicts)
    }

    /// Asks the model.
    pub(crate) fn decide(
        &self,
        task: &Task,
        event: &Event,
        now: Timestamp,
    ) -> std::result::Result<Step, Refused> {
        let own;
        let policies: &Policies = if task.spec.retry.is_empty() {
            &self.options.policies
        } else {
            own = self.policies(&task.spec.retry);
            &own
        };
        apply(
            &task.life,
            event,
            &Context {
                now,
                policies,
                roll: fastrand::f64(),
            },
        )
    }

    fn policies(&self, overrides: &Overrides) -> Policies {
        self.options.policies.with(overrides)
    }

    /// What follows every committed move, whatever caused it: the registry and the wake-ups.
    pub(crate) fn after(&self, moved: &Transition) {
        use warrener_model::State;
        let task = &moved.task;
        match &task.life.lease {
            Some(lease) => self.registry.holds(lease, task.id),
            None => self.registry.released(task.id),
        }
        let free = match moved.before {
            State::Running => task.life.state != State::Running,
            // An offer less is out.
            State::Ready => task.life.offered_at.is_none(),
            _ => false,
        };
        if free {
            self.ready.notify_one();
        }
        self.registry.offered(task, task.life.offered_at.is_some());
        self.watch(moved);
        let requester = task.spec.requester.as_ref();
        if let Some(requester) = requester.filter(|_| task.life.state.is_final()) {
            self.notices.ring(&requester.agent);
        }
        for effect in &moved.effects {
            match effect {
                Effect::Ready => self.ready.notify_one(),
                Effect::Alert => self.alerts.dead(task),
                // In the row of history: see `detail`.
                Effect::ScaleUp => {}
                Effect::Grant { .. } | Effect::Ask | Effect::Revoke { .. } => {}
            }
        }
        let parted = moved.before == State::Blocked || task.life.state == State::Blocked;
        let part = task.spec.run.is_some() && task.spec.parent.is_some();
        let divided = task.life.state == State::Ready && self.is_divided(&task.spec);
        if parted || divided || (part && task.life.state.is_final()) {
            self.parts.notify_one();
        }
        if task.life.state == State::Blocked {
            // Its parts may start.
            self.ready.notify_one();
            self.timer.notify_one();
        }
        if task.life.state.is_final() {
            self.waits.ended(task.id);
            if task.spec.run.is_some() {
                // It may have begun others.
                self.ready.notify_one();
                self.timer.notify_one();
            }
        }
        if task.life.due_at().is_some() {
            self.timer.notify_one();
        }
        if moved.before == State::Parked && task.life.state != State::Parked {
            self.sessions
                .left(SessionId::from_bytes(*task.id.as_bytes()));
        }
        crate::control::log(moved);
    }
}

/// Whether an agent speaks of the offer that is out.
fn is_told(life: &Life, event: &Event) -> bool {
    match event {
        Event::Claim(claim) => claim.offer == life.offer,
        Event::Outcome { epoch, .. } | Event::Renew { epoch, .. } => *epoch == life.epoch,
        _ => false,
    }
}

/// The first open intent of each task, and the others.
fn once_a_task(intents: &[Intent], open: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::new();
    open.into_iter()
        .partition(|i| seen.insert(intents[*i].task))
}

/// The change of one step, and the task after it. `task` is moved on, so that a later intent on it builds on this one.
fn change(task: &mut Task, step: Step, intent: &Intent, now: Timestamp) -> (Change, Transition) {
    let before = task.life.state;
    let verdict = match &intent.event {
        Event::Outcome { ending, .. } => Verdict::of(ending),
        _ => Verdict::Unclear,
    };
    let (version, lease_seq) = (task.version, task.life.lease_seq);
    let agent: Option<AgentId> = step
        .life
        .lease
        .as_ref()
        .or(task.life.lease.as_ref())
        .map(|lease| lease.agent.clone())
        .or_else(|| match &intent.event {
            // In a fast lane no lease says whose run it was.
            Event::Outcome { who, .. } => Some(who.agent.clone()),
            _ => None,
        });
    let event = step.record.map(|kind| NewEvent {
        at: now,
        kind,
        state: step.life.state,
        attempt: step.life.attempt,
        epoch: step.life.epoch,
        agent,
        actor: intent.actor.clone(),
        detail: detail(&step, &intent.detail),
    });
    let lost = step.life.losses > task.life.losses;
    task.life = step.life;
    task.version += u64::from(event.is_some());
    // A copy that was delivered again costs a loss without anybody having waited for it.
    let mut ending = intent.ending.clone().or(lost.then(|| self::lost(AGAIN)));
    if let Some(ending) = &mut ending {
        if let Some(error) = &mut ending.error {
            error.fingerprint = fingerprint(error.class, task.spec.kind.as_str(), &error.message);
        }
        task.output = ending.output.clone();
        task.error = ending.error.clone();
        task.usage = ending.usage.clone();
        task.progress = None;
    }
    if let Some(input) = &intent.input {
        task.spec.input = input.clone();
    }
    let change = Change::from(Op::Move(Box::new(Move {
        task: task.id,
        version,
        lease_seq,
        life: task.life.clone(),
        event,
        ending,
        input: intent.input.clone(),
    })));
    (
        change,
        Transition {
            task: task.clone(),
            before,
            effects: step.effects,
            verdict,
        },
    )
}

/// What the row of history says beside its columns: the cause, and what comes next.
fn detail(step: &Step, given: &serde_json::Value) -> serde_json::Value {
    let mut detail = match given {
        serde_json::Value::Object(map) => map.clone(),
        _ => serde_json::Map::new(),
    };
    if let Some(at) = step.life.retry_at {
        detail.insert("retry_at".into(), at.to_string().into());
    }
    if let Some(reason) = step.life.dead_reason {
        detail.insert("dead_reason".into(), reason.as_str().into());
    }
    if step.effects.contains(&Effect::ScaleUp) {
        detail.insert("scale_up".into(), true.into());
    }
    serde_json::Value::Object(detail)
}

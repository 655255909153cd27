//! Reads results: claims, outcomes, and answers of sessions. Many at a time, one commit for all, answers after the commit, then the acks.

use crate::away::Away;
use crate::control::by_agent;
use crate::core::Core;
use crate::error::Result;
use crate::grace::{Then, Waiting};
use crate::parts;
use crate::refused::{self, Refusal};
use crate::state::{self, Asked};
use crate::transition::{Intent, Moved};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Delivery, Inbox, Outgoing, Subscription};
use warrener_model::agent::{Operation, Who};
use warrener_model::life::{Claim, Effect, Event, Refused};
use warrener_model::message::{
    self, Body, Claim as ClaimBody, Entry, Outcome, SessionAnswer, StateAsk, Status,
};
use warrener_model::name::{Kind, Lane};
use warrener_model::task::Task;
use warrener_model::{AgentId, State, TaskId, Timestamp};

mod outcome;
pub(crate) use outcome::clip;
use outcome::ended;

/// Results recorded in one commit.
const BATCH: usize = 512;
/// Results held unacknowledged.
const CREDIT: u32 = 2_048;

enum Item {
    Claim(Claim, TaskId),
    Outcome(Box<Outcome>),
}

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
    while !stop.is_cancelled() {
        let from = Address::Inbox(Inbox::Results);
        let subscribe = Subscribe {
            from,
            credit: CREDIT,
            will: None,
        };
        match core.broker.subscribe(subscribe).await {
            Ok(mut results) => {
                away.is_back();
                core.lag.results_up.store(true, Ordering::Release);
                tokio::select! {
                    () = read(&core, &mut results) => {}
                    () = stop.cancelled() => {}
                }
                core.lag.results_up.store(false, Ordering::Release);
            }
            Err(error) => away.says("the recorder", &error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn read(core: &Arc<Core>, results: &mut Subscription) {
    while let Some(first) = results.next().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(next) = results.try_next()
        {
            batch.push(next);
        }
        let count = batch.len() as u64;
        let (mut items, mut asked) = (vec![], vec![]);
        let (mut deliveries, mut answers) = (vec![], vec![]);
        for delivery in batch {
            let read = match &*delivery.message.kind {
                SessionAnswer::TYPE => {
                    answers.push(delivery);
                    continue;
                }
                StateAsk::TYPE => ask_of(core, &delivery).map(|ask| asked.push(ask)),
                _ => item(core, &delivery).map(|item| items.push(item)),
            };
            match read {
                Ok(()) => deliveries.push(delivery),
                Err(why) => core.refuse(refused::RESULTS, delivery, &why).await,
            }
        }
        tokio::join!(persist(core, &items), state::answer(core, &asked));
        deliveries.into_iter().for_each(Delivery::ack);
        // Behind everything that leases depend on.
        for answer in answers {
            match core.answered(&answer).await {
                Ok(()) => answer.ack(),
                Err(why) => core.refuse(refused::ANSWERS, answer, &why).await,
            }
        }
        core.lag.results_done.fetch_add(count, Ordering::AcqRel);
    }
}

/// The store may be away or full: nothing is acknowledged until it is recorded. One result that cannot be written
/// does not hold up those that can.
async fn persist(core: &Arc<Core>, items: &[Item]) {
    let Err(error) = record(core, items).await else {
        return;
    };
    tracing::warn!(%error, results = items.len(), "results wait for the store");
    let mut open: Vec<&Item> = items.iter().collect();
    while !open.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut left = vec![];
        for item in open {
            if record(core, std::slice::from_ref(item)).await.is_err() {
                left.push(item);
            }
        }
        open = left;
    }
}

fn item(core: &Core, delivery: &Delivery) -> std::result::Result<Item, Refusal> {
    let message = &delivery.message;
    core.is_ours(message)?;
    match &*message.kind {
        ClaimBody::TYPE => {
            let body: ClaimBody = message::decode(&message.body)?;
            let claim = Claim {
                claim: body.claim,
                who: body.who.into(),
                offer: body.offer,
                redelivered: body.redelivered,
                started: body.started,
            };
            refused::sent_by(message, &claim.who)?;
            executes(core, &claim.who.agent)?;
            Ok(Item::Claim(claim, body.task_id))
        }
        Outcome::TYPE => {
            let outcome: Outcome = message::decode(&message.body)?;
            refused::sent_by(message, &outcome.who.clone().into())?;
            executes(core, &outcome.who.agent_id)?;
            Ok(Item::Outcome(Box::new(outcome)))
        }
        other => Err(Refusal::no_such_type(
            other,
            "claim, outcome, state or answer",
        )),
    }
}

/// Whoever is known to be of a role that does no tasks has none to speak of.
fn executes(core: &Core, id: &AgentId) -> std::result::Result<(), Refusal> {
    match core.registry.role(id) {
        Some(role) if !role.may(Operation::Execute) => Err(Refusal::role(role, Operation::Execute)),
        _ => Ok(()),
    }
}

fn ask_of(core: &Core, delivery: &Delivery) -> std::result::Result<Asked, Refusal> {
    let message = &delivery.message;
    core.is_ours(message)?;
    let ask: StateAsk = message::decode(&message.body)?;
    refused::sent_by(message, &ask.who.clone().into())?;
    Ok(Asked::of(core, ask))
}

/// One commit for all items, then every answer.
async fn record(core: &Arc<Core>, items: &[Item]) -> Result<()> {
    let mut intents = vec![];
    let mut objections = vec![];
    for item in items {
        let (intent, objection) = intent(core, item);
        intents.push(intent);
        objections.push(objection);
    }
    parts::answered(core, &mut intents).await?;
    let moved = core.transitions(intents).await?;
    let now = core.now().await?;
    let mut letters = vec![];
    let mut recorded = vec![];
    for ((item, moved), objection) in items.iter().zip(&moved).zip(objections) {
        match item {
            Item::Claim(claim, task) => {
                letters.extend(answer_claim(core, claim, *task, moved, objection, now).await);
            }
            Item::Outcome(outcome) => {
                answer_outcome(core, outcome, moved, now, &mut letters, &mut recorded);
            }
        }
    }
    for (who, leases) in by_agent(recorded) {
        letters.push(core.letter(&who, &message::Recorded { leases }, now));
    }
    core.send(letters).await;
    Ok(())
}

/// What an item wants of its task. A claim of an agent that may not start anything gives the offer back instead.
fn intent(core: &Core, item: &Item) -> (Intent, Option<&'static str>) {
    match item {
        Item::Claim(claim, task) => {
            let actor = format!("agent:{}", claim.who.agent);
            let objection = if claim.started {
                None
            } else {
                let stopped = |lane: &Lane, kind: &Kind| core.is_held_back(lane, kind, *task);
                core.registry.objection(&claim.who, *task, stopped)
            };
            let event = match objection {
                Some(_) => Event::Unoffer {
                    offer: claim.offer,
                    again: claim.redelivered,
                },
                None => Event::Claim(claim.clone()),
            };
            (Intent::new(*task, event, actor), objection)
        }
        Item::Outcome(outcome) => {
            if outcome.status == Status::Released && outcome.reason.as_deref() == Some("drain") {
                // Before the commit that makes the task ready again, or it would go right back.
                core.registry.draining(&outcome.who.clone().into());
            }
            (ended(outcome), None)
        }
    }
}

async fn answer_claim(
    core: &Arc<Core>,
    claim: &Claim,
    task: TaskId,
    moved: &Moved,
    objection: Option<&'static str>,
    now: Timestamp,
) -> Vec<Outgoing> {
    let reason = match (moved, objection) {
        (Moved::Yes(_), Some(objection)) => objection.into(),
        (Moved::Yes(moved), None) if moved.effects.contains(&Effect::Ask) => {
            let seen = moved.task.life.lease_seq;
            let then = Then::Supersede(claim.clone());
            core.grace(Waiting { task, seen, then }).await;
            return ask(core, &moved.task, now).into_iter().collect();
        }
        (Moved::Yes(moved), None) => return core.letters(moved, "", now),
        // Row 4 comes before every objection: the holder that repeats its claim gets its grant again.
        (Moved::No { task, .. }, Some(_)) if holds(task, claim) => {
            return ask(core, task, now).into_iter().collect();
        }
        (Moved::No { refused, .. }, _) => reason(*refused).to_owned(),
        (Moved::Unknown, _) => "unknown".into(),
        // The claim's repeat is answered.
        (Moved::Contended, _) => return vec![],
    };
    core.refused("claim", &reason);
    let body = message::ClaimRefused {
        task_id: task,
        claim: claim.claim,
        reason,
    };
    vec![core.letter(&claim.who, &body, now)]
}

fn holds(task: &Task, claim: &Claim) -> bool {
    let lease = task.life.lease.as_ref();
    lease.is_some_and(|lease| lease.claim == claim.claim)
}

/// The holder gets its grant again: an answer to a repeated claim (row 4), or a question (row 5).
fn ask(core: &Core, task: &Task, now: Timestamp) -> Option<Outgoing> {
    let lease = task.life.lease.as_ref()?;
    let who = Who {
        agent: lease.agent.clone(),
        instance: lease.instance.clone(),
    };
    Some(core.letter(&who, &core.granted(task, lease), now))
}

pub(crate) fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Final => "final",
        Refused::Cancelled => "cancelled",
        Refused::Expired => "expired",
        Refused::Held => "held",
        Refused::Stale | Refused::NotDue | Refused::Illegal(_) => "stale",
    }
}

fn answer_outcome(
    core: &Arc<Core>,
    outcome: &Outcome,
    moved: &Moved,
    now: Timestamp,
    letters: &mut Vec<Outgoing>,
    recorded: &mut Vec<(Who, Entry)>,
) {
    let who: Who = outcome.who.clone().into();
    let entry = Entry {
        task_id: outcome.task_id,
        epoch: outcome.epoch,
    };
    match moved {
        Moved::Yes(moved) => {
            letters.extend(core.letters(moved, "", now));
            recorded.push((who, entry));
        }
        Moved::No { task, refused } => {
            core.refused("outcome", reason(*refused));
            tracing::warn!(
                task_id = %outcome.task_id, agent = %who.agent, epoch = outcome.epoch, refused = %refused,
                "outcome refused: its run is not entitled"
            );
            let last_word = task.life.state.is_final() && task.life.epoch == outcome.epoch;
            if !last_word {
                let state = Some(task.life.state).filter(|state: &State| *state != State::Blocked);
                letters.push(core.revoke(&who, outcome.task_id, outcome.epoch, state, now));
            }
            recorded.push((who, entry));
        }
        Moved::Unknown => {
            core.refused("outcome", "unknown");
            letters.push(core.revoke(&who, outcome.task_id, outcome.epoch, None, now));
        }
        // The agent sends it again.
        Moved::Contended => {}
    }
}

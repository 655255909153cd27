//! Hands out ready work: never more than the live agents of a lane have free slots for.
//!
//! Where the broker is direct, the grant is committed together with the choice of the agent (protocol.md: rows 2 and 3
//! in one transaction) and the task travels with it. Elsewhere an offer is committed and published, and agents claim;
//! in a fast lane they start at once, and a window stands for the free slots.

use crate::control::by_agent;
use crate::core::Core;
use crate::error::Result;
use crate::registry::Room;
use crate::transition::{Intent, Moved, Transition};
use std::collections::HashSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Health;
use warrener_backend::store::{Change, Committed, Move, Op};
use warrener_backend::{Address, Outgoing, Receipt};
use warrener_model::agent::Who;
use warrener_model::breaker::Verdict;
use warrener_model::event::{EventKind, NewEvent};
use warrener_model::life::{Ending, Event, Start};
use warrener_model::name::Lane;
use warrener_model::task::Task;

/// Tasks handed out in one commit: enough to fill a team, little enough to stay fair between lanes.
const BATCH: usize = 256;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let poll = core.options.timers.poll;
    let mut made = HashSet::new();
    while !stop.is_cancelled() {
        match round(&core, &mut made).await {
            // There may be more where this came from.
            Ok(handed) if handed > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "dispatch waits"),
        }
        let rested = core.registry.next_rested().unwrap_or(poll);
        tokio::select! {
            () = core.ready.notified() => {}
            () = tokio::time::sleep(poll.min(core.breakers.wait()).min(rested)) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Every lane once, beginning with another one each time. `made` are the lanes whose address is known to be there: it is
/// asked for again only after something went wrong, for the question costs several times what an offer does.
async fn round(core: &Arc<Core>, made: &mut HashSet<Lane>) -> Result<usize> {
    if core.is_draining() {
        return Ok(0);
    }
    let mut lanes: Vec<Lane> = core
        .registry
        .lanes()
        .into_iter()
        .filter(|(lane, room)| !core.is_paused(lane) && has_room(core, lane, room))
        .map(|(lane, _)| lane)
        .collect();
    fastrand::shuffle(&mut lanes);
    let mut handed = 0;
    for lane in lanes {
        handed += if core.broker.capabilities().direct {
            grant(core, &lane).await?
        } else {
            offer(core, &lane, made).await?
        };
    }
    Ok(handed)
}

/// Whether anything of a lane can be handed out.
fn has_room(core: &Core, lane: &Lane, room: &Room) -> bool {
    match core.start(lane) {
        Start::Claim => room.free > 0,
        // Somebody must be there, or what comes later and is more urgent would have to wait behind it.
        Start::Fast => core.registry.is_served(lane),
    }
}

/// The slots of a lane that nobody holds.
fn free(core: &Core, lane: &Lane) -> usize {
    core.registry.lanes().get(lane).map_or(0, |room| room.free)
}

/// How much of a lane can be offered beside what is out, as the store counts it: all servers share that, and no answer
/// that was lost takes room for ever.
async fn left(core: &Core, lane: &Lane) -> Result<usize> {
    let room = match core.start(lane) {
        Start::Claim => free(core, lane),
        Start::Fast => core.options.lanes.get(lane).map_or(0, |lane| lane.window),
    };
    let out = core.store.offers_out(lane.clone()).await?;
    Ok(room.saturating_sub(usize::try_from(out).unwrap_or(usize::MAX)))
}

/// What of a lane can be handed out now, best first.
async fn candidates(core: &Core, lane: &Lane, room: usize) -> Result<Vec<Task>> {
    let limit = room.min(BATCH);
    if limit == 0 {
        return Ok(vec![]);
    }
    let mut except = if core.registry.is_picky(lane) {
        core.registry
            .unserved(lane, core.store.ready_kinds(lane.clone()).await?)
    } else {
        vec![]
    };
    // Kinds whose breaker is open are not looked for, so they hold up nobody; of one that is half open a few go, and the
    // next round, which leaves it out, finds what stands behind the others.
    let mut rooms = core.breakers.rooms();
    except.extend(rooms.extract_if(|_, room| *room == 0).map(|(kind, _)| kind));
    let resting = core.registry.resting();
    let most = limit + resting.len();
    let mut tasks = core.store.ready(lane.clone(), except, most).await?;
    tasks.retain(|task| !resting.contains(&task.id) && !core.is_divided(&task.spec));
    tasks.truncate(limit);
    tasks.retain(|task| match rooms.get_mut(&task.spec.kind) {
        Some(0) => false,
        Some(room) => {
            *room -= 1;
            true
        }
        None => true,
    });
    Ok(tasks)
}

/// Direct brokers: choose, grant, deliver.
async fn grant(core: &Arc<Core>, lane: &Lane) -> Result<usize> {
    let tasks = candidates(core, lane, free(core, lane)).await?;
    if tasks.is_empty() {
        return Ok(0);
    }
    let now = core.now().await?;
    let mut changes = vec![];
    let mut chosen = vec![];
    for task in tasks {
        let Some(who) = core.registry.choose(&task) else {
            continue;
        };
        let event = Event::Assign {
            claim: core.claim_id(now),
            who: who.clone(),
        };
        match core.decide(&task, &event, now) {
            Ok(step) => {
                let after = Task {
                    life: step.life,
                    version: task.version + 1,
                    ..task
                };
                changes.push(started(&after, &who, now));
                chosen.push(Transition {
                    before: warrener_model::State::Ready,
                    verdict: Verdict::Unclear,
                    task: after,
                    effects: step.effects,
                });
            }
            Err(_) => core.registry.released(task.id),
        }
    }
    let committed = core.store.commit(changes).await.inspect_err(|_| {
        for moved in &chosen {
            core.registry.released(moved.task.id);
        }
    })?;
    let mut granted = vec![];
    for (moved, result) in chosen.into_iter().zip(committed) {
        if matches!(result, Committed::Done { .. }) {
            core.after(&moved);
            granted.push(moved);
        } else {
            core.registry.released(moved.task.id);
        }
    }
    let handed = granted.len();
    deliver(core, granted).await?;
    Ok(handed)
}

/// The change that records a grant.
fn started(task: &Task, who: &Who, now: warrener_model::Timestamp) -> Change {
    Change::from(Op::Move(Box::new(Move {
        task: task.id,
        version: task.version - 1,
        lease_seq: task.life.lease_seq - 1,
        life: task.life.clone(),
        event: Some(NewEvent {
            at: now,
            kind: EventKind::Started,
            state: task.life.state,
            attempt: task.life.attempt,
            epoch: task.life.epoch,
            agent: Some(who.agent.clone()),
            actor: "server".into(),
            detail: serde_json::json!({ "instance": who.instance }),
        }),
        ending: None,
        input: None,
    })))
}

/// Sends what was granted; what could certainly not be sent is given back at once.
async fn deliver(core: &Arc<Core>, granted: Vec<Transition>) -> Result<()> {
    let now = core.now().await?;
    let mut letters = vec![];
    for moved in &granted {
        let Some(lease) = &moved.task.life.lease else {
            continue;
        };
        let who = Who {
            agent: lease.agent.clone(),
            instance: lease.instance.clone(),
        };
        let grant = core.granted(&moved.task, lease);
        letters.push((
            core.letter(&who, &core.offer(&moved.task, Some(grant)), now),
            who,
        ));
    }
    let (letters, holders): (Vec<Outgoing>, Vec<Who>) = letters.into_iter().unzip();
    let receipts = core.send(letters).await;
    let mut back = vec![];
    for ((moved, who), receipt) in granted.iter().zip(holders).zip(receipts) {
        if matches!(receipt, Receipt::Unroutable | Receipt::Full) {
            back.push((who, moved.task.clone()));
        }
    }
    let intents = back.iter().map(|(who, task)| {
        let event = Event::Outcome {
            who: who.clone(),
            epoch: task.life.epoch,
            ending: Ending::Released,
        };
        let detail = serde_json::json!({ "reason": "not delivered: the agent is gone" });
        Intent::new(task.id, event, "server").detail(detail)
    });
    core.transitions(intents.collect()).await?;
    for who in by_agent(back).into_keys() {
        crate::presence::gone(core, &who, warrener_model::agent::Presence::Lost).await?;
    }
    Ok(())
}

/// Brokers with queues: commit the offer, then publish it.
async fn offer(core: &Arc<Core>, lane: &Lane, made: &mut HashSet<Lane>) -> Result<usize> {
    // An offer that cannot be published now costs two commits and gives nothing.
    if core.broker.health().await != Health::Up {
        return Ok(0);
    }
    let event = match core.start(lane) {
        Start::Claim => Event::Offer,
        Start::Fast => Event::OfferFast,
    };
    let tasks = candidates(core, lane, left(core, lane).await?).await?;
    if tasks.is_empty() {
        return Ok(0);
    }
    if !made.contains(lane) {
        core.broker.ensure(&[Address::Offers(lane.clone())]).await?;
        made.insert(lane.clone());
    }
    let intent = |task: &Task| Intent::new(task.id, event.clone(), "server");
    let moved = core.transitions_of(tasks, intent).await?;
    let now = core.now().await?;
    let offered: Vec<Task> = moved
        .into_iter()
        .filter_map(|moved| match moved {
            Moved::Yes(moved) => Some(moved.task),
            Moved::No { .. } | Moved::Unknown | Moved::Contended => None,
        })
        .collect();
    let letters = offered.iter().map(|task| Outgoing {
        to: Address::Offers(lane.clone()),
        message: core.message(&core.offer(task, None), now),
        expires: None,
    });
    let receipts = core.send(letters.collect()).await;
    let failed: Vec<(&Task, Receipt)> = offered
        .iter()
        .zip(receipts)
        .filter(|(_, receipt)| *receipt != Receipt::Confirmed)
        .collect();
    let handed = offered.len() - failed.len();
    if !failed.is_empty() {
        made.remove(lane);
    }
    let intents = failed.into_iter().map(|(task, receipt)| {
        // Before the commit that makes it ready again, or a queue that is full would be asked without a pause.
        core.registry.rest(task.id);
        let event = Event::Unoffer {
            offer: task.life.offer,
            again: false,
        };
        let detail = serde_json::json!({ "reason": format!("{receipt:?}").to_lowercase() });
        Intent::new(task.id, event, "server").detail(detail)
    });
    core.transitions(intents.collect()).await?;
    Ok(handed)
}

//! Reads presence: hello, heartbeat, bye. Heartbeats renew leases; a link that ends starts the grace of its runs.

use crate::away::Away;
use crate::control::millis;
use crate::core::Core;
use crate::error::Result;
use crate::grace::{Then, Waiting};
use crate::transition::{Intent, Moved};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::store::{Change, Op};
use warrener_backend::{Address, Delivery, Error as BackendError, Inbox, Outgoing};
use warrener_model::agent::{Presence, Who};
use warrener_model::life::Event;
use warrener_model::message::{self, Body, BodyError, Bye, Heartbeat, Hello};
use warrener_model::{Timestamp, limits};

/// Messages read before the commit of what they say.
const BATCH: usize = 256;
const CREDIT: u32 = 1_024;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
    while !stop.is_cancelled() {
        let from = Address::Inbox(Inbox::Presence);
        match core
            .broker
            .subscribe(Subscribe {
                from,
                credit: CREDIT,
                will: None,
            })
            .await
        {
            Ok(mut presence) => {
                away.is_back();
                core.lag.presence_up.store(true, Ordering::Release);
                tokio::select! {
                    () = read(&core, &mut presence) => {}
                    () = stop.cancelled() => {}
                }
                core.lag.presence_up.store(false, Ordering::Release);
            }
            Err(error) => away.says("presence", &error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn read(core: &Arc<Core>, presence: &mut warrener_backend::Subscription) {
    while let Some(first) = presence.next().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(next) = presence.try_next()
        {
            batch.push(next);
        }
        let count = batch.len() as u64;
        for delivery in batch {
            match take(core, &delivery).await {
                Ok(()) => delivery.ack(),
                Err(Trouble::Body(error)) => {
                    core.refused("presence", "malformed");
                    tracing::warn!(%error, kind = %delivery.message.kind, "presence rejected");
                    delivery.reject(error.to_string());
                }
                // Presence is said again and again: what met a store that is away is not kept.
                Err(Trouble::Store(error)) => {
                    tracing::warn!(%error, "presence not recorded");
                    delivery.ack();
                }
            }
        }
        core.lag.presence_done.fetch_add(count, Ordering::AcqRel);
    }
}

enum Trouble {
    Body(BodyError),
    Store(crate::Error),
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        Trouble::Body(error)
    }
}

impl From<crate::Error> for Trouble {
    fn from(error: crate::Error) -> Self {
        Trouble::Store(error)
    }
}

async fn take(core: &Arc<Core>, delivery: &Delivery) -> std::result::Result<(), Trouble> {
    let body = &delivery.message.body;
    match &*delivery.message.kind {
        Hello::TYPE => hello(core, message::decode(body)?).await?,
        Heartbeat::TYPE => heartbeat(core, &message::decode(body)?).await?,
        Bye::TYPE => {
            let bye: Bye = message::decode(body)?;
            let clean = bye.reason != "gone";
            let presence = if clean {
                Presence::Left
            } else {
                Presence::Lost
            };
            gone(core, &bye.who.into(), presence).await?;
        }
        other => {
            let reason = format!("type \"{other}\" is not hello, heartbeat or bye");
            return Err(BodyError::Malformed {
                kind: "presence",
                reason,
            }
            .into());
        }
    }
    Ok(())
}

/// An agent joins, or comes back.
async fn hello(core: &Arc<Core>, hello: Hello) -> Result<()> {
    let who = hello.who();
    let now = core.now().await?;
    if let Some(refusal) = objection(core, &hello).await? {
        tracing::warn!(agent = %who.agent, code = refusal.code, "agent not welcome: {}", refusal.message);
        core.send(vec![core.letter(&who, &refusal, now)]).await;
        return Ok(());
    }
    let timers = &core.options.timers;
    let welcome = message::Welcome {
        who: hello.who.clone(),
        queues: queues(core, &hello).await?,
        heartbeat_ms: millis(timers.heartbeat),
        lease_ms: millis(timers.lease),
        handoff_ms: millis(timers.handoff),
        max_body_bytes: limits::OUTPUT_BYTES as u64,
        server_time: now,
    };
    let (name, lanes) = (hello.name.clone(), hello.lanes.len());
    let drains = core.joins(hello, now).await?.drain;
    tracing::info!(agent = %who.agent, instance = %who.instance, name, lanes, "agent joined");
    let mut letters = vec![core.letter(&who, &welcome, now)];
    if drains {
        let reason = "an operator asked this agent to drain".into();
        letters.push(core.letter(
            &who,
            &message::Drain {
                deadline: None,
                within_ms: None,
                reason,
                stay: true,
            },
            now,
        ));
    }
    core.send(letters).await;
    // Runs of an earlier boot of this agent: their holder is gone, unless it shows itself within the grace.
    abandon(core, false, |held| {
        held.agent == who.agent && held.instance != who.instance
    })
    .await?;
    core.ready.notify_one();
    Ok(())
}

/// Why this agent cannot join.
async fn objection(core: &Arc<Core>, hello: &Hello) -> Result<Option<message::Unwelcome>> {
    let no = |code: &str, message: String| {
        Some(message::Unwelcome {
            code: code.into(),
            message,
        })
    };
    if hello.role.executes() && hello.lanes.is_empty() {
        return Ok(no(
            "unknown_lane",
            "an agent that works needs a lane: --lane default".into(),
        ));
    }
    if hello.slots == 0 || hello.slots > limits::SLOTS {
        let message = format!("slots must be 1 to {}, not {}", limits::SLOTS, hello.slots);
        return Ok(no("role_not_allowed", message));
    }
    let who = hello.who();
    let Some(other) = core.registry.other_instance(&who) else {
        return Ok(None);
    };
    // Another boot is on record; whether it lives, its control address knows.
    match core.broker.depth(&Address::Control(other.clone())).await {
        Err(BackendError::NotFound(_)) => {
            gone(core, &other, Presence::Lost).await?;
            Ok(None)
        }
        _ => {
            let message = format!(
                "agent \"{}\" is connected already (instance {}); choose another --name, or stop it first",
                other.agent, other.instance
            );
            Ok(no("name_taken", message))
        }
    }
}

/// The queues an agent reads: none where the server hands out the work itself.
async fn queues(core: &Core, hello: &Hello) -> Result<Vec<message::Queue>> {
    if core.broker.capabilities().direct || !hello.role.executes() {
        return Ok(vec![]);
    }
    let lanes: Vec<Address> = hello.lanes.iter().cloned().map(Address::Offers).collect();
    core.broker.ensure(&lanes).await?;
    let queue = |lane: &warrener_model::Lane| message::Queue {
        queue: match lane.as_str() {
            "default" => format!("{}.tasks", core.options.namespace),
            other => format!("{}.tasks.{other}", core.options.namespace),
        },
        lane: lane.clone(),
        prefetch: hello.slots,
        start: core.start(lane).as_str().into(),
    };
    Ok(hello.lanes.iter().map(queue).collect())
}

/// A sign of life: renews what it lists, revokes what it may not hold any more.
async fn heartbeat(core: &Arc<Core>, beat: &Heartbeat) -> Result<()> {
    let who: Who = beat.who.clone().into();
    let now = core.now().await?;
    if !core.registry.seen(&who, beat.state == "draining", now) {
        // It believes to be in and is not (it was called lost): it has to say hello again.
        let message = "say hello first: this server does not know this agent".into();
        let body = message::Unwelcome {
            code: "unknown".into(),
            message,
        };
        core.send(vec![core.letter(&who, &body, now)]).await;
        return Ok(());
    }
    let actor = format!("agent:{}", who.agent);
    let intents = beat.leases.iter().map(|held| {
        let event = Event::Renew {
            who: who.clone(),
            epoch: held.epoch,
        };
        Intent::new(held.task_id, event, actor.clone())
    });
    let moved = core.transitions(intents.collect()).await?;
    let mut letters: Vec<Outgoing> = vec![];
    let mut progress = vec![];
    for (held, moved) in beat.leases.iter().zip(moved) {
        match moved {
            Moved::Yes(_) => {
                if let Some(p) = &held.progress {
                    let (task, epoch, progress_) = (held.task_id, held.epoch, p.clone());
                    progress.push(Change::from(Op::Progress {
                        task,
                        epoch,
                        progress: progress_,
                    }));
                }
            }
            Moved::No { task, .. } => {
                core.refused("heartbeat", "not_entitled");
                let state = Some(task.life.state);
                letters.push(core.revoke(&who, held.task_id, held.epoch, state, now));
            }
            Moved::Unknown => letters.push(core.revoke(&who, held.task_id, held.epoch, None, now)),
            Moved::Contended => {}
        }
    }
    if !progress.is_empty() {
        core.store.commit(progress).await?;
    }
    core.send(letters).await;
    Ok(())
}

/// An agent is gone: its runs have the grace to show themselves (through another connection of the same boot).
pub(crate) async fn gone(core: &Arc<Core>, who: &Who, presence: Presence) -> Result<()> {
    let now = core.now().await?;
    let left = core.leaves(who, presence, now).await;
    // Whatever became of the write: its word is not said again, and the grace of its runs begins now.
    if !matches!(left, Ok(None)) {
        // A server that stops ends the links itself: nobody is lost then.
        if presence == Presence::Lost && !core.is_draining() {
            core.alerts.agent_lost(&who.agent, now);
        }
        tracing::info!(agent = %who.agent, instance = %who.instance, presence = presence.as_str(), "agent gone");
    }
    let clean = presence == Presence::Left;
    abandon(core, clean, |held| held == who).await?;
    left.map(drop)
}

/// Starts the grace of every run whose holder is one of these; `clean` when it said goodbye, having reported all that
/// it ran.
async fn abandon(core: &Arc<Core>, clean: bool, whose: impl Fn(&Who) -> bool) -> Result<()> {
    for row in core.store.held().await? {
        if whose(&row.who) {
            let then = match clean {
                true => Then::Release {
                    who: row.who,
                    epoch: row.epoch,
                },
                false => Then::Lose,
            };
            core.grace(Waiting {
                task: row.task,
                seen: row.lease_seq,
                then,
            })
            .await;
        }
    }
    Ok(())
}

/// Agents that were silent for a lease: called lost, their runs are the sweep's.
pub(crate) async fn expire(core: &Arc<Core>, now: Timestamp) -> Result<()> {
    for who in core.registry.silent(core.options.timers.lease) {
        if core.leaves(&who, Presence::Lost, now).await?.is_some() {
            core.alerts.agent_lost(&who.agent, now);
            tracing::warn!(agent = %who.agent, "agent silent for a lease");
        }
    }
    Ok(())
}

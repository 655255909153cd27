//! Reads presence: hello, heartbeat, bye. Heartbeats renew leases; a link that ends starts the grace of its runs.

use crate::away::Away;
use crate::core::Core;
use crate::error::Result;
use crate::grace::{Then, Waiting};
use crate::refused::{self, Refusal};
use crate::transition::{Intent, Moved};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::store::{Change, Op};
use warrener_backend::{Address, Delivery, Inbox, Outgoing};
use warrener_model::Timestamp;
use warrener_model::agent::{Presence, Who};
use warrener_model::life::Event;
use warrener_model::message::{self, Body, BodyError, Bye, Heartbeat, Hello};

mod hello;

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
        let said_again = said_again(&batch);
        for (delivery, again) in batch.into_iter().zip(said_again) {
            if again {
                delivery.ack();
                continue;
            }
            match take(core, &delivery).await {
                Ok(()) => delivery.ack(),
                Err(Trouble::Refused(why)) => {
                    core.refuse(refused::PRESENCE, delivery, &why).await;
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

/// Which of these are hellos that are said again, word for word, later on. A server that comes back finds one for each time
/// that an agent asked; to answer each would take longer than it takes the agents to ask again. Nothing else is passed
/// over: a goodbye is not the same as the end of a connection, and what is malformed is counted each time.
fn said_again(batch: &[Delivery]) -> Vec<bool> {
    let mut later = HashSet::new();
    let mut again: Vec<bool> = batch
        .iter()
        .rev()
        .map(|delivery| {
            let message = &delivery.message;
            if &*message.kind != Hello::TYPE {
                return false;
            }
            let said = (&message.sender, message.store, &*message.body);
            !later.insert(said) && message::decode::<Hello>(&message.body).is_ok()
        })
        .collect();
    again.reverse();
    again
}

enum Trouble {
    Refused(Refusal),
    Store(crate::Error),
}

impl From<Refusal> for Trouble {
    fn from(why: Refusal) -> Self {
        Trouble::Refused(why)
    }
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        Trouble::Refused(error.into())
    }
}

impl From<crate::Error> for Trouble {
    fn from(error: crate::Error) -> Self {
        Trouble::Store(error)
    }
}

async fn take(core: &Arc<Core>, delivery: &Delivery) -> std::result::Result<(), Trouble> {
    let message = &delivery.message;
    core.is_ours(message)?;
    match &*message.kind {
        Hello::TYPE => match message::decode::<Hello>(&message.body) {
            Ok(hello) => {
                refused::sent_by(message, &hello.who())?;
                hello::joins(core, hello).await?;
            }
            Err(error) => {
                hello::answer_unreadable(core, message, &error).await?;
                return Err(error.into());
            }
        },
        Heartbeat::TYPE => {
            let beat: Heartbeat = message::decode(&message.body)?;
            refused::sent_by(message, &beat.who.clone().into())?;
            heartbeat(core, &beat).await?;
        }
        Bye::TYPE => {
            let bye: Bye = message::decode(&message.body)?;
            refused::sent_by(message, &bye.who.clone().into())?;
            let clean = bye.reason != "gone";
            let presence = if clean {
                Presence::Left
            } else {
                Presence::Lost
            };
            gone(core, &bye.who.into(), presence).await?;
        }
        other => return Err(Refusal::no_such_type(other, "hello, heartbeat or bye").into()),
    }
    Ok(())
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
        let copies = core.progress_of(&progress, now);
        core.store.commit(progress).await?;
        core.copy(copies);
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

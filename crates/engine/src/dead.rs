//! Reads what the broker gave up (row 12). Dead letters of current offers take them back; the rest is counted and kept
//! for people to look at.

use crate::away::Away;
use crate::core::Core;
use crate::recorder::{clip, reason};
use crate::refused::{DEAD, KEPT, Refusal};
use crate::transition::{Intent, Moved};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::{Subscribe, UNREADABLE};
use warrener_backend::{Address, Delivery, Message, Subscription};
use warrener_model::life::Event;
use warrener_model::message::{self, Body, Offer};

/// Dead letters recorded in one commit: each may be as large as a task.
const BATCH: usize = 64;
const CREDIT: u32 = 256;
/// The longest reason kept in the history, in bytes.
const REASON: usize = 1_024;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
    while !stop.is_cancelled() {
        let subscribe = Subscribe {
            from: Address::Dead,
            credit: CREDIT,
            will: None,
        };
        match core.broker.subscribe(subscribe).await {
            Ok(mut letters) => {
                away.is_back();
                tokio::select! {
                    () = read(&core, &mut letters) => {}
                    // What is held is dropped unsettled: it comes again.
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => away.says("the reader of dead letters", &error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn read(core: &Core, letters: &mut Subscription) {
    while let Some(first) = letters.next().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(next) = letters.try_next()
        {
            batch.push(next);
        }
        let mut intents = vec![];
        for delivery in &batch {
            let letter = &delivery.message;
            let reason = letter.reason.as_deref().unwrap_or("nobody says why");
            // Whoever refused it has counted and kept it.
            if reason.starts_with(KEPT) {
                continue;
            }
            match intent(core, letter) {
                Ok(intent) => intents.push(intent),
                Err(class) => {
                    let reason = reason.into();
                    core.keep(DEAD, letter, &Refusal { class, reason }).await;
                }
            }
        }
        persist(core, intents).await;
        batch.into_iter().for_each(Delivery::ack);
    }
}

/// What a dead letter means for its task, or why it means nothing.
fn intent(core: &Core, letter: &Message) -> Result<Intent, &'static str> {
    let reason = letter.reason.as_deref().unwrap_or("rejected");
    if reason.starts_with(UNREADABLE) {
        return Err("malformed");
    }
    if &*letter.kind != Offer::TYPE {
        return Err("no_offer");
    }
    let offer: Offer = message::decode(&letter.body).map_err(|_| "malformed")?;
    // Every offer names its store; a task of another one is none of this one's.
    if letter.store != Some(core.store.id()) {
        return Err("foreign");
    }
    let why = clip(reason, REASON);
    let event = Event::DeadLetter { offer: offer.offer };
    let detail = serde_json::json!({ "reason": why });
    Ok(Intent::new(offer.task_id, event, "server").detail(detail))
}

/// The store may be away: nothing is acknowledged until it is recorded. After a failure each goes on its own, so that
/// one that cannot be written does not hold up the others.
async fn persist(core: &Core, intents: Vec<Intent>) {
    let mut open = vec![intents];
    loop {
        let mut left = vec![];
        for group in open {
            match core.transitions(group.clone()).await {
                Ok(moved) => {
                    for (intent, moved) in group.into_iter().zip(moved) {
                        match moved {
                            Moved::Yes(_) => {}
                            Moved::No { refused, .. } => core.refused("dead", reason(refused)),
                            Moved::Unknown => core.refused("dead", "unknown"),
                            Moved::Contended => left.push(vec![intent]),
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, letters = group.len(), "dead letters wait for the store");
                    left.extend(group.into_iter().map(|intent| vec![intent]));
                }
            }
        }
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        open = left;
    }
}

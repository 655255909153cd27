//! Reads submissions that agents of role leader send over the broker (contracts.md section 5).

use crate::core::Core;
use crate::orchestrator::Orchestrator;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Delivery, Inbox};
use warrener_model::{Submission, message};

const CREDIT: u32 = 256;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(orchestrator: Orchestrator, core: Arc<Core>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let from = Address::Inbox(Inbox::Submit);
        match core
            .broker
            .subscribe(Subscribe {
                from,
                credit: CREDIT,
                will: None,
            })
            .await
        {
            Ok(mut submissions) => loop {
                let delivery = tokio::select! {
                    delivery = submissions.next() => delivery,
                    () = stop.cancelled() => return,
                };
                let Some(delivery) = delivery else { break };
                take(&orchestrator, &core, delivery).await;
            },
            Err(error) => tracing::warn!(%error, "submissions wait for the broker"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One submission: its message id is its idempotency key, so a second copy of the message makes no second task (H25).
async fn take(orchestrator: &Orchestrator, core: &Core, delivery: Delivery) {
    let body = String::from_utf8_lossy(&delivery.message.body).into_owned();
    let key = delivery.message.id.to_string();
    let actor = match message::sender(&delivery.message.body) {
        Some(agent) => format!("agent:{agent}"),
        None => "agent".to_owned(),
    };
    let submission = match Submission::read(&body) {
        Ok(submission) => submission,
        Err(mistakes) => {
            core.refused("submit", "malformed");
            let reason = mistakes
                .first()
                .map_or(String::new(), |m| m.message.clone());
            delivery.reject(reason);
            return;
        }
    };
    match orchestrator.submit(submission, Some(key), &actor).await {
        Ok(_) => delivery.ack(),
        Err(crate::Error::Backend(error)) if error.is_passing() => {
            tracing::warn!(%error, "a submission waits for the store");
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Dropped unsettled: it comes again.
        }
        Err(error) => {
            core.refused("submit", error.code());
            delivery.reject(error.to_string());
        }
    }
}

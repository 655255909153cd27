//! Reads submissions that agents of role leader send over the broker (contracts.md section 5).

use crate::away::Away;
use crate::core::Core;
use crate::orchestrator::Orchestrator;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Delivery, Inbox};
use warrener_model::Submission;

const CREDIT: u32 = 256;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(orchestrator: Orchestrator, core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
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
                away.is_back();
                let delivery = tokio::select! {
                    delivery = submissions.next() => delivery,
                    () = stop.cancelled() => return,
                };
                let Some(delivery) = delivery else { break };
                tokio::select! {
                    () = take(&orchestrator, &core, delivery) => {}
                    // Dropped unsettled: it comes again.
                    () = stop.cancelled() => return,
                }
            },
            Err(error) => away.says("the reader of submissions", &error),
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
    let actor = match delivery.message.sender.clone() {
        Some(agent)
            if core
                .registry
                .role(&agent)
                .is_some_and(|role| !role.submits()) =>
        {
            core.refused("submit", "role");
            return delivery.reject(format!(
                "agent {agent} may not submit: its role is not leader"
            ));
        }
        Some(agent) => format!("agent:{agent}"),
        // A client of role leader that is no agent.
        None => "leader".to_owned(),
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
    // Held until it is accepted or refused for good: a broker gives up on what is given back again and again.
    loop {
        match orchestrator
            .submit(submission.clone(), Some(key.clone()), &actor)
            .await
        {
            Ok(_) => return delivery.ack(),
            Err(error) if passes(&error) => {
                tracing::warn!(%error, "a submission waits");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => {
                core.refused("submit", error.code());
                return delivery.reject(error.to_string());
            }
        }
    }
}

/// Whether the same submission may be accepted later.
fn passes(error: &crate::Error) -> bool {
    match error {
        crate::Error::Backend(error) => error.is_passing(),
        crate::Error::Overloaded | crate::Error::Draining | crate::Error::Contended(_) => true,
        _ => false,
    }
}

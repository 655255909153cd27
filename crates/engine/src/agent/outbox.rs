//! Publishes what an agent has to say, in order, without ever holding up its session.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use warrener_backend::{Broker, Outgoing, Receipt};
use warrener_model::ClaimId;

/// Messages published in one go.
const BATCH: usize = 256;

/// One message, and whose outcome it is.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Outgoing,
    pub(super) outcome: Option<ClaimId>,
}

/// Runs until the sender is gone. Says what became of each outcome.
pub(super) async fn run(
    broker: Arc<dyn Broker>,
    confirm: Duration,
    mut letters: mpsc::Receiver<Letter>,
    sent: mpsc::UnboundedSender<(ClaimId, Receipt)>,
) {
    let mut batch = vec![];
    while letters.recv_many(&mut batch, BATCH).await > 0 {
        let outcomes: Vec<Option<ClaimId>> = batch.iter().map(|letter| letter.outcome).collect();
        let messages = batch.drain(..).map(|letter| letter.message).collect();
        // The broker's own deadline should end this; a deadline of our own makes sure.
        let receipts = match tokio::time::timeout(confirm * 2, broker.publish(messages)).await {
            Ok(Ok(receipts)) => receipts,
            Ok(Err(error)) => {
                tracing::debug!(%error, "not published; will be said again");
                vec![Receipt::Unknown; outcomes.len()]
            }
            Err(_) => vec![Receipt::Unknown; outcomes.len()],
        };
        for (outcome, receipt) in outcomes.into_iter().zip(receipts) {
            if let Some(claim) = outcome {
                // The session is gone only when the agent is.
                let _ = sent.send((claim, receipt));
            }
        }
    }
}

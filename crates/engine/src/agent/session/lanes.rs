//! Which offers the session reads: those of the lanes of its welcome, and none while it drains.

use super::{Incoming, Session};
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Result, Subscription};

impl Session {
    /// Reads what it does not read yet, unless it drains.
    pub(super) async fn serve(&mut self) -> Result<()> {
        if self.draining {
            return Ok(());
        }
        for queue in self.queues.clone() {
            if self.serving.contains_key(&queue.lane) {
                continue;
            }
            let subscribe = Subscribe {
                from: Address::Offers(queue.lane.clone()),
                credit: queue.prefetch,
                will: None,
            };
            let offers = self.sender.broker.subscribe(subscribe).await?;
            let enough = self.read(offers);
            self.serving.insert(queue.lane, enough);
        }
        Ok(())
    }

    /// Reads no more. What was delivered is claimed, and what runs keeps its delivery until it is settled.
    pub(super) fn rest(&mut self) {
        self.serving.drain().for_each(|(_, enough)| enough.cancel());
    }

    /// Passes a lane's offers on, until it is told that they are enough; an earlier end is the end of the session.
    fn read(&mut self, mut offers: Subscription) -> CancellationToken {
        let (incoming, enough) = (self.incoming.clone(), CancellationToken::new());
        let told = enough.clone();
        self.offers.spawn(async move {
            loop {
                let delivery = tokio::select! {
                    delivery = offers.next() => delivery,
                    () = told.cancelled() => break,
                };
                let Some(delivery) = delivery else {
                    // The session is gone only when the agent is.
                    let _ = incoming.send(Incoming::Lost).await;
                    return;
                };
                if incoming.send(Incoming::Offer(delivery)).await.is_err() {
                    return;
                }
            }
            offers.enough();
            while let Some(delivery) = offers.next().await {
                if incoming.send(Incoming::Offer(delivery)).await.is_err() {
                    return;
                }
            }
        });
        enough
    }
}

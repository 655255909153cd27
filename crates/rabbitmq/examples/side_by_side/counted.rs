//! A broker that counts what is published through it, and lets everything pass.

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::Result;

/// Confirmed messages by type, and calls; the server and the agent of a turn share one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<Mutex<Counts>>);

/// See [`Count`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: BTreeMap<String, u64>,
    pub(crate) calls: u64,
}

impl Count {
    /// What was counted since the last time it was taken.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) inner: Arc<dyn Broker>,
    pub(crate) count: Count,
}

#[async_trait]
impl Broker for Counted {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        self.inner.ensure(addresses).await
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        let kinds: Vec<Arc<str>> = batch.iter().map(|out| out.message.kind.clone()).collect();
        let receipts = self.inner.publish(batch).await?;
        let mut counts = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.calls += 1;
        for (kind, receipt) in kinds.iter().zip(&receipts) {
            if *receipt != Receipt::Confirmed {
                continue;
            }
            match counts.messages.get_mut(&**kind) {
                Some(count) => *count += 1,
                None => drop(counts.messages.insert(kind.to_string(), 1)),
            }
        }
        Ok(receipts)
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        self.inner.subscribe(subscribe).await
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        self.inner.depth(address).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

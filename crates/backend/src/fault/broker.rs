//! A broker that does what a plan says.

use super::plan::broken;
use super::{Fault, Plan, point};
use crate::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use crate::error::Result;
use async_trait::async_trait;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct FaultyBroker {
    inner: Arc<dyn Broker>,
    plan: Plan,
}

impl FaultyBroker {
    /// Puts a plan before a broker.
    pub fn new(inner: Arc<dyn Broker>, plan: Plan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl Broker for FaultyBroker {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        let call = self.plan.begin(point::ENSURE).await?;
        if call.fault == Fault::Drop {
            return Err(broken(call));
        }
        let result = self.inner.ensure(addresses).await;
        self.plan.end(call).await?;
        result
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        let is_copy = |one: &Outgoing| matches!(one.to, Address::Topic(_));
        let point = match batch.iter().all(is_copy) {
            true => point::COPY,
            false => point::PUBLISH,
        };
        let call = self.plan.begin(point).await?;
        let size = batch.len();
        let again = (call.fault == Fault::Duplicate).then(|| batch.clone());
        let result = match call.fault {
            Fault::Drop => Ok(vec![Receipt::Confirmed; size]),
            _ => self.inner.publish(batch).await,
        };
        if let Some(again) = again {
            // Nobody hears of the second one: the sender believes that it published once.
            let _ = self.inner.publish(again).await;
        }
        match self.plan.end(call).await {
            Ok(()) => result,
            Err(_) => result.map(|_| vec![Receipt::Unknown; size]),
        }
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        let call = self.plan.begin(point::SUBSCRIBE).await?;
        if call.fault == Fault::Drop {
            return Err(broken(call));
        }
        let result = self.inner.subscribe(subscribe).await;
        self.plan.end(call).await?;
        result
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        let call = self.plan.begin(point::DEPTH).await?;
        let result = self.inner.depth(address).await;
        self.plan.end(call).await?;
        result
    }

    async fn health(&self) -> Health {
        let call = match self.plan.begin(point::HEALTH).await {
            Ok(call) => call,
            Err(error) => return Health::Down(error.to_string()),
        };
        let health = self.inner.health().await;
        match self.plan.end(call).await {
            Ok(()) => health,
            Err(error) => Health::Down(error.to_string()),
        }
    }
}

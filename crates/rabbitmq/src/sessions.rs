//! What stands on the two connections: one publishes, the other one reads and looks after the topology.
//!
//! They are apart because a broker that is short of memory or disk stops reading from whoever publishes: what is
//! acknowledged, asked or declared must not wait for that.

use crate::amqp::{Connection, Letter, Life};
use crate::names::Names;
use crate::owner;
use crate::publisher::{Known, Publisher, Pulse};
use crate::settings::Settings;
use crate::supervisor::{BROKER, Session, error};
use crate::topology;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use warrener_backend::broker::{Address, Receipt};
use warrener_backend::error::{Error, Result};
use warrener_model::id::StoreId;

/// What both know.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) settings: Arc<Settings>,
    pub(crate) target: crate::amqp::Target,
    pub(crate) names: Names,
    pub(crate) pulse: Arc<Pulse>,
    /// What was ensured: made again on each new connection.
    pub(crate) ensured: Mutex<Vec<Address>>,
    /// The store this server claimed the namespace for: claimed again on each new connection.
    pub(crate) claimed: Mutex<Option<StoreId>>,
}

impl Ground {
    pub(crate) fn remember(&self, addresses: &[Address]) {
        let mut ensured = self.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            if !ensured.contains(address) {
                ensured.push(address.clone());
            }
        }
    }

    pub(crate) fn parts(&self) -> Vec<topology::Part> {
        let ensured = self.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts = topology::base(&self.names);
        parts.extend(topology::parts(
            &self.names,
            &self.settings.limits,
            &ensured,
        ));
        parts
    }

    /// Nothing stands on a new connection of a server before the namespace is its store's still: while it was away a
    /// person may have given it to another one.
    async fn claim_again(&self) -> Result<()> {
        let claimed = *self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        match claimed {
            Some(store) => owner::claim(&self.settings, &self.target, store).await,
            None => Ok(()),
        }
    }
}

/// Publishes.
#[derive(Debug)]
pub(crate) struct Publish {
    connection: Arc<Connection>,
    life: watch::Receiver<Life>,
    publisher: Publisher,
    known: Arc<Known>,
}

impl Session for Publish {
    type Ground = Arc<Ground>;

    async fn build(connection: Arc<Connection>, ground: &Arc<Ground>) -> Result<Self> {
        ground.claim_again().await?;
        let known = Arc::new(Known::default());
        let publisher = Publisher::start(
            connection.clone(),
            ground.settings.clone(),
            known.clone(),
            ground.pulse.clone(),
        );
        Ok(Publish {
            life: connection.life(),
            connection,
            publisher,
            known,
        })
    }
}

impl Publish {
    /// Why the broker takes nothing now, if it does not.
    pub(crate) fn blocked(&self) -> Option<String> {
        match &*self.life.borrow() {
            Life::Blocked(why) => Some(why.clone()),
            Life::Up | Life::Over(_) => None,
        }
    }

    /// Publishes all. What goes to an exchange that does not exist is not sent, and unroutable.
    pub(crate) async fn publish(&self, letters: Vec<Letter>) -> Result<Vec<Receipt>> {
        if let Some(why) = self.blocked() {
            return Err(Error::unavailable(BROKER, format!("it is blocked: {why}")));
        }
        let mut absent: Vec<String> = Vec::new();
        for letter in &letters {
            let exchange = &letter.route.exchange;
            if !absent.contains(exchange) && !self.exists(exchange).await? {
                absent.push(exchange.clone());
            }
        }
        let mut receipts = vec![Receipt::Unroutable; letters.len()];
        let there = |letter: &Letter| !absent.contains(&letter.route.exchange);
        let places: Vec<usize> = (0..letters.len()).filter(|n| there(&letters[*n])).collect();
        let sent: Vec<Letter> = letters.into_iter().filter(there).collect();
        if !sent.is_empty() {
            let heard = self.publisher.publish(sent).await?;
            for (place, receipt) in places.into_iter().zip(heard) {
                receipts[place] = receipt;
            }
        }
        Ok(receipts)
    }

    async fn exists(&self, exchange: &str) -> Result<bool> {
        if self.known.has(exchange) {
            return Ok(true);
        }
        let wrong = |fault| error(exchange, fault);
        let channel = self.connection.channel().await.map_err(wrong)?;
        match channel.find_exchange(exchange).await {
            Ok(()) => {
                channel.close().await;
                self.known.add(exchange);
                Ok(true)
            }
            Err(fault) if fault.is_not_found() => Ok(false),
            Err(fault) => Err(wrong(fault)),
        }
    }
}

/// Reads, and looks after the topology.
#[derive(Debug)]
pub(crate) struct Consume {
    pub(crate) connection: Arc<Connection>,
}

impl Session for Consume {
    type Ground = Arc<Ground>;

    async fn build(connection: Arc<Connection>, ground: &Arc<Ground>) -> Result<Self> {
        ground.claim_again().await?;
        if ground.settings.is_server() {
            declare(&connection, &ground.parts()).await?;
        }
        Ok(Consume { connection })
    }
}

/// Declares on a channel of its own, since a refusal ends it.
pub(crate) async fn declare(connection: &Connection, parts: &[topology::Part]) -> Result<()> {
    let wrong = |fault| error("the topology", fault);
    let channel = connection.channel().await.map_err(wrong)?;
    let done = topology::declare(&channel, parts).await.map_err(wrong);
    if done.is_ok() {
        channel.close().await;
    }
    done
}

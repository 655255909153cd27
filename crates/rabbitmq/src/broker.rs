//! The port, on two connections. What is here checks who may do what, turns addresses into names, and waits.

use crate::amqp::{BODY_BYTES_MAX, Channel, Fault, Kind, Letter};
use crate::consumer::{Reading, Undertaker};
use crate::handle::{CAPABILITIES, RabbitBroker};
use crate::sessions::declare;
use crate::settings::Role;
use crate::supervisor::error;
use crate::topology;
use async_trait::async_trait;
use std::sync::PoisonError;
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::Who;

impl RabbitBroker {
    pub(crate) fn servers_only(&self, what: &str) -> Result<()> {
        match &self.settings().role {
            Role::Server => Ok(()),
            Role::Agent(who) => Err(Error::NotAllowed(format!(
                "agent {} may not {what}",
                who.agent
            ))),
        }
    }

    fn may_publish(&self, to: &Address) -> Result<()> {
        match to {
            Address::Inbox(_) => Ok(()),
            _ => self.servers_only(&format!("publish to {to}")),
        }
    }

    fn may_read(&self, from: &Address) -> Result<()> {
        match (from, &self.settings().role) {
            (Address::Offers(_) | Address::Topic(_), _) => Ok(()),
            (Address::Control(whose), Role::Agent(who)) if whose == who => Ok(()),
            (Address::Inbox(_) | Address::Dead, Role::Server) => Ok(()),
            (Address::Control(_), Role::Server) => Err(Error::NotAllowed(format!(
                "{from} is read by its agent alone"
            ))),
            _ => self.servers_only(&format!("read {from}")),
        }
    }

    fn letter(&self, mut out: Outgoing) -> Result<Letter> {
        if let Role::Agent(who) = &self.settings().role {
            out.message.sender = Some(who.agent.clone());
        }
        let size = out.message.body.len();
        if size > BODY_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a message of {size} bytes is more than the broker takes; the limit is {BODY_BYTES_MAX}"
            )));
        }
        let route = self.names().route(&out.to, &out.message)?;
        Letter::new(route, out.message, out.expires, self.ground().target.user())
    }

    /// Makes or finds the queue to read, and says whether it is read alone.
    async fn source(&self, channel: &Channel, from: &Address) -> Result<(String, bool)> {
        let wrong = |fault: Fault| error(&from.to_string(), fault);
        match from {
            Address::Topic(pattern) => {
                let args = topology::watcher(&self.settings().limits);
                let bindings = self.names().bindings(pattern)?;
                let made = channel
                    .declare_queue("", Kind::Own, &args)
                    .await
                    .map_err(wrong)?;
                for (exchange, key) in bindings {
                    channel
                        .bind(&made.name, &exchange, &key)
                        .await
                        .map_err(wrong)?;
                }
                Ok((made.name, true))
            }
            Address::Control(who) => Ok((self.control(channel, who).await?, true)),
            Address::Offers(_) | Address::Inbox(_) | Address::Dead => {
                let queue = self.names().queue(from).unwrap_or_default();
                channel.find_queue(&queue).await.map_err(wrong)?;
                Ok((queue, false))
            }
        }
    }

    async fn control(&self, channel: &Channel, who: &Who) -> Result<String> {
        let queue = self.names().control(who);
        let args = topology::control(&self.settings().limits);
        let taken = |fault: Fault| self.taken(&queue, who, fault);
        channel
            .declare_queue(&queue, Kind::Own, &args)
            .await
            .map_err(taken)?;
        Ok(queue)
    }

    /// What it means that somebody has a control queue.
    fn taken(&self, queue: &str, who: &Who, fault: Fault) -> Error {
        let address = Address::Control(who.clone()).to_string();
        let controls = self
            .shared
            .controls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if fault.is_locked() && controls.contains(queue) {
            // A connection whose cable was cut lives on at the broker until its heartbeat is missed.
            let why = "the broker has not missed our last connection yet";
            return Error::unavailable(address, why);
        }
        if fault.is_locked() || fault.is_refused() && fault.text().contains("exclusive") {
            return Error::Taken {
                what: address,
                reason: "another process reads it; a new boot needs a new instance".into(),
            };
        }
        error(&address, fault)
    }
}

#[async_trait]
impl Broker for RabbitBroker {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        self.servers_only("make addresses")?;
        self.publishing()?;
        let session = self.consuming()?;
        let ground = self.ground();
        let parts = topology::parts(&ground.names, &ground.settings.limits, addresses);
        declare(&session.connection, &parts).await?;
        ground.remember(addresses);
        Ok(())
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        batch.iter().try_for_each(|out| self.may_publish(&out.to))?;
        let letters: Result<Vec<Letter>> = batch.into_iter().map(|out| self.letter(out)).collect();
        let letters = letters?;
        let session = self.publishing()?;
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        session.publish(letters).await
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        let Subscribe { from, credit, will } = subscribe;
        if will.is_some() {
            return Err(Error::Unsupported("wills"));
        }
        if credit == 0 {
            return Err(Error::Invalid("a subscription needs credit".into()));
        }
        self.may_read(&from)?;
        let session = self.consuming()?;
        let wrong = |fault: Fault| error(&from.to_string(), fault);
        let channel = session.connection.channel().await.map_err(wrong)?;
        let (queue, alone) = self.source(&channel, &from).await?;
        let consumer = match channel.consume(&queue, credit, alone).await {
            Ok(consumer) => consumer,
            Err(fault) => {
                return Err(match &from {
                    Address::Control(who) => self.taken(&queue, who, fault),
                    _ => wrong(fault),
                });
            }
        };
        if let Address::Control(_) = from {
            let mut controls = self
                .shared
                .controls
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            controls.insert(queue);
        }
        let undertaker = self.settings().is_server().then(|| Undertaker {
            line: self.shared.publishing.clone(),
            names: self.names().clone(),
            user: self.ground().target.user().map(str::to_owned),
        });
        let reading = Reading {
            from,
            channel,
            consumer,
            names: self.names().clone(),
            undertaker,
            held: self.shared.held.clone(),
        };
        Ok(reading.start(&self.shared.runtime))
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        if let (Address::Inbox(_) | Address::Dead, Role::Agent(_)) =
            (address, &self.settings().role)
        {
            self.servers_only(&format!("ask about {address}"))?;
        }
        let Some(queue) = self.names().queue(address) else {
            return Err(Error::Unsupported("the depth of a topic"));
        };
        let session = self.consuming()?;
        let wrong = |fault: Fault| error(&address.to_string(), fault);
        let channel = session.connection.channel().await.map_err(wrong)?;
        match channel.find_queue(&queue).await {
            Ok(counts) => {
                channel.close().await;
                Ok(Depth {
                    ready: counts.ready.into(),
                    unsettled: self.shared.held.at(address),
                    consumers: counts.consumers.into(),
                })
            }
            Err(fault) if fault.is_locked() => {
                Err(Error::Unsupported("the depth of another's control address"))
            }
            Err(fault) => Err(wrong(fault)),
        }
    }

    async fn health(&self) -> Health {
        let publishing = match self.publishing() {
            Ok(session) => session,
            Err(error) => return Health::Down(error.to_string()),
        };
        if let Err(error) = self.consuming() {
            return Health::Down(error.to_string());
        }
        if let Some(why) = publishing.blocked() {
            return Health::Blocked(why);
        }
        let deadline = self.settings().confirm_deadline;
        if self.ground().pulse.is_weak(deadline) {
            return Health::Down(format!(
                "it did not confirm a message within {} ms; a queue may have lost its majority",
                deadline.as_millis()
            ));
        }
        Health::Up
    }
}

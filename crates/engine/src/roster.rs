//! The rows of agents: the view and the store are changed together, one change at a time. Were they not, a hello that
//! is being written could take back an operator's wish that was stored a moment before.

use crate::core::Core;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use warrener_backend::store::{Change, Op};
use warrener_model::agent::{Agent, Card, Presence, Who};
use warrener_model::{AgentId, Timestamp};

/// Agents forgotten in one commit.
const BATCH: usize = 500;

impl Core {
    /// Takes an agent in, or again.
    pub(crate) async fn joins(&self, card: Card, now: Timestamp) -> Result<Agent> {
        let _one = self.roster.lock().await;
        let who = card.who();
        let before = self.registry.agent(&who.agent);
        let there = |agent: &Agent| {
            matches!(agent.presence, Presence::Up | Presence::Draining) && agent.card.who() == who
        };
        let again = before.as_ref().is_some_and(there);
        let agent = self.registry.join(card, now);
        self.write(agent.clone()).await?;
        if !again {
            self.copy_agent(&who, "joined", now);
        }
        Ok(agent)
    }

    /// This boot of an agent is gone; `None` when it was not there.
    pub(crate) async fn leaves(
        &self,
        who: &Who,
        presence: Presence,
        now: Timestamp,
    ) -> Result<Option<Agent>> {
        let _one = self.roster.lock().await;
        let Some(agent) = self.registry.leave(who, presence, now) else {
            return Ok(None);
        };
        self.write(agent.clone()).await?;
        self.copy_agent(who, presence.as_str(), now);
        Ok(Some(agent))
    }

    /// An operator's wish; durable when this comes back. The view has it before the store: were the caller gone in
    /// between, the next hello would write the old one from the view.
    pub(crate) async fn wish_drain(&self, id: &AgentId, drain: bool) -> Result<()> {
        let _one = self.roster.lock().await;
        let agent = self.registry.agent(id).ok_or_else(|| Error::NotFound {
            what: "agent",
            id: id.to_string(),
        })?;
        let before = agent.drain;
        self.registry.set_drain(id, drain);
        let written = self.write(Agent { drain, ..agent }).await;
        if written.is_err() {
            self.registry.set_drain(id, before);
        }
        written
    }

    /// Agents that are gone since before then are forgotten, unless somebody still wants something of them.
    pub(crate) async fn forget_agents(&self, before: Timestamp) -> Result<()> {
        let _one = self.roster.lock().await;
        let gone = self.registry.gone_before(before);
        for some in gone.chunks(BATCH) {
            let ops = some.iter().cloned().map(Op::Forget).collect();
            self.store.commit(vec![Change { ops }]).await?;
            some.iter().for_each(|id| self.registry.forget(id));
            tracing::info!(agents = some.len(), "agents forgotten");
        }
        Ok(())
    }

    /// What the store knows of agents when a server starts. On a direct broker every connection ended with the server
    /// that held it: they are lost until they say hello again.
    pub(crate) async fn restore_agents(&self, now: Timestamp) -> Result<()> {
        let _one = self.roster.lock().await;
        let direct = self.broker.capabilities().direct;
        let (mut lost, mut expected) = (vec![], BTreeSet::new());
        for mut agent in self.store.agents().await? {
            let there = matches!(agent.presence, Presence::Up | Presence::Draining);
            if there && direct {
                if agent.presence == Presence::Up {
                    expected.insert(agent.card.who.agent_id.clone());
                }
                (agent.presence, agent.seen_at) = (Presence::Lost, now);
                lost.push(Change::from(Op::Agent(Box::new(agent.clone()))));
            }
            self.registry.restore(agent);
        }
        self.sessions.expect(expected);
        if !lost.is_empty() {
            self.store.commit(lost).await?;
        }
        Ok(())
    }

    async fn write(&self, agent: Agent) -> Result<()> {
        let change = Change::from(Op::Agent(Box::new(agent)));
        self.store.commit(vec![change]).await?;
        Ok(())
    }
}

//! Agents: who is there; drain, resume, stop.

use super::Orchestrator;
use crate::control::millis;
use crate::error::{Error, Result};
use crate::registry::AgentView;
use std::time::Duration;
use warrener_backend::Receipt;
use warrener_model::AgentId;
use warrener_model::message::{Drain, Resume};

impl Orchestrator {
    /// Every agent that is known, with what it holds.
    pub fn agents(&self) -> Vec<AgentView> {
        self.core.registry.views()
    }

    /// One agent.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn agent(&self, id: &AgentId) -> Result<AgentView> {
        let mut views = self.core.registry.views().into_iter();
        let found = views.find(|view| view.agent.card.who.agent_id == *id);
        found.ok_or(Error::NotFound {
            what: "agent",
            id: id.to_string(),
        })
    }

    /// The agent takes nothing new and finishes what it has; it stays, and stays so over restarts, until resumed.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn drain_agent(&self, id: &AgentId, reason: Option<String>) -> Result<AgentView> {
        self.core.wish_drain(id, true).await?;
        let reason = reason.unwrap_or_else(|| "an operator asked this agent to drain".into());
        self.tell(
            id,
            &Drain {
                deadline: None,
                within_ms: None,
                reason,
                stay: true,
            },
        )
        .await?;
        self.agent(id)
    }

    /// The agent takes work again.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn resume_agent(&self, id: &AgentId, reason: Option<String>) -> Result<AgentView> {
        let reason = reason.unwrap_or_else(|| "an operator resumed this agent".into());
        self.core.wish_drain(id, false).await?;
        self.tell(id, &Resume { reason }).await?;
        self.core.ready.notify_one();
        self.agent(id)
    }

    /// The agent finishes what it has within this time, gives back the rest, and leaves.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn stop_agent(
        &self,
        id: &AgentId,
        within: Duration,
        reason: Option<String>,
    ) -> Result<AgentView> {
        let deadline = Some(self.core.now().await?.plus(within));
        let reason = reason.unwrap_or_else(|| "an operator stopped this agent".into());
        let told = self
            .tell(
                id,
                &Drain {
                    deadline,
                    within_ms: Some(millis(within)),
                    reason,
                    stay: false,
                },
            )
            .await?;
        if !told {
            let what = "connected agent";
            return Err(Error::NotFound {
                what,
                id: id.to_string(),
            });
        }
        self.agent(id)
    }

    /// Says something to an agent; whether it can have heard it.
    async fn tell<B: warrener_model::message::Body>(&self, id: &AgentId, body: &B) -> Result<bool> {
        let who = self.agent(id)?.agent.card.who();
        let now = self.core.now().await?;
        let receipts = self
            .core
            .send(vec![self.core.letter(&who, body, now)])
            .await;
        Ok(receipts.first() == Some(&Receipt::Confirmed))
    }
}

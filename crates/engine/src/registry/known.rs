//! One agent by its name; those that are gone, and forgetting them.

use super::Registry;
use warrener_model::agent::{Agent, Presence, Role};
use warrener_model::{AgentId, Timestamp};

impl Registry {
    /// One agent.
    pub(crate) fn agent(&self, id: &AgentId) -> Option<Agent> {
        let inner = self.lock();
        inner.agents.get(id).map(|live| live.agent.clone())
    }

    /// Agents that are gone since before then, hold nothing, and that nobody wants to stay as they are.
    pub(crate) fn gone_before(&self, before: Timestamp) -> Vec<AgentId> {
        let inner = self.lock();
        let gone = inner.agents.iter().filter(|(_, live)| {
            matches!(live.agent.presence, Presence::Left | Presence::Lost)
                && live.agent.seen_at < before
                && live.holds.is_empty()
                && !live.agent.drain
        });
        gone.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn forget(&self, id: &AgentId) {
        self.lock().agents.remove(id);
    }

    /// What this agent said that it may do.
    pub(crate) fn role(&self, id: &AgentId) -> Option<Role> {
        let inner = self.lock();
        inner.agents.get(id).map(|live| live.agent.card.role)
    }
}

//! Who is there and what they hold: this server's view, made from hellos, heartbeats and its own commits. Advisory: a
//! wrong guess costs a refused claim or a short wait, and the sweep puts it right from the store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;
use warrener_backend::query::HeldLease;
use warrener_model::agent::{Agent, Card, Operation, Presence, Who};
use warrener_model::life::Lease;
use warrener_model::name::{Kind, Lane};
use warrener_model::task::Task;
use warrener_model::{AgentId, TaskId, Timestamp};

mod claims;
mod known;
mod offers;
mod rests;

use offers::Offers;

#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    agents: BTreeMap<AgentId, Live>,
    holder: HashMap<TaskId, AgentId>,
    offers: Offers,
    turn: u64,
    /// Grows with every change of who holds what.
    generation: u64,
}

#[derive(Debug)]
struct Live {
    agent: Agent,
    seen: Instant,
    holds: HashSet<TaskId>,
    /// When it was given something last: the least recent goes first among equals.
    turn: u64,
}

/// One agent, for surfaces.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// As stored.
    pub agent: Agent,
    /// What it holds, by this server's view.
    pub holds: Vec<TaskId>,
}

/// What the agents of a lane can take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    pub(crate) slots: usize,
    pub(crate) free: usize,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("the registry does not panic")
    }

    /// The boot of this agent that is there now, if it is another one.
    pub(crate) fn other_instance(&self, who: &Who) -> Option<Who> {
        let inner = self.lock();
        let live = inner.agents.get(&who.agent)?;
        let present = matches!(live.agent.presence, Presence::Up | Presence::Draining);
        let there = live.agent.card.who();
        (present && there.instance != who.instance).then_some(there)
    }

    /// Takes an agent in, or again. Gives back the row to store.
    pub(crate) fn join(&self, card: Card, now: Timestamp) -> Agent {
        let mut inner = self.lock();
        let id = card.who.agent_id.clone();
        let drain = inner.agents.get(&id).is_some_and(|live| live.agent.drain);
        let presence = if drain {
            Presence::Draining
        } else {
            Presence::Up
        };
        let holds = inner.holds_of(&id);
        let agent = Agent {
            card,
            presence,
            drain,
            joined_at: now,
            seen_at: now,
        };
        let live = Live {
            agent: agent.clone(),
            seen: Instant::now(),
            holds,
            turn: 0,
        };
        inner.offers.rests.clear();
        inner.agents.insert(id, live);
        agent
    }

    /// Puts an agent as the store knows it into the view (start of the server). `there` = it may still be alive.
    pub(crate) fn restore(&self, agent: Agent) {
        let mut inner = self.lock();
        let id = agent.card.who.agent_id.clone();
        let holds = inner.holds_of(&id);
        inner.agents.insert(
            id,
            Live {
                agent,
                seen: Instant::now(),
                holds,
                turn: 0,
            },
        );
    }

    /// A sign of life. `false` when this boot never said hello here.
    pub(crate) fn seen(&self, who: &Who, draining: bool, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let Some(live) = inner.agents.get_mut(&who.agent) else {
            return false;
        };
        if live.agent.card.who.instance != who.instance {
            return false;
        }
        live.seen = Instant::now();
        live.agent.seen_at = now;
        live.agent.presence = if draining || live.agent.drain {
            Presence::Draining
        } else {
            Presence::Up
        };
        true
    }

    /// It gives work back because it leaves: it gets nothing new from now on.
    pub(crate) fn draining(&self, who: &Who) {
        let mut inner = self.lock();
        if let Some(live) = inner.agents.get_mut(&who.agent)
            && live.agent.card.who.instance == who.instance
            && live.agent.presence == Presence::Up
        {
            live.agent.presence = Presence::Draining;
        }
    }

    /// It is gone. Gives back the row to store, if this boot was there.
    pub(crate) fn leave(&self, who: &Who, presence: Presence, now: Timestamp) -> Option<Agent> {
        let mut inner = self.lock();
        let live = inner.agents.get_mut(&who.agent)?;
        let there = matches!(live.agent.presence, Presence::Up | Presence::Draining);
        if !there || live.agent.card.who.instance != who.instance {
            return None;
        }
        live.agent.presence = presence;
        live.agent.seen_at = now;
        Some(live.agent.clone())
    }

    /// Agents that were silent for this long.
    pub(crate) fn silent(&self, lease: Duration) -> Vec<Who> {
        let inner = self.lock();
        inner
            .agents
            .values()
            .filter(|live| matches!(live.agent.presence, Presence::Up | Presence::Draining))
            .filter(|live| live.seen.elapsed() >= lease)
            .map(|live| live.agent.card.who())
            .collect()
    }

    /// Nobody counts as silent from before now: this server itself was away.
    pub(crate) fn forgive(&self) {
        for live in self.lock().agents.values_mut() {
            live.seen = Instant::now();
        }
    }

    /// An operator's wish, once it is stored; outlives the agent's restarts.
    pub(crate) fn set_drain(&self, id: &AgentId, drain: bool) {
        let mut inner = self.lock();
        let Some(live) = inner.agents.get_mut(id) else {
            return;
        };
        live.agent.drain = drain;
        live.agent.presence = match (live.agent.presence, drain) {
            (Presence::Up, true) => Presence::Draining,
            (Presence::Draining, false) => Presence::Up,
            (other, _) => other,
        };
    }

    pub(crate) fn holds(&self, lease: &Lease, task: TaskId) {
        let mut inner = self.lock();
        inner.release(task);
        inner.generation += 1;
        inner.holder.insert(task, lease.agent.clone());
        if let Some(live) = inner.agents.get_mut(&lease.agent) {
            live.holds.insert(task);
        }
    }

    pub(crate) fn released(&self, task: TaskId) {
        self.lock().release(task);
    }

    pub(crate) fn offered(&self, task: &Task, offered: bool) {
        self.lock().offers.set(task, offered);
    }

    /// How often the view of who holds what has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Puts the view right: who holds what, by the store; unless it changed since the read began.
    pub(crate) fn resync(&self, held: &[HeldLease], generation: u64) {
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        let rows: HashMap<TaskId, AgentId> = held
            .iter()
            .map(|row| (row.task, row.who.agent.clone()))
            .collect();
        for live in inner.agents.values_mut() {
            live.holds.clear();
        }
        for (task, agent) in &rows {
            if let Some(live) = inner.agents.get_mut(agent) {
                live.holds.insert(*task);
            }
        }
        inner.holder = rows;
    }

    /// Every lane that a live agent serves, with its room; an agent of several lanes counts in each.
    pub(crate) fn lanes(&self) -> BTreeMap<Lane, Room> {
        let inner = self.lock();
        let mut lanes: BTreeMap<Lane, Room> = BTreeMap::new();
        for live in inner.agents.values() {
            let there = matches!(live.agent.presence, Presence::Up | Presence::Draining);
            if !there || !live.agent.card.role.may(Operation::Execute) {
                continue;
            }
            for lane in &live.agent.card.lanes {
                let room = lanes.entry(lane.clone()).or_default();
                room.slots += live.agent.card.slots as usize;
                room.free += live.free();
            }
        }
        lanes
    }

    /// Whether somebody takes work of this lane now.
    pub(crate) fn is_served(&self, lane: &Lane) -> bool {
        self.lock().agents.values().any(|live| {
            let card = &live.agent.card;
            live.agent.presence == Presence::Up
                && card.role.may(Operation::Execute)
                && card.lanes.contains(lane)
        })
    }

    /// Of these kinds, those that no live agent of the lane runs.
    pub(crate) fn unserved(&self, lane: &Lane, kinds: Vec<(Kind, u64)>) -> Vec<Kind> {
        let inner = self.lock();
        let free: Vec<&Live> = inner
            .agents
            .values()
            .filter(|live| live.free() > 0)
            .collect();
        kinds
            .into_iter()
            .map(|(kind, _)| kind)
            .filter(|kind| !free.iter().any(|live| live.agent.card.serves(lane, kind)))
            .collect()
    }

    /// Whether the agents of a lane differ in the kinds they run.
    pub(crate) fn is_picky(&self, lane: &Lane) -> bool {
        self.lock().agents.values().any(|live| {
            live.agent.card.lanes.contains(lane) && !live.agent.card.kinds.iter().any(|k| k == "*")
        })
    }

    /// Whether some live agent serves lane and kind.
    pub(crate) fn is_capable(&self, lane: &Lane, kind: &Kind) -> bool {
        self.lock().agents.values().any(|live| {
            matches!(live.agent.presence, Presence::Up | Presence::Draining)
                && live.agent.card.serves(lane, kind)
        })
    }

    /// The agent that gets this task, and one of its slots: the preferred one, not the avoided one if there is another,
    /// then the one with most free slots, then the one that waited longest.
    pub(crate) fn choose(&self, task: &Task) -> Option<Who> {
        let mut inner = self.lock();
        let life = &task.life;
        let fits = |live: &&Live| {
            live.free() > 0 && live.agent.card.serves(&task.spec.lane, &task.spec.kind)
        };
        let chosen = inner
            .agents
            .values()
            .filter(fits)
            .max_by_key(|live| {
                let id = &live.agent.card.who.agent_id;
                let preferred = life.prefer.as_ref() == Some(id);
                let avoided = life.avoid.as_ref() == Some(id);
                (
                    preferred,
                    !avoided,
                    live.free(),
                    std::cmp::Reverse(live.turn),
                )
            })
            .map(|live| live.agent.card.who())?;
        inner.turn += 1;
        inner.generation += 1;
        let turn = inner.turn;
        let live = inner
            .agents
            .get_mut(&chosen.agent)
            .expect("chosen from this map");
        live.turn = turn;
        live.holds.insert(task.id);
        inner.holder.insert(task.id, chosen.agent.clone());
        Some(chosen)
    }

    /// Everybody that is known.
    pub(crate) fn views(&self) -> Vec<AgentView> {
        let inner = self.lock();
        let view = |live: &Live| AgentView {
            agent: live.agent.clone(),
            holds: live
                .holds
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        inner.agents.values().map(view).collect()
    }
}

impl Inner {
    fn release(&mut self, task: TaskId) {
        self.generation += 1;
        if let Some(agent) = self.holder.remove(&task)
            && let Some(live) = self.agents.get_mut(&agent)
        {
            live.holds.remove(&task);
        }
    }

    fn holds_of(&self, id: &AgentId) -> HashSet<TaskId> {
        self.holder
            .iter()
            .filter(|(_, agent)| *agent == id)
            .map(|(task, _)| *task)
            .collect()
    }
}

impl Live {
    fn free(&self) -> usize {
        if self.agent.presence != Presence::Up {
            return 0;
        }
        (self.agent.card.slots as usize).saturating_sub(self.holds.len())
    }
}

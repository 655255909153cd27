//! The offers that are out, and whom each is for, as far as that is not every agent of the lane: a queue cannot choose,
//! so the claim is where it is seen.

use super::rests::Rests;
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;
use warrener_model::agent::Card;
use warrener_model::name::{Kind, Lane};
use warrener_model::task::Task;
use warrener_model::{AgentId, TaskId};

/// How often a task goes by those it was not meant for; then any will do. A wish is no reason to wait for ever.
const TURNS: u32 = 10;
/// More than ever wait for an agent by name; what was forgotten costs a few more turns.
const TASKS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Offers {
    lanes: HashMap<Lane, HashMap<TaskId, Aim>>,
    /// How often agents claimed what is not meant for them.
    turns: HashMap<TaskId, u32>,
    /// What came to the wrong agent, and waits before it is offered again.
    pub(super) rests: Rests,
}

#[derive(Debug)]
struct Aim {
    lane: Lane,
    kind: Kind,
    prefer: Option<AgentId>,
    avoid: Option<AgentId>,
    since: Instant,
}

impl Offers {
    pub(super) fn set(&mut self, task: &Task, offered: bool) {
        let spec = &task.spec;
        if offered {
            let aim = Aim {
                lane: spec.lane.clone(),
                kind: spec.kind.clone(),
                prefer: task.life.prefer.clone(),
                avoid: task.life.avoid.clone(),
                since: Instant::now(),
            };
            self.lanes
                .entry(spec.lane.clone())
                .or_default()
                .insert(task.id, aim);
        } else if let Some(lane) = self.lanes.get_mut(&spec.lane) {
            lane.remove(&task.id);
        }
    }

    /// Keeps these, and what came after this moment.
    pub(super) fn retain(&mut self, tasks: &HashSet<TaskId>, read: Instant) {
        for lane in self.lanes.values_mut() {
            lane.retain(|task, aim| aim.since >= read || tasks.contains(task));
        }
    }

    /// The lane and the kind of an offer.
    pub(super) fn place_of(&self, task: TaskId) -> Option<(&Lane, &Kind)> {
        self.aim(task).map(|aim| (&aim.lane, &aim.kind))
    }

    fn aim(&self, task: TaskId) -> Option<&Aim> {
        self.lanes.values().find_map(|lane| lane.get(&task))
    }

    /// Whether this agent should not have it: it does not run such tasks, or the one that it is meant for has room, or it
    /// lost or failed the task before and another one has room.
    pub(super) fn is_for_another(
        &mut self,
        task: TaskId,
        card: &Card,
        has_room: impl Fn(&AgentId) -> bool,
        another_has: impl Fn(&Lane, &Kind) -> bool,
    ) -> bool {
        let Some(aim) = self.lanes.values().find_map(|lane| lane.get(&task)) else {
            return false;
        };
        if !card.serves(&aim.lane, &aim.kind) {
            return true;
        }
        let me = &card.who.agent_id;
        let better = match &aim.prefer {
            Some(wanted) if wanted == me => false,
            Some(wanted) if has_room(wanted) => true,
            _ => aim.avoid.as_ref() == Some(me) && another_has(&aim.lane, &aim.kind),
        };
        if !better {
            self.turns.remove(&task);
            return false;
        }
        if self.turns.len() >= TASKS {
            self.turns.clear();
        }
        let turns = self.turns.entry(task).or_default();
        *turns += 1;
        if *turns <= TURNS {
            return true;
        }
        self.turns.remove(&task);
        false
    }
}

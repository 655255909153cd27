//! Lanes: what waits, who serves, pause and resume.

use super::Orchestrator;
use crate::error::Result;
use std::collections::BTreeMap;
use warrener_backend::store::{Change, LaneSettings, Op};
use warrener_model::life::Start;
use warrener_model::{Lane, State, Timestamp};

/// A lane as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// Its settings.
    pub settings: LaneSettings,
    /// How its tasks start on this broker.
    pub start: Start,
    /// Tasks by state.
    pub tasks: BTreeMap<State, u64>,
    /// Since when the oldest ready task waits.
    pub oldest_ready: Option<Timestamp>,
    /// Slots of the live agents that serve it.
    pub slots: usize,
    /// Those that are free.
    pub free: usize,
}

impl Orchestrator {
    /// Every lane that has tasks, settings or agents.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn lanes(&self) -> Result<Vec<LaneView>> {
        let mut lanes: BTreeMap<Lane, LaneView> = BTreeMap::new();
        for settings in self.core.store.lanes().await? {
            let lane = settings.lane.clone();
            lanes.insert(
                lane,
                LaneView {
                    settings: settings.clone(),
                    ..empty(&settings.lane)
                },
            );
        }
        for count in self.core.store.counts().await? {
            let view = lanes
                .entry(count.lane.clone())
                .or_insert_with(|| empty(&count.lane));
            view.tasks.insert(count.state, count.count);
            view.oldest_ready = view.oldest_ready.or(count.oldest);
        }
        for (lane, room) in self.core.registry.lanes() {
            let view = lanes.entry(lane.clone()).or_insert_with(|| empty(&lane));
            view.slots = room.slots;
            view.free = room.free;
        }
        for (lane, view) in &mut lanes {
            view.start = self.core.start(lane);
        }
        Ok(lanes.into_values().collect())
    }

    /// One lane.
    ///
    /// # Errors
    /// `NotFound` when nobody ever used it; `Backend`.
    pub async fn lane(&self, lane: &Lane) -> Result<LaneView> {
        let found = self
            .lanes()
            .await?
            .into_iter()
            .find(|view| view.settings.lane == *lane);
        found.ok_or_else(|| super::lane_not_found(lane.as_str()))
    }

    /// Nothing of the lane is started any more; what runs goes on.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn pause_lane(&self, lane: &Lane, reason: Option<String>) -> Result<LaneView> {
        self.set_lane(lane, true, reason).await
    }

    /// The lane is started from again.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn resume_lane(&self, lane: &Lane) -> Result<LaneView> {
        self.set_lane(lane, false, None).await
    }

    async fn set_lane(
        &self,
        lane: &Lane,
        paused: bool,
        reason: Option<String>,
    ) -> Result<LaneView> {
        let since = Some(self.core.now().await?);
        let settings = LaneSettings {
            lane: lane.clone(),
            paused,
            reason,
            since,
        };
        let change = Change::from(Op::Lane(settings));
        self.core.store.commit(vec![change]).await?;
        // Should this caller be dropped just here, the sweep reads it from the store.
        self.core.set_paused(lane, paused);
        self.core.ready.notify_one();
        self.lane(lane).await
    }
}

fn empty(lane: &Lane) -> LaneView {
    let settings = LaneSettings {
        lane: lane.clone(),
        paused: false,
        reason: None,
        since: None,
    };
    LaneView {
        settings,
        start: Start::default(),
        tasks: BTreeMap::new(),
        oldest_ready: None,
        slots: 0,
        free: 0,
    }
}

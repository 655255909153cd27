//! What one client of the stream gets next.

use crate::failure::Answer;
use crate::state::App;
use axum::response::sse::Event;
use futures_util::{Stream, stream};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use warrener_api::stream::{
    AgentChange, Alert, EVENT_AGENT, EVENT_ALERT, EVENT_LANE, EVENT_RESYNC, EVENT_TASK, LaneChange,
    Resync, TaskChange, Topic,
};
use warrener_backend::query::{List, SortKey};
use warrener_engine::orchestrator::{AgentView, LaneView};
use warrener_engine::{Error, alert};
use warrener_model::event::{Cursor, EventKind, TaskEvent};
use warrener_model::filter::{Filter, Key, Op, Term};
use warrener_model::task::Task;
use warrener_model::{State, TaskId, Timestamp};

/// Rows of history read at once.
const ROWS: usize = 256;
/// Lanes and agents are compared this often at most.
const PACE: Duration = Duration::from_millis(250);
/// How soon a client shall come again after its connection broke.
const RETRY: Duration = Duration::from_secs(1);

/// One client.
pub(super) struct Feed {
    app: App,
    _permit: OwnedSemaphorePermit,
    wanted: Wanted,
    /// Everything up to here was read.
    after: Cursor,
    changed: watch::Receiver<Cursor>,
    alerts: broadcast::Receiver<alert::Alert>,
    pace: Interval,
    /// Something was committed since lanes were compared.
    stale: bool,
    lanes: BTreeMap<String, LaneChange>,
    agents: BTreeMap<String, AgentChange>,
    /// What is to be sent; refilled only when it is empty.
    ready: VecDeque<Event>,
}

/// What the client listens to.
#[derive(Debug, Default)]
struct Wanted {
    tasks: bool,
    dead: bool,
    only: Vec<TaskId>,
    lanes: bool,
    agents: bool,
    alerts: bool,
}

impl Wanted {
    fn of(topics: Vec<Topic>) -> Self {
        let mut wanted = Wanted::default();
        for topic in topics {
            match topic {
                Topic::Task(id) => wanted.only.push(id),
                Topic::Tasks => wanted.tasks = true,
                Topic::Lanes => wanted.lanes = true,
                Topic::Agents => wanted.agents = true,
                Topic::Dead => wanted.dead = true,
                Topic::Alerts => wanted.alerts = true,
            }
        }
        wanted
    }

    fn history(&self) -> bool {
        self.tasks || self.dead || !self.only.is_empty()
    }

    /// The one task whose history is enough.
    fn alone(&self) -> Option<TaskId> {
        match self.only.as_slice() {
            [one] if !self.tasks && !self.dead => Some(*one),
            _ => None,
        }
    }

    fn takes(&self, row: &TaskEvent) -> bool {
        let dead = matches!(row.event.kind, EventKind::Dead | EventKind::Retried);
        self.tasks || (self.dead && dead) || self.only.contains(&row.task)
    }
}

impl Feed {
    /// Opens at a cursor, or at the newest.
    pub(super) async fn open(app: App, topics: Vec<Topic>, last: Option<Cursor>) -> Answer<Self> {
        let permit = app.stream()?;
        let alerts = app.orchestrator.alerts();
        let changed = app.orchestrator.changed();
        let newest = *changed.borrow();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = Feed {
            _permit: permit,
            wanted: Wanted::of(topics),
            after: last.unwrap_or(newest),
            changed,
            alerts,
            pace,
            stale: false,
            lanes: BTreeMap::new(),
            agents: BTreeMap::new(),
            ready: VecDeque::new(),
            app,
        };
        let known = match last {
            Some(last) if last > newest => feed.exists(last).await?,
            _ => true,
        };
        if !known {
            feed.after = newest;
            let reason = "this cursor is not of this store; read the lists again";
            feed.resync(reason);
        }
        // A client that breaks off before the first event comes again with this one, and misses nothing either.
        let cursor = feed.after.0.to_string();
        feed.ready
            .push_front(Event::default().id(cursor).retry(RETRY));
        feed.lanes = feed.lanes_now().await?;
        feed.agents = feed.agents_now();
        Ok(feed)
    }

    pub(super) fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut feed| async {
            let event = feed.next().await?;
            Some((Ok(event), feed))
        })
    }

    /// The wake-up comes a moment after the commit, so a cursor may be newer than the newest that is known here.
    async fn exists(&self, cursor: Cursor) -> Result<bool, Error> {
        let before = Cursor(cursor.0.saturating_sub(1));
        Ok(!self
            .app
            .orchestrator
            .events(before, None, 1)
            .await?
            .is_empty())
    }

    /// `None` ends the stream: the server stops, or the store fails; the client comes again with its cursor.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.stale |= self.changed.has_changed().ok()?;
            self.changed.mark_unchanged();
            if self.wanted.history() && self.read_history().await.ok()? {
                continue;
            }
            tokio::select! {
                changed = self.changed.changed() => {
                    changed.ok()?;
                    self.stale = true;
                }
                _ = self.pace.tick(), if self.wanted.lanes || self.wanted.agents => {
                    self.compare().await.ok()?;
                }
                alert = self.alerts.recv(), if self.wanted.alerts => self.alert(alert)?,
                () = self.app.stop.cancelled() => return None,
            }
        }
    }

    /// Whether there was anything to read.
    async fn read_history(&mut self) -> Result<bool, Error> {
        let orchestrator = &self.app.orchestrator;
        let rows = orchestrator
            .events(self.after, self.wanted.alone(), ROWS)
            .await?;
        let Some(last) = rows.last().map(|row| row.cursor) else {
            return Ok(false);
        };
        let rows: Vec<TaskEvent> = rows
            .into_iter()
            .filter(|row| self.wanted.takes(row))
            .collect();
        let tasks = self.tasks(&rows).await?;
        for row in &rows {
            // A task that is gone meanwhile took its history with it.
            if let Some(task) = tasks.get(&row.task) {
                let event = event(EVENT_TASK, &change(row, task));
                self.ready.push_back(event.id(row.cursor.0.to_string()));
            }
        }
        self.after = last;
        Ok(true)
    }

    /// The tasks of these rows, without bodies, in one question.
    async fn tasks(&self, rows: &[TaskEvent]) -> Result<HashMap<TaskId, Task>, Error> {
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let mut ids: Vec<String> = rows.iter().map(|row| row.task.to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        let list = List {
            limit: ids.len(),
            filter: Filter {
                terms: vec![Term {
                    not: false,
                    key: Key::Id,
                    op: Op::Is,
                    values: ids,
                }],
            },
            now: Timestamp::default(),
            sort: SortKey::Created,
            descending: false,
            after: None,
            bodies: false,
        };
        let page = self.app.orchestrator.list(list).await?;
        let tasks = page.items.into_iter().map(|view| (view.task.id, view.task));
        Ok(tasks.collect())
    }

    async fn compare(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.stale) {
            let lanes = self.lanes_now().await?;
            let changed =
                |(name, lane): &(&String, &LaneChange)| self.lanes.get(*name) != Some(lane);
            let new = lanes.iter().filter(changed);
            self.ready
                .extend(new.map(|(_, lane)| event(EVENT_LANE, lane)));
            self.lanes = lanes;
        }
        let agents = self.agents_now();
        let new = agents
            .iter()
            .filter(|(name, agent)| self.agents.get(*name) != Some(agent));
        self.ready
            .extend(new.map(|(_, agent)| event(EVENT_AGENT, agent)));
        self.agents = agents;
        Ok(())
    }

    async fn lanes_now(&self) -> Result<BTreeMap<String, LaneChange>, Error> {
        if !self.wanted.lanes {
            return Ok(BTreeMap::new());
        }
        let views = self.app.orchestrator.lanes().await?;
        let lanes = views.into_iter().map(|view: LaneView| {
            let count = |state| view.tasks.get(&state).copied().unwrap_or(0);
            let lane = LaneChange {
                name: view.settings.lane.to_string(),
                paused: view.settings.paused,
                ready: count(State::Ready),
                running: count(State::Running),
            };
            (lane.name.clone(), lane)
        });
        Ok(lanes.collect())
    }

    fn agents_now(&self) -> BTreeMap<String, AgentChange> {
        if !self.wanted.agents {
            return BTreeMap::new();
        }
        let views = self.app.orchestrator.agents().into_iter();
        let agents = views.map(|AgentView { agent, holds }| {
            let agent = AgentChange {
                id: agent.card.who.agent_id.to_string(),
                presence: agent.presence.as_str().into(),
                slots: agent.card.slots,
                busy: u32::try_from(holds.len()).unwrap_or(u32::MAX),
            };
            (agent.id.clone(), agent)
        });
        agents.collect()
    }

    fn alert(&mut self, alert: Result<alert::Alert, RecvError>) -> Option<()> {
        match alert {
            Ok(alert) => {
                let alert = Alert {
                    v: alert.v,
                    alert: alert.alert.into(),
                    severity: alert.severity.into(),
                    subject: alert.subject,
                    message: alert.message,
                    since: alert.since,
                };
                self.ready.push_back(event(EVENT_ALERT, &alert));
            }
            Err(RecvError::Lagged(missed)) => {
                self.resync(&format!("{missed} alerts were left out"));
            }
            Err(RecvError::Closed) => return None,
        }
        Some(())
    }

    fn resync(&mut self, reason: &str) {
        let reason = reason.to_owned();
        let event = event(EVENT_RESYNC, &Resync { reason });
        self.ready.push_back(event.id(self.after.0.to_string()));
    }
}

fn change(row: &TaskEvent, task: &Task) -> TaskChange {
    let event = &row.event;
    TaskChange {
        cursor: row.cursor.0,
        id: row.task,
        kind: task.spec.kind.to_string(),
        lane: task.spec.lane.to_string(),
        title: task.spec.title.clone(),
        event: event.kind.as_str().into(),
        state: event.state.as_str().into(),
        is_final: event.state.is_final(),
        attempt: event.attempt,
        agent: event.agent.as_ref().map(ToString::to_string),
        at: event.at,
        version: task.version,
        scale_up: event.detail["scale_up"] == true,
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).expect("changes have string keys only");
    Event::default().event(name).data(text)
}

//! The circuit breakers of this server, one for each kind that has a rule and of which something started: counts the runs
//! it started, says what dispatch leaves alone, tells a person. In memory: a server begins with all of them closed.

use crate::core::Core;
use crate::transition::Transition;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::breaker::{Breaker, Event, Rule, Rules, State, Verdict, apply};
use warrener_model::life::Start;
use warrener_model::task::Task;
use warrener_model::{Kind, Lane, TaskId, Timestamp};

/// Kinds watched at a time; beyond that those are forgotten of which nothing is known, then new ones are not watched.
const KINDS: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Breakers {
    rules: Rules,
    /// Spans of the breakers' clock begin here.
    start: Instant,
    kinds: Mutex<HashMap<Kind, Watched>>,
}

#[derive(Debug, Default)]
struct Watched {
    breaker: Breaker,
    /// The tasks that are out, offered or running, each with the generation that it started under.
    out: HashMap<TaskId, u64>,
    /// Since when it stands as it does, by the store's clock; nothing if it never changed.
    since: Option<Timestamp>,
    /// The failure that was counted last.
    error: Option<String>,
    /// How often it was opened, half open and closed again.
    changes: [u64; 3],
}

/// How a breaker stands, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything starts.
    Closed,
    /// Nothing starts.
    Open,
    /// A few start.
    HalfOpen,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 3] = [Phase::Closed, Phase::Open, Phase::HalfOpen];

    /// The name used in JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Closed => "closed",
            Phase::Open => "open",
            Phase::HalfOpen => "half_open",
        }
    }

    fn of(breaker: &Breaker) -> Self {
        match breaker.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }
}

/// One breaker, for surfaces.
#[derive(Clone, Debug)]
pub struct BreakerView {
    /// Of which kind.
    pub kind: Kind,
    /// How it stands.
    pub phase: Phase,
    /// Since when; nothing if it never changed.
    pub since: Option<Timestamp>,
    /// How long until something may start; nothing if it may now.
    pub wait: Option<Duration>,
    /// While closed: failures that no success followed.
    pub failures: u32,
    /// The failure that was counted last.
    pub error: Option<String>,
    /// How often it became this since the server started.
    pub changes: Vec<(Phase, u64)>,
}

impl Breakers {
    pub(crate) fn new(rules: Rules) -> Self {
        Breakers {
            rules,
            start: Instant::now(),
            kinds: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Watched>> {
        self.kinds.lock().expect("a breaker does not panic")
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The kinds of which only so many may start now.
    pub(crate) fn rooms(&self) -> HashMap<Kind, u32> {
        let now = self.now();
        let kinds = self.lock();
        let rooms = kinds.iter().filter_map(|(kind, watched)| {
            let room = watched.breaker.room(self.rules.of(kind)?, now)?;
            Some((kind.clone(), room))
        });
        rooms.collect()
    }

    /// How long until the next of them lets something through again.
    pub(crate) fn wait(&self) -> Duration {
        let now = self.now();
        let kinds = self.lock();
        let waits = kinds
            .iter()
            .filter_map(|(kind, watched)| watched.breaker.wait(self.rules.of(kind)?, now));
        waits.min().unwrap_or(Duration::MAX)
    }

    /// Whether a ready task waits for its breaker: nothing more may start, and it is not one of those that may. What is out
    /// in a fast lane waits for nothing: it may run.
    pub(crate) fn holds_back(&self, task: &Task) -> bool {
        let kind = &task.spec.kind;
        let Some(rule) = self.rules.of(kind).filter(|_| !task.life.is_fast()) else {
            return false;
        };
        let kinds = self.lock();
        kinds.get(kind).is_some_and(|watched| {
            watched.breaker.room(rule, self.now()) == Some(0)
                && watched.out.get(&task.id) != Some(&watched.breaker.generation)
        })
    }

    /// Whether an offer of this task counts no more: it was made before the breaker changed.
    fn is_overtaken(&self, kind: &Kind, task: TaskId) -> bool {
        let Some(rule) = self.rules.of(kind) else {
            return false;
        };
        let kinds = self.lock();
        kinds.get(kind).is_some_and(|watched| {
            let breaker = watched.breaker.at(rule, self.now());
            Phase::of(&breaker) != Phase::Closed
                && watched.out.get(&task) != Some(&breaker.generation)
        })
    }

    /// What a committed move means for the breaker of its kind. Gives back what it became, if that is something else.
    fn after(&self, moved: &Transition) -> Option<(Phase, Phase)> {
        let task = &moved.task;
        let kind = &task.spec.kind;
        let rule = self.rules.of(kind)?;
        let out =
            task.life.state == warrener_model::State::Running || task.life.offered_at.is_some();
        let mut kinds = self.lock();
        if !kinds.contains_key(kind) {
            if kinds.len() >= KINDS {
                kinds.retain(|_, watched| !watched.is_idle());
            }
            if !out || kinds.len() >= KINDS {
                return None;
            }
        }
        let watched = kinds.entry(kind.clone()).or_default();
        let now = self.now();
        match (watched.out.remove(&task.id), out) {
            (None, false) => None,
            (Some(generation), true) => {
                watched.out.insert(task.id, generation);
                None
            }
            (None, true) => {
                let change = watched.apply(&Event::Start, rule, now, task.life.since);
                watched.out.insert(task.id, watched.breaker.generation);
                change
            }
            (Some(generation), false) => {
                let verdict = moved.verdict;
                if verdict == Verdict::Fails && generation == watched.breaker.generation {
                    watched.error = task.error.as_ref().map(|error| error.message.clone());
                }
                let end = Event::End {
                    generation,
                    verdict,
                };
                watched.apply(&end, rule, now, task.life.since)
            }
        }
    }

    /// Closes the breaker of a kind; nothing if it has none.
    pub(crate) fn reset(&self, kind: &Kind, at: Timestamp) -> Option<BreakerView> {
        let rule = self.rules.of(kind)?;
        let now = self.now();
        let mut kinds = self.lock();
        let Some(watched) = kinds.get_mut(kind) else {
            return Some(Watched::default().view(kind, rule, now));
        };
        watched.apply(&Event::Reset, rule, now, at);
        Some(watched.view(kind, rule, now))
    }

    /// Those of which something started, and those with a rule of their own.
    pub(crate) fn views(&self) -> Vec<BreakerView> {
        let now = self.now();
        let kinds = self.lock();
        let own = self.rules.kinds.iter().filter(|(_, rule)| rule.is_some());
        let mut names: Vec<&Kind> = own.map(|(kind, _)| kind).chain(kinds.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let idle = Watched::default();
        let view = |kind: &&Kind| {
            let rule = self.rules.of(kind)?;
            Some(kinds.get(*kind).unwrap_or(&idle).view(kind, rule, now))
        };
        names.iter().filter_map(view).collect()
    }
}

impl Watched {
    fn apply(
        &mut self,
        event: &Event,
        rule: &Rule,
        now: Duration,
        at: Timestamp,
    ) -> Option<(Phase, Phase)> {
        let before = Phase::of(&self.breaker);
        self.breaker = apply(&self.breaker, event, rule, now);
        let after = Phase::of(&self.breaker);
        if before == after {
            return None;
        }
        self.since = Some(at);
        self.changes[after as usize] += 1;
        // What started before does not count any more.
        let generation = self.breaker.generation;
        self.out.retain(|_, started| *started == generation);
        Some((before, after))
    }

    /// Nothing is lost when it is forgotten.
    fn is_idle(&self) -> bool {
        let calm = matches!(&self.breaker.state, State::Closed { failures } if failures.is_empty());
        calm && self.out.is_empty()
    }

    fn view(&self, kind: &Kind, rule: &Rule, now: Duration) -> BreakerView {
        let breaker = self.breaker.at(rule, now);
        BreakerView {
            kind: kind.clone(),
            phase: Phase::of(&breaker),
            since: self.since,
            wait: breaker.wait(rule, now),
            failures: match &breaker.state {
                State::Closed { failures } => u32::try_from(failures.len()).unwrap_or(u32::MAX),
                State::Open { .. } | State::HalfOpen { .. } => 0,
            },
            error: self.error.clone(),
            changes: Phase::ALL
                .map(|phase| (phase, self.changes[phase as usize]))
                .into(),
        }
    }
}

/// What a person hears of a change.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Trouble,
    Over,
}

impl News {
    fn of(before: Phase, after: Phase) -> Option<News> {
        match (before, after) {
            (Phase::Closed, Phase::Open) => Some(News::Trouble),
            (_, Phase::Closed) => Some(News::Over),
            // It is the same trouble still.
            (_, Phase::Open | Phase::HalfOpen) => None,
        }
    }
}

impl Core {
    /// Tells the breaker of a kind what happened, and a person what became of it.
    pub(crate) fn watch(&self, moved: &Transition) {
        let Some((before, after)) = self.breakers.after(moved) else {
            return;
        };
        let (kind, at) = (&moved.task.spec.kind, moved.task.life.since);
        tracing::info!(%kind, from = before.as_str(), to = after.as_str(), "circuit breaker");
        match News::of(before, after) {
            Some(News::Trouble) => {
                let error = moved.task.error.as_ref();
                let why = error.map_or("", |error| error.message.as_str());
                self.alerts.circuit_open(kind, why, at);
            }
            Some(News::Over) => {
                self.alerts.circuit_closed(kind);
                self.ready.notify_one();
            }
            None => {}
        }
    }

    /// Whether a claim of this task comes too late: its lane was paused, or the breaker of its kind changed, since it was
    /// offered. In a fast lane whoever claims may not be the first to start, so no breaker stops what is offered there.
    pub(crate) fn is_held_back(&self, lane: &Lane, kind: &Kind, task: TaskId) -> bool {
        let overtaken =
            || self.start(lane) == Start::Claim && self.breakers.is_overtaken(kind, task);
        self.is_paused(lane) || overtaken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_fails_is_no_news() {
        use Phase::{Closed, HalfOpen, Open};
        assert_eq!(News::of(Closed, Open), Some(News::Trouble));
        assert_eq!(News::of(Open, HalfOpen), None);
        assert_eq!(News::of(HalfOpen, Open), None);
        assert_eq!(News::of(HalfOpen, Closed), Some(News::Over));
    }
}

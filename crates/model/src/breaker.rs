//! The circuit breaker of a kind of task: when runs fail one after the other for reasons outside of them, no more are
//! started for a while; then a few try whether it works again.

use crate::failure::Class;
use crate::life::Ending;
use crate::name::Kind;
use std::collections::BTreeMap;
use std::time::Duration;

/// When a breaker opens, for how long, and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// So many failures, without a success in between, open it.
    pub failures: u32,
    /// If all of them came within this.
    pub window: Duration,
    /// How long it stays open; then it is half open.
    pub open: Duration,
    /// While half open: so many runs may start, and so many successes close it.
    pub probes: u32,
}

/// Which kinds have a breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// That of every kind without one of its own; none unless said.
    pub others: Option<Rule>,
    /// Kinds with their own; nothing is off.
    pub kinds: BTreeMap<Kind, Option<Rule>>,
}

impl Rules {
    /// The rule of a kind, if it has a breaker.
    pub fn of(&self, kind: &Kind) -> Option<&Rule> {
        let own = self.kinds.get(kind).unwrap_or(&self.others);
        own.as_ref()
    }
}

/// What the end of a run says of the world outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// Nothing: cancelled, given back, lost, or a failure that is the task's own.
    Unclear,
}

impl Verdict {
    /// Of an outcome.
    pub fn of(ending: &Ending) -> Verdict {
        match ending {
            Ending::Succeeded | Ending::Decomposed => Verdict::Works,
            Ending::Failed { class, .. } if is_outside(*class) => Verdict::Fails,
            Ending::Failed { .. } | Ending::Released | Ending::Refused => Verdict::Unclear,
        }
    }
}

/// Whether a failure of this class speaks of what the task needs, and not of the task: another task of the kind would
/// probably meet it too. A program that ends with any other exit code is `business`, so that says nothing.
fn is_outside(class: Class) -> bool {
    match class {
        Class::Network | Class::Timeout | Class::RateLimit | Class::Resource => true,
        Class::Invalid | Class::Business | Class::Critical => false,
        Class::Lost | Class::Crash | Class::Interrupted => false,
    }
}

/// How a breaker stands. Times are spans since a moment that never changes, on a clock that should not go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything starts.
    Closed {
        /// When the failures came that no success followed; fewer than open it.
        failures: Vec<Duration>,
    },
    /// Nothing starts.
    Open {
        /// Since when.
        since: Duration,
    },
    /// A few start.
    HalfOpen {
        /// When the last of them started, or nothing had yet and it became half open.
        since: Duration,
        /// How many may still start.
        permits: u32,
        /// How many succeeded.
        successes: u32,
    },
}

/// A breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// How often it changed. A run counts only under the generation that it started in.
    pub generation: u64,
    /// How it stands.
    pub state: State,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            generation: 0,
            state: State::Closed { failures: vec![] },
        }
    }
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run starts, or is offered to agents; its generation is that of the breaker after this.
    Start,
    /// That is over.
    End {
        /// Under which generation it started.
        generation: u64,
        /// What it says.
        verdict: Verdict,
    },
    /// A person says that it works again.
    Reset,
}

/// The breaker after an event. Time passes first: what was open long enough is half open.
pub fn apply(breaker: &Breaker, event: &Event, rule: &Rule, now: Duration) -> Breaker {
    let mut next = breaker.at(rule, now);
    match *event {
        Event::Start => next.start(now),
        Event::End {
            generation,
            verdict,
        } if generation == next.generation => next.end(verdict, rule, now),
        Event::End { .. } => {}
        Event::Reset => next.enter(State::Closed { failures: vec![] }),
    }
    next
}

impl Breaker {
    /// How it stands at a moment, if nothing happens until then.
    pub fn at(&self, rule: &Rule, now: Duration) -> Breaker {
        let mut next = self.clone();
        match &mut next.state {
            // A clock that went back makes nothing last longer than it would have from now on.
            State::Closed { failures } => failures.iter_mut().for_each(|at| *at = now.min(*at)),
            State::Open { since } | State::HalfOpen { since, .. } => *since = now.min(*since),
        }
        match next.state {
            State::Open { since } if now - since >= rule.open => next.enter(State::HalfOpen {
                since: now,
                permits: rule.probes.max(1),
                successes: 0,
            }),
            // A probe that runs for hours, or whose end nobody hears of, does not hold up the kind for hours.
            State::HalfOpen {
                since,
                permits: 0,
                successes,
            } if now - since >= rule.open => {
                next.state = State::HalfOpen {
                    since: now,
                    permits: rule.probes.max(1),
                    successes,
                };
            }
            _ => {}
        }
        next
    }

    /// How many runs may start now; nothing is any number.
    pub fn room(&self, rule: &Rule, now: Duration) -> Option<u32> {
        match self.at(rule, now).state {
            State::Closed { .. } => None,
            State::Open { .. } => Some(0),
            State::HalfOpen { permits, .. } => Some(permits),
        }
    }

    /// How long until some may start; nothing when some may now.
    pub fn wait(&self, rule: &Rule, now: Duration) -> Option<Duration> {
        match self.at(rule, now).state {
            State::Open { since }
            | State::HalfOpen {
                since, permits: 0, ..
            } => Some((since + rule.open).saturating_sub(now)),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    fn enter(&mut self, state: State) {
        self.generation += 1;
        self.state = state;
    }

    fn start(&mut self, now: Duration) {
        if let State::HalfOpen { since, permits, .. } = &mut self.state {
            *permits = permits.saturating_sub(1);
            *since = now;
        }
    }

    fn end(&mut self, verdict: Verdict, rule: &Rule, now: Duration) {
        match (&mut self.state, verdict) {
            (State::Closed { failures }, Verdict::Works) => failures.clear(),
            (State::Closed { failures }, Verdict::Fails) => {
                failures.retain(|at| now.saturating_sub(*at) < rule.window);
                failures.push(now);
                if failures.len() >= rule.failures.max(1) as usize {
                    self.enter(State::Open { since: now });
                }
            }
            (State::HalfOpen { successes, .. }, Verdict::Works) => {
                *successes += 1;
                if *successes >= rule.probes {
                    self.enter(State::Closed { failures: vec![] });
                }
            }
            (State::HalfOpen { .. }, Verdict::Fails) => self.enter(State::Open { since: now }),
            // It told nothing, so another one may try.
            (State::HalfOpen { permits, .. }, Verdict::Unclear) => {
                *permits = (*permits + 1).min(rule.probes.max(1));
            }
            (State::Open { .. }, _) | (State::Closed { .. }, Verdict::Unclear) => {}
        }
    }
}

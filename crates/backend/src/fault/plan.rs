//! The plan: which call meets which fault, how many calls there were, and who is told.

use super::Fault;
use super::dice::Dice;
use crate::error::Error;
use futures_util::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One call of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The point.
    pub point: &'static str,
    /// Which call of it, from 1.
    pub number: u64,
    /// What it meets.
    pub fault: Fault,
}

type Hook = Arc<dyn Fn(Call) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Default)]
struct Point {
    calls: u64,
    script: VecDeque<Fault>,
    odds: Vec<(Fault, f64)>,
    before: Option<Hook>,
    after: Option<Hook>,
}

struct State {
    dice: Dice,
    points: HashMap<&'static str, Point>,
}

/// See the module `fault`. A cheap handle: all clones are the same plan, to be changed at any time.
#[derive(Clone)]
pub struct Plan {
    state: Arc<Mutex<State>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl Plan {
    /// A plan without faults, that counts; its odds, when it gets some, roll dice of this seed.
    pub fn seeded(seed: u64) -> Self {
        let state = State {
            dice: Dice::new(seed),
            points: HashMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The next calls of a point meet these, one each, after what was scripted before.
    pub fn script(&self, point: &'static str, faults: impl IntoIterator<Item = Fault>) -> &Self {
        self.at(point, |p| p.script.extend(faults));
        self
    }

    /// Calls of a point that no script speaks of meet this fault with this probability, 0 to 1. The
    /// probabilities of several faults at a point add up.
    pub fn odds(&self, point: &'static str, fault: Fault, probability: f64) -> &Self {
        self.at(point, |p| {
            p.odds.retain(|(other, _)| *other != fault);
            p.odds.push((fault, probability));
        });
        self
    }

    /// From now on every call of a point meets this, whatever was said before; see [`Plan::heal`].
    pub fn always(&self, point: &'static str, fault: Fault) -> &Self {
        self.at(point, |p| {
            p.script.clear();
            p.odds = vec![(fault, 1.0)];
        });
        self
    }

    /// No more faults anywhere; counts and hooks stay.
    pub fn heal(&self) -> &Self {
        for point in self.lock().points.values_mut() {
            point.script.clear();
            point.odds.clear();
        }
        self
    }

    /// Waits for this before each call of a point.
    pub fn before<F>(&self, point: &'static str, hook: impl Fn(Call) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.at(point, |p| p.before = Some(boxed(hook)));
    }

    /// Waits for this after each call of a point that came to its end, before the caller hears.
    pub fn after<F>(&self, point: &'static str, hook: impl Fn(Call) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.at(point, |p| p.after = Some(boxed(hook)));
    }

    /// How often a point was called.
    pub fn calls(&self, point: &'static str) -> u64 {
        self.lock().points.get(point).map_or(0, |p| p.calls)
    }

    /// Begins a call: counts it, decides what it meets, runs the hook, and waits or fails where that
    /// comes first.
    pub(super) async fn begin(&self, point: &'static str) -> Result<Call, Error> {
        let (call, hook) = self.decide(point);
        if let Some(hook) = hook {
            hook(call).await;
        }
        match call.fault {
            Fault::FailBefore => Err(broken(call)),
            Fault::HangBefore => pending().await,
            Fault::Slow(span) => {
                tokio::time::sleep(span).await;
                Ok(call)
            }
            Fault::None | Fault::FailAfter | Fault::HangAfter | Fault::Duplicate | Fault::Drop => {
                Ok(call)
            }
        }
    }

    /// Ends a call: runs the hook, and fails or hangs where that comes last.
    pub(super) async fn end(&self, call: Call) -> Result<(), Error> {
        let hook = self.at(call.point, |p| p.after.clone());
        if let Some(hook) = hook {
            hook(call).await;
        }
        match call.fault {
            Fault::FailAfter => Err(broken(call)),
            Fault::HangAfter => pending().await,
            Fault::None
            | Fault::FailBefore
            | Fault::HangBefore
            | Fault::Slow(_)
            | Fault::Duplicate
            | Fault::Drop => Ok(()),
        }
    }

    fn decide(&self, point: &'static str) -> (Call, Option<Hook>) {
        let mut state = self.lock();
        let State { dice, points } = &mut *state;
        let p = points.entry(point).or_default();
        p.calls += 1;
        let fault = match p.script.pop_front() {
            Some(fault) => fault,
            None if p.odds.is_empty() => Fault::None,
            None => {
                let mut left = dice.roll();
                let hit = p.odds.iter().find(|(_, probability)| {
                    left -= probability;
                    left < 0.0
                });
                hit.map_or(Fault::None, |(fault, _)| *fault)
            }
        };
        let call = Call {
            point,
            number: p.calls,
            fault,
        };
        (call, p.before.clone())
    }

    fn at<R>(&self, point: &'static str, act: impl FnOnce(&mut Point) -> R) -> R {
        act(self.lock().points.entry(point).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let calls = state.points.iter().map(|(name, p)| (name, p.calls));
        f.debug_map().entries(calls).finish()
    }
}

fn boxed<F>(hook: impl Fn(Call) -> F + Send + Sync + 'static) -> Hook
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |call| Box::pin(hook(call)))
}

/// What a caller gets from a call that fails.
pub(super) fn broken(call: Call) -> Error {
    let Call {
        point,
        number,
        fault,
    } = call;
    Error::unavailable(point, format!("call {number} meets {fault:?}, as planned"))
}

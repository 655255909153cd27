//! Task life: the states, what is stored of them, and [`apply`], the one function that moves a task.
//!
//! protocol.md section 3 in code. `apply` is pure: the shell reads a row, asks `apply`, commits the answer under a
//! compare-and-set on the row's version, and then does what the effects say. Every pair of state and event that is
//! not a transition is a [`Refused`] value. The rows are in `life/`: what agents cause, what the server causes, what people cause.

use crate::agent::Who;
use crate::event::EventKind;
use crate::failure::{Class, DeadReason};
use crate::id::{ClaimId, InstanceId};
use crate::name::AgentId;
use crate::retry::Policies;
use crate::time::Timestamp;
use std::collections::BTreeMap;

mod by_agent;
mod by_person;
mod by_server;
mod cause;
mod effect;
mod fast;
mod state;

pub use cause::{Claim, Ending, Event, Needs, Start};
pub use effect::{Effect, Refused, RevokeReason, Step};
pub use state::{Parked, State};

/// The right of one run to end the task: given by a grant, kept by heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The run: one start of a handler, named by who asked for it.
    pub claim: ClaimId,
    /// Who holds it.
    pub agent: AgentId,
    /// Which boot of that agent.
    pub instance: InstanceId,
    /// The offer that a broker may still deliver again; `None` once no delivery stands behind the run.
    pub offer: Option<u64>,
    /// Whether the holder was heard of since the grant; if not, nothing is known to have started.
    pub confirmed: bool,
}

/// Everything stored of a task that changes while it lives. Offer, attempt, epoch and `lease_seq` never fall.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// Where it is.
    pub state: State,
    /// Since when it is there.
    pub since: Timestamp,
    /// Grants so far; one attempt is one granted run.
    pub attempt: u32,
    /// Fencing token: grows with every grant.
    pub epoch: u64,
    /// Starts allowed in all; raised by whatever must not use up an attempt.
    pub max_attempts: u32,
    /// Starts that an operator's retry adds: what the task was submitted with.
    pub allowance: u32,
    /// Number of the newest offer; each is published at most once.
    pub offer: u64,
    /// When that offer was put into the broker; `None` when nothing is there.
    pub offered_at: Option<Timestamp>,
    /// How that offer starts; `Claim` when nothing is there.
    pub start: Start,
    /// Runs that were lost.
    pub losses: u32,
    /// Refusals by broker or agents.
    pub refusals: u32,
    /// Retries by an operator or a rule.
    pub replays: u32,
    /// Retries used, by class.
    pub retries: BTreeMap<Class, u32>,
    /// The holder, while running.
    pub lease: Option<Lease>,
    /// Grows with every grant and renewal; a sweep that saw an older one expires nothing.
    pub lease_seq: u64,
    /// Why it is parked.
    pub parked: Option<Parked>,
    /// Why it is dead.
    pub dead_reason: Option<DeadReason>,
    /// Not before this.
    pub not_before: Option<Timestamp>,
    /// The next attempt.
    pub retry_at: Option<Timestamp>,
    /// Over after this.
    pub deadline: Option<Timestamp>,
    /// When it became ready first, or after a wait: its place among equals.
    pub ready_at: Option<Timestamp>,
    /// When the newest attempt was granted.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// The agent to prefer (an operator's wish).
    pub prefer: Option<AgentId>,
    /// The agent to avoid if there is another (it lost or failed the task).
    pub avoid: Option<AgentId>,
    /// The agent of the newest attempt.
    pub last: Option<AgentId>,
}

/// What decisions need beside the task: the time, the policies, a roll of the dice.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The store's clock.
    pub now: Timestamp,
    /// The policies of this task.
    pub policies: &'a Policies,
    /// Chance in [0, 1), for jitter.
    pub roll: f64,
}

impl Life {
    /// The life of a task that is accepted now (row 1).
    pub fn new(
        now: Timestamp,
        max_attempts: u32,
        not_before: Option<Timestamp>,
        deadline: Option<Timestamp>,
    ) -> Self {
        let not_before = not_before.filter(|at| *at > now);
        let state = if not_before.is_some() {
            State::Scheduled
        } else {
            State::Ready
        };
        Life {
            state,
            since: now,
            attempt: 0,
            epoch: 0,
            max_attempts,
            allowance: max_attempts,
            offer: 0,
            offered_at: None,
            start: Start::Claim,
            losses: 0,
            refusals: 0,
            replays: 0,
            retries: BTreeMap::new(),
            lease: None,
            lease_seq: 0,
            parked: None,
            dead_reason: None,
            not_before,
            retry_at: None,
            deadline,
            ready_at: (state == State::Ready).then_some(now),
            started_at: None,
            finished_at: None,
            prefer: None,
            avoid: None,
            last: None,
        }
    }

    /// When a timer of this task is due next; `None` when none is set.
    pub fn due_at(&self) -> Option<Timestamp> {
        if self.state.is_final() {
            return None;
        }
        let wait = match self.state {
            State::Scheduled => self.not_before,
            State::Retrying => self.retry_at,
            _ => None,
        };
        [wait, self.deadline].into_iter().flatten().min()
    }

    /// Whether a fast offer of it is out: any agent may be running it, under the epoch of the offer, and nobody has
    /// said so yet.
    pub fn is_fast(&self) -> bool {
        self.state == State::Ready && self.offered_at.is_some() && self.start == Start::Fast
    }

    /// Whether a run under this epoch may be going on.
    pub fn may_run(&self, epoch: u64) -> bool {
        self.epoch == epoch && (self.state == State::Running || self.is_fast())
    }

    /// The holder, with the epoch it holds.
    fn holder(&self) -> Option<Who> {
        let lease = self.lease.as_ref()?;
        Some(Who {
            agent: lease.agent.clone(),
            instance: lease.instance.clone(),
        })
    }

    /// Whether a message under this epoch from this agent comes from the run that holds the task.
    fn entitled(&self, who: &Who, epoch: u64) -> Result<(), Refused> {
        if self.state.is_final() {
            return Err(Refused::over(self.state));
        }
        // Another boot of the same agent may run a second copy of a fast offer, under the same epoch.
        let held = self.holder().is_some_and(|holder| holder == *who);
        let runs = (self.state == State::Running && held) || self.is_fast();
        if runs && self.epoch == epoch {
            Ok(())
        } else {
            Err(Refused::Stale)
        }
    }

    /// Enters a state: clears lease, offer and whatever belongs to the state that is left.
    fn enter(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.since = now;
        self.lease = None;
        self.offered_at = None;
        self.start = Start::Claim;
        self.parked = None;
        self.retry_at = None;
        match state {
            State::Ready => self.ready_at = self.ready_at.or(Some(now)),
            _ if state.is_final() => self.finished_at = Some(now),
            // A wait gives up the place among equals; a run keeps it, in case it is lost.
            State::Scheduled | State::Retrying | State::Blocked | State::Parked => {
                self.ready_at = None;
            }
            _ => {}
        }
    }

    /// One more grant: the same task, a new attempt and epoch, and this holder.
    fn grant(&mut self, claim: ClaimId, who: &Who, offer: Option<u64>, now: Timestamp) {
        self.attempt += 1;
        self.epoch += 1;
        self.hold(claim, who, offer, now);
    }

    /// From now on this run holds the task.
    fn hold(&mut self, claim: ClaimId, who: &Who, offer: Option<u64>, now: Timestamp) {
        self.enter(State::Running, now);
        self.lease_seq += 1;
        self.started_at = Some(now);
        self.last = Some(who.agent.clone());
        self.lease = Some(Lease {
            claim,
            agent: who.agent.clone(),
            instance: who.instance.clone(),
            offer,
            confirmed: false,
        });
    }
}

/// Moves a task: the only function that does. Pure.
///
/// # Errors
/// [`Refused`] when this event is no transition from this state; nothing changes then.
pub fn apply(life: &Life, event: &Event, context: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::Assign { claim, who } => by_server::assign(life, *claim, who, context),
        Event::Claim(claim) => by_agent::claim(life, claim, context),
        Event::Renew { who, epoch } => by_agent::renew(life, who, *epoch),
        Event::Outcome { who, epoch, ending } => {
            by_agent::outcome(life, who, *epoch, ending, context)
        }
        Event::DependenciesMet => by_server::dependencies_met(life, context),
        Event::Decompose { sound } => by_server::decompose(life, *sound, context),
        Event::PartsOver { well } => by_server::parts_over(life, *well, context),
        Event::Offer => by_server::offer(life, context),
        Event::OfferFast => fast::offer(life, context),
        Event::Unoffer { offer, again } => by_server::unoffer(life, *offer, *again, context),
        Event::DeadLetter { offer } => by_server::dead_letter(life, *offer, context),
        Event::Supersede { claim, seen } => by_server::supersede(life, claim, *seen, context),
        Event::Lost { seen } => by_server::lost(life, *seen, context),
        Event::Due => by_server::due(life, context),
        Event::Cancel => by_person::cancel(life, context),
        Event::Retry { anew, needs } => by_person::retry(life, *anew, *needs, context),
        Event::Requeue { anew } => by_person::requeue(life, *anew, context),
        Event::Reassign { to } => by_person::reassign(life, to, context),
        Event::Park(why) => by_person::park(life, *why, context),
        Event::Unpark(why) => by_person::unpark(life, *why, context),
        Event::Reject => by_person::reject(life, context),
        Event::Discard => by_person::discard(life, context),
    }
}

/// Ends the attempts of a task for good.
fn finish(mut life: Life, state: State, record: EventKind, context: &Context<'_>) -> Step {
    life.enter(state, context.now);
    Step {
        life,
        record: Some(record),
        effects: vec![],
    }
}

/// Dead, for this reason.
fn dead(mut life: Life, reason: DeadReason, alert: bool, context: &Context<'_>) -> Step {
    life.dead_reason = Some(reason);
    let mut step = finish(life, State::Dead, EventKind::Dead, context);
    if alert {
        step.effects.push(Effect::Alert);
    }
    step
}

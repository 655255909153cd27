//! Task life: the states, what is stored of them, and [`apply`], the one function that moves a task.
//!
//! protocol.md section 3 in code. `apply` is pure: the shell reads a row, asks `apply`, commits the answer under a
//! compare-and-set on the row's version, and then does what the effects say. Every pair of state and event that is
//! not a transition is a [`Refused`] value. The rows are in `life/`: what agents cause, what the server causes, what people cause.

use crate::agent::Who;
use crate::event::EventKind;
use crate::failure::{Class, DeadReason, UnknownWord};
use crate::id::{ClaimId, InstanceId};
use crate::name::AgentId;
use crate::retry::Policies;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

mod by_agent;
mod by_person;
mod by_server;

/// Where a task is in its life (contracts.md section 0; the only list of names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for other tasks.
    Blocked,
    /// Waits for its `not_before`.
    Scheduled,
    /// May start; waits in the store, offered or not.
    Ready,
    /// An agent holds its lease.
    Running,
    /// Waits for its `retry_at`.
    Retrying,
    /// Waits for an act of a person.
    Parked,
    /// Final: done.
    Succeeded,
    /// Final: the handler said no.
    Failed,
    /// Final: Warrener gave up or refused.
    Dead,
    /// Final: somebody cancelled it.
    Cancelled,
    /// Final: its deadline passed.
    Expired,
}

impl State {
    /// Every state, the final ones last.
    pub const ALL: [State; 11] = [
        State::Blocked,
        State::Scheduled,
        State::Ready,
        State::Running,
        State::Retrying,
        State::Parked,
        State::Succeeded,
        State::Failed,
        State::Dead,
        State::Cancelled,
        State::Expired,
    ];

    /// Whether nothing moves the task any more but an operator's retry.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            State::Succeeded | State::Failed | State::Dead | State::Cancelled | State::Expired
        )
    }

    /// The name used in JSON, stores and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Blocked => "blocked",
            State::Scheduled => "scheduled",
            State::Ready => "ready",
            State::Running => "running",
            State::Retrying => "retrying",
            State::Parked => "parked",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        State::ALL
            .into_iter()
            .find(|state| state.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "state",
                word: s.into(),
            })
    }
}

/// What a parked task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parked {
    /// A person's yes.
    Approval,
    /// A person's answer.
    Input,
    /// More money.
    Budget,
    /// Somebody paused it.
    Paused,
    /// A breaker that is open.
    CircuitOpen,
}

impl Parked {
    /// The name used in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Parked::Approval => "approval",
            Parked::Input => "input",
            Parked::Budget => "budget",
            Parked::Paused => "paused",
            Parked::CircuitOpen => "circuit_open",
        }
    }
}

impl FromStr for Parked {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [
            Parked::Approval,
            Parked::Input,
            Parked::Budget,
            Parked::Paused,
            Parked::CircuitOpen,
        ]
        .into_iter()
        .find(|p| p.as_str() == s)
        .ok_or_else(|| UnknownWord {
            what: "parked reason",
            word: s.into(),
        })
    }
}

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
}

/// How a run ended, as its agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With a result.
    Succeeded,
    /// With a failure.
    Failed {
        /// What kind.
        class: Class,
        /// The handler's wish for the next attempt.
        retry_after: Option<Duration>,
    },
    /// Given back unfinished (drain): never counted.
    Released,
    /// Given back because the agent cannot run this kind: counted as a refusal.
    Refused,
}

/// One run asking to start, or to go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The run.
    pub claim: ClaimId,
    /// Who asks.
    pub who: Who,
    /// The offer it was given.
    pub offer: u64,
    /// Whether the broker said that this offer was delivered before.
    pub redelivered: bool,
    /// Whether the run has started already (after a reconnect).
    pub started: bool,
}

/// What may happen to a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// All that it depends on has ended well.
    DependenciesMet,
    /// Row 2: the server decides to put it into the broker.
    Offer,
    /// Rows 2, 6 and 9: that offer came to nothing (returned, unconfirmed, overdue, no slot).
    Unoffer {
        /// Which offer.
        offer: u64,
    },
    /// Row 12: the broker gave this offer up.
    DeadLetter {
        /// Which offer.
        offer: u64,
    },
    /// Rows 2 and 3 in one: in process and over the link the delivery is the claim.
    Assign {
        /// The run.
        claim: ClaimId,
        /// Who gets it.
        who: Who,
    },
    /// Rows 3 to 6: a run asks.
    Claim(Claim),
    /// Row 5, after the grace: the holder that was asked did not answer; `seen` is the lease_seq of that time.
    Supersede {
        /// The claim that waited.
        claim: Claim,
        /// What `lease_seq` was when the holder was asked.
        seen: u64,
    },
    /// Row 10, and the end of a link: the holder was silent while `lease_seq` stayed `seen`.
    Lost {
        /// What `lease_seq` was all the while.
        seen: u64,
    },
    /// Row 8: the holder lists the run in a heartbeat.
    Renew {
        /// Who says so.
        who: Who,
        /// Under which grant.
        epoch: u64,
    },
    /// Row 7: the run is over.
    Outcome {
        /// Who says so.
        who: Who,
        /// Under which grant.
        epoch: u64,
        /// How it ended.
        ending: Ending,
    },
    /// Row 11: a timer of the task may be due.
    Due,
    /// Row 13.
    Cancel,
    /// Row 14: an operator, or a rule, tries again. `anew` forgets the retries used so far.
    Retry {
        /// Whether the retries of each class start anew.
        anew: bool,
    },
    /// An operator wants another agent to do it.
    Reassign {
        /// Which one.
        to: AgentId,
    },
    /// Waits for a person from now on.
    Park(Parked),
    /// A person said yes, or answered.
    Unpark,
    /// A person said no.
    Reject,
    /// An operator does not want to see this dead letter again.
    Discard,
}

/// What the shell must do after the new life is committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Tell this run that it may start, or that it still may go on.
    Grant {
        /// The run.
        claim: ClaimId,
        /// Who asked.
        who: Who,
    },
    /// Row 5: ask the holder whether it is still there, and wait the grace. Nothing to commit.
    Ask,
    /// Tell this run to stop.
    Revoke {
        /// Who runs it.
        who: Who,
        /// Under which grant.
        epoch: u64,
        /// Why.
        reason: RevokeReason,
    },
    /// It may be dispatched.
    Ready,
    /// A person should know.
    Alert,
    /// More resources are wanted for its lane.
    ScaleUp,
}

/// Why a run must stop (contracts.md section 5, `revoke`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Another run has the task.
    Superseded,
    /// It was cancelled.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// The server does not know this run.
    Unknown,
}

/// The answer of [`apply`]: the next life, the row of history it makes, and what to do after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The task after the event.
    pub life: Life,
    /// The kind of its history row; `None` for what is no transition (renewals, repeated claims).
    pub record: Option<EventKind>,
    /// What to do once it is committed.
    pub effects: Vec<Effect>,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The task has ended.
    #[error("the task has ended")]
    Final,
    /// The task was cancelled.
    #[error("the task was cancelled")]
    Cancelled,
    /// The task's deadline passed.
    #[error("the task's deadline passed")]
    Expired,
    /// Another run holds it.
    #[error("another run holds the task")]
    Held,
    /// Not the current offer, grant or look.
    #[error("stale: not the current offer or grant")]
    Stale,
    /// No timer is due.
    #[error("nothing is due")]
    NotDue,
    /// This state does not allow it.
    #[error("not possible in state {0}")]
    Illegal(State),
}

impl Refused {
    /// The refusal of whatever comes to a task in this final state.
    fn over(state: State) -> Refused {
        match state {
            State::Cancelled => Refused::Cancelled,
            State::Expired => Refused::Expired,
            _ => Refused::Final,
        }
    }
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
        let held = self.lease.as_ref().is_some_and(|l| l.agent == who.agent);
        if self.state == State::Running && held && self.epoch == epoch {
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
        self.enter(State::Running, now);
        self.attempt += 1;
        self.epoch += 1;
        self.lease_seq += 1;
        self.started_at = Some(now);
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
        Event::Offer => by_server::offer(life, context),
        Event::Unoffer { offer } => by_server::unoffer(life, *offer),
        Event::DeadLetter { offer } => by_server::dead_letter(life, *offer, context),
        Event::Supersede { claim, seen } => by_server::supersede(life, claim, *seen, context),
        Event::Lost { seen } => by_server::lost(life, *seen, context),
        Event::Due => by_server::due(life, context),
        Event::Cancel => by_person::cancel(life, context),
        Event::Retry { anew } => by_person::retry(life, *anew, context),
        Event::Reassign { to } => by_person::reassign(life, to, context),
        Event::Park(why) => by_person::park(life, *why, context),
        Event::Unpark => by_person::unpark(life, context),
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

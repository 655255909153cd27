//! Stories: random events, told relative to the task that they will meet, so that many of them fit.

use proptest::prelude::*;
use std::time::Duration;
use warrener_model::agent::Who;
use warrener_model::id::{ClaimId, InstanceId};
use warrener_model::life::{Claim, Context, Ending, Event, Needs, Parked, Step, apply};
use warrener_model::name::AgentId;
use warrener_model::retry::{Backoff, Jitter, Override, Overrides, Policies};
use warrener_model::{Class, Life, State, Timestamp};

/// One event of a story.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Offer,
    OfferFast,
    Unoffer {
        back: u64,
    },
    DeadLetter {
        back: u64,
    },
    Assign(Party),
    Claim(Asking),
    Supersede {
        asking: Asking,
        back: u64,
    },
    Lost {
        back: u64,
    },
    Renew {
        party: Party,
        back: u64,
    },
    Outcome {
        party: Party,
        back: u64,
        end: Ending,
    },
    Due,
    DependenciesMet,
    Decompose {
        sound: bool,
    },
    PartsOver {
        well: bool,
    },
    Cancel,
    Retry {
        anew: bool,
        needs: Needs,
    },
    Reassign(Party),
    Park(Parked),
    /// The act that the task waits for, or another one.
    Unpark(Option<Parked>),
    Reject,
    Discard,
}

/// Who acts: the holder as the row has it, or one of two agents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Party {
    Holder,
    Agent(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// The run that holds the task, or one of a few others.
    pub(crate) run: Option<u8>,
    pub(crate) agent: u8,
    pub(crate) back: u64,
    pub(crate) redelivered: bool,
    pub(crate) started: bool,
}

pub(crate) fn who(agent: u8) -> Who {
    Who {
        agent: AgentId::new(["a", "b"][usize::from(agent % 2)]).expect("a plain name"),
        instance: InstanceId::random(1),
    }
}

fn party(life: &Life, party: Party) -> Who {
    match (party, &life.lease) {
        (Party::Holder, Some(lease)) => Who {
            agent: lease.agent.clone(),
            instance: lease.instance.clone(),
        },
        (Party::Holder, None) => who(0),
        (Party::Agent(agent), _) => who(agent),
    }
}

fn claim(life: &Life, asking: &Asking) -> Claim {
    let holder = life.lease.as_ref().map(|lease| lease.claim);
    let claim = match (asking.run, holder) {
        (None, Some(holder)) => holder,
        (run, _) => ClaimId::from_bytes([run.unwrap_or(9); 16]),
    };
    Claim {
        claim,
        who: who(asking.agent),
        offer: life.offer.saturating_sub(asking.back),
        redelivered: asking.redelivered,
        started: asking.started,
    }
}

/// The event for this task.
fn event(life: &Life, act: &Act) -> Event {
    let seen = |back: &u64| life.lease_seq.saturating_sub(*back);
    let epoch = |back: &u64| life.epoch.saturating_sub(*back);
    let offer = |back: &u64| life.offer.saturating_sub(*back);
    match act {
        Act::Offer => Event::Offer,
        Act::OfferFast => Event::OfferFast,
        Act::Unoffer { back } => Event::Unoffer {
            offer: offer(back),
            again: false,
        },
        Act::DeadLetter { back } => Event::DeadLetter { offer: offer(back) },
        Act::Assign(to) => Event::Assign {
            claim: ClaimId::from_bytes([7; 16]),
            who: party(life, *to),
        },
        Act::Claim(asking) => Event::Claim(claim(life, asking)),
        Act::Supersede { asking, back } => Event::Supersede {
            claim: claim(life, asking),
            seen: seen(back),
        },
        Act::Lost { back } => Event::Lost { seen: seen(back) },
        Act::Renew { party: by, back } => Event::Renew {
            who: party(life, *by),
            epoch: epoch(back),
        },
        Act::Outcome {
            party: by,
            back,
            end,
        } => Event::Outcome {
            who: party(life, *by),
            epoch: epoch(back),
            ending: end.clone(),
        },
        Act::Due => Event::Due,
        Act::DependenciesMet => Event::DependenciesMet,
        Act::Decompose { sound } => Event::Decompose { sound: *sound },
        Act::PartsOver { well } => Event::PartsOver { well: *well },
        Act::Cancel => Event::Cancel,
        Act::Retry { anew, needs } => Event::Retry {
            anew: *anew,
            needs: *needs,
        },
        Act::Reassign(to) => Event::Reassign {
            to: party(life, *to).agent,
        },
        Act::Park(why) => Event::Park(*why),
        Act::Unpark(why) => Event::Unpark(why.or(life.parked).unwrap_or(Parked::Approval)),
        Act::Reject => Event::Reject,
        Act::Discard => Event::Discard,
    }
}

const PARKED: &[Parked] = &[
    Parked::Approval,
    Parked::Input,
    Parked::Budget,
    Parked::Paused,
    Parked::CircuitOpen,
];

pub(crate) fn some_class() -> impl Strategy<Value = Class> {
    prop::sample::select(&Class::ALL[..])
}

pub(crate) fn some_wait() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of((0u64..1 << 40).prop_map(Duration::from_millis))
}

fn some_end() -> impl Strategy<Value = Ending> {
    let failed = (some_class(), some_wait())
        .prop_map(|(class, retry_after)| Ending::Failed { class, retry_after });
    prop_oneof![
        1 => Just(Ending::Succeeded),
        1 => Just(Ending::Decomposed),
        4 => failed,
        2 => Just(Ending::Released),
        1 => Just(Ending::Refused),
    ]
}

fn some_party() -> impl Strategy<Value = Party> {
    prop_oneof![3 => Just(Party::Holder), 1 => (0u8..2).prop_map(Party::Agent)]
}

fn some_asking() -> impl Strategy<Value = Asking> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2));
    let fields = (prop::option::of(0u8..4), 0u8..2, late(), flags);
    fields.prop_map(|(run, agent, back, (redelivered, started))| Asking {
        run,
        agent,
        back,
        redelivered,
        started,
    })
}

/// How many numbers behind the message is: mostly none.
fn late() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0u64), 1 => 1u64..4]
}

fn some_needs() -> impl Strategy<Value = Needs> {
    prop::sample::select(&[Needs::Met, Needs::Open][..])
}

fn some_act() -> impl Strategy<Value = Act> {
    let outcome = (some_party(), late(), some_end());
    prop_oneof![
        4 => Just(Act::Offer),
        3 => Just(Act::OfferFast),
        1 => late().prop_map(|back| Act::Unoffer { back }),
        4 => late().prop_map(|back| Act::DeadLetter { back }),
        2 => some_party().prop_map(Act::Assign),
        6 => some_asking().prop_map(Act::Claim),
        2 => (some_asking(), late()).prop_map(|(asking, back)| Act::Supersede { asking, back }),
        2 => late().prop_map(|back| Act::Lost { back }),
        2 => (some_party(), late()).prop_map(|(party, back)| Act::Renew { party, back }),
        4 => outcome.prop_map(|(party, back, end)| Act::Outcome { party, back, end }),
        4 => Just(Act::Due),
        2 => Just(Act::DependenciesMet),
        1 => any::<bool>().prop_map(|sound| Act::Decompose { sound }),
        1 => any::<bool>().prop_map(|well| Act::PartsOver { well }),
        1 => Just(Act::Cancel),
        3 => (any::<bool>(), some_needs()).prop_map(|(anew, needs)| Act::Retry { anew, needs }),
        1 => some_party().prop_map(Act::Reassign),
        1 => prop::sample::select(PARKED).prop_map(Act::Park),
        2 => prop::option::weighted(0.3, prop::sample::select(PARKED)).prop_map(Act::Unpark),
        1 => Just(Act::Reject),
        1 => Just(Act::Discard),
    ]
}

pub(crate) fn some_override() -> impl Strategy<Value = Override> {
    let backoff =
        prop::sample::select(&[Backoff::Exponential, Backoff::Linear, Backoff::Fixed][..]);
    let jitter = prop::sample::select(&[Jitter::Full, Jitter::None][..]);
    let parts = (
        prop::option::of(prop_oneof![0u32..4, Just(u32::MAX)]),
        prop::option::of(backoff),
        prop::option::of(prop_oneof![0u64..1 << 20, Just(u64::MAX)]),
        prop::option::of(prop_oneof![0u64..1 << 24, Just(u64::MAX)]),
        prop::option::of(jitter),
    );
    parts.prop_map(|(retries, backoff, base_ms, max_ms, jitter)| Override {
        retries,
        backoff,
        base_ms,
        max_ms,
        jitter,
    })
}

pub(crate) fn some_policies() -> impl Strategy<Value = Policies> {
    prop::collection::btree_map(some_class(), some_override(), 0..4)
        .prop_map(|changes: Overrides| Policies::default().with(&changes))
}

/// A task as it is accepted: with or without a delay, a deadline, tasks to wait for.
pub(crate) fn some_life() -> impl Strategy<Value = Life> {
    let time = || prop::option::of((0i64..20_000).prop_map(Timestamp::from_millis));
    (1u32..5, time(), time(), any::<bool>()).prop_map(|(attempts, not_before, deadline, waits)| {
        let mut life = Life::new(Timestamp::from_millis(0), attempts, not_before, deadline);
        if waits {
            life.state = State::Blocked;
        }
        life
    })
}

/// An act, how long after the one before it, and a roll of the dice.
pub(crate) fn some_story() -> impl Strategy<Value = Vec<(Act, u64, f64)>> {
    prop::collection::vec((some_act(), 0u64..3_000, 0.0..1.0), 0..80)
}

/// Plays a story and hands every accepted step to `look`; answers with the end of it.
pub(crate) fn play(
    start: Life,
    policies: &Policies,
    story: &[(Act, u64, f64)],
    mut look: impl FnMut(&Life, &Event, &Step, Timestamp) -> Result<(), TestCaseError>,
) -> Result<(Life, Timestamp), TestCaseError> {
    let (mut life, mut now) = (start, Timestamp::from_millis(0));
    for (act, wait, roll) in story {
        now = now.plus(Duration::from_millis(*wait));
        let event = event(&life, act);
        let context = Context {
            now,
            policies,
            roll: *roll,
        };
        if let Ok(step) = apply(&life, &event, &context) {
            look(&life, &event, &step, now)?;
            life = step.life;
        }
    }
    Ok((life, now))
}

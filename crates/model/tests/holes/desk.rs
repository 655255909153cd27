//! One task on a desk: events are put to it, and what they change or why they are refused is looked at.

use warrener_model::agent::Who;
use warrener_model::id::{ClaimId, InstanceId};
use warrener_model::life::{Claim, Context, Effect, Ending, Event, Refused, Step, apply};
use warrener_model::name::AgentId;
use warrener_model::retry::Policies;
use warrener_model::{Class, Life, Timestamp};

/// One task, and the time.
pub(crate) struct Desk {
    pub(crate) life: Life,
    pub(crate) now: Timestamp,
    policies: Policies,
}

impl Desk {
    /// A task that may start twice.
    pub(crate) fn new() -> Self {
        let now = Timestamp::from_millis(0);
        Desk {
            life: Life::new(now, 2, None, None),
            now,
            policies: Policies::default(),
        }
    }

    /// Offered, claimed by `a` as run 1, granted.
    pub(crate) fn running() -> Self {
        let mut desk = Desk::new();
        desk.does(Event::Offer);
        desk.does(claim(&who("a"), 1, 1));
        desk
    }

    pub(crate) fn decide(&self, event: &Event) -> Result<Step, Refused> {
        let context = Context {
            now: self.now,
            policies: &self.policies,
            roll: 0.0,
        };
        apply(&self.life, event, &context)
    }

    /// The event is a transition; answers with its effects.
    #[track_caller]
    pub(crate) fn does(&mut self, event: Event) -> Vec<Effect> {
        let step = self
            .decide(&event)
            .unwrap_or_else(|refused| panic!("{event:?}: {refused}"));
        self.life = step.life;
        step.effects
    }

    /// The event changes nothing.
    #[track_caller]
    pub(crate) fn refuses(&self, event: Event) -> Refused {
        match self.decide(&event) {
            Err(refused) => refused,
            Ok(step) => panic!("{event:?} was accepted: {:?}", step.life),
        }
    }

    pub(crate) fn holder(&self) -> Option<ClaimId> {
        self.life.lease.as_ref().map(|lease| lease.claim)
    }
}

pub(crate) fn who(name: &str) -> Who {
    Who {
        agent: AgentId::new(name).expect("a plain name"),
        instance: InstanceId::random(1),
    }
}

pub(crate) fn run(number: u8) -> ClaimId {
    ClaimId::from_bytes([number; 16])
}

pub(crate) fn asks(who: &Who, number: u8, offer: u64) -> Claim {
    Claim {
        claim: run(number),
        who: who.clone(),
        offer,
        redelivered: false,
        started: false,
    }
}

/// A first delivery claims.
pub(crate) fn claim(who: &Who, number: u8, offer: u64) -> Event {
    Event::Claim(asks(who, number, offer))
}

/// A redelivered one does.
pub(crate) fn again(who: &Who, number: u8, offer: u64) -> Claim {
    Claim {
        redelivered: true,
        ..asks(who, number, offer)
    }
}

/// A run that started comes back after a reconnect.
pub(crate) fn back(who: &Who, number: u8, offer: u64) -> Event {
    Event::Claim(Claim {
        started: true,
        ..asks(who, number, offer)
    })
}

pub(crate) fn ends(who: &Who, epoch: u64, ending: Ending) -> Event {
    Event::Outcome {
        who: who.clone(),
        epoch,
        ending,
    }
}

pub(crate) fn succeeds(who: &Who, epoch: u64) -> Event {
    ends(who, epoch, Ending::Succeeded)
}

pub(crate) fn fails(who: &Who, epoch: u64) -> Event {
    let class = Class::Network;
    let retry_after = None;
    ends(who, epoch, Ending::Failed { class, retry_after })
}

pub(crate) fn lists(who: &Who, epoch: u64) -> Event {
    let who = who.clone();
    Event::Renew { who, epoch }
}

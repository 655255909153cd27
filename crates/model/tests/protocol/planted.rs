//! Decisions with one fault each, planted on top of the product's own: the holes of protocol.md section 10 as they
//! were. For each the checker must name the invariant that breaks.

use crate::model::{Fault, Mode};
use warrener_model::event::EventKind;
use warrener_model::life::{
    Context, Effect, Ending, Event, Life, Refused, Start, State, Step, apply,
};

/// One planted fault.
pub(crate) struct Planted {
    pub(crate) what: &'static str,
    pub(crate) mode: Mode,
    pub(crate) faults: &'static [Fault],
    /// How the name of the invariant begins.
    pub(crate) breaks: &'static str,
    pub(crate) apply: fn(&Life, &Event, &Context<'_>) -> Result<Step, Refused>,
}

/// All of them.
pub(crate) const ALL: &[Planted] = &[
    Planted {
        what: "a success is accepted after a cancel",
        mode: Mode::Claim,
        faults: &[Fault::Cancel],
        breaks: "I1",
        apply: success_after_the_end,
    },
    Planted {
        what: "an outcome is accepted under any epoch",
        mode: Mode::Claim,
        faults: &[Fault::ConnectionLost, Fault::EarlyLost],
        breaks: "I2",
        apply: outcome_of_anybody,
    },
    Planted {
        what: "nothing makes a lost lease end",
        mode: Mode::Direct,
        faults: &[Fault::AgentCrash],
        breaks: "I3",
        apply: nobody_is_lost,
    },
    Planted {
        what: "nothing takes back an offer that vanished",
        mode: Mode::Claim,
        faults: &[Fault::MessageLost],
        breaks: "I3",
        apply: offers_stay,
    },
    Planted {
        what: "a slow sweeper takes a renewed lease",
        mode: Mode::Direct,
        faults: &[Fault::ConnectionLost],
        breaks: "I4",
        apply: any_look_will_do,
    },
    Planted {
        what: "a redelivered claim wins over a holder that answered",
        mode: Mode::Claim,
        faults: &[Fault::ConnectionLost],
        breaks: "I4",
        apply: any_look_will_do,
    },
    Planted {
        what: "a dead letter kills a leased run",
        mode: Mode::Claim,
        faults: &[Fault::MessageDoubled, Fault::DeadLetter],
        breaks: "I5",
        apply: letters_kill,
    },
    Planted {
        what: "a second copy takes the task from its holder",
        mode: Mode::Claim,
        faults: &[Fault::MessageDoubled],
        breaks: "I5",
        apply: copies_take,
    },
    Planted {
        what: "a cancel is forgotten",
        mode: Mode::Claim,
        faults: &[Fault::Cancel],
        breaks: "I6",
        apply: cancel_is_a_pause,
    },
    Planted {
        what: "a success is refused",
        mode: Mode::Claim,
        faults: &[],
        breaks: "I7",
        apply: no_success,
    },
    Planted {
        what: "a retry counts from the start",
        mode: Mode::Direct,
        faults: &[Fault::Cancel, Fault::Retry],
        breaks: "I8",
        apply: retry_resets,
    },
    Planted {
        what: "a grant keeps the epoch",
        mode: Mode::Direct,
        faults: &[],
        breaks: "I8",
        apply: epoch_stands,
    },
    Planted {
        what: "a release is worth ten attempts",
        mode: Mode::Claim,
        faults: &[Fault::Release],
        breaks: "I9",
        apply: generous_release,
    },
    Planted {
        what: "an offer outlives its task",
        mode: Mode::Claim,
        faults: &[Fault::Cancel],
        breaks: "section 2: lease and offer",
        apply: cancel_leaves_the_offer,
    },
    Planted {
        what: "a lost run makes no history",
        mode: Mode::Claim,
        faults: &[Fault::AgentCrash],
        breaks: "section 2: every transition",
        apply: no_history,
    },
    Planted {
        what: "F1: the next fast offer goes out under the epoch of the one before",
        mode: Mode::Fast,
        faults: &[Fault::EarlyOutcome],
        breaks: "I8",
        apply: next_offer_keeps_the_epoch,
    },
    Planted {
        what: "a fast offer that came to nothing is heard for ever",
        mode: Mode::Fast,
        faults: &[Fault::EarlyOverdue],
        breaks: "I2",
        apply: withdrawn_offers_are_heard,
    },
    Planted {
        what: "a copy that is delivered again runs under the epoch of the first",
        mode: Mode::Fast,
        faults: &[Fault::Stall],
        breaks: "I8",
        apply: copies_share_an_epoch,
    },
    Planted {
        what: "a lost run is not revoked",
        mode: Mode::Direct,
        faults: &[Fault::Stall],
        breaks: "who gets or loses",
        apply: no_revoke,
    },
];

fn success_after_the_end(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    if let Event::Outcome {
        ending: Ending::Succeeded,
        ..
    } = event
        && life.state == State::Cancelled
    {
        let life = Life {
            state: State::Succeeded,
            ..life.clone()
        };
        let record = Some(EventKind::Succeeded);
        let effects = vec![];
        return Ok(Step {
            life,
            record,
            effects,
        });
    }
    apply(life, event, at)
}

fn outcome_of_anybody(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    if let (Event::Outcome { who, ending, .. }, Some(lease)) = (event, &life.lease) {
        let mut who = who.clone();
        who.agent = lease.agent.clone();
        let ending = ending.clone();
        let epoch = life.epoch;
        return apply(life, &Event::Outcome { who, epoch, ending }, at);
    }
    apply(life, event, at)
}

fn nobody_is_lost(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::Lost { .. } => Err(Refused::Held),
        _ => apply(life, event, at),
    }
}

fn offers_stay(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::Unoffer { .. } => Err(Refused::Stale),
        _ => apply(life, event, at),
    }
}

fn any_look_will_do(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let seen = life.lease_seq;
    match event {
        Event::Lost { .. } => apply(life, &Event::Lost { seen }, at),
        Event::Supersede { claim, .. } => {
            let claim = claim.clone();
            apply(life, &Event::Supersede { claim, seen }, at)
        }
        _ => apply(life, event, at),
    }
}

fn letters_kill(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::DeadLetter { offer } if life.lease.is_some() && *offer == life.offer => {
            apply(life, &Event::Cancel, at)
        }
        _ => apply(life, event, at),
    }
}

fn copies_take(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::Claim(claim)
            if life
                .lease
                .as_ref()
                .is_some_and(|lease| lease.claim != claim.claim) =>
        {
            let offered = Life {
                state: State::Ready,
                lease: None,
                offered_at: Some(at.now),
                ..life.clone()
            };
            apply(&offered, event, at)
        }
        _ => apply(life, event, at),
    }
}

fn cancel_is_a_pause(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if *event == Event::Cancel && life.state == State::Running {
        step.life.state = State::Ready;
    }
    Ok(step)
}

fn no_success(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    match event {
        Event::Outcome {
            ending: Ending::Succeeded,
            ..
        } => Err(Refused::Stale),
        _ => apply(life, event, at),
    }
}

fn retry_resets(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if matches!(event, Event::Retry { .. }) {
        (step.life.attempt, step.life.epoch) = (0, 0);
    }
    Ok(step)
}

fn epoch_stands(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if matches!(event, Event::Assign { .. }) && life.epoch > 0 {
        step.life.epoch = life.epoch;
    }
    Ok(step)
}

fn generous_release(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if step.record == Some(EventKind::Released) {
        step.life.max_attempts += 10;
    }
    Ok(step)
}

fn cancel_leaves_the_offer(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if *event == Event::Cancel {
        step.life.offered_at = life.offered_at;
    }
    Ok(step)
}

fn next_offer_keeps_the_epoch(
    life: &Life,
    event: &Event,
    at: &Context<'_>,
) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if *event == Event::OfferFast && life.epoch > 0 {
        step.life.epoch = life.epoch;
    }
    Ok(step)
}

fn withdrawn_offers_are_heard(
    life: &Life,
    event: &Event,
    at: &Context<'_>,
) -> Result<Step, Refused> {
    let out = Life {
        offered_at: Some(at.now),
        start: Start::Fast,
        ..life.clone()
    };
    match event {
        Event::Outcome { .. } if life.state == State::Ready => apply(&out, event, at),
        _ => apply(life, event, at),
    }
}

fn copies_share_an_epoch(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    if matches!(event, Event::Claim(claim) if claim.redelivered) {
        step.life.epoch = life.epoch;
    }
    Ok(step)
}

fn no_history(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    step.record = step.record.filter(|kind| *kind != EventKind::Lost);
    Ok(step)
}

fn no_revoke(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let mut step = apply(life, event, at)?;
    let revoke = |effect: &Effect| matches!(effect, Effect::Revoke { .. });
    step.effects.retain(|effect| !revoke(effect));
    Ok(step)
}

//! What agents cause: claims (rows 3 to 6), heartbeats (row 8) and outcomes (row 7). What is else in a fast lane is in
//! `fast.rs`.

use super::{
    Claim, Context, Effect, Ending, Life, Refused, State, Step, by_server, dead, fast, finish,
};
use crate::agent::Who;
use crate::event::EventKind;
use crate::failure::{Class, DeadReason};
use crate::limits;
use crate::retry::{GiveUp, alerts, give_up};
use std::time::Duration;

/// Rows 3 to 6: grant, grant again, ask the holder, or refuse.
pub(super) fn claim(life: &Life, claim: &Claim, context: &Context<'_>) -> Result<Step, Refused> {
    match (life.state, &life.lease) {
        (state, _) if state.is_final() => Err(Refused::over(state)),
        (State::Running, Some(lease)) if lease.claim == claim.claim => Ok(again(life, claim)),
        (State::Running, Some(lease))
            if claim.redelivered && lease.offer == Some(claim.offer) && !claim.started =>
        {
            Ok(Step {
                life: life.clone(),
                record: None,
                effects: vec![Effect::Ask],
            })
        }
        (State::Running, _) => Err(Refused::Held),
        (State::Ready, _) if life.is_fast() && life.offer == claim.offer => {
            fast::claim(life, claim, context)
        }
        (State::Ready, _)
            if life.offered_at.is_some() && life.offer == claim.offer && !claim.started =>
        {
            let mut life = life.clone();
            life.grant(claim.claim, &claim.who, Some(claim.offer), context.now);
            let effects = vec![Effect::Grant {
                claim: claim.claim,
                who: claim.who.clone(),
            }];
            Ok(Step {
                life,
                record: Some(EventKind::Started),
                effects,
            })
        }
        _ => Err(Refused::Stale),
    }
}

/// Row 4: the holder repeats its claim, or comes back with it after a reconnect (maybe as seen from another connection).
fn again(life: &Life, claim: &Claim) -> Step {
    let mut life = life.clone();
    life.lease_seq += 1;
    let lease = life.lease.as_mut().expect("a running task has a lease");
    if claim.started {
        lease.offer = None;
        lease.confirmed = true;
    }
    let effects = vec![Effect::Grant {
        claim: claim.claim,
        who: claim.who.clone(),
    }];
    Step {
        life,
        record: None,
        effects,
    }
}

/// Row 8.
pub(super) fn renew(life: &Life, who: &Who, epoch: u64) -> Result<Step, Refused> {
    life.entitled(who, epoch)?;
    let mut life = life.clone();
    // Of a run that a fast offer started nothing is stored before it claims or ends.
    if let Some(lease) = &mut life.lease {
        life.lease_seq += 1;
        lease.confirmed = true;
    }
    Ok(Step {
        life,
        record: None,
        effects: vec![],
    })
}

/// Row 7: only the run that holds the task can end it.
pub(super) fn outcome(
    life: &Life,
    who: &Who,
    epoch: u64,
    ending: &Ending,
    context: &Context<'_>,
) -> Result<Step, Refused> {
    life.entitled(who, epoch)?;
    let mut life = life.clone();
    if life.is_fast() {
        life.started_at = life.offered_at;
        life.last = Some(who.agent.clone());
    }
    Ok(match ending {
        Ending::Succeeded => finish(life, State::Succeeded, EventKind::Succeeded, context),
        Ending::Decomposed => by_server::parted(life, context),
        Ending::Failed {
            class: Class::Interrupted,
            ..
        }
        | Ending::Released => {
            life.max_attempts = life.max_attempts.saturating_add(1);
            life.enter(State::Ready, context.now);
            Step {
                life,
                record: Some(EventKind::Released),
                effects: vec![Effect::Ready],
            }
        }
        Ending::Refused => refused(life, who, context),
        Ending::Failed { class, retry_after } => {
            life.avoid = Some(who.agent.clone());
            failed(life, *class, *retry_after, context)
        }
    })
}

/// The agent cannot run this kind: back to the others, and dead when three found so.
fn refused(mut life: Life, who: &Who, context: &Context<'_>) -> Step {
    life.refusals += 1;
    if life.refusals >= limits::REFUSALS {
        return dead(life, DeadReason::Rejected, true, context);
    }
    life.max_attempts = life.max_attempts.saturating_add(1);
    life.avoid = Some(who.agent.clone());
    life.enter(State::Ready, context.now);
    Step {
        life,
        record: Some(EventKind::Released),
        effects: vec![Effect::Ready],
    }
}

/// The policy of the class: try again later, or give up.
fn failed(mut life: Life, class: Class, wish: Option<Duration>, context: &Context<'_>) -> Step {
    let policy = context.policies.of(class);
    let used = life.retries.get(&class).copied().unwrap_or(0);
    let scale_up = (class == Class::Resource).then_some(Effect::ScaleUp);
    if used >= policy.retries || life.attempt >= life.max_attempts {
        let mut step = match give_up(class) {
            GiveUp::Failed => finish(life, State::Failed, EventKind::Failed, context),
            GiveUp::Dead(reason) => dead(life, reason, alerts(class), context),
        };
        step.effects.extend(scale_up);
        return step;
    }
    life.retries.insert(class, used + 1);
    life.enter(State::Retrying, context.now);
    life.retry_at = Some(context.now.plus(policy.delay(used, context.roll, wish)));
    Step {
        life,
        record: Some(EventKind::Retrying),
        effects: scale_up.into_iter().collect(),
    }
}

//! What the server causes: offers (rows 2, 9, 12), grants without an offer, lost runs (rows 5, 10), timers (row 11).

use super::{Claim, Context, Effect, Life, Refused, RevokeReason, State, Step, dead, fast, finish};
use crate::agent::Who;
use crate::event::EventKind;
use crate::failure::{Class, DeadReason};
use crate::id::ClaimId;
use crate::limits;

/// The dependencies are done: may it start now, or is there a delay to sit out?
pub(super) fn dependencies_met(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    // One whose last attempt said its parts waits for these, and for nothing else.
    let may_start = life.attempt < life.max_attempts;
    guard(life, life.state == State::Blocked && may_start)?;
    let mut life = life.clone();
    if life.not_before.is_some_and(|at| at > context.now) {
        life.enter(State::Scheduled, context.now);
        return Ok(Step {
            life,
            record: Some(EventKind::Scheduled),
            effects: vec![],
        });
    }
    life.enter(State::Ready, context.now);
    Ok(Step {
        life,
        record: Some(EventKind::Ready),
        effects: vec![Effect::Ready],
    })
}

/// It is not given to an agent: its parts are. One that is offered may be running.
pub(super) fn decompose(life: &Life, sound: bool, context: &Context<'_>) -> Result<Step, Refused> {
    guard(
        life,
        life.state == State::Ready && life.offered_at.is_none(),
    )?;
    if sound {
        Ok(parted(life.clone(), context))
    } else {
        Ok(finish(
            life.clone(),
            State::Failed,
            EventKind::Failed,
            context,
        ))
    }
}

/// From now on it waits for its parts.
pub(super) fn parted(mut life: Life, context: &Context<'_>) -> Step {
    life.enter(State::Blocked, context.now);
    Step {
        life,
        record: Some(EventKind::Decomposed),
        effects: vec![],
    }
}

/// What its parts came to is what it comes to.
pub(super) fn parts_over(life: &Life, well: bool, context: &Context<'_>) -> Result<Step, Refused> {
    guard(life, life.state == State::Blocked)?;
    let (state, record) = match well {
        true => (State::Succeeded, EventKind::Succeeded),
        false => (State::Failed, EventKind::Failed),
    };
    Ok(finish(life.clone(), state, record, context))
}

/// Row 2: the next number; published after the commit, once.
pub(super) fn offer(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    guard(
        life,
        life.state == State::Ready && life.offered_at.is_none(),
    )?;
    let mut life = life.clone();
    life.offer += 1;
    life.offered_at = Some(context.now);
    Ok(Step {
        life,
        record: Some(EventKind::Offered),
        effects: vec![],
    })
}

/// Rows 2, 6 and 9: nothing of this offer is in the broker any more, or counts any more.
pub(super) fn unoffer(
    life: &Life,
    offer: u64,
    again: bool,
    context: &Context<'_>,
) -> Result<Step, Refused> {
    current_offer(life, offer)?;
    let mut life = life.clone();
    if again && life.is_fast() {
        // As if it had been granted: a task that kills its agents must come to its end wherever it goes next.
        life.losses += 1;
        if life.losses > context.policies.of(Class::Lost).retries {
            return Ok(dead(life, DeadReason::Exhausted, true, context));
        }
    }
    fast::withdraw(&mut life);
    Ok(Step {
        life,
        record: Some(EventKind::Unoffered),
        effects: vec![Effect::Ready],
    })
}

/// Row 12.
pub(super) fn dead_letter(life: &Life, offer: u64, context: &Context<'_>) -> Result<Step, Refused> {
    current_offer(life, offer)?;
    let mut life = life.clone();
    life.refusals += 1;
    fast::withdraw(&mut life);
    if life.refusals >= limits::REFUSALS {
        return Ok(dead(life, DeadReason::Rejected, true, context));
    }
    Ok(Step {
        life,
        record: Some(EventKind::Unoffered),
        effects: vec![Effect::Ready],
    })
}

/// Rows 2 and 3 in one transaction.
pub(super) fn assign(
    life: &Life,
    claim: ClaimId,
    who: &Who,
    context: &Context<'_>,
) -> Result<Step, Refused> {
    guard(
        life,
        life.state == State::Ready && life.offered_at.is_none(),
    )?;
    let mut life = life.clone();
    life.grant(claim, who, None, context.now);
    let effects = vec![Effect::Grant {
        claim,
        who: who.clone(),
    }];
    Ok(Step {
        life,
        record: Some(EventKind::Started),
        effects,
    })
}

/// Row 5, after the grace: the claimant takes over, or it is dead.
pub(super) fn supersede(
    life: &Life,
    claim: &Claim,
    seen: u64,
    context: &Context<'_>,
) -> Result<Step, Refused> {
    let lease = look(life, seen)?;
    if lease.offer != Some(claim.offer) || lease.claim == claim.claim {
        return Err(Refused::Held);
    }
    let old = life.holder().expect("a running task has a holder");
    let epoch = life.epoch;
    let revoke = Effect::Revoke {
        who: old,
        epoch,
        reason: RevokeReason::Superseded,
    };
    let mut life = life.clone();
    if !lose(&mut life, context) {
        let mut step = dead(life, DeadReason::Exhausted, true, context);
        step.effects.push(revoke);
        return Ok(step);
    }
    life.grant(claim.claim, &claim.who, Some(claim.offer), context.now);
    let grant = Effect::Grant {
        claim: claim.claim,
        who: claim.who.clone(),
    };
    Ok(Step {
        life,
        record: Some(EventKind::Superseded),
        effects: vec![revoke, grant],
    })
}

/// Row 10: the holder is gone.
pub(super) fn lost(life: &Life, seen: u64, context: &Context<'_>) -> Result<Step, Refused> {
    look(life, seen)?;
    let old = life.holder().expect("a running task has a holder");
    let revoke = Effect::Revoke {
        who: old.clone(),
        epoch: life.epoch,
        reason: RevokeReason::Superseded,
    };
    let mut life = life.clone();
    if !lose(&mut life, context) {
        let mut step = dead(life, DeadReason::Exhausted, true, context);
        step.effects.push(revoke);
        return Ok(step);
    }
    life.avoid = Some(old.agent);
    life.enter(State::Ready, context.now);
    Ok(Step {
        life,
        record: Some(EventKind::Lost),
        effects: vec![revoke, Effect::Ready],
    })
}

/// Row 11: deadline, delay or retry.
pub(super) fn due(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    if life.state.is_final() {
        return Err(Refused::over(life.state));
    }
    let passed = |at: Option<crate::Timestamp>| at.is_some_and(|at| at <= context.now);
    if passed(life.deadline) {
        let holder = life.holder();
        let epoch = life.epoch;
        let mut step = finish(life.clone(), State::Expired, EventKind::Expired, context);
        let reason = RevokeReason::Expired;
        step.effects
            .extend(holder.map(|who| Effect::Revoke { who, epoch, reason }));
        return Ok(step);
    }
    let over = (life.state == State::Scheduled && passed(life.not_before))
        || (life.state == State::Retrying && passed(life.retry_at));
    if !over {
        return Err(Refused::NotDue);
    }
    let mut life = life.clone();
    life.enter(State::Ready, context.now);
    Ok(Step {
        life,
        record: Some(EventKind::Ready),
        effects: vec![Effect::Ready],
    })
}

/// One more loss. Says whether the limits allow another run.
fn lose(life: &mut Life, context: &Context<'_>) -> bool {
    let confirmed = life.lease.as_ref().is_some_and(|lease| lease.confirmed);
    life.losses += 1;
    if !confirmed {
        // Nothing is known to have started, so it costs no attempt; `losses` bounds it.
        life.max_attempts = life.max_attempts.saturating_add(1);
    }
    life.losses <= context.policies.of(Class::Lost).retries && life.attempt < life.max_attempts
}

/// A running task whose lease is as it was when somebody looked.
fn look(life: &Life, seen: u64) -> Result<&super::Lease, Refused> {
    match &life.lease {
        _ if life.state.is_final() => Err(Refused::over(life.state)),
        Some(_) if life.lease_seq != seen => Err(Refused::Held),
        Some(lease) if life.state == State::Running => Ok(lease),
        _ => Err(Refused::Stale),
    }
}

fn current_offer(life: &Life, offer: u64) -> Result<(), Refused> {
    if life.state.is_final() {
        return Err(Refused::over(life.state));
    }
    let current = life.state == State::Ready && life.offered_at.is_some() && life.offer == offer;
    if current { Ok(()) } else { Err(Refused::Stale) }
}

pub(super) fn guard(life: &Life, allowed: bool) -> Result<(), Refused> {
    match life.state {
        state if state.is_final() => Err(Refused::over(state)),
        _ if allowed => Ok(()),
        state => Err(Refused::Illegal(state)),
    }
}

//! What people cause: cancel (row 13), retry (row 14), reassign, and the acts that a parked task waits for.

use super::{
    Context, Effect, Life, Needs, Parked, Refused, RevokeReason, State, Step, fast, finish,
};
use crate::event::EventKind;
use crate::name::AgentId;

/// Row 13: from any state that is not final.
pub(super) fn cancel(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    if life.state.is_final() {
        return Err(Refused::over(life.state));
    }
    let holder = life.holder();
    let epoch = life.epoch;
    let mut step = finish(
        life.clone(),
        State::Cancelled,
        EventKind::Cancelled,
        context,
    );
    let reason = RevokeReason::Cancelled;
    step.effects
        .extend(holder.map(|who| Effect::Revoke { who, epoch, reason }));
    Ok(step)
}

/// Row 14: attempt and epoch go on counting; the limits are raised instead. Nobody's wish puts a task before those that
/// it depends on.
pub(super) fn retry(
    life: &Life,
    anew: bool,
    needs: Needs,
    context: &Context<'_>,
) -> Result<Step, Refused> {
    let again = matches!(
        life.state,
        State::Failed | State::Dead | State::Cancelled | State::Expired
    );
    if !again {
        return Err(Refused::Illegal(life.state));
    }
    let mut life = life.clone();
    life.replays += 1;
    life.max_attempts = life.attempt.saturating_add(life.allowance);
    life.losses = 0;
    life.refusals = 0;
    life.dead_reason = None;
    life.finished_at = None;
    life.ready_at = None;
    // A deadline that passed would end it again at once; somebody wants it done now.
    life.deadline = life.deadline.filter(|at| *at > context.now);
    if anew {
        life.retries.clear();
    }
    let (state, effects) = match needs {
        Needs::Met => (State::Ready, vec![Effect::Ready]),
        Needs::Open => (State::Blocked, vec![]),
    };
    life.enter(state, context.now);
    Ok(Step {
        life,
        record: Some(EventKind::Retried),
        effects,
    })
}

/// Row 14 for a dead letter: it was ready once, so what it depends on has ended.
pub(super) fn requeue(life: &Life, anew: bool, context: &Context<'_>) -> Result<Step, Refused> {
    match life.state {
        State::Dead => retry(life, anew, Needs::Met, context),
        state => Err(Refused::Illegal(state)),
    }
}

/// From now on this agent is preferred; a run elsewhere is taken back without being counted.
pub(super) fn reassign(life: &Life, to: &AgentId, context: &Context<'_>) -> Result<Step, Refused> {
    if life.state.is_final() {
        return Err(Refused::over(life.state));
    }
    let mut life = life.clone();
    life.prefer = Some(to.clone());
    let mut effects = vec![];
    if let Some(who) = life.holder().filter(|who| who.agent != *to) {
        let reason = RevokeReason::Superseded;
        life.avoid = Some(who.agent.clone());
        effects = vec![
            Effect::Revoke {
                who,
                epoch: life.epoch,
                reason,
            },
            Effect::Ready,
        ];
        life.max_attempts = life.max_attempts.saturating_add(1);
        life.enter(State::Ready, context.now);
    } else if life.is_fast() && life.offered_at.is_some() {
        // Whoever got the offer first may run it already: a next one takes it over, and only who claims that can be
        // the one that is wished for.
        fast::withdraw(&mut life);
        effects = vec![Effect::Ready];
    }
    Ok(Step {
        life,
        record: Some(EventKind::Reassigned),
        effects,
    })
}

/// Waits for a person; only what has not started can, and what waits for other tasks does so first.
pub(super) fn park(life: &Life, why: Parked, context: &Context<'_>) -> Result<Step, Refused> {
    let waits = matches!(life.state, State::Ready | State::Scheduled);
    if !waits || life.offered_at.is_some() {
        return Err(Refused::Illegal(life.state));
    }
    let mut life = life.clone();
    life.enter(State::Parked, context.now);
    life.parked = Some(why);
    Ok(Step {
        life,
        record: Some(EventKind::Parked),
        effects: vec![],
    })
}

/// The act that it waited for; its time may still be ahead.
pub(super) fn unpark(life: &Life, why: Parked, context: &Context<'_>) -> Result<Step, Refused> {
    parked(life, why)?;
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

/// A person's no ends it.
pub(super) fn reject(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    parked(life, Parked::Approval)?;
    Ok(finish(
        life.clone(),
        State::Failed,
        EventKind::Failed,
        context,
    ))
}

/// A dead letter that nobody will try again: it ends as cancelled, the reason of its death stays in its history.
pub(super) fn discard(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    if life.state != State::Dead {
        return Err(Refused::Illegal(life.state));
    }
    let mut life = life.clone();
    life.dead_reason = None;
    Ok(finish(
        life,
        State::Cancelled,
        EventKind::Cancelled,
        context,
    ))
}

/// Only the act that it waits for moves it.
fn parked(life: &Life, why: Parked) -> Result<(), Refused> {
    match life.state {
        State::Parked if life.parked == Some(why) => Ok(()),
        state => Err(Refused::Illegal(state)),
    }
}

//! Fast lanes (protocol.md section 6): the offer is the grant of whoever gets it first, so a first delivery starts at
//! once. What promises one commit is the epoch of the offer; that there is one start is not promised.

use super::by_server::guard;
use super::{Claim, Context, Effect, Life, Refused, Start, State, Step, dead};
use crate::event::EventKind;
use crate::failure::{Class, DeadReason};

/// Row 2: the next number, with the attempt and the epoch under which it starts.
pub(super) fn offer(life: &Life, context: &Context<'_>) -> Result<Step, Refused> {
    guard(
        life,
        life.state == State::Ready && life.offered_at.is_none(),
    )?;
    let mut life = life.clone();
    life.offer += 1;
    life.attempt += 1;
    life.epoch += 1;
    life.offered_at = Some(context.now);
    life.start = Start::Fast;
    Ok(Step {
        life,
        record: Some(EventKind::Offered),
        effects: vec![],
    })
}

/// The current offer is not in the broker any more, or counts no more.
pub(super) fn withdraw(life: &mut Life) {
    if life.is_fast() {
        // Nothing is known to have started, so it costs no attempt.
        life.max_attempts = life.max_attempts.saturating_add(1);
    }
    life.offered_at = None;
    life.start = Start::Claim;
}

/// A claim while a fast offer is out, with its number.
pub(super) fn claim(life: &Life, claim: &Claim, context: &Context<'_>) -> Result<Step, Refused> {
    let mut life = life.clone();
    let mut record = EventKind::Started;
    if claim.started {
        // The run of the offer: from now on its lease answers for it, and no delivery any more.
        let begun = life.offered_at;
        life.hold(claim.claim, &claim.who, None, context.now);
        life.started_at = begun;
        life.lease.as_mut().expect("it was given above").confirmed = true;
    } else {
        if claim.redelivered {
            // Whoever had it first may have started and be gone.
            life.losses += 1;
            if life.losses > context.policies.of(Class::Lost).retries {
                return Ok(dead(life, DeadReason::Exhausted, true, context));
            }
            record = EventKind::Superseded;
        }
        // An epoch of its own: other copies may run under the one of the offer.
        life.epoch += 1;
        life.hold(claim.claim, &claim.who, Some(claim.offer), context.now);
    }
    Ok(Step {
        life,
        record: Some(record),
        effects: vec![Effect::Grant {
            claim: claim.claim,
            who: claim.who.clone(),
        }],
    })
}

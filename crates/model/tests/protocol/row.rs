//! The row: every move of the task is made by the product's own `apply`, and every commit is held against the
//! invariants, which are written down here a second time, in other words than the code's.

use super::world::{Ask, End, Input, Note, Seat, World, claim_id, run_of};
use std::time::Duration;
use warrener_model::Timestamp;
use warrener_model::failure::Class;
use warrener_model::life::{
    Claim, Context, Effect, Ending, Event, Life, Needs, Refused, Start, State, Step,
};
use warrener_model::retry::Policies;

/// The function under check: [`warrener_model::life::apply`], or a version with a planted fault.
pub(crate) type Apply = fn(&Life, &Event, &Context<'_>) -> Result<Step, Refused>;

/// The time of every decision, but of those that the deadline brings.
pub(crate) const START: Timestamp = Timestamp::from_millis(0);
/// The deadline of the task.
pub(crate) const DEADLINE: Timestamp = Timestamp::from_millis(1);

/// An invariant of protocol.md section 8 that did not hold, or one of the sentences of its section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    I1,
    I2,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
    /// A final state, retry, release or expiry left a lease or an offer behind.
    Shape,
    /// A transition without its row of history, or a row without a transition.
    History,
    /// A run that lost the task is not told.
    Told,
}

/// What stays the same in one run of the checker.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) apply: Apply,
    pub(crate) policies: Policies,
    /// Starts allowed when the task is accepted.
    pub(crate) attempts: u32,
    /// Faults that may come in all.
    pub(crate) faults: u32,
    pub(crate) servers: u32,
}

impl Rules {
    /// What `apply` says to this input, as the row is now.
    pub(crate) fn decide(&self, life: &Life, input: &Input) -> Result<Step, Refused> {
        let late = matches!(input, Input::Deadline | Input::Retry);
        let context = Context {
            now: if late { DEADLINE } else { START },
            policies: &self.policies,
            roll: 0.0,
        };
        (self.apply)(life, &event(input), &context)
    }

    /// Commits: the row becomes what `apply` says, and everybody who had read it has read something old.
    pub(crate) fn commit(&self, world: &mut World, input: &Input, step: &Step) {
        let before = std::mem::replace(&mut world.life, step.life.clone());
        let renewed = before.lease_seq != step.life.lease_seq || is_renewal(input);
        if renewed {
            world.each_look(&mut |look| look.renewed = true);
        }
        let broken = self.broken(&before, world, input, step);
        world.broken = world.broken.or(broken);
        world.stopped &= *input != Input::Retry;
    }

    fn broken(&self, before: &Life, world: &World, input: &Input, step: &Step) -> Option<Broken> {
        let after = &world.life;
        let granted = after.epoch > before.epoch;
        let ended_well = after.state == State::Succeeded;
        let checks = [
            (
                Broken::I1,
                !before.state.is_final() || (*input == Input::Retry && !ended_well),
            ),
            (Broken::I2, is_entitled(before, input)),
            (Broken::I4, !acts_on_old_look(input)),
            (Broken::I5, may_end_lease(before, after, input)),
            (Broken::I6, !(world.stopped && granted)),
            (Broken::I8, is_monotone(before, after, input)),
            (Broken::I9, self.is_bounded(after)),
            (Broken::Shape, has_shape(after)),
            (Broken::History, is_written_down(before, step, input)),
            (Broken::Told, is_told(before, step, input)),
        ];
        let failed = checks.into_iter().find(|(_, holds)| !holds);
        failed.map(|(broken, _)| broken)
    }

    /// Attempts are bounded by limits and faults; so are losses. A fault costs at most one run for each server, since
    /// each may have decided already to hand the task to whom the fault befalls.
    fn is_bounded(&self, life: &Life) -> bool {
        let losses = self.faults * self.servers;
        let allowed = self.attempts * (1 + life.replays) + losses;
        // A fast offer that is out has taken its attempt already.
        let left = matches!(life.state, State::Ready | State::Retrying) && !is_out_fast(life);
        life.attempt + u32::from(left) <= life.max_attempts
            && life.max_attempts <= allowed
            && life.losses <= losses
            && life.losses <= self.policies.of(Class::Lost).retries + 1
    }
}

/// The input in the words of `apply`.
fn event(input: &Input) -> Event {
    match *input {
        Input::Note(Note::Claim(ask)) => Event::Claim(claim(ask)),
        Input::Note(Note::Beat { from, epoch, .. }) => Event::Renew {
            who: from.who(),
            epoch,
        },
        Input::Note(Note::Outcome {
            from, epoch, end, ..
        }) => Event::Outcome {
            who: from.who(),
            epoch,
            ending: ending(end),
        },
        Input::Note(Note::DeadLetter { offer }) => Event::DeadLetter { offer },
        Input::Full(ask) => Event::Unoffer {
            offer: ask.offer,
            again: ask.redelivered,
        },
        Input::Overdue(offer) | Input::Unconfirmed(offer) => Event::Unoffer {
            offer,
            again: false,
        },
        Input::Offer => Event::Offer,
        Input::OfferFast => Event::OfferFast,
        Input::Assign(seat, run) => Event::Assign {
            claim: claim_id(run),
            who: seat.who(),
        },
        Input::Due | Input::Deadline => Event::Due,
        Input::Expire(look) => Event::Lost { seen: look.seen },
        Input::Graced(grace) => match grace.claimant {
            Some(ask) => Event::Supersede {
                claim: claim(ask),
                seen: grace.look.seen,
            },
            None => Event::Lost {
                seen: grace.look.seen,
            },
        },
        Input::Cancel => Event::Cancel,
        Input::Retry => Event::Retry {
            anew: true,
            needs: Needs::Met,
        },
        Input::Reassign(seat) => Event::Reassign {
            to: seat.who().agent,
        },
    }
}

fn claim(ask: Ask) -> Claim {
    Claim {
        claim: claim_id(ask.run),
        who: ask.from.who(),
        offer: ask.offer,
        redelivered: ask.redelivered,
        started: ask.started,
    }
}

fn ending(end: End) -> Ending {
    match end {
        End::Done => Ending::Succeeded,
        End::Failed => Ending::Failed {
            class: Class::Network,
            retry_after: Some(Duration::ZERO),
        },
        End::Released => Ending::Released,
        End::Refused => Ending::Refused,
    }
}

/// A message of the holder that says it is there.
fn is_renewal(input: &Input) -> bool {
    matches!(input, Input::Note(Note::Beat { .. } | Note::Claim(_)))
}

/// I2: what is accepted from a run comes from the run that holds the task.
fn is_entitled(before: &Life, input: &Input) -> bool {
    let Input::Note(
        Note::Beat { from, run, epoch }
        | Note::Outcome {
            from, run, epoch, ..
        },
    ) = *input
    else {
        return true;
    };
    if is_out_fast(before) {
        return before.epoch == epoch;
    }
    before.state == State::Running
        && before.epoch == epoch
        && before.lease.as_ref().is_some_and(|lease| {
            run_of(lease.claim) == run && Seat::of(&lease.agent, &lease.instance) == from
        })
}

/// I4: nothing is taken from a holder on a look that is older than its last sign of life.
fn acts_on_old_look(input: &Input) -> bool {
    match input {
        Input::Expire(look) => look.renewed,
        Input::Graced(grace) => grace.look.renewed,
        _ => false,
    }
}

/// I5: a lease is ended by the run's own outcome, by rows 5 and 10, and by people.
fn may_end_lease(before: &Life, after: &Life, input: &Input) -> bool {
    let Some(lease) = &before.lease else {
        return true;
    };
    let stays = after.lease.as_ref().map(|lease| lease.claim) == Some(lease.claim);
    stays
        || match input {
            Input::Note(Note::Outcome { run, .. }) => *run == run_of(lease.claim),
            Input::Expire(_) | Input::Graced(_) => true,
            Input::Cancel | Input::Deadline | Input::Reassign(_) => true,
            _ => false,
        }
}

/// Section 6: the newest offer is out, and whoever got it may run under its epoch.
fn is_out_fast(life: &Life) -> bool {
    life.state == State::Ready && life.offered_at.is_some() && life.start == Start::Fast
}

/// I8: nothing falls, and each epoch has one holder.
fn is_monotone(before: &Life, after: &Life, input: &Input) -> bool {
    let grows = after.offer >= before.offer
        && after.attempt >= before.attempt
        && after.epoch >= before.epoch
        && after.lease_seq >= before.lease_seq;
    let of = |life: &Life| life.lease.as_ref().map(|lease| lease.claim);
    let new_holder = u64::from(after.lease.is_some() && of(after) != of(before));
    let (attempts, epochs) = match input {
        Input::OfferFast => (1, 1),
        // The run that the offer started keeps its epoch; every other one gets its own.
        Input::Note(Note::Claim(ask)) if is_out_fast(before) && ask.started => (0, 0),
        Input::Note(Note::Claim(_)) if is_out_fast(before) => (0, new_holder),
        _ => (new_holder, new_holder),
    };
    grows
        && after.epoch == before.epoch + epochs
        && u64::from(after.attempt) == u64::from(before.attempt) + attempts
}

fn has_shape(life: &Life) -> bool {
    let running = life.state == State::Running;
    let retrying = life.state == State::Retrying;
    life.lease.is_some() == running
        && life.retry_at.is_some() == retrying
        && (life.offered_at.is_none() || life.state == State::Ready)
}

/// Every transition has one row of history, and so has every wish of an operator; a renewal has none.
fn is_written_down(before: &Life, step: &Step, input: &Input) -> bool {
    let of = |life: &Life| (life.state, life.epoch, life.offered_at, life.replays);
    let moved = of(before) != of(&step.life);
    let wish = matches!(input, Input::Reassign(_));
    step.record.is_some() == (moved || wish)
}

/// A run that loses the task without having ended it is revoked; a run that gets it is told.
fn is_told(before: &Life, step: &Step, input: &Input) -> bool {
    let of = |life: &Life| life.lease.as_ref().map(|lease| lease.claim);
    let own = matches!(input, Input::Note(Note::Outcome { .. }));
    let revoked = step
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Revoke { epoch, .. } if *epoch == before.epoch));
    let granted = step
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Grant { .. }));
    let loses = of(before).is_some() && of(before) != of(&step.life);
    // A fast offer tells whoever gets it.
    let tells = granted || *input == Input::OfferFast;
    (!loses || own || revoked) && (step.life.epoch == before.epoch || tells)
}

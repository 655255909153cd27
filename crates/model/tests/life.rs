//! The life of a task under random events: what holds after every one of them, whoever sent it and whenever.

// By path: a file beside this one would be a test of its own.
#[path = "life/diagram.rs"]
mod diagram;
#[path = "life/story.rs"]
mod story;
#[path = "life/waits.rs"]
mod waits;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::time::Duration;
use story::{
    play, some_class, some_life, some_override, some_policies, some_story, some_wait, who,
};
use warrener_model::id::ClaimId;
use warrener_model::life::{Context, Ending, Event, Needs, Parked, Start, apply};
use warrener_model::retry::{Jitter, Overrides, Policies};
use warrener_model::{Class, Life, State, Timestamp, limits};

/// Every pair of states between which a task may move. A run that takes over from another one moves from running to
/// running, and an offer in a fast lane from ready to ready; all other events that leave the state as it is are no moves.
const MOVES: &[(State, &[State])] = {
    use State::*;
    &[
        (
            Blocked,
            &[Scheduled, Ready, Succeeded, Failed, Cancelled, Expired],
        ),
        (Scheduled, &[Ready, Parked, Cancelled, Expired]),
        (
            Ready,
            &[
                Ready, Blocked, Running, Retrying, Parked, Succeeded, Failed, Dead, Cancelled,
                Expired,
            ],
        ),
        (
            Running,
            &[
                Running, Ready, Blocked, Retrying, Succeeded, Failed, Dead, Cancelled, Expired,
            ],
        ),
        (Retrying, &[Ready, Cancelled, Expired]),
        (Parked, &[Scheduled, Ready, Failed, Cancelled, Expired]),
        (Succeeded, &[]),
        (Failed, &[Blocked, Ready]),
        (Dead, &[Blocked, Ready, Cancelled]),
        (Cancelled, &[Blocked, Ready]),
        (Expired, &[Blocked, Ready]),
    ]
};

fn moves() -> BTreeSet<(State, State)> {
    let each = MOVES.iter();
    each.flat_map(|(from, next)| next.iter().map(|to| (*from, *to)))
        .collect()
}

fn may_move(from: State, to: State) -> bool {
    MOVES
        .iter()
        .any(|(state, next)| *state == from && next.contains(&to))
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_task_moves_only_as_the_table_says(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, step, _| {
            let after = &step.life;
            if before.state != after.state || before.epoch != after.epoch {
                prop_assert!(may_move(before.state, after.state),
                    "{} to {} by {event:?}", before.state, after.state);
                prop_assert!(step.record.is_some(), "no history of {event:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_number_of_a_task_ever_falls(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, step, _| {
            let of = |l: &Life| [
                u64::from(l.attempt), l.epoch, l.offer, l.lease_seq,
                u64::from(l.max_attempts), u64::from(l.replays),
            ];
            for (old, new) in of(before).into_iter().zip(of(&step.life)) {
                prop_assert!(new >= old, "{:?} to {:?} by {event:?}", of(before), of(&step.life));
            }
            let holder = |l: &Life| l.lease.as_ref().map(|lease| lease.claim);
            let granted = step.life.epoch - before.epoch;
            prop_assert!(granted <= 1);
            if before.is_fast() {
                // The attempt was counted with the offer, and its epoch is that of its first run.
                prop_assert_eq!(step.life.attempt, before.attempt);
            } else {
                prop_assert_eq!(u64::from(step.life.attempt - before.attempt), granted);
            }
            if holder(&step.life).is_some() && holder(before) != holder(&step.life) {
                let first = matches!(event, Event::Claim(claim) if claim.started);
                prop_assert_eq!(granted, u64::from(!first), "a new holder under an old epoch");
                prop_assert!(!first || before.is_fast());
            }
            Ok(())
        })?;
    }

    #[test]
    fn only_a_running_task_has_a_lease_and_only_a_ready_one_an_offer(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |_, _, step, _| {
            let life = &step.life;
            prop_assert_eq!(life.lease.is_some(), life.state == State::Running);
            prop_assert!(life.offered_at.is_none() || life.state == State::Ready);
            prop_assert!(life.offered_at.is_some() || life.start == Start::Claim);
            prop_assert_eq!(life.retry_at.is_some(), life.state == State::Retrying);
            prop_assert_eq!(life.parked.is_some(), life.state == State::Parked);
            prop_assert_eq!(life.dead_reason.is_some(), life.state == State::Dead);
            prop_assert_eq!(life.finished_at.is_some(), life.state.is_final());
            Ok(())
        })?;
    }

    #[test]
    fn a_final_task_moves_by_a_retry_or_a_discard_only_and_a_success_not_at_all(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, _, _| {
            if before.state.is_final() {
                prop_assert!(matches!(event, Event::Retry { .. } | Event::Discard), "{event:?}");
                prop_assert_ne!(before.state, State::Succeeded);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_retry_counts_on_and_allows_what_was_asked_for_at_first(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, step, _| {
            if matches!(event, Event::Retry { .. }) {
                let after = &step.life;
                prop_assert_eq!((after.attempt, after.epoch), (before.attempt, before.epoch));
                prop_assert_eq!(after.max_attempts, before.attempt + before.allowance);
                prop_assert_eq!((after.losses, after.refusals), (0, 0));
                prop_assert_eq!(after.replays, before.replays + 1);
            }
            Ok(())
        })?;
    }

    #[test]
    fn attempts_losses_and_refusals_stay_within_their_limits(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |_, _, step, _| {
            let life = &step.life;
            prop_assert!(life.attempt <= life.max_attempts);
            prop_assert!(life.refusals <= limits::REFUSALS);
            prop_assert!(life.losses <= policies.of(Class::Lost).retries.saturating_add(1));
            if matches!(life.state, State::Ready | State::Retrying) && !life.is_fast() {
                prop_assert!(life.attempt < life.max_attempts, "nothing may start any more");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_message_of_anybody_but_the_holder_changes_nothing(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, _, _| {
            if let Event::Renew { who, epoch } | Event::Outcome { who, epoch, .. } = event {
                let lease = before.lease.as_ref();
                prop_assert_eq!(before.epoch, *epoch);
                if before.is_fast() {
                    return Ok(());
                }
                prop_assert_eq!(before.state, State::Running);
                prop_assert_eq!(lease.map(|lease| &lease.agent), Some(&who.agent));
            }
            if let Event::Lost { seen } | Event::Supersede { seen, .. } = event {
                prop_assert_eq!(before.lease_seq, *seen);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_parked_task_goes_on_by_the_act_it_waits_for(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, step, _| {
            if before.state == State::Parked && step.life.state != State::Parked {
                let fits = match event {
                    Event::Unpark(why) => before.parked == Some(*why),
                    Event::Reject => before.parked == Some(Parked::Approval),
                    Event::Cancel | Event::Due => step.life.state.is_final(),
                    _ => false,
                };
                prop_assert!(fits, "{:?} by {event:?}", before.parked);
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_task_leaves_its_wait_before_the_time(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        play(start, &policies, &story, |before, event, step, now| {
            let started = step.life.epoch > before.epoch;
            let by_hand = before.replays > 0;
            prop_assert!(!started || by_hand || before.not_before.is_none_or(|at| at <= now));
            if before.state == State::Retrying && step.life.state == State::Ready {
                prop_assert!(before.retry_at.is_some_and(|at| at <= now), "{event:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_task_starts_before_what_it_waits_for(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        let mut free = start.state != State::Blocked;
        play(start, &policies, &story, |before, event, step, _| {
            match event {
                Event::DependenciesMet => free = true,
                Event::Retry { needs, .. } => free = *needs == Needs::Met,
                _ => {}
            }
            prop_assert!(free || step.life.epoch == before.epoch, "{event:?}");
            Ok(())
        })?;
    }

    #[test]
    fn every_accepted_task_can_end(
        start in some_life(), policies in some_policies(), story in some_story()
    ) {
        let (mut life, mut now) = play(start, &policies, &story, |_, _, _, _| Ok(()))?;
        for _ in 0..5 {
            if life.state.is_final() {
                break;
            }
            now = now.max(life.due_at().unwrap_or(now));
            let context = Context { now, policies: &policies, roll: 0.5 };
            let event = way_out(&life, now);
            life = apply(&life, &event, &context).expect("the way out is open").life;
        }
        prop_assert!(life.state.is_final(), "{life:?}");
    }

    #[test]
    fn a_wait_is_never_longer_than_its_policy_or_the_wish_allows(
        class in some_class(), change in some_override(), nth in any::<u32>(),
        roll in 0.0..1.0, wish in some_wait()
    ) {
        let policy = Policies::default().with(&Overrides::from([(class, change)])).of(class);
        let wish = wish.map(|wish| wish.min(limits::RETRY_AFTER));
        let delay = policy.delay(nth, roll, wish);
        prop_assert!(delay <= policy.max.max(wish.unwrap_or_default()));
        prop_assert!(delay >= wish.unwrap_or_default());
        let asked = policy.delay(nth, roll, Some(Duration::MAX));
        prop_assert!(asked <= policy.max.max(limits::RETRY_AFTER));
    }

    #[test]
    fn without_chance_the_waits_never_get_shorter(
        class in some_class(), change in some_override(), nth in 0u32..100
    ) {
        let policy = Policies::default().with(&Overrides::from([(class, change)])).of(class);
        let waits = |nth| policy.delay(nth, 1.0, None);
        prop_assert!(waits(nth) <= waits(nth + 1));
        if policy.jitter == Jitter::None {
            prop_assert_eq!(policy.delay(nth, 0.0, None), waits(nth));
        }
    }
}

/// The next step on the shortest way to an end that is no cancel.
fn way_out(life: &Life, now: Timestamp) -> Event {
    if life.deadline.is_some_and(|at| at <= now) {
        return Event::Due;
    }
    match (life.state, life.offered_at) {
        // What it waits for may be tasks that it needs or its own parts; both have an end.
        (State::Blocked, _) if life.epoch > 0 => Event::PartsOver { well: true },
        (State::Blocked, _) => Event::DependenciesMet,
        (State::Scheduled | State::Retrying, _) => Event::Due,
        (State::Parked, _) => Event::Unpark(life.parked.expect("a parked task says why")),
        (State::Ready, Some(_)) => Event::Unoffer {
            offer: life.offer,
            again: false,
        },
        (State::Ready, None) => Event::Assign {
            claim: ClaimId::from_bytes([8; 16]),
            who: who(0),
        },
        (_, _) => Event::Outcome {
            who: life
                .lease
                .as_ref()
                .map(|lease| warrener_model::agent::Who {
                    agent: lease.agent.clone(),
                    instance: lease.instance.clone(),
                })
                .expect("a running task has a lease"),
            epoch: life.epoch,
            ending: Ending::Succeeded,
        },
    }
}

#[test]
fn every_move_of_the_table_happens() {
    let mut runner = TestRunner::deterministic();
    let mut missing: BTreeSet<(State, State)> = moves();
    let policies = Policies::default();
    for _ in 0..2_000 {
        if missing.is_empty() {
            return;
        }
        let start = some_life().new_tree(&mut runner).expect("a life").current();
        let story = some_story()
            .new_tree(&mut runner)
            .expect("a story")
            .current();
        let played = play(start, &policies, &story, |before, _, step, _| {
            if before.state != step.life.state || before.epoch != step.life.epoch {
                missing.remove(&(before.state, step.life.state));
            }
            Ok(())
        });
        played.expect("nothing is asked of it");
    }
    panic!("the table allows what never happens: {missing:?}");
}

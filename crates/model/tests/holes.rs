//! The holes of the first drafts (protocol.md section 10), one test each, as far as the decision alone closes them.
//! What only a broker, a clock or an agent can show (H3 H7 H24 H25, halves of others) is tested where those are.

// By path: a file beside this one would be a test of its own.
#[path = "holes/desk.rs"]
mod desk;
#[path = "holes/fast.rs"]
mod fast;

use desk::{Desk, again, back, claim, ends, fails, lists, run, succeeds, who};
use std::time::Duration;
use warrener_model::agent::Who;
use warrener_model::event::EventKind;
use warrener_model::failure::DeadReason;
use warrener_model::id::InstanceId;
use warrener_model::life::{Effect, Ending, Event, Needs, Refused};
use warrener_model::{State, limits};

#[test]
fn h1_a_ready_task_whose_message_is_gone_is_offered_again_under_the_next_number() {
    let mut desk = Desk::new();
    desk.does(Event::Offer);
    assert_eq!(
        desk.does(Event::Unoffer {
            offer: 1,
            again: false
        }),
        vec![Effect::Ready]
    );
    desk.does(Event::Offer);
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
    desk.does(claim(&who("a"), 1, 2));
}

#[test]
fn h2_a_dead_agents_task_comes_back_though_copy_and_letter_are_gone() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    let effects = desk.does(Event::Lost { seen });
    assert!(effects.contains(&Effect::Ready));
    assert_eq!(desk.life.state, State::Ready);
}

#[test]
fn h4_a_redelivery_never_runs_under_the_same_fence() {
    let mut desk = Desk::running();
    let claim = again(&who("b"), 2, 1);
    let seen = desk.life.lease_seq;
    desk.does(Event::Supersede { claim, seen });
    assert_eq!((desk.life.epoch, desk.life.attempt), (2, 2));
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Stale);
    desk.does(succeeds(&who("b"), 2));
}

#[test]
fn h5_a_copys_failure_does_not_take_the_task_from_its_holder() {
    let desk = Desk::running();
    for epoch in [0, 1, 2] {
        assert_eq!(desk.refuses(fails(&who("b"), epoch)), Refused::Stale);
    }
    assert_eq!(desk.holder(), Some(run(1)));
}

#[test]
fn h6_a_redelivery_of_a_held_task_asks_and_of_a_finished_one_is_refused() {
    let mut desk = Desk::running();
    let copy = Event::Claim(again(&who("b"), 2, 1));
    let before = desk.life.clone();
    assert_eq!(desk.does(copy.clone()), vec![Effect::Ask]);
    assert_eq!(desk.life, before);
    desk.does(succeeds(&who("a"), 1));
    assert_eq!(desk.refuses(copy), Refused::Final);
}

#[test]
fn h8_a_slow_sweeper_does_not_take_a_lease_renewed_since_it_looked() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    desk.does(lists(&who("a"), 1));
    assert_eq!(desk.refuses(Event::Lost { seen }), Refused::Held);
    let claim = again(&who("b"), 2, 1);
    let supersede = Event::Supersede { claim, seen };
    assert_eq!(desk.refuses(supersede), Refused::Held);
}

#[test]
fn h9_no_jump_of_a_clock_ends_a_lease() {
    let mut desk = Desk::running();
    desk.now = desk.now.plus(limits::HORIZON);
    assert_eq!(desk.refuses(Event::Due), Refused::NotDue);
    assert_eq!(desk.life.due_at(), None);
    desk.does(lists(&who("a"), 1));
}

#[test]
fn h10_the_same_name_coming_back_does_not_keep_what_it_no_longer_runs() {
    let mut desk = Desk::running();
    let reborn = Who {
        instance: InstanceId::random(2),
        ..who("a")
    };
    let seen = desk.life.lease_seq;
    // It is alive and claims what is delivered to it: that is another run.
    assert_eq!(desk.refuses(claim(&reborn, 2, 1)), Refused::Held);
    let copy = again(&reborn, 2, 1);
    assert_eq!(desk.does(Event::Claim(copy.clone())), vec![Effect::Ask]);
    assert_eq!(desk.life.lease_seq, seen);
    desk.does(Event::Supersede { claim: copy, seen });
    assert_eq!(desk.holder(), Some(run(2)));
}

#[test]
fn h11_an_outcome_that_arrives_before_the_sweep_wins_and_after_it_is_refused() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    let mut other = Desk::running();
    desk.does(succeeds(&who("a"), 1));
    assert_eq!(desk.refuses(Event::Lost { seen }), Refused::Final);
    other.does(Event::Lost { seen });
    assert_eq!(other.refuses(succeeds(&who("a"), 1)), Refused::Stale);
}

#[test]
fn h12_an_outcome_needs_no_sign_of_a_start_before_it() {
    let mut desk = Desk::running();
    assert!(!desk.life.lease.as_ref().expect("it runs").confirmed);
    desk.does(succeeds(&who("a"), 1));
}

#[test]
fn h13_a_dead_letter_does_not_kill_a_leased_run() {
    let desk = Desk::running();
    assert_eq!(desk.refuses(Event::DeadLetter { offer: 1 }), Refused::Stale);
    assert_eq!(desk.life.refusals, 0);
}

#[test]
fn h14_a_dead_letter_that_overtakes_the_success_changes_nothing() {
    let mut desk = Desk::running();
    assert_eq!(desk.refuses(Event::DeadLetter { offer: 1 }), Refused::Stale);
    desk.does(succeeds(&who("a"), 1));
    assert_eq!(desk.refuses(Event::DeadLetter { offer: 1 }), Refused::Final);
    assert_eq!(desk.life.state, State::Succeeded);
}

#[test]
fn h15_a_letter_or_claim_about_an_offer_that_was_never_made_charges_nobody() {
    let mut desk = Desk::new();
    desk.does(Event::Offer);
    for forged in [0, 2, u64::MAX] {
        let letter = Event::DeadLetter { offer: forged };
        assert_eq!(desk.refuses(letter), Refused::Stale);
        assert_eq!(desk.refuses(claim(&who("b"), 3, forged)), Refused::Stale);
    }
    assert_eq!((desk.life.refusals, desk.life.attempt), (0, 0));
}

#[test]
fn h16_a_repeated_claim_gets_the_same_grant_again() {
    let mut desk = Desk::running();
    let effects = desk.does(claim(&who("a"), 1, 1));
    assert!(matches!(effects.as_slice(), [Effect::Grant { claim, .. }] if *claim == run(1)));
    assert_eq!((desk.life.epoch, desk.life.attempt), (1, 1));
}

#[test]
fn h17_no_copy_starts_after_a_cancel() {
    let mut desk = Desk::new();
    desk.does(Event::Offer);
    desk.does(Event::Cancel);
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Cancelled);
    let copy = Event::Claim(again(&who("a"), 1, 1));
    assert_eq!(desk.refuses(copy), Refused::Cancelled);
    assert_eq!(desk.refuses(Event::Offer), Refused::Cancelled);
}

#[test]
fn h18_what_a_stalled_publisher_sends_after_cancel_and_retry_is_stale() {
    let mut desk = Desk::new();
    desk.does(Event::Offer);
    desk.does(Event::Cancel);
    desk.does(Event::Retry {
        anew: false,
        needs: Needs::Met,
    });
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
    desk.does(Event::Offer);
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
}

#[test]
fn h19_a_slow_mark_of_an_old_offer_does_not_hit_the_next_one() {
    let mut desk = Desk::running();
    desk.does(ends(&who("a"), 1, Ending::Released));
    desk.does(Event::Offer);
    for old in [
        Event::Unoffer {
            offer: 1,
            again: false,
        },
        Event::DeadLetter { offer: 1 },
    ] {
        assert_eq!(desk.refuses(old), Refused::Stale);
    }
    assert!(desk.life.offered_at.is_some());
}

#[test]
fn h20_counters_are_not_reset_by_retry() {
    let mut desk = Desk::running();
    desk.does(Event::Cancel);
    let old = desk.life.clone();
    desk.does(Event::Retry {
        anew: true,
        needs: Needs::Met,
    });
    let life = &desk.life;
    assert_eq!(
        (life.attempt, life.epoch, life.offer, life.lease_seq),
        (old.attempt, old.epoch, old.offer, old.lease_seq)
    );
    assert_eq!(life.max_attempts, old.attempt + 2);
}

#[test]
fn h21_a_task_that_kills_its_agent_ends() {
    let mut desk = Desk::new();
    desk.life.max_attempts = limits::MAX_ATTEMPTS_MOST;
    for number in 1..=4 {
        let (claim, who) = (run(number), who("a"));
        desk.does(Event::Assign { claim, who });
        let seen = desk.life.lease_seq;
        desk.does(Event::Lost { seen });
    }
    assert_eq!(desk.life.state, State::Dead);
    assert_eq!(desk.life.dead_reason, Some(DeadReason::Exhausted));
}

#[test]
fn h22_an_offer_that_came_twice_is_granted_once() {
    let mut desk = Desk::running();
    assert_eq!(desk.refuses(claim(&who("b"), 2, 1)), Refused::Held);
    desk.does(fails(&who("a"), 1));
    assert_eq!(desk.refuses(claim(&who("b"), 2, 1)), Refused::Stale);
}

#[test]
fn h23_a_run_that_missed_its_stop_is_refused_whatever_it_says() {
    let mut desk = Desk::running();
    desk.does(Event::Cancel);
    assert_eq!(desk.refuses(lists(&who("a"), 1)), Refused::Cancelled);
    assert_eq!(desk.refuses(back(&who("a"), 1, 1)), Refused::Cancelled);
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Cancelled);
}

#[test]
fn h26_a_grant_to_a_dead_agent_costs_a_loss_and_no_attempt() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    desk.does(Event::Lost { seen });
    let life = &desk.life;
    assert_eq!((life.attempt, life.max_attempts, life.losses), (1, 3, 1));
    assert_eq!(life.avoid, Some(who("a").agent));
}

#[test]
fn h27_a_delivery_that_waited_unseen_is_stale_once_its_offer_is_overdue() {
    let mut desk = Desk::new();
    desk.does(Event::Offer);
    desk.does(Event::Unoffer {
        offer: 1,
        again: false,
    });
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
    desk.does(Event::Offer);
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
}

#[test]
fn t1_an_outcome_said_again_counts_once() {
    let mut desk = Desk::running();
    // The first was lost on its way; the run is still listed.
    desk.does(lists(&who("a"), 1));
    desk.does(succeeds(&who("a"), 1));
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Final);
}

#[test]
fn t2_a_run_that_finished_before_its_connection_was_lost_still_reports() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    desk.does(Event::Claim(again(&who("b"), 2, 1)));
    desk.does(back(&who("a"), 1, 1));
    let claim = again(&who("b"), 2, 1);
    let supersede = Event::Supersede { claim, seen };
    assert_eq!(desk.refuses(supersede), Refused::Held);
    // No delivery stands behind it any more: a later copy does not even ask.
    let copy = Event::Claim(again(&who("b"), 2, 1));
    assert_eq!(desk.refuses(copy), Refused::Held);
    desk.does(succeeds(&who("a"), 1));
}

#[test]
fn t3_a_dead_claim_read_after_a_healthy_grant_takes_nothing() {
    let mut desk = Desk::running();
    assert_eq!(desk.refuses(claim(&who("b"), 9, 1)), Refused::Held);
    let dead = again(&who("b"), 9, 1);
    let seen = desk.life.lease_seq;
    assert_eq!(desk.does(Event::Claim(dead.clone())), vec![Effect::Ask]);
    // The holder answers the question with its own claim.
    desk.does(claim(&who("a"), 1, 1));
    let supersede = Event::Supersede { claim: dead, seen };
    assert_eq!(desk.refuses(supersede), Refused::Held);
    assert_eq!(desk.holder(), Some(run(1)));
}

#[test]
fn t4_a_cancel_that_meets_a_grant_on_its_way_revokes_that_run() {
    let mut desk = Desk::running();
    let effects = desk.does(Event::Cancel);
    let revoked = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Revoke { epoch: 1, .. }));
    assert!(revoked, "{effects:?}");
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Cancelled);
}

#[test]
fn t5_a_second_copy_of_a_claim_read_after_its_run_is_over_starts_nothing() {
    let mut desk = Desk::running();
    desk.does(ends(&who("a"), 1, Ending::Released));
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
    desk.does(Event::Offer);
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Stale);
    desk.does(claim(&who("b"), 2, 2));
    assert_eq!(desk.refuses(claim(&who("a"), 1, 1)), Refused::Held);
}

#[test]
fn t6_a_grant_dropped_with_its_connection_is_superseded_by_the_redelivery() {
    let mut desk = Desk::running();
    let copy = again(&who("a"), 2, 1);
    assert_eq!(desk.does(Event::Claim(copy.clone())), vec![Effect::Ask]);
    let seen = desk.life.lease_seq;
    let step = desk.decide(&Event::Supersede { claim: copy, seen });
    let step = step.expect("nobody answered");
    assert_eq!(step.record, Some(EventKind::Superseded));
    let life = step.life;
    assert_eq!((life.attempt, life.max_attempts, life.losses), (2, 3, 1));
}

#[test]
fn f1_a_second_copy_of_a_failure_does_not_end_the_next_start() {
    let mut desk = Desk::running();
    desk.does(fails(&who("a"), 1));
    desk.now = desk.now.plus(Duration::from_secs(1));
    desk.does(Event::Due);
    desk.does(Event::Offer);
    desk.does(claim(&who("a"), 2, 2));
    assert_eq!(desk.refuses(fails(&who("a"), 1)), Refused::Stale);
    assert_eq!(desk.holder(), Some(run(2)));
}

//! Fast lanes (protocol.md section 6), and the hole of their first draft.

use crate::desk::{Desk, again, back, fails, lists, succeeds, who};
use std::time::Duration;
use warrener_model::State;
use warrener_model::agent::Who;
use warrener_model::failure::DeadReason;
use warrener_model::id::InstanceId;
use warrener_model::life::{Event, Refused};

/// Offered in a fast lane: it may be running at once, under epoch 1.
fn fast() -> Desk {
    let mut desk = Desk::new();
    desk.does(Event::OfferFast);
    desk
}

#[test]
fn f1_a_second_copy_of_a_failure_is_not_accepted_for_the_next_start() {
    let mut desk = fast();
    desk.does(fails(&who("a"), 1));
    assert_eq!(desk.refuses(fails(&who("a"), 1)), Refused::Stale);
    desk.now = desk.now.plus(Duration::from_secs(3_600));
    desk.does(Event::Due);
    desk.does(Event::OfferFast);
    assert_eq!((desk.life.attempt, desk.life.epoch), (2, 2));
    assert_eq!(desk.refuses(fails(&who("a"), 1)), Refused::Stale);
    assert_eq!(desk.refuses(lists(&who("a"), 1)), Refused::Stale);
    desk.does(succeeds(&who("b"), 2));
}

#[test]
fn a_run_of_an_offer_in_a_claim_lane_is_not_heard_under_the_epoch_of_the_one_before() {
    let mut desk = Desk::running();
    let seen = desk.life.lease_seq;
    desk.does(Event::Lost { seen });
    desk.does(Event::Offer);
    assert_eq!(desk.life.epoch, 1);
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Stale);
}

#[test]
fn of_two_runs_of_a_fast_offer_one_commits() {
    let mut desk = fast();
    desk.does(lists(&who("a"), 1));
    desk.does(lists(&who("b"), 1));
    let mut other = fast();
    desk.does(succeeds(&who("b"), 1));
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Final);
    assert_eq!(desk.life.last, Some(who("b").agent));
    // Once one of them has claimed, only that one is heard.
    other.does(back(&who("a"), 1, 1));
    assert_eq!((other.life.state, other.life.epoch), (State::Running, 1));
    assert_eq!(other.refuses(succeeds(&who("b"), 1)), Refused::Stale);
    other.does(lists(&who("a"), 1));
    other.does(succeeds(&who("a"), 1));
}

#[test]
fn a_redelivered_fast_offer_costs_a_loss_and_no_attempt_until_the_losses_are_too_many() {
    let mut desk = fast();
    desk.does(Event::Claim(again(&who("b"), 1, 1)));
    let life = &desk.life;
    assert_eq!((life.attempt, life.epoch, life.losses), (1, 2, 1));
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Stale);
    let seen = desk.life.lease_seq;
    desk.does(Event::Lost { seen });
    desk.does(Event::OfferFast);
    desk.does(Event::Claim(again(&who("c"), 2, 2)));
    assert_eq!(desk.life.losses, 3);
    let seen = desk.life.lease_seq;
    desk.does(Event::Lost { seen });
    assert_eq!(desk.life.state, State::Dead);
    assert_eq!(desk.life.dead_reason, Some(DeadReason::Exhausted));
    assert_eq!(desk.life.losses, 4);
}

#[test]
fn a_second_delivery_that_is_refused_is_a_loss_too_or_it_would_kill_agents_without_end() {
    let mut desk = fast();
    for offer in 1..=3 {
        desk.does(Event::Unoffer { offer, again: true });
        assert_eq!(u64::from(desk.life.losses), offer);
        desk.does(Event::OfferFast);
    }
    desk.does(Event::Unoffer {
        offer: 4,
        again: true,
    });
    assert_eq!(desk.life.state, State::Dead);
    assert_eq!(desk.life.dead_reason, Some(DeadReason::Exhausted));
}

#[test]
fn a_fast_offer_that_nothing_is_known_to_have_started_of_costs_no_attempt() {
    let mut desk = fast();
    desk.does(Event::Unoffer {
        offer: 1,
        again: false,
    });
    assert_eq!((desk.life.attempt, desk.life.max_attempts), (1, 3));
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Stale);
    desk.does(Event::OfferFast);
    desk.does(Event::DeadLetter { offer: 2 });
    assert_eq!((desk.life.attempt, desk.life.max_attempts), (2, 4));
}

#[test]
fn a_cancelled_fast_task_refuses_what_started_and_what_is_still_to_start() {
    let mut desk = fast();
    desk.does(Event::Cancel);
    assert_eq!(desk.refuses(succeeds(&who("a"), 1)), Refused::Cancelled);
    assert_eq!(desk.refuses(lists(&who("a"), 1)), Refused::Cancelled);
    assert_eq!(desk.refuses(back(&who("a"), 1, 1)), Refused::Cancelled);
}

#[test]
fn a_fast_offer_that_is_delivered_again_too_often_without_a_lease_is_dead() {
    let mut desk = fast();
    desk.life.losses = 3;
    desk.does(Event::Claim(again(&who("b"), 1, 1)));
    assert_eq!(desk.life.state, State::Dead);
    assert_eq!(desk.life.dead_reason, Some(DeadReason::Exhausted));
}

#[test]
fn another_boot_of_the_holder_is_not_the_holder() {
    let mut desk = fast();
    desk.does(back(&who("a"), 1, 1));
    let reborn = Who {
        instance: InstanceId::random(2),
        ..who("a")
    };
    assert_eq!(desk.refuses(succeeds(&reborn, 1)), Refused::Stale);
    assert_eq!(desk.refuses(lists(&reborn, 1)), Refused::Stale);
}

//! What waits for its time, for other tasks, or for a person: nothing shortens the wait but what it waits for.

use crate::story::who;
use warrener_model::id::ClaimId;
use warrener_model::life::{Context, Event, Needs, Parked, Refused, apply};
use warrener_model::retry::Policies;
use warrener_model::{Life, State, Timestamp};

/// A task parked while it waits for its time, and the answer that frees it.
fn answered(now: i64) -> Life {
    let policies = Policies::default();
    let at = |now| Context {
        now: Timestamp::from_millis(now),
        policies: &policies,
        roll: 0.0,
    };
    let not_before = Some(Timestamp::from_millis(10));
    let life = Life::new(Timestamp::from_millis(0), 1, not_before, None);
    let park = Event::Park(Parked::Approval);
    let life = apply(&life, &park, &at(0))
        .expect("it has not started")
        .life;
    apply(&life, &Event::Unpark(Parked::Approval), &at(now))
        .expect("it is parked")
        .life
}

#[test]
fn an_answer_before_the_time_leaves_the_task_waiting_for_its_time() {
    assert_eq!(answered(5).state, State::Scheduled);
    assert_eq!(answered(10).state, State::Ready);
}

#[test]
fn a_task_that_waits_for_others_cannot_be_parked_past_them() {
    let policies = Policies::default();
    let now = Timestamp::from_millis(0);
    let context = Context {
        now,
        policies: &policies,
        roll: 0.0,
    };
    let blocked = Life {
        state: State::Blocked,
        ..Life::new(now, 1, None, None)
    };
    let answer = apply(&blocked, &Event::Park(Parked::Approval), &context);
    assert_eq!(answer, Err(Refused::Illegal(State::Blocked)));
}

#[test]
fn a_task_that_waited_for_others_waits_for_them_again_when_it_is_tried_again() {
    let policies = Policies::default();
    let context = Context {
        now: Timestamp::from_millis(0),
        policies: &policies,
        roll: 0.0,
    };
    let after = |life: &Life, event: Event| apply(life, &event, &context).expect("it moves").life;
    let blocked = Life {
        state: State::Blocked,
        ..Life::new(context.now, 1, None, None)
    };
    let cancelled = after(&blocked, Event::Cancel);
    let retry = |needs| Event::Retry { anew: true, needs };
    let again = after(&cancelled, retry(Needs::Open));
    assert_eq!(again.state, State::Blocked);
    let claim = ClaimId::from_bytes([8; 16]);
    let assign = Event::Assign { claim, who: who(0) };
    assert!(apply(&again, &assign, &context).is_err(), "not before them");
    assert_eq!(after(&again, Event::DependenciesMet).state, State::Ready);
    // They ended while it was cancelled: nobody will say so again.
    assert_eq!(after(&cancelled, retry(Needs::Met)).state, State::Ready);
}

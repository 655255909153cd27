//! Shared state: what holds of versions, expiry and locks, whatever is asked in whatever order.

use proptest::prelude::*;
use std::time::Duration;
use warrener_model::state::lock::{Lock, Want, fence, lock};
use warrener_model::state::{Act, Cause, Head, Refusal, restore, write};
use warrener_model::{Json, Timestamp};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn set(expires_at: Option<i64>) -> Act {
    Act::Set {
        value: Json::null(),
        expires_at: expires_at.map(at),
    }
}

fn live(version: u64, expires_at: Option<i64>) -> Head {
    Head {
        version,
        live: true,
        expires_at: expires_at.map(at),
    }
}

#[test]
fn a_version_that_is_expected_must_be_the_one_that_is_seen() {
    let (none, some) = (Head::default(), live(4, None));
    let gone = Head {
        live: false,
        ..some
    };
    let version = |head, expect| write(head, at(0), expect, &set(None)).map(|plan| plan.version);
    assert_eq!(version(none, None), Ok(1));
    assert_eq!(version(none, Some(0)), Ok(1));
    assert_eq!(version(none, Some(1)), Err(Refusal::Version(0)));
    assert_eq!(version(some, Some(4)), Ok(5));
    assert_eq!(version(some, Some(0)), Err(Refusal::Version(4)));
    assert_eq!(version(gone, Some(0)), Ok(5));
    assert_eq!(version(gone, Some(4)), Err(Refusal::Version(0)));
    let delete = write(gone, at(0), None, &Act::Delete);
    assert_eq!(delete, Err(Refusal::Absent));
}

#[test]
fn what_is_over_goes_by_a_version_of_its_own_first() {
    let head = live(4, Some(10));
    let early = write(head, at(9), Some(4), &set(None)).map(|plan| (plan.expired, plan.version));
    assert_eq!(early, Ok((None, 5)));
    let late = write(head, at(10), Some(0), &set(None)).map(|plan| (plan.expired, plan.version));
    assert_eq!(late, Ok((Some(5), 6)));
    let stale = write(head, at(10), Some(4), &set(None));
    assert_eq!(stale, Err(Refusal::Version(0)));
}

#[test]
fn a_restore_changes_only_what_is_different() {
    let json = |text: &str| Json::parse(text.into()).unwrap();
    let (one, two) = (json("1"), json("2"));
    assert_eq!(restore(None, None, at(5)), None);
    assert_eq!(restore(Some((&one, None)), Some((&one, None)), at(5)), None);
    assert_eq!(restore(None, Some((&one, None)), at(5)), Some(Act::Delete));
    let back = |expires_at: Option<i64>| Act::Set {
        value: one.clone(),
        expires_at: expires_at.map(at),
    };
    let then = |expires_at: Option<i64>| Some((&one, expires_at.map(at)));
    assert_eq!(
        restore(then(None), Some((&two, None)), at(5)),
        Some(back(None))
    );
    assert_eq!(
        restore(then(None), Some((&one, Some(at(9)))), at(5)),
        Some(back(None)),
        "the same value, for another time"
    );
    assert_eq!(restore(then(Some(6)), None, at(5)), Some(back(Some(6))));
    assert_eq!(
        restore(then(Some(5)), Some((&two, None)), at(5)),
        Some(Act::Delete)
    );
}

#[derive(Clone, Debug)]
struct Step {
    after: i64,
    expect: Option<u64>,
    ttl: Option<i64>,
    delete: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let parts = (
        0..5_i64,
        prop::option::of(0..6_u64),
        prop::option::of(0..8_i64),
        any::<bool>(),
    );
    parts.prop_map(|(after, expect, ttl, delete)| Step {
        after,
        expect,
        ttl,
        delete,
    })
}

fn want() -> impl Strategy<Value = Want> {
    let lease = (1..20_u64).prop_map(Duration::from_millis);
    prop_oneof![
        ("[abc]", lease.clone()).prop_map(|(holder, lease)| Want::Acquire { holder, lease }),
        (0..6_u64, lease).prop_map(|(token, lease)| Want::Renew { token, lease }),
        (0..6_u64).prop_map(|token| Want::Release { token }),
    ]
}

proptest! {
    #[test]
    fn versions_have_no_gap_and_no_expectation_is_wrong(steps in prop::collection::vec(step(), 1..60)) {
        let (mut head, mut now) = (Head::default(), 0);
        for step in steps {
            now += step.after;
            let expires = step.ttl.map(|ttl| now + ttl);
            let act = if step.delete { Act::Delete } else { set(expires) };
            let seen = if head.is_over(at(now)) { 0 } else { head.seen() };
            match write(head, at(now), step.expect, &act) {
                Ok(plan) => {
                    prop_assert!(step.expect.is_none_or(|expected| expected == seen));
                    prop_assert_eq!(plan.expired.is_some(), head.is_over(at(now)));
                    let before = plan.expired.unwrap_or(head.version);
                    prop_assert_eq!(plan.version, before + 1);
                    prop_assert!(before - head.version <= 1);
                    let live = plan.cause == Cause::Set;
                    prop_assert_eq!(live, !step.delete);
                    head = Head { version: plan.version, live, expires_at: expires.filter(|_| live).map(at) };
                }
                Err(Refusal::Version(found)) => {
                    prop_assert_eq!(found, seen);
                    prop_assert!(step.expect.is_some_and(|expected| expected != seen));
                }
                Err(why) => prop_assert!(why == Refusal::Absent && seen == 0 && step.delete),
            }
        }
    }

    #[test]
    fn of_a_lock_there_is_one_holder_and_its_token_never_falls(wants in prop::collection::vec((0..10_i64, want()), 1..80)) {
        let (mut state, mut now) = (Lock::default(), 0);
        for (after, want) in wants {
            now += after;
            let held = state.held.clone().filter(|hold| hold.until > at(now));
            match lock(&state, at(now), &want) {
                Ok(next) => {
                    prop_assert!(next.token >= state.token);
                    if let Want::Acquire { holder, .. } = &want {
                        // Another number for another hold, the same for the same.
                        prop_assert_eq!(next.token == state.token, held.is_some());
                        prop_assert!(held.is_none_or(|hold| hold.holder == *holder));
                    }
                    prop_assert!(fence(&next, next.token).is_ok());
                    if next.token > state.token {
                        prop_assert_eq!(fence(&next, state.token), Err(Refusal::Fenced(next.token)));
                    }
                    state = next;
                }
                Err(Refusal::Held { holder, until }) => {
                    prop_assert!(until > at(now));
                    let asks_again = matches!(&want, Want::Acquire { holder: asks, .. } if *asks == holder);
                    prop_assert!(!asks_again);
                }
                Err(why) => prop_assert_eq!(why, Refusal::NotHeld),
            }
        }
    }
}

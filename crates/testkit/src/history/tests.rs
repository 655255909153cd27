//! The judge finds what is wrong, and only that.

use super::{Act, Call, Held, judge};
use std::time::Duration;

fn call(began: u64, ended: u64, act: Act) -> Call {
    Call {
        began: Duration::from_millis(began),
        ended: Some(Duration::from_millis(ended)),
        act,
    }
}

fn unanswered(began: u64, value: Held) -> Call {
    Call {
        ended: None,
        ..call(began, 0, Act::Unknown { value })
    }
}

fn wrote(value: u64, after: Option<u64>, version: u64) -> Act {
    let value = Some(value);
    Act::Wrote {
        value,
        after,
        version,
    }
}

fn found(value: u64, version: u64) -> Act {
    Act::Found { value, version }
}

const DELETED: Act = Act::Wrote {
    value: None,
    after: None,
    version: 2,
};

/// A write, a delete, and a write whose answer was lost.
fn versions() -> [Held; 3] {
    [Some(7), None, Some(8)]
}

fn sound() -> Vec<Call> {
    vec![
        call(0, 1, Act::Nothing),
        call(0, 9, wrote(7, Some(0), 1)),
        call(10, 12, found(7, 1)),
        call(10, 30, DELETED),
        call(11, 20, Act::Nothing),
        unanswered(25, Some(8)),
        unanswered(25, Some(9)),
        call(40, 41, found(8, 3)),
        call(
            42,
            43,
            Act::Refused {
                after: 1,
                version: 3,
            },
        ),
    ]
}

#[track_caller]
fn is_wrong(versions: &[Held], calls: &[Call], why: &str) {
    let faults = judge(versions, calls);
    assert!(faults.iter().any(|fault| fault.contains(why)), "{faults:?}");
}

#[track_caller]
fn is_wrong_with(more: Call, why: &str) {
    let mut calls = sound();
    calls.push(more);
    is_wrong(&versions(), &calls, why);
}

#[test]
fn what_can_be_explained_is_not_reproached() {
    assert_eq!(judge(&versions(), &sound()), [""; 0]);
    assert_eq!(judge(&[], &[]), [""; 0]);
    // A write of which nobody heard may come to pass later than its neighbours.
    let calls = [
        unanswered(0, Some(1)),
        call(1, 2, wrote(2, None, 1)),
        call(3, 4, found(2, 1)),
        call(5, 6, found(1, 2)),
    ];
    assert_eq!(judge(&[Some(2), Some(1)], &calls), [""; 0]);
}

#[test]
fn an_old_value_after_a_new_one_was_known_is_found() {
    is_wrong_with(call(31, 32, found(7, 1)), "at version 2 already");
    is_wrong_with(
        call(
            42,
            43,
            Act::Refused {
                after: 3,
                version: 1,
            },
        ),
        "already",
    );
}

#[test]
fn nothing_where_there_was_a_value_all_the_time_is_found() {
    is_wrong_with(call(42, 50, Act::Nothing), "there was a value");
    let calls = [
        call(0, 1, wrote(1, None, 1)),
        call(2, 3, Act::Nothing),
        call(4, 5, found(1, 1)),
    ];
    is_wrong(&[Some(1)], &calls, "there was a value");
}

#[test]
fn a_value_before_anybody_wrote_it_is_found() {
    let calls = [call(0, 1, found(1, 1)), call(2, 3, wrote(1, None, 1))];
    is_wrong(&[Some(1)], &calls, "began when");
}

#[test]
fn a_version_of_nobody_and_one_of_two_are_found() {
    is_wrong(&[Some(7)], &[], "0 makers");
    is_wrong_with(call(0, 9, wrote(7, None, 1)), "2 makers");
    is_wrong_with(unanswered(0, Some(7)), "2 makers");
    is_wrong(&[None], &[], "1 deletes that nobody was told of");
}

#[test]
fn a_confirmed_write_that_is_not_there_and_another_value_are_found() {
    is_wrong_with(call(50, 51, wrote(9, None, 4)), "do not explain");
    is_wrong_with(call(50, 51, found(9, 3)), "do not explain");
    is_wrong_with(call(50, 51, found(9, 4)), "do not explain");
}

#[test]
fn a_condition_that_was_not_met_and_one_that_was_are_found() {
    let calls = |after| {
        [
            call(0, 1, wrote(1, None, 1)),
            call(2, 3, wrote(2, after, 2)),
        ]
    };
    let versions = [Some(1), Some(2)];
    assert_eq!(judge(&versions, &calls(Some(1))), [""; 0]);
    is_wrong(&versions, &calls(Some(0)), "do not explain");
    is_wrong(&versions, &calls(Some(5)), "do not explain");
    is_wrong_with(
        call(
            42,
            43,
            Act::Refused {
                after: 3,
                version: 3,
            },
        ),
        "do not explain",
    );
    let calls = [
        call(
            0,
            1,
            Act::Wrote {
                value: None,
                after: None,
                version: 1,
            },
        ),
        call(
            2,
            3,
            Act::Refused {
                after: 0,
                version: 1,
            },
        ),
    ];
    is_wrong(&[None], &calls, "do not explain");
}

//! Shares that are reached exactly, and elections in which all are equal.

use warrener_model::decision::{Method, Rules, Undecided, Weight, decide};

#[path = "decision/ballots.rs"]
mod ballots;
use ballots::{all, choices, rankings, rules};

#[test]
fn two_thirds_are_reached_by_two_of_three() {
    for share in [2.0 / 3.0, 0.6666666666666666, 0.666667 - 1e-6] {
        let share = Weight::part(share).expect("a share");
        let quorum = Rules {
            quorum: share,
            ..rules(Method::Majority)
        };
        let two = choices(&[0, 0]);
        assert_eq!(decide(&quorum, 1, all(3, 2), &two).result, Ok(0));
        assert_eq!(
            decide(&quorum, 1, all(4, 2), &two).result,
            Err(Undecided::NoQuorum)
        );
        let threshold = Rules {
            threshold: share,
            ..rules(Method::Unanimity)
        };
        assert_eq!(
            decide(&threshold, 2, all(3, 3), &choices(&[0, 0, 1])).result,
            Ok(0)
        );
    }
    for (share, of) in [(0.3, 3), (0.29, 29), (0.57, 57), (1.0, 100)] {
        let part = Weight::part(share).expect("a share");
        assert_eq!(f64::from(part), share, "{of}");
    }
}

#[test]
fn of_three_that_are_equal_one_goes_and_its_ballots_decide() {
    for (a, b, c) in [(0, 1, 2), (2, 0, 1), (1, 2, 0)] {
        let ballots = rankings(&[(2, &[a, b]), (2, &[b, a]), (2, &[c, b])]);
        let decision = decide(&rules(Method::Ranked), 3, all(6, 6), &ballots);
        // The one listed last goes; nobody is called the winner for its place in the list.
        let out = &decision.tally.rounds[0].out;
        assert_eq!(out, &[2], "{decision:?}");
        let expected = match c {
            2 => Ok(b),
            _ => decision.result,
        };
        assert_eq!(decision.result, expected);
        assert!(decision.tally.rounds.len() > 1);
    }
}

#[test]
fn quorum_counts_those_who_could_have_answered_defect_69() {
    let half = Rules {
        quorum: Weight::part(0.5).expect("a share"),
        ..rules(Method::Majority)
    };
    let two = choices(&[0, 0]);
    assert_eq!(decide(&half, 1, all(4, 2), &two).result, Ok(0));
    assert_eq!(
        decide(&half, 1, all(5, 2), &two).result,
        Err(Undecided::NoQuorum)
    );
    assert_eq!(
        decide(&half, 1, all(0, 0), &[]).result,
        Err(Undecided::NoAnswers)
    );
    // No quorum asked for is none.
    let none = rules(Method::Majority);
    assert_eq!(decide(&none, 1, all(1000, 2), &two).result, Ok(0));
}

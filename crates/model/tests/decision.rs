//! Decisions: textbook elections, and what must hold for any ballots in any order.

use proptest::prelude::*;
use std::collections::BTreeMap;
use warrener_model::decision::{
    Answer, Ballot, Decision, Method, Rules, Tie, Undecided, Vote, Weight, decide,
};

#[path = "decision/ballots.rs"]
mod ballots;
use ballots::{all, ballot, choices, rankings, rules};

const METHODS: [Method; 5] = [
    Method::Majority,
    Method::Expertise,
    Method::Quadratic,
    Method::Ranked,
    Method::Unanimity,
];

fn all_of(rules: &Rules, options: usize, ballots: &[Ballot]) -> Decision {
    decide(rules, options, all(ballots.len(), ballots.len()), ballots)
}

#[test]
fn plurality_is_not_a_majority_defect_65() {
    let split = choices(&[0, 0, 1, 2, 3]);
    let decision = all_of(&rules(Method::Majority), 4, &split);
    assert_eq!(decision.result, Err(Undecided::NoMajority));
    let first = Rules {
        tie: Tie::First,
        ..rules(Method::Majority)
    };
    let tied_but_small = choices(&[0, 0, 1, 1, 2]);
    let decision = all_of(&first, 3, &tied_but_small);
    assert_eq!(decision.result, Err(Undecided::NoMajority));
    assert_eq!(all_of(&first, 2, &choices(&[1, 1, 0])).result, Ok(1));
}

#[test]
fn a_tie_is_no_decision_unless_the_rules_choose_defect_65() {
    for method in METHODS {
        let threshold = Weight::part(0.5).expect("a share");
        let even = Rules {
            threshold,
            ..rules(method)
        };
        let ballots: Vec<Ballot> = match method {
            Method::Quadratic => [0, 1]
                .map(|n| ballot(n, Vote::Credits(BTreeMap::from([(n, 9)]))))
                .to_vec(),
            Method::Ranked => rankings(&[(1, &[0, 1]), (1, &[1, 0])]),
            _ => choices(&[1, 0]),
        };
        let decision = all_of(&even, 2, &ballots);
        assert_eq!(decision.result, Err(Undecided::Tie), "{method:?}");
        let first = Rules {
            tie: Tie::First,
            ..even
        };
        let decision = all_of(&first, 2, &ballots);
        assert_eq!(
            (decision.result, decision.tied),
            (Ok(0), true),
            "{method:?}"
        );
    }
}

#[test]
fn below_the_threshold_nothing_is_decided_defect_62() {
    let two_thirds = Rules {
        threshold: Weight::part(0.66).expect("a share"),
        ..rules(Method::Unanimity)
    };
    let ballots = choices(&[0, 0, 0, 1, 1]);
    let decision = all_of(&two_thirds, 2, &ballots);
    assert_eq!(decision.result, Err(Undecided::BelowThreshold));
    assert_eq!(decision.confidence, Weight::ZERO);
    assert_eq!(all_of(&two_thirds, 2, &choices(&[0, 0, 1])).result, Ok(0));
    let whole = rules(Method::Unanimity);
    assert_eq!(all_of(&whole, 2, &choices(&[1, 1, 1])).result, Ok(1));
}

#[test]
fn confidence_0_counts_as_nothing_defect_64() {
    let weighed = Rules {
        confidence: true,
        ..rules(Method::Majority)
    };
    let mut ballots = choices(&[0, 0, 1]);
    ballots[0].confidence = Some(Weight::ZERO);
    ballots[1].confidence = Weight::part(0.4);
    ballots[2].confidence = Weight::part(0.5);
    assert_eq!(all_of(&weighed, 2, &ballots).result, Ok(1));
    for ballot in &mut ballots {
        ballot.confidence = Some(Weight::ZERO);
    }
    let decision = all_of(&weighed, 2, &ballots);
    assert_eq!(decision.result, Err(Undecided::NoWeight));
    let answer = Answer {
        confidence: Some(0.0),
        ..Answer::default()
    };
    assert_eq!(Vote::confidence(&answer), Ok(Some(Weight::ZERO)));
}

#[test]
fn what_an_agent_knows_weighs_its_voice() {
    let mut ballots = choices(&[0, 0, 1]);
    for (ballot, expertise) in ballots.iter_mut().zip([0.2, 0.3, 0.9]) {
        ballot.expertise = Weight::part(expertise).expect("a share");
    }
    let decision = all_of(&rules(Method::Expertise), 2, &ballots);
    assert_eq!(decision.result, Ok(1));
    let share: f64 = decision.confidence.into();
    assert!((share - 0.9 / 1.4).abs() < 1e-5, "{share}");
    assert_eq!(all_of(&rules(Method::Majority), 2, &ballots).result, Ok(0));
}

#[test]
fn credits_buy_their_square_root() {
    // Twelve hundred credits for one option weigh less than forty voices of one credit each for the other.
    let mut ballots: Vec<Ballot> = (0..40)
        .map(|n| ballot(n, Vote::Credits(BTreeMap::from([(0, 1)]))))
        .collect();
    ballots.push(ballot(40, Vote::Credits(BTreeMap::from([(1, 1200)]))));
    let decision = all_of(&rules(Method::Quadratic), 2, &ballots);
    assert_eq!(decision.result, Ok(0));
    assert_eq!(f64::from(decision.tally.rounds[0].scores[&0]), 40.0);
    let bought = f64::from(decision.tally.rounds[0].scores[&1]);
    assert!((bought - 1200f64.sqrt()).abs() < 1e-5, "{bought}");
}

#[test]
fn the_run_off_of_defect_68() {
    // 5 A>C, 4 B>C, 2 C>A, 1 D>A.
    let ballots = rankings(&[(5, &[0, 2]), (4, &[1, 2]), (2, &[2, 0]), (1, &[3, 0])]);
    let decision = all_of(&rules(Method::Ranked), 4, &ballots);
    assert_eq!(decision.result, Ok(0));
    let out: Vec<_> = decision
        .tally
        .rounds
        .iter()
        .map(|r| r.out.clone())
        .collect();
    assert_eq!(out, [vec![3], vec![2], vec![]]);
}

#[test]
fn the_capital_of_tennessee() {
    // The usual example of the literature: Memphis 42, Nashville 26, Chattanooga 15, Knoxville 17; Knoxville wins.
    let ballots = rankings(&[
        (42, &[0, 1, 2, 3]),
        (26, &[1, 2, 3, 0]),
        (15, &[2, 3, 1, 0]),
        (17, &[3, 2, 1, 0]),
    ]);
    let decision = all_of(&rules(Method::Ranked), 4, &ballots);
    assert_eq!(decision.result, Ok(3));
    assert_eq!(decision.tally.rounds.len(), 3);
    assert_eq!(f64::from(decision.confidence), 0.58);
}

#[test]
fn ballots_that_name_nobody_left_are_left_out() {
    // 4 A, 3 B, 2 C alone: C goes, its ballots end, A has 4 of 7.
    let ballots = rankings(&[(4, &[0]), (3, &[1]), (2, &[2])]);
    let decision = all_of(&rules(Method::Ranked), 3, &ballots);
    assert_eq!(decision.result, Ok(0));
    assert_eq!(f64::from(decision.tally.cast), 7.0);
}

fn read(method: Method, answer: &Answer) -> Result<Vote, String> {
    let options = ["rest", "grpc"].map(str::to_owned);
    let vote = Vote::read(method, 100, &options, answer);
    vote.map_err(|m| format!("{} {}", m.pointer, m.message))
}

#[test]
fn votes_that_cannot_be_counted_are_refused_defects_66_67() {
    let choice = |name: &str| Answer {
        choice: Some(name.to_owned()),
        ..Answer::default()
    };
    let ranking = |names: &[&str]| Answer {
        ranking: names.iter().map(|n| (*n).to_owned()).collect(),
        ..Answer::default()
    };
    let credits = |spent: &[(&str, u32)]| Answer {
        credits: spent.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect(),
        ..Answer::default()
    };
    assert_eq!(read(Method::Majority, &choice("grpc")), Ok(Vote::Choice(1)));
    assert_eq!(
        read(Method::Ranked, &choice("grpc")),
        Ok(Vote::Ranking(vec![1]))
    );
    for (method, answer, says) in [
        (
            Method::Majority,
            choice("soap"),
            "/choice \"soap\" is none of the options: \"rest\", \"grpc\"",
        ),
        (Method::Majority, Answer::default(), "/choice is missing"),
        (
            Method::Ranked,
            ranking(&["grpc", "soap"]),
            "/ranking/1 \"soap\"",
        ),
        (
            Method::Ranked,
            ranking(&["grpc", "grpc"]),
            "/ranking/1 names \"grpc\" a second time",
        ),
        (
            Method::Quadratic,
            credits(&[("rest", 60), ("grpc", 41)]),
            "/credits spends 101 credits; the budget is 100",
        ),
        (
            Method::Quadratic,
            credits(&[("rest", 0)]),
            "/credits is missing or empty",
        ),
        (
            Method::Quadratic,
            credits(&[("rest", u32::MAX), ("grpc", u32::MAX)]),
            "/credits spends 8589934590",
        ),
    ] {
        let refusal = read(method, &answer).expect_err("refused");
        assert!(refusal.starts_with(says), "{refusal}");
    }
    for wild in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let answer = Answer {
            confidence: Some(wild),
            ..Answer::default()
        };
        assert!(Vote::confidence(&answer).is_err(), "{wild}");
    }
}

const OPTIONS: usize = 4;

fn votes(method: Method) -> BoxedStrategy<Vote> {
    match method {
        Method::Quadratic => prop::collection::btree_map(0..OPTIONS, 1u32..50, 1..=OPTIONS)
            .prop_map(Vote::Credits)
            .boxed(),
        Method::Ranked => Just((0..OPTIONS).collect::<Vec<_>>())
            .prop_shuffle()
            .prop_flat_map(|order| {
                (1..=OPTIONS).prop_map(move |n| Vote::Ranking(order[..n].to_vec()))
            })
            .boxed(),
        _ => (0..OPTIONS).prop_map(Vote::Choice).boxed(),
    }
}

fn cases() -> impl Strategy<Value = (Rules, Vec<Ballot>)> {
    cases_of(prop::sample::select(METHODS.to_vec()))
}

fn cases_of(method: impl Strategy<Value = Method>) -> impl Strategy<Value = (Rules, Vec<Ballot>)> {
    let share = || (0u32..=10).prop_map(|n| Weight::share(n.into(), 10));
    (method, any::<bool>(), any::<bool>(), share()).prop_flat_map(
        move |(method, confidence, first, threshold)| {
            let rules = Rules {
                confidence,
                tie: if first { Tie::First } else { Tie::None },
                threshold,
                ..rules(method)
            };
            let one = (votes(method), prop::option::of(share()), share());
            (Just(rules), prop::collection::vec(one, 0..12)).prop_map(|(rules, all)| {
                let made = all.into_iter().enumerate();
                let ballots = made.map(|(n, (vote, confidence, expertise))| Ballot {
                    confidence,
                    expertise,
                    ..ballot(n, vote)
                });
                (rules, ballots.collect())
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_of_ballots_does_not_matter((rules, ballots) in cases(), turn in 0usize..12) {
        let mut turned = ballots.clone();
        turned.reverse();
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        prop_assert_eq!(all_of(&rules, OPTIONS, &ballots), all_of(&rules, OPTIONS, &turned));
    }

    #[test]
    fn more_support_never_hurts((rules, mut ballots) in cases(), pick in 0usize..12) {
        // Run-off is not monotone, by nature; all the others are.
        prop_assume!(rules.method != Method::Ranked && !ballots.is_empty());
        let Ok(winner) = all_of(&rules, OPTIONS, &ballots).result else { return Ok(()) };
        let pick = pick % ballots.len();
        ballots[pick].vote = match &ballots[pick].vote {
            Vote::Credits(spent) => {
                let all: u32 = spent.values().sum();
                Vote::Credits(BTreeMap::from([(winner, all)]))
            }
            _ => Vote::Choice(winner),
        };
        prop_assert_eq!(all_of(&rules, OPTIONS, &ballots).result, Ok(winner));
    }

    #[test]
    fn a_winner_got_votes_and_its_share_is_right((rules, ballots) in cases()) {
        let decision = all_of(&rules, OPTIONS, &ballots);
        match decision.result {
            Ok(winner) => {
                let last = decision.tally.rounds.last().expect("a round");
                prop_assert!(last.scores[&winner] > Weight::ZERO);
                prop_assert!(last.scores.values().all(|score| *score <= last.scores[&winner]));
                prop_assert_eq!(decision.confidence, last.scores[&winner].of(decision.tally.cast));
                if matches!(rules.method, Method::Majority | Method::Ranked) && !decision.tied {
                    prop_assert!(last.scores[&winner].over_half(decision.tally.cast));
                }
            }
            Err(_) => prop_assert_eq!((decision.confidence, decision.tied), (Weight::ZERO, false)),
        }
    }

    #[test]
    fn who_would_lose_to_everybody_never_wins_a_run_off((rules, ballots) in cases_of(Just(Method::Ranked))) {
        let rules = Rules { method: Method::Ranked, tie: Tie::None, confidence: false, ..rules };
        let Ok(winner) = all_of(&rules, OPTIONS, &ballots).result else { return Ok(()) };
        let beats = |a: usize, b: usize| {
            let ahead = |ballot: &&Ballot, a, b| match &ballot.vote {
                Vote::Ranking(order) => {
                    let place = |o| order.iter().position(|x| *x == o).unwrap_or(usize::MAX);
                    place(a) < place(b)
                }
                _ => false,
            };
            ballots.iter().filter(|x| ahead(x, a, b)).count() > ballots.iter().filter(|x| ahead(x, b, a)).count()
        };
        let others: Vec<usize> = (0..OPTIONS).filter(|o| *o != winner).collect();
        prop_assert!(!others.iter().all(|other| beats(*other, winner)));
    }
}

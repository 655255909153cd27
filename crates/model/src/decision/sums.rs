//! Methods of one round: add up what each option got, and hold the first against the rule.

use super::{Ballot, Decision, Method, Round, Rules, Tally, Tie, Undecided, Vote, Weight};
use std::collections::BTreeMap;

pub(super) fn count(rules: &Rules, options: usize, ballots: &[Ballot]) -> Decision {
    let mut scores: BTreeMap<usize, Weight> = (0..options).map(|n| (n, Weight::ZERO)).collect();
    let mut add = |option: usize, weight: Weight| {
        if let Some(score) = scores.get_mut(&option) {
            *score += weight;
        }
    };
    for ballot in ballots {
        let weight = ballot.weight(rules);
        match &ballot.vote {
            Vote::Choice(option) => add(*option, weight),
            Vote::Ranking(order) => order.first().into_iter().for_each(|o| add(*o, weight)),
            Vote::Credits(spent) => spent
                .iter()
                .for_each(|(option, credits)| add(*option, Weight::root(*credits).times(weight))),
        }
    }
    let cast: Weight = scores.values().copied().sum();
    let best = scores.values().copied().max().unwrap_or_default();
    let first: Vec<usize> = (scores.iter())
        .filter(|(_, score)| **score == best)
        .map(|(option, _)| *option)
        .collect();
    let (result, tied) = judge(rules, best, cast, &first);
    Decision {
        result,
        confidence: best.of(cast),
        tied,
        tally: Tally {
            rounds: vec![Round {
                scores,
                out: Vec::new(),
            }],
            cast,
        },
    }
}

/// `first` are the options with the best score; one unless it is a tie.
fn judge(
    rules: &Rules,
    best: Weight,
    cast: Weight,
    first: &[usize],
) -> (Result<usize, Undecided>, bool) {
    let Some(winner) = first.first().copied() else {
        return (Err(Undecided::NoAnswers), false);
    };
    let tied = first.len() > 1;
    let enough = match rules.method {
        // Two halves are a tie; less is no majority, tied or not.
        Method::Majority if !(best.over_half(cast) || tied && best.half_of(cast)) => {
            Err(Undecided::NoMajority)
        }
        Method::Unanimity if !best.reaches(rules.threshold, cast) => Err(Undecided::BelowThreshold),
        _ if tied && rules.tie == Tie::None => Err(Undecided::Tie),
        _ => Ok(winner),
    };
    (enough, tied)
}

//! Instant run-off: who has the fewest first places is left out, and each ballot moves on to its next option that is still
//! in, until one has more than half of those that still count.
//!
//! Equal at the bottom: all of them go if together they have less than the next; else the one that had less in the
//! latest round in which they differed; else the one listed last.

use super::{Ballot, Decision, Round, Rules, Tally, Tie, Undecided, Vote, Weight};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn count(rules: &Rules, options: usize, ballots: &[Ballot]) -> Decision {
    let mut tally = Tally::default();
    let mut left: BTreeSet<usize> = (0..options).collect();
    loop {
        let scores = scores(rules, &left, ballots);
        tally.cast = scores.values().copied().sum();
        let out = match step(&scores, tally.cast, &tally.rounds) {
            Step::Won(winner) => {
                let confidence = scores[&winner].of(tally.cast);
                tally.push(scores, Vec::new());
                return made(Ok(winner), confidence, false, tally);
            }
            Step::Equal(all) => {
                let confidence = scores[&all].of(tally.cast);
                tally.push(scores, Vec::new());
                let result = match rules.tie {
                    Tie::First => Ok(all),
                    Tie::None => Err(Undecided::Tie),
                };
                return made(result, confidence, true, tally);
            }
            Step::Nobody => {
                tally.push(scores, Vec::new());
                return made(Err(Undecided::NoWeight), Weight::ZERO, false, tally);
            }
            Step::Out(out) => out,
        };
        out.iter().for_each(|option| {
            left.remove(option);
        });
        tally.push(scores, out);
    }
}

fn made(
    result: Result<usize, Undecided>,
    confidence: Weight,
    tied: bool,
    tally: Tally,
) -> Decision {
    Decision {
        result,
        confidence,
        tied,
        tally,
    }
}

impl Tally {
    fn push(&mut self, scores: BTreeMap<usize, Weight>, out: Vec<usize>) {
        self.rounds.push(Round { scores, out });
    }
}

/// The weight of each option that is still in: each ballot counts for the first of its options that is.
fn scores(rules: &Rules, left: &BTreeSet<usize>, ballots: &[Ballot]) -> BTreeMap<usize, Weight> {
    let mut scores: BTreeMap<usize, Weight> = left.iter().map(|n| (*n, Weight::ZERO)).collect();
    for ballot in ballots {
        let order: &[usize] = match &ballot.vote {
            Vote::Ranking(order) => order,
            Vote::Choice(option) => std::slice::from_ref(option),
            Vote::Credits(_) => &[],
        };
        let next = order.iter().find(|option| left.contains(option));
        if let Some(score) = next.and_then(|option| scores.get_mut(option)) {
            *score += ballot.weight(rules);
        }
    }
    scores
}

enum Step {
    Won(usize),
    /// The last two are equal; the one listed first.
    Equal(usize),
    Out(Vec<usize>),
    /// No ballot counts any more, or none ever did.
    Nobody,
}

fn step(scores: &BTreeMap<usize, Weight>, cast: Weight, earlier: &[Round]) -> Step {
    if cast == Weight::ZERO {
        return Step::Nobody;
    }
    if let Some((winner, _)) = scores.iter().find(|(_, score)| score.over_half(cast)) {
        return Step::Won(*winner);
    }
    let mut by_score: BTreeMap<Weight, Vec<usize>> = BTreeMap::new();
    for (option, score) in scores {
        by_score.entry(*score).or_default().push(*option);
    }
    let mut groups = by_score.into_iter();
    let Some((lowest, last)) = groups.next() else {
        return Step::Nobody;
    };
    let Some((next, _)) = groups.next() else {
        // Of more than two somebody goes, and the ballots for that one decide.
        return match last.len() {
            0..=2 => Step::Equal(last[0]),
            _ => Step::Out(vec![weakest(last, earlier)]),
        };
    };
    let together: Weight = last.iter().map(|_| lowest).sum();
    if together < next {
        return Step::Out(last);
    }
    Step::Out(vec![weakest(last, earlier)])
}

/// Of options that are equal now: the one that was behind in the latest round that told them apart, else the one listed
/// last.
fn weakest(mut equal: Vec<usize>, earlier: &[Round]) -> usize {
    for round in earlier.iter().rev() {
        let score = |option: &usize| round.scores.get(option).copied().unwrap_or_default();
        let least = equal.iter().map(score).min().unwrap_or_default();
        equal.retain(|option| score(option) == least);
    }
    equal.into_iter().max().unwrap_or_default()
}

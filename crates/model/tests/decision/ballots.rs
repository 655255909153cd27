//! Ballots and rules that the tests of decisions begin with.

use warrener_model::decision::{Ballot, Method, Rules, Tie, Turnout, Vote, Weight};
use warrener_model::name::AgentId;

pub(crate) fn rules(method: Method) -> Rules {
    Rules {
        method,
        confidence: false,
        tie: Tie::None,
        quorum: Weight::ZERO,
        threshold: Weight::ONE,
    }
}

pub(crate) fn ballot(number: usize, vote: Vote) -> Ballot {
    Ballot {
        agent: AgentId::new(&format!("a{number}")).expect("a name"),
        vote,
        confidence: None,
        expertise: Weight::ONE,
    }
}

pub(crate) fn choices(of: &[usize]) -> Vec<Ballot> {
    let vote = |(n, option): (usize, &usize)| ballot(n, Vote::Choice(*option));
    of.iter().enumerate().map(vote).collect()
}

pub(crate) fn rankings(of: &[(usize, &[usize])]) -> Vec<Ballot> {
    let mut ballots = Vec::new();
    for (times, order) in of {
        for _ in 0..*times {
            ballots.push(ballot(ballots.len(), Vote::Ranking(order.to_vec())));
        }
    }
    ballots
}

pub(crate) fn all(members: usize, heard: usize) -> Turnout {
    Turnout { members, heard }
}

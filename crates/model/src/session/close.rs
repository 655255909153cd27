//! The end of a session: ballots from answers, the decision, and what is told of those who wanted something else.

use super::{Alternative, Dissent, Phase, Session, Verdict, text, word};
use crate::decision::{Ballot, Decision, Turnout, Vote, Weight, decide};
use crate::name::AgentId;
use std::collections::BTreeMap;

/// The newest suggestion of each agent.
pub(super) fn newest(session: &Session) -> Vec<(AgentId, String)> {
    let mut newest = BTreeMap::new();
    for one in &session.contributions {
        let says = one.answer.suggestion.as_deref().map(str::trim);
        if let Some(text) = says.filter(|text| !text.is_empty()) {
            newest.insert(one.agent.clone(), text.to_owned());
        }
    }
    newest.into_iter().collect()
}

/// Counts the last round, and writes down what came out; a reason where nothing did.
pub(super) fn decided(session: &mut Session) {
    let votes = votes(session);
    let ballots: Vec<Ballot> = votes
        .iter()
        .filter_map(|(agent, vote)| {
            let member = session
                .members
                .iter()
                .find(|member| member.agent == *agent)?;
            Some(Ballot {
                agent: agent.clone(),
                vote: vote.clone(),
                confidence: confidence(session, agent),
                expertise: member.expertise,
            })
        })
        .collect();
    let lived = session.members.iter().filter(|member| member.lived);
    let heard = lived
        .clone()
        .filter(|member| ballots.iter().any(|ballot| ballot.agent == member.agent));
    let turnout = Turnout {
        heard: heard.count(),
        members: lived.count(),
    };
    let decision = decide(&session.rules, session.ballot.len(), turnout, &ballots);
    if let Err(why) = decision.result {
        session.reason = Some(word(why).into());
    }
    session.verdict = verdict(session, &decision, &votes);
}

/// What each agent votes for. Where the only round is one of ideas, each is a vote for what it is like.
fn votes(session: &mut Session) -> Vec<(AgentId, Vote)> {
    let last = session
        .rounds
        .last()
        .map(|round| (round.round, round.phase));
    let Some((number, phase)) = last else {
        return vec![];
    };
    if phase != Phase::Vote {
        let groups = text::groups(&newest(session));
        session.ballot = groups.iter().map(|group| group.name.clone()).collect();
        let of = |(place, group): (usize, text::Group)| {
            let vote = move |agent| (agent, Vote::Choice(place));
            group.of.into_iter().map(vote)
        };
        let mut votes: Vec<_> = groups.into_iter().enumerate().flat_map(of).collect();
        if session.rules.method == crate::decision::Method::Ranked {
            votes
                .iter_mut()
                .for_each(|(_, vote)| *vote = Vote::Ranking(vote.first()));
        }
        return votes;
    }
    let of_round = session
        .contributions
        .iter()
        .filter(|one| one.round == number);
    let read = |one: &super::Contribution| {
        let vote = Vote::read(
            session.rules.method,
            session.budget,
            &session.ballot,
            &one.answer,
        );
        Some((one.agent.clone(), vote.ok()?))
    };
    of_round.filter_map(read).collect()
}

fn confidence(session: &Session, agent: &AgentId) -> Option<Weight> {
    let mut newest = session.contributions.iter().rev();
    let answer = &newest.find(|one| one.agent == *agent)?.answer;
    Vote::confidence(answer).ok().flatten()
}

fn verdict(session: &Session, decision: &Decision, votes: &[(AgentId, Vote)]) -> Verdict {
    let won = decision.result.ok();
    let name = |place: usize| session.ballot[place].clone();
    let supporters = |place: usize| {
        let for_it = votes
            .iter()
            .filter(|(_, vote)| vote.first().contains(&place));
        let mut agents: Vec<AgentId> = for_it.map(|(agent, _)| agent.clone()).collect();
        agents.sort();
        agents
    };
    let others = (0..session.ballot.len()).filter(|place| Some(*place) != won);
    let mut alternatives: Vec<(usize, Alternative)> = others
        .map(|place| {
            let rounds = decision.tally.rounds.iter().rev();
            let score = rounds.filter_map(|round| round.scores.get(&place)).next();
            let alternative = Alternative {
                suggestion: name(place),
                score: score.copied().unwrap_or_default(),
                supporters: supporters(place),
            };
            (place, alternative)
        })
        .collect();
    alternatives.sort_by_key(|(place, one)| (std::cmp::Reverse(one.score), *place));
    let mut dissent: Vec<Dissent> = votes
        .iter()
        .filter(|(_, vote)| won.is_some_and(|won| !vote.first().contains(&won)))
        .map(|(agent, vote)| {
            let names: Vec<String> = vote.first().into_iter().map(name).collect();
            let mut newest = session.contributions.iter().rev();
            let said = newest.find(|one| one.agent == *agent && one.answer.rationale.is_some());
            Dissent {
                agent: agent.clone(),
                suggestion: names.join(", "),
                rationale: said.and_then(|one| one.answer.rationale.clone()),
            }
        })
        .collect();
    dissent.sort_by(|a, b| a.agent.cmp(&b.agent));
    Verdict {
        decision: won.map(name),
        confidence: decision.confidence,
        tied: decision.tied,
        alternatives: alternatives.into_iter().map(|(_, one)| one).collect(),
        dissent,
        themes: vec![],
        tally: decision.tally.clone(),
        counted: u32::try_from(votes.len()).unwrap_or(u32::MAX),
    }
}

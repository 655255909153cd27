//! Who is asked in a session: of those who live, and those who are named.

use super::Member;
use super::open::{Living, OpenSession, Required};
use crate::decision::Weight;
use crate::name::{AgentId, Capability};

/// Capabilities that are required, and that nobody has who lives.
pub(super) fn unfilled(required: &[Required], living: &[Living]) -> Vec<Capability> {
    let wanted = required.iter().filter_map(|one| match one {
        Required::Capability(name) => Some(name),
        _ => None,
    });
    let nobody = |name: &&Capability| {
        !living
            .iter()
            .any(|one| one.capabilities.contains_key(*name))
    };
    wanted.filter(nobody).cloned().collect()
}

/// Who is asked.
pub(super) fn members(
    request: &OpenSession,
    required: &[Required],
    expertise: Option<&Capability>,
    living: &[Living],
) -> Vec<Member> {
    let wanted: Vec<&Capability> = required
        .iter()
        .filter_map(|one| match one {
            Required::Capability(name) => Some(name),
            _ => None,
        })
        .collect();
    let named: Vec<&AgentId> = required
        .iter()
        .filter_map(|one| match one {
            Required::Agent(id) => Some(id),
            _ => None,
        })
        .collect();
    // A number, or nothing at all, asks everybody.
    let everybody = wanted.len() + named.len() < required.len().max(1);
    let knows = |one: &Living| {
        let of = |name: &Capability| one.capabilities.get(name).copied();
        let level = match expertise {
            Some(name) => of(name).unwrap_or_default(),
            None => wanted
                .iter()
                .filter_map(|name| of(name))
                .fold(0.0, f64::max),
        };
        Weight::part(level).unwrap_or_default()
    };
    let mut members: Vec<Member> = living
        .iter()
        .filter_map(|one| {
            let able = wanted
                .iter()
                .any(|name| one.capabilities.contains_key(*name));
            let needed = able || named.contains(&&one.agent);
            (needed || everybody).then(|| Member {
                agent: one.agent.clone(),
                expertise: knows(one),
                lived: true,
                needed,
            })
        })
        .collect();
    for id in named {
        if !members.iter().any(|member| member.agent == *id) {
            // It may still come: it is asked when it does, and counts for no quorum.
            let expertise = Weight::ZERO;
            members.push(Member {
                agent: id.clone(),
                expertise,
                lived: false,
                needed: true,
            });
        }
    }
    let initiator = request
        .initiator
        .as_ref()
        .filter(|_| !request.include_initiator);
    members.retain(|member| Some(&member.agent) != initiator);
    members.sort_by(|a, b| a.agent.cmp(&b.agent));
    members
}

//! The engine's stories on RabbitMQ: the same files as in `engine/tests/stories`, on another ground. One node tells them
//! all, a vhost of it each. What is left out is named below, with its reason.
#![allow(
    clippy::unwrap_used,
    reason = "a story that fails at an unwrap says enough"
)]

mod ground;
#[path = "../stage/mod.rs"]
mod stage;

#[path = "../../../engine/tests/stories/desk.rs"]
mod desk;
#[allow(dead_code, reason = "not every mode is played here")]
#[path = "../../../engine/tests/stories/harness.rs"]
mod harness;
#[path = "../../../engine/tests/stories/puppet.rs"]
mod puppet;

#[path = "../../../engine/tests/stories/agent.rs"]
mod agent;
#[path = "../../../engine/tests/stories/agents.rs"]
mod agents;
#[path = "../../../engine/tests/stories/alerts.rs"]
mod alerts;
#[path = "../../../engine/tests/stories/asked.rs"]
mod asked;
#[path = "../../../engine/tests/stories/breaker.rs"]
mod breaker;
#[path = "../../../engine/tests/stories/breaker_late.rs"]
mod breaker_late;
#[path = "../../../engine/tests/stories/cancel.rs"]
mod cancel;
#[path = "../../../engine/tests/stories/clock.rs"]
mod clock;
#[path = "../../../engine/tests/stories/collaboration.rs"]
mod collaboration;
#[path = "../../../engine/tests/stories/copies.rs"]
mod copies;
#[path = "../../../engine/tests/stories/dead.rs"]
mod dead;
#[path = "../../../engine/tests/stories/fast.rs"]
mod fast;
#[path = "../../../engine/tests/stories/holes.rs"]
mod holes;
#[path = "../../../engine/tests/stories/joins.rs"]
mod joins;
#[path = "../../../engine/tests/stories/lanes.rs"]
mod lanes;
#[path = "../../../engine/tests/stories/leases.rs"]
mod leases;
#[path = "../../../engine/tests/stories/letters.rs"]
mod letters;
#[path = "../../../engine/tests/stories/lost.rs"]
mod lost;
#[path = "../../../engine/tests/stories/outputs.rs"]
mod outputs;
#[path = "../../../engine/tests/stories/parts.rs"]
mod parts;
#[path = "../../../engine/tests/stories/refused.rs"]
mod refused;
#[path = "../../../engine/tests/stories/restart.rs"]
mod restart;
#[path = "../../../engine/tests/stories/retry.rs"]
mod retry;
#[path = "../../../engine/tests/stories/roles.rs"]
mod roles;
#[path = "../../../engine/tests/stories/rounds.rs"]
mod rounds;
#[path = "../../../engine/tests/stories/runs.rs"]
mod runs;
#[path = "../../../engine/tests/stories/senders.rs"]
mod senders;
#[path = "../../../engine/tests/stories/sessions.rs"]
mod sessions;
#[path = "../../../engine/tests/stories/state.rs"]
mod state;
#[path = "../../../engine/tests/stories/submissions.rs"]
mod submissions;
#[path = "../../../engine/tests/stories/submit.rs"]
mod submit;
#[path = "../../../engine/tests/stories/token.rs"]
mod token;
#[path = "../../../engine/tests/stories/waits.rs"]
mod waits;
#[path = "../../../engine/tests/stories/wide.rs"]
mod wide;
#[path = "../../../engine/tests/stories/work.rs"]
mod work;

/// Files of stories that are not told here.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "direct",
        "where the delivery is the claim; these queues offer",
    ),
    ("ground", "has its own file here"),
    ("main", "is this file"),
    (
        "schedules",
        "what is submitted when is between the servers and their store",
    ),
];

#[test]
fn every_file_of_stories_is_told_here_or_named_with_a_reason() {
    let here = include_str!("main.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/stories");
    let mut named = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".rs").unwrap();
        let told = here.contains(&format!("engine/tests/stories/{file}\"]\nmod {name};"));
        let elsewhere = ELSEWHERE.iter().any(|(other, _)| *other == name);
        assert!(told != elsewhere, "{file}: told {told}, named {elsewhere}");
        named.extend(elsewhere.then(|| name.to_owned()));
    }
    assert_eq!(named.len(), ELSEWHERE.len(), "there are only {named:?}");
}

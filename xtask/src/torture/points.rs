//! The named points at which a process can be told to die, or to stop (see
//! `warrener/src/kill_points.rs`), and the order in which they are tried: every one once before any
//! comes again.

use fastrand::Rng;

/// Which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Role {
    /// The server
    Server,
    /// Every agent
    Agent,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Agent => "agent",
        }
    }
}

/// Of a server: each kind of commit, each type of message it takes in or sends, each ack.
const SERVER: &[&str] = &[
    "commit",
    "commit.submitted",
    "commit.started",
    "commit.succeeded",
    "commit.retrying",
    "commit.failed",
    "commit.lost",
    "commit.released",
    "commit.ready",
    "commit.cancelled",
    "commit.retried",
    "commit.expired",
    "commit.renewed",
    "commit.agent",
    "commit.run",
    "commit.session",
    "publish",
    "publish.hello",
    "publish.welcome",
    "publish.heartbeat",
    "publish.task",
    "publish.claim",
    "publish.claim.granted",
    "publish.claim.refused",
    "publish.outcome",
    "publish.recorded",
    "publish.revoke",
    "publish.cancel",
    "deliver.claim",
    "deliver.outcome",
    "deliver.heartbeat",
    "deliver.task",
    "deliver.recorded",
    "settle.claim",
    "settle.outcome",
    "settle.heartbeat",
    "settle.hello",
    "settle.task",
    "ensure",
    "subscribe",
    "query",
    "tasks",
    "now",
];

/// Of an agent: what it says, what it hears, each ack.
const AGENT: &[&str] = &[
    "subscribe",
    "publish",
    "publish.hello",
    "publish.heartbeat",
    "publish.claim",
    "publish.outcome",
    "deliver.welcome",
    "deliver.task",
    "deliver.claim.granted",
    "deliver.recorded",
    "deliver.revoke",
    "deliver.cancel",
    "settle.welcome",
    "settle.task",
    "settle.claim.granted",
    "settle.recorded",
];

/// The latest that a point comes, as the n-th time that it is passed: what happens within a few seconds.
fn latest(point: &str) -> f64 {
    let (name, _side) = point.rsplit_once(':').unwrap_or((point, ""));
    let (_, what) = name.split_once('.').unwrap_or(("", name));
    match what {
        "commit" | "publish" | "now" | "tasks" | "query" | "heartbeat" | "renewed" => 200.0,
        "submitted" | "started" | "succeeded" | "task" | "outcome" | "recorded" | "run" => 40.0,
        _ => 4.0,
    }
}

/// Of a hundred points so many stop the process, the others kill it.
const STOPS: u32 = 35;

/// A point, a side of it, how often it is passed before, and what happens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) nth: u64,
    pub(crate) stops: bool,
}

impl Point {
    /// As the environment of a process wants it.
    pub(crate) fn word(&self) -> String {
        let stop = if self.stops { ":stop" } else { "" };
        format!("{}:{}{stop}", self.name, self.nth)
    }
}

/// The points of one sort of process, shuffled; dealt again when all were dealt.
#[derive(Debug)]
pub(crate) struct Deck {
    role: Role,
    left: Vec<String>,
}

impl Deck {
    pub(crate) fn of(role: Role) -> Deck {
        let left = vec![];
        Deck { role, left }
    }

    pub(crate) fn deal(&mut self, rng: &mut Rng) -> Point {
        if self.left.is_empty() {
            self.left = names(self.role).collect();
            rng.shuffle(&mut self.left);
        }
        let name = self.left.pop().unwrap_or_default();
        // As many before the middle (on a logarithmic scale) as after it.
        let nth = latest(&name).powf(rng.f64()).floor() as u64;
        let stops = rng.u32(0..100) < STOPS;
        Point { name, nth, stops }
    }
}

/// Every point of a process.
pub(crate) fn of(role: Role) -> &'static [&'static str] {
    match role {
        Role::Server => SERVER,
        Role::Agent => AGENT,
    }
}

/// Every point with each of its sides.
fn names(role: Role) -> impl Iterator<Item = String> {
    let both = |point: &&str| [format!("{point}:before"), format!("{point}:after")];
    of(role).iter().flat_map(both)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_deck_deals_every_point_before_any_comes_again() {
        let mut rng = Rng::with_seed(3);
        let mut deck = Deck::of(Role::Server);
        let all = names(Role::Server).count();
        let dealt: BTreeSet<String> = (0..all).map(|_| deck.deal(&mut rng).name).collect();
        assert_eq!(dealt.len(), all, "a point stands in the table twice");
        for _ in 0..1_000 {
            let point = deck.deal(&mut rng);
            assert!((1..=200).contains(&point.nth));
            assert!(point.nth <= 4 || !point.name.starts_with("publish.hello"));
        }
    }
}

//! Policies: what an operator changed about our queues from outside. This protocol does not show them; the management
//! API does, and somebody else asks it.

use super::{Findings, Ground, Severity};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What no policy may set for our queues: messages would be dropped, expire, or go where nobody looks for them.
const OURS: [&str; 9] = [
    "message-ttl",
    "expires",
    "max-length",
    "max-length-bytes",
    "overflow",
    "delivery-limit",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dead-letter-strategy",
];
/// Queues that are named in one finding.
const NAMED: usize = 5;

/// A queue, and what policies make of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policed {
    /// Its name.
    pub queue: String,
    /// Which policies match: the user's and the operator's.
    pub policies: Vec<String>,
    /// What they set, both together.
    pub sets: BTreeMap<String, Value>,
}

impl Policed {
    /// Reads what the management API says of a queue, with `name`, `policy`, `operator_policy` and
    /// `effective_policy_definition`. Nothing if it is no queue.
    pub fn read(row: &Value) -> Option<Policed> {
        let queue = row["name"].as_str()?.to_owned();
        let names = ["policy", "operator_policy"].map(|which| row[which].as_str());
        let names = names.into_iter().flatten().filter(|name| !name.is_empty());
        // Empty it is a list in some versions.
        let sets = row["effective_policy_definition"].as_object();
        let sets = sets.into_iter().flatten();
        Some(Policed {
            queue,
            policies: names.map(str::to_owned).collect(),
            sets: sets
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }
}

/// What these policies do to our queues.
pub(super) fn look(ground: &Ground<'_>, all: &[Policed], findings: &mut Findings) {
    let space = ground.names.space();
    let ours = |one: &&Policed| {
        let rest = one.queue.strip_prefix(space);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let ours: Vec<&Policed> = all.iter().filter(ours).collect();
    if ours.is_empty() {
        let what = format!("no queue of namespace {space} exists yet that a policy could match");
        let remedy = "check again when the first server has started";
        return findings.add("policy", Severity::Note, what, remedy);
    }
    let mut bad: BTreeMap<(&[String], &str), BTreeSet<&str>> = BTreeMap::new();
    for one in &ours {
        for key in OURS.into_iter().filter(|key| one.sets.contains_key(*key)) {
            let queues = bad.entry((&one.policies, key)).or_default();
            queues.insert(&one.queue);
        }
    }
    let vhost = ground.target.vhost();
    for ((policies, key), queues) in &bad {
        let some: Vec<&str> = queues.iter().copied().take(NAMED).collect();
        let more = match queues.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let policies = policies.join(", ");
        let what = format!("policy {policies} sets {key} on {}{more}", some.join(", "));
        let remedy = format!(
            "change its pattern so that it matches no queue that begins with {space}. (rabbitmqctl list_policies -p '{vhost}', list_operator_policies -p '{vhost}')"
        );
        findings.add("policy", Severity::Warning, what, remedy);
    }
    if bad.is_empty() {
        let count = ours.len();
        let what = format!("no policy changes what the {count} queues of namespace {space} do");
        findings.fine("policy", what);
    }
    waits(ground.purpose.handoff, &ours, findings);
}

/// A policy may have another consumer_timeout than the broker.
fn waits(handoff: Duration, ours: &[&Policed], findings: &mut Findings) {
    let set = |one: &&Policed| {
        Some((
            one.sets.get("consumer-timeout")?.as_u64()?,
            one.queue.clone(),
        ))
    };
    let Some((shortest, queue)) = ours.iter().filter_map(set).min() else {
        return;
    };
    if Duration::from_millis(shortest) <= handoff {
        let what = format!(
            "a policy gives {queue} a consumer-timeout of {shortest} ms, and agents hold a delivery for {} s at most",
            handoff.as_secs_f64()
        );
        let remedy = "set timers.handoff below it, or change the policy";
        findings.add("consumer_timeout", Severity::Warning, what, remedy);
    }
}

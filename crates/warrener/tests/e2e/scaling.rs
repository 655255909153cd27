//! Scenarios G and H: a team that grows and shrinks while it works, and what a team of five does in how long.

use crate::harness::{Place, Process, until};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Writes down who started and ended what, and when.
fn worker(place: &Place, agent: &str) -> Process {
    let script = format!(
        r#"echo "{agent} $WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
        sleep 0.05
        echo "{agent} $WARRENER_TASK_ID $(date +%s%N)" >> "$WARRENER_AGENT_DIR/ends"
        echo '{{}}'"#
    );
    place.agent(agent, "--concurrency 1", &script)
}

/// How often each agent stands in a file.
fn shares(place: &Place, file: &str) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for line in place.lines(file) {
        let agent = line.split(' ').next().unwrap_or_default();
        *shares.entry(agent.to_owned()).or_default() += 1;
    }
    shares
}

/// Waits until each of these has ended so many more tasks.
fn until_shared(place: &Place, agents: &[&str], more: usize) {
    let before = shares(place, "ends");
    let of = |all: &BTreeMap<String, usize>, agent: &str| all.get(agent).copied().unwrap_or(0);
    until("a share for each", || {
        let now = shares(place, "ends");
        let all = agents
            .iter()
            .all(|agent| of(&now, agent) >= of(&before, agent) + more);
        all.then_some(())
    });
}

/// Each of these was started once and ended once.
fn each_once(place: &Place, ids: &[String]) {
    for file in ["starts", "ends"] {
        let lines = place.lines(file);
        let known: BTreeSet<&str> = lines.iter().filter_map(|l| l.split(' ').nth(1)).collect();
        assert_eq!((lines.len(), known.len()), (ids.len(), ids.len()), "{file}");
        assert!(ids.iter().all(|id| known.contains(id.as_str())), "{file}");
    }
}

#[test]
fn scenario_g_three_agents_join_a_team_of_two_take_their_share_and_leave_without_a_loss() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _core = ["a1", "a2"].map(|name| worker(&place, name));
    let work = |n: usize| http.batch(&vec![json!({ "kind": "work" }); n]);
    let mut ids = work(200);
    until_shared(&place, &["a1", "a2"], 3);
    let mut guests = ["b1", "b2", "b3"].map(|name| (name, worker(&place, name)));
    until_shared(&place, &["a1", "a2", "b1", "b2", "b3"], 3);
    for (name, agent) in &mut guests {
        let drain = format!("agent drain {name} --wait --reason smaller");
        place.run(&drain).exits(0);
        place.run(&format!("agent stop {name} --wait")).exits(0);
        assert_eq!(agent.ends(), Some(0), "{}", agent.err());
        http.until_presence(name, "left");
    }
    let guests = |file| -> usize {
        let shares = shares(&place, file).into_iter();
        shares
            .filter(|(name, _)| name.starts_with('b'))
            .map(|(_, n)| n)
            .sum()
    };
    let done = guests("starts");
    assert_eq!(guests("ends"), done, "who leaves finishes what it has");
    ids.extend(work(20));
    for id in &ids {
        http.ends(id, "succeeded");
    }
    let books = http.settled();
    assert_eq!(books["states"]["succeeded"], 220, "{books}");
    assert_eq!(guests("starts"), done, "who has left gets nothing");
    each_once(&place, &ids);
    assert!(ids.iter().all(|id| http.losses(id) == 0));
}

/// Now, by the clock that the programs write down.
fn nanos() -> u128 {
    let said = Command::new("date").arg("+%s%N").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.trim().parse().unwrap()
}

#[test]
fn scenario_h_a_hundred_tasks_of_five_agents_are_done_once_each_and_measured() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let team = ["a1", "a2", "a3", "a4", "a5"];
    let _team = team.map(|name| worker(&place, name));
    let begin = nanos();
    let asked: BTreeMap<String, u128> = (0..100)
        .map(|n| {
            let at = nanos();
            (http.submit(&json!({ "kind": "work", "input": n })), at)
        })
        .collect();
    let ids: Vec<String> = asked.keys().cloned().collect();
    for id in &ids {
        http.ends(id, "succeeded");
    }
    let books = http.settled();
    assert_eq!(books["states"]["succeeded"], 100, "{books}");
    each_once(&place, &ids);
    let ends = place.lines("ends");
    let mut took: Vec<u128> = vec![];
    let mut last = begin;
    for line in &ends {
        let words: Vec<&str> = line.split(' ').collect();
        let at: u128 = words[2].parse().unwrap();
        took.push(at.saturating_sub(asked[words[1]]) / 1_000_000);
        last = last.max(at);
    }
    took.sort_unstable();
    let of = |percent: usize| took[(took.len() * percent).div_ceil(100) - 1];
    let seconds = (last - begin) as f64 / 1e9;
    let (p50, p95, p99) = (of(50), of(95), of(99));
    println!(
        "scenario H: {:.1} tasks/s, from request to end p50 {p50} ms, p95 {p95} ms, p99 {p99} ms",
        100.0 / seconds
    );
    // No program is shorter than its sleep.
    assert!(took[0] >= 50 && p50 <= p95 && p95 <= p99, "{took:?}");
    assert_eq!(shares(&place, "ends").len(), team.len(), "all share");
}

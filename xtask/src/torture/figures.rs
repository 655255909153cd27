//! What a run measures beside right and wrong: starts beyond those that a policy asked for, and leases
//! taken from agents that nothing was wrong with. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::diary::{Entry, Storm};
use super::ground::LEASE_MS;
use super::rows::{Event, Rows, Task};
use super::witness::{Line, What};

/// How long it takes until it is known that who is back is another boot: a lease, and what follows.
const SETTLE_MS: u64 = LEASE_MS + 500;

/// How many tasks are in which state.
pub(crate) fn states(rows: &Rows) -> BTreeMap<&str, usize> {
    tally(rows.tasks.values().map(|task| &*task.state))
}

/// How many runs are in which state.
pub(crate) fn run_states(rows: &Rows) -> BTreeMap<&str, usize> {
    tally(rows.runs.values().map(|run| &*run.state))
}

/// How many sessions are in which state.
pub(crate) fn session_states(rows: &Rows) -> BTreeMap<&str, usize> {
    tally(rows.sessions.values().map(|session| &*session.state))
}

fn tally<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Starts after a start of an earlier attempt that neither a policy nor a person asked for: the price of
/// crashes, stalls and forced stops.
pub(crate) fn extra_starts(rows: &Rows, lines: &[Line]) -> usize {
    let mut started: HashMap<&str, Vec<u64>> = HashMap::new();
    for line in lines.iter().filter(|line| line.what == What::Start) {
        started.entry(&line.task).or_default().push(line.epoch);
    }
    let extra = |(id, epochs): (&&str, &Vec<u64>)| {
        let task = rows.tasks.get(*id);
        task.map_or(0, |task| extra_of(task, epochs.iter().copied().collect()))
    };
    started.iter().map(extra).sum()
}

fn extra_of(task: &Task, started: HashSet<u64>) -> usize {
    let mut extra = 0;
    // Whether an earlier attempt started and nobody asked for another one since.
    let mut unasked = false;
    for event in &task.history {
        match event.kind.as_str() {
            "retrying" | "retried" => unasked = false,
            "started" | "superseded" if started.contains(&event.epoch) => {
                extra += usize::from(unasked);
                unasked = true;
            }
            _ => {}
        }
    }
    extra
}

/// Leases that were taken from a run whose agent had nothing done to it from the grant on: the silence was
/// the server's own, or the machine's. A grant that never started (its server died with it) is none of these.
pub(crate) fn steals(rows: &Rows, lines: &[Line], broken: &Broken<'_>) -> usize {
    let Some(offset) = clock_offset(rows, lines) else {
        return 0;
    };
    let starts = lines.iter().filter(|line| line.what == What::Start);
    let started: HashSet<(&str, u64)> = starts.map(|l| (l.task.as_str(), l.epoch)).collect();
    let at = |event: &Event| u64::try_from(i128::from(event.at) + offset).unwrap_or(0);
    let stolen = |(id, history): (&String, &[Event])| {
        let mut stolen = 0;
        let mut grant: Option<&Event> = None;
        for event in history {
            let lost = match event.kind.as_str() {
                "lost" | "superseded" => true,
                "dead" => event.actor == "server",
                _ => false,
            };
            if let Some(grant) = grant.filter(|_| lost) {
                let agent = grant.agent.as_deref().unwrap_or_default();
                stolen += usize::from(!broken.between(agent, at(grant), at(event)));
            }
            if event.kind == "started" || event.kind == "superseded" {
                grant = Some(event).filter(|event| started.contains(&(id, event.epoch)));
            }
        }
        stolen
    };
    let tasks = rows.tasks.iter();
    tasks.map(|(id, task)| stolen((id, &task.history))).sum()
}

/// Milliseconds from the store's clock to the machine's: no program starts before its grant is stored.
pub(crate) fn clock_offset(rows: &Rows, lines: &[Line]) -> Option<i128> {
    let starts = lines.iter().filter(|line| line.what == What::Start);
    let offsets = starts.filter_map(|line| {
        let history = &rows.tasks.get(&line.task)?.history;
        let mut grants = history.iter().filter(|event| event.kind == "started");
        let grant = grants.find(|event| event.epoch == line.epoch)?;
        Some(i128::from(line.at / 1_000_000) - i128::from(grant.at))
    });
    offsets.min()
}

/// When agents were dead, stopped or leaving.
#[derive(Debug)]
pub(crate) struct Broken<'a> {
    faults: &'a [Entry],
    backs: &'a [(u64, String)],
    storms: &'a [Storm],
}

impl<'a> Broken<'a> {
    pub(crate) fn new(
        faults: &'a [Entry],
        backs: &'a [(u64, String)],
        storms: &'a [Storm],
    ) -> Broken<'a> {
        Broken {
            faults,
            backs,
            storms,
        }
    }

    /// Whether the broker was broken in this time, or shortly before it.
    fn stormy(&self, from: u64, to: u64) -> bool {
        let mut storms = self.storms.iter();
        storms.any(|s| s.at / 1_000_000 <= to && from < s.until / 1_000_000 + SETTLE_MS)
    }

    /// From one millisecond to another, or shortly before: then the grant may have gone to a boot that was over.
    fn between(&self, agent: &str, from: u64, to: u64) -> bool {
        if self.stormy(from, to) {
            return true;
        }
        let mut own = self.faults.iter().filter(|fault| fault.name == agent);
        let last = own.rfind(|fault| fault.at / 1_000_000 <= to);
        last.is_some_and(|fault| {
            let mut backs = self.backs.iter().filter(|(_, name)| name == agent);
            let back = backs.find(|(back, _)| *back > fault.at);
            back.is_none_or(|(back, _)| from < back / 1_000_000 + SETTLE_MS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::diary::Fault;
    use super::super::points::Role;
    use super::*;

    fn line(what: What, epoch: u64, at: u64) -> Line {
        Line {
            what,
            task: "t".into(),
            attempt: epoch,
            epoch,
            pid: 1,
            at,
            agent: "a1".into(),
        }
    }

    fn history(kinds: &[(&str, u64)]) -> Rows {
        let event = |(kind, epoch): &(&str, u64)| Event {
            kind: (*kind).into(),
            epoch: *epoch,
            ..Event::default()
        };
        let task = Task {
            history: kinds.iter().map(event).collect(),
            ..Task::default()
        };
        let mut rows = Rows::default();
        rows.tasks.insert("t".into(), task);
        rows
    }

    #[test]
    fn only_starts_that_nobody_asked_for_are_extra() {
        let starts = [line(What::Start, 1, 1), line(What::Start, 3, 3)];
        for (story, expect) in [
            // The grant of epoch 2 was never started, that of epoch 3 was.
            (
                vec![
                    ("started", 1),
                    ("lost", 1),
                    ("started", 2),
                    ("lost", 2),
                    ("started", 3),
                ],
                1,
            ),
            (
                vec![
                    ("started", 1),
                    ("retrying", 1),
                    ("started", 2),
                    ("lost", 2),
                    ("started", 3),
                ],
                0,
            ),
            (
                vec![
                    ("started", 1),
                    ("cancelled", 1),
                    ("retried", 1),
                    ("started", 3),
                ],
                0,
            ),
        ] {
            assert_eq!(extra_starts(&history(&story), &starts), expect, "{story:?}");
        }
    }

    #[test]
    fn a_steal_is_a_loss_of_who_was_not_broken() {
        let ms = |at: u64| at * 1_000_000;
        let mut rows = history(&[("started", 1), ("lost", 1)]);
        let events = &mut rows.tasks.get_mut("t").unwrap().history;
        (events[0].at, events[1].at) = (5_100, 9_000);
        events[0].agent = Some("a1".into());
        let lines = [line(What::Start, 1, ms(5_100))];
        let stolen = |faults: &[Entry], backs: &[(u64, String)]| {
            steals(&rows, &lines, &Broken::new(faults, backs, &[]))
        };
        let other = [line(What::Start, 2, ms(5_100))];
        assert_eq!(
            steals(&rows, &other, &Broken::new(&[], &[], &[])),
            0,
            "it never started"
        );
        let fault = |at| Entry {
            at: ms(at),
            role: Role::Agent,
            name: "a1".into(),
            fault: Fault::Killed,
        };
        let back = |at| [(ms(at), "a1".to_owned())];
        assert_eq!(stolen(&[], &[]), 1);
        assert_eq!(stolen(&[fault(1_000)], &[]), 0, "it never came back");
        assert_eq!(stolen(&[fault(1_000)], &back(2_000)), 1);
        assert_eq!(
            stolen(&[fault(1_000)], &back(4_000)),
            0,
            "who had it was gone"
        );
        assert_eq!(stolen(&[fault(7_000)], &back(7_500)), 0);
        assert_eq!(stolen(&[fault(9_500)], &back(9_700)), 1, "that was later");
    }
}

//! What a run measures beside right and wrong: starts beyond those that policy asked for, and how long
//! it took until the work of a broken process began again. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::diary::{Entry, Fault};
use super::ground::LEASE_MS;
use super::points::Role;
use super::rows::{Event, Rows, Task};
use super::witness::{Line, What};

/// How long it takes until who is back is known to be.
const SETTLE_MS: u64 = 1_500;
const OUTAGE_NS: u64 = 3_000_000_000;

/// Nanoseconds, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Spread {
    pub(crate) fn of(mut spans: Vec<u64>) -> Spread {
        spans.sort_unstable();
        let at = |hundredth: usize| {
            // The smallest value that so many in a hundred do not exceed.
            let place = (spans.len() * hundredth).div_ceil(100).max(1) - 1;
            spans.get(place).copied().unwrap_or(0)
        };
        Spread {
            count: spans.len(),
            p50: at(50),
            p99: at(99),
            max: spans.last().copied().unwrap_or(0),
        }
    }
}

/// How many tasks are in which state.
pub(crate) fn states(rows: &Rows) -> BTreeMap<&str, usize> {
    let mut states = BTreeMap::new();
    for task in rows.tasks.values() {
        *states.entry(task.state.as_str()).or_default() += 1;
    }
    states
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

/// Leases that were taken from an agent that had not been broken for a whole lease: the silence was the
/// server's own, or the machine's.
pub(crate) fn steals(rows: &Rows, lines: &[Line], broken: &Broken) -> usize {
    let grants = lines
        .iter()
        .filter(|line| line.what == What::Start)
        .filter_map(|line| {
            let history = &rows.tasks.get(&line.task)?.history;
            let grant = history
                .iter()
                .find(|e| e.epoch == line.epoch && e.kind == "started")?;
            Some(i128::from(line.at / 1_000_000) - i128::from(grant.at))
        });
    // The store's clock and the machine's: no program starts before its grant is stored.
    let Some(offset) = grants.min() else { return 0 };
    let events = rows.tasks.values().flat_map(|task| &task.history);
    let losses = events.filter(|event| match event.kind.as_str() {
        "lost" | "superseded" => true,
        "dead" => event.actor == "server",
        _ => false,
    });
    let fine = |event: &&Event| {
        let at = u64::try_from(i128::from(event.at) + offset).unwrap_or(0);
        !broken.recently(event.agent.as_deref().unwrap_or_default(), at)
    };
    losses.filter(fine).count()
}

/// When agents were dead, stopped or leaving.
#[derive(Debug)]
pub(crate) struct Broken<'a> {
    faults: &'a [Entry],
    backs: &'a [(u64, String)],
}

impl<'a> Broken<'a> {
    pub(crate) fn new(faults: &'a [Entry], backs: &'a [(u64, String)]) -> Broken<'a> {
        Broken { faults, backs }
    }

    /// At this millisecond, or within a lease and the time that a new start takes before.
    fn recently(&self, agent: &str, at: u64) -> bool {
        let mut faults = self.faults.iter().filter(|fault| fault.name == agent);
        let last = faults.rfind(|fault| fault.at / 1_000_000 <= at);
        last.is_some_and(|fault| {
            let mut backs = self
                .backs
                .iter()
                .filter(|(back, name)| *back > fault.at && name == agent);
            backs
                .next()
                .is_none_or(|(back, _)| at < back / 1_000_000 + LEASE_MS + SETTLE_MS)
        })
    }
}

/// For each run that went on when its agent was killed, or stopped for longer than a lease: how long until the
/// next start of its task, and the same for those alone during which the server was not broken. A task that was not started again (its outcome was in time, it was cancelled or
/// expired, it had been lost too often) has no such time.
pub(crate) fn recovery_of_runs(faults: &[Entry], lines: &[Line]) -> (Spread, Spread) {
    let mut starts: HashMap<&str, Vec<&Line>> = HashMap::new();
    let mut over: HashMap<(&str, u64), u64> = HashMap::new();
    for line in lines {
        match line.what {
            What::Start => starts.entry(&line.task).or_default().push(line),
            What::End | What::Fail => {
                over.insert((&line.task, line.epoch), line.at);
            }
            What::Odd => {}
        }
    }
    let mut spans = vec![];
    for fault in faults.iter().filter(|fault| takes_runs(fault)) {
        for (task, starts) in &starts {
            let before = starts.iter().rfind(|line| line.at < fault.at);
            let Some(run) = before.filter(|line| line.agent == fault.name) else {
                continue;
            };
            if over
                .get(&(task, run.epoch))
                .is_some_and(|at| *at < fault.at)
            {
                continue;
            }
            if let Some(next) = starts.iter().find(|line| line.at > fault.at) {
                spans.push((fault.at, next.at));
            }
        }
    }
    let server: Vec<u64> = faults
        .iter()
        .filter(|fault| fault.role == Role::Server)
        .map(|fault| fault.at)
        .collect();
    // A fault of the server may last so long.
    let quiet_server = |(from, to): &&(u64, u64)| {
        let from = from.saturating_sub(OUTAGE_NS);
        !server.iter().any(|at| (from..=*to).contains(at))
    };
    let span = |(from, to): &(u64, u64)| to - from;
    let quiet = spans.iter().filter(quiet_server).map(span).collect();
    (
        Spread::of(spans.iter().map(span).collect()),
        Spread::of(quiet),
    )
}

fn takes_runs(fault: &Entry) -> bool {
    let long = match fault.fault {
        Fault::Stopped(ms) => ms > LEASE_MS,
        Fault::Asked => false,
        Fault::Killed | Fault::Point(_) => true,
    };
    fault.role == Role::Agent && long
}

/// From each kill of the server to the next start of any task.
pub(crate) fn recovery_of_server(faults: &[Entry], lines: &[Line]) -> Spread {
    let starts: Vec<u64> = lines
        .iter()
        .filter(|line| line.what == What::Start)
        .map(|line| line.at)
        .collect();
    let kills = faults
        .iter()
        .filter(|fault| fault.role == Role::Server && fault.fault.is_kill());
    let next = |fault: &Entry| {
        let start = starts.iter().filter(|at| **at > fault.at).min()?;
        Some(start - fault.at)
    };
    Spread::of(kills.filter_map(next).collect())
}

#[cfg(test)]
mod tests {
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
    fn recovery_counts_runs_that_went_on_when_their_agent_was_broken() {
        let fault = |at, fault| Entry {
            at,
            role: Role::Agent,
            name: "a1".into(),
            fault,
        };
        let lines = [
            line(What::Start, 1, 10),
            line(What::Start, 2, 70),
            line(What::End, 2, 80),
        ];
        let spans = |faults: &[Entry]| recovery_of_runs(faults, &lines).0;
        assert_eq!(spans(&[fault(20, Fault::Killed)]).max, 50);
        assert_eq!(spans(&[fault(20, Fault::Stopped(200))]).count, 0);
        assert_eq!(spans(&[fault(20, Fault::Stopped(3_000))]).max, 50);
        assert_eq!(spans(&[fault(90, Fault::Killed)]).count, 0, "it was over");
    }

    #[test]
    fn a_steal_is_a_loss_of_who_was_not_broken() {
        let ms = |at: u64| at * 1_000_000;
        let mut rows = history(&[("started", 1), ("lost", 1)]);
        let events = &mut rows.tasks.get_mut("t").unwrap().history;
        (events[0].at, events[1].at) = (100, 9_000);
        events[1].agent = Some("a1".into());
        let lines = [line(What::Start, 1, ms(100))];
        let stolen = |faults: &[Entry], backs: &[(u64, String)]| {
            steals(&rows, &lines, &Broken::new(faults, backs))
        };
        let fault = |at| Entry {
            at: ms(at),
            role: Role::Agent,
            name: "a1".into(),
            fault: Fault::Killed,
        };
        assert_eq!(stolen(&[], &[]), 1);
        assert_eq!(stolen(&[fault(1_000)], &[]), 0, "it never came back");
        assert_eq!(stolen(&[fault(1_000)], &[(ms(2_000), "a1".into())]), 1);
        assert_eq!(stolen(&[fault(7_000)], &[(ms(7_500), "a1".into())]), 0);
    }

    #[test]
    fn a_spread_is_of_values_that_were_measured() {
        let spread = Spread::of((1..=200).rev().collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (100, 198, 200));
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert_eq!(Spread::of(vec![7]).p99, 7);
    }
}

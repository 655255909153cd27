//! How long it took until the work of a broken process began again. Pure.

use std::collections::HashMap;

use super::diary::{Entry, Fault};
use super::ground::LEASE_MS;
use super::points::Role;
use super::rows::Rows;
use super::witness::{Line, What};

/// How long a fault of the server may go on.
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

/// For each run that was lost and whose task was started again: the time from what broke its agent to that
/// start; for all, and for those alone in whose time the server was not broken.
pub(crate) fn of_runs(rows: &Rows, faults: &[Entry], lines: &[Line]) -> (Spread, Spread) {
    let mut starts: HashMap<&str, Vec<&Line>> = HashMap::new();
    for line in lines.iter().filter(|line| line.what == What::Start) {
        starts.entry(&line.task).or_default().push(line);
    }
    let mut spans = vec![];
    for (task, starts) in &starts {
        for pair in starts
            .windows(2)
            .filter(|pair| was_lost(rows, task, pair[0].epoch))
        {
            let (run, next) = (pair[0], pair[1]);
            let fault = faults.iter().find(|fault| {
                fault.name == run.agent
                    && (run.at..next.at).contains(&fault.at)
                    && takes_runs(fault)
            });
            spans.extend(fault.map(|fault| (fault.at, next.at)));
        }
    }
    let server = faults.iter().filter(|fault| fault.role == Role::Server);
    let server: Vec<u64> = server.map(|fault| fault.at).collect();
    let calm = |(from, to): &&(u64, u64)| {
        let from = from.saturating_sub(OUTAGE_NS);
        !server.iter().any(|at| (from..=*to).contains(at))
    };
    let span = |(from, to): &(u64, u64)| to - from;
    let alone = spans.iter().filter(calm).map(span).collect();
    (
        Spread::of(spans.iter().map(span).collect()),
        Spread::of(alone),
    )
}

/// Whether the run under this epoch ended by being given up.
fn was_lost(rows: &Rows, task: &str, epoch: u64) -> bool {
    let history = rows.tasks.get(task).map(|task| &task.history);
    let mut events = history.into_iter().flatten();
    events.any(|event| match event.kind.as_str() {
        "lost" => event.epoch == epoch,
        // The row of the run that took over.
        "superseded" => event.epoch == epoch + 1,
        _ => false,
    })
}

fn takes_runs(fault: &Entry) -> bool {
    let long = match &fault.fault {
        Fault::Stopped(ms) | Fault::StoppedAt(_, ms) => *ms > LEASE_MS,
        Fault::Asked => false,
        Fault::Killed | Fault::Point(_) => true,
    };
    fault.role == Role::Agent && long
}

/// From each kill of the server to the next start of any task.
pub(crate) fn of_server(faults: &[Entry], lines: &[Line]) -> Spread {
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
    use super::super::rows::{Event, Task};
    use super::*;

    fn start(epoch: u64, at: u64) -> Line {
        Line {
            what: What::Start,
            task: "t".into(),
            attempt: epoch,
            epoch,
            pid: 1,
            at,
            agent: "a1".into(),
        }
    }

    #[test]
    fn recovery_is_of_runs_that_were_lost_by_a_fault_of_their_agent() {
        let rows = |kind: &str| {
            let event = Event {
                kind: kind.into(),
                epoch: 1,
                ..Event::default()
            };
            let history = vec![event];
            let task = Task {
                history,
                ..Task::default()
            };
            let mut rows = Rows::default();
            rows.tasks.insert("t".into(), task);
            rows
        };
        let fault = |name: &str, at, fault| Entry {
            at,
            role: if name == "server" {
                Role::Server
            } else {
                Role::Agent
            },
            name: name.into(),
            fault,
        };
        let lines = [start(1, 10), start(2, 70)];
        let killed = [
            fault("a1", 20, Fault::Killed),
            fault("a1", 40, Fault::Killed),
        ];
        let (any, alone) = of_runs(&rows("lost"), &killed, &lines);
        assert_eq!((any.max, any.count, alone.count), (50, 1, 1));
        assert_eq!(of_runs(&rows("retrying"), &killed, &lines).0.count, 0);
        for (other, expect) in [
            (fault("a2", 20, Fault::Killed), 0),
            (fault("a1", 5, Fault::Killed), 0),
            (fault("a1", 20, Fault::Stopped(200)), 0),
            (fault("a1", 20, Fault::Stopped(3_000)), 1),
        ] {
            assert_eq!(of_runs(&rows("lost"), &[other], &lines).0.count, expect);
        }
        let both = [killed[0].clone(), fault("server", 60, Fault::Killed)];
        let (any, alone) = of_runs(&rows("lost"), &both, &lines);
        assert_eq!((any.count, alone.count), (1, 0));
    }

    #[test]
    fn a_spread_is_of_values_that_were_measured() {
        let spread = Spread::of((1..=200).rev().collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (100, 198, 200));
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert_eq!(Spread::of(vec![7]).p99, 7);
    }
}

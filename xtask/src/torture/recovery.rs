//! How long it took until the work of a broken process began again. Pure.

use std::collections::HashMap;

use super::diary::{Entry, Fault, Storm};
use super::figures::clock_offset;
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

/// For the runs that were lost and whose task was started again, from what broke their agent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OfRuns {
    /// To the loss in the store.
    pub(crate) noticed: Spread,
    /// To the next start, which may have to wait for its turn and for a free agent.
    pub(crate) again: Spread,
    /// The same, for those alone in whose time neither server nor broker was broken.
    pub(crate) alone: Spread,
}

pub(crate) fn of_runs(rows: &Rows, faults: &[Entry], storms: &[Storm], lines: &[Line]) -> OfRuns {
    let mut starts: HashMap<&str, Vec<&Line>> = HashMap::new();
    for line in lines.iter().filter(|line| line.what == What::Start) {
        starts.entry(&line.task).or_default().push(line);
    }
    let offset = clock_offset(rows, lines).unwrap_or(0);
    let mut noticed = vec![];
    let mut spans = vec![];
    for (task, starts) in &starts {
        for pair in starts.windows(2) {
            let (run, next) = (pair[0], pair[1]);
            let broken = |fault: &&Entry| {
                let meanwhile = (run.at..next.at).contains(&fault.at);
                fault.name == run.agent && meanwhile && takes_runs(fault)
            };
            if let Some(lost) = loss(rows, task, run.epoch)
                && let Some(fault) = faults.iter().find(broken)
            {
                let lost = u64::try_from((i128::from(lost) + offset) * 1_000_000).unwrap_or(0);
                noticed.push(lost.saturating_sub(fault.at));
                spans.push((fault.at, next.at));
            }
        }
    }
    let server = faults.iter().filter(|fault| fault.role == Role::Server);
    let server: Vec<u64> = server.map(|fault| fault.at).collect();
    let calm = |(from, to): &&(u64, u64)| {
        let stormy = |storm: &Storm| storm.at <= *to && *from <= storm.until + OUTAGE_NS;
        let from = from.saturating_sub(OUTAGE_NS);
        !server.iter().any(|at| (from..=*to).contains(at)) && !storms.iter().any(stormy)
    };
    let span = |(from, to): &(u64, u64)| to - from;
    OfRuns {
        noticed: Spread::of(noticed),
        again: Spread::of(spans.iter().map(span).collect()),
        alone: Spread::of(spans.iter().filter(calm).map(span).collect()),
    }
}

/// When the run under this epoch was given up, by the store's clock.
fn loss(rows: &Rows, task: &str, epoch: u64) -> Option<i64> {
    let mut history = rows.tasks.get(task)?.history.iter();
    let lost = history.find(|event| match event.kind.as_str() {
        "lost" => event.epoch == epoch,
        // The row of the run that took over.
        "superseded" => event.epoch == epoch + 1,
        _ => false,
    });
    lost.map(|event| event.at)
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

/// From the end of each fault of the broker to the next start of any task.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfBroker {
    /// All of them.
    pub(crate) all: Spread,
    /// Those in whose time the server was not broken as well.
    pub(crate) alone: Spread,
    /// What was slowest of those, the slowest first.
    pub(crate) slowest: Vec<(u64, &'static str)>,
}

pub(crate) fn of_broker(storms: &[Storm], faults: &[Entry], lines: &[Line]) -> OfBroker {
    let starts = lines.iter().filter(|line| line.what == What::Start);
    let starts: Vec<u64> = starts.map(|line| line.at).collect();
    let next = |storm: &Storm| {
        let start = *starts.iter().filter(|at| **at > storm.until).min()?;
        let server = |fault: &Entry| {
            let meanwhile = storm.at.saturating_sub(OUTAGE_NS)..=start;
            fault.role == Role::Server && meanwhile.contains(&fault.at)
        };
        Some((start - storm.until, storm.what, faults.iter().any(server)))
    };
    let all: Vec<_> = storms.iter().filter_map(next).collect();
    let mut alone: Vec<(u64, &'static str)> = all
        .iter()
        .filter(|(_, _, server)| !server)
        .map(|(span, what, _)| (*span, *what))
        .collect();
    alone.sort_unstable_by(|one, other| other.cmp(one));
    OfBroker {
        all: Spread::of(all.iter().map(|(span, _, _)| *span).collect()),
        alone: Spread::of(alone.iter().map(|(span, _)| *span).collect()),
        slowest: alone.into_iter().take(3).collect(),
    }
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
        let found = of_runs(&rows("lost"), &killed, &[], &lines);
        assert_eq!(
            (found.again.max, found.again.count, found.alone.count),
            (50, 1, 1)
        );
        assert_eq!(found.noticed.count, 1);
        assert_eq!(
            of_runs(&rows("retrying"), &killed, &[], &lines).again.count,
            0
        );
        for (other, expect) in [
            (fault("a2", 20, Fault::Killed), 0),
            (fault("a1", 5, Fault::Killed), 0),
            (fault("a1", 20, Fault::Stopped(200)), 0),
            (fault("a1", 20, Fault::Stopped(3_000)), 1),
        ] {
            assert_eq!(
                of_runs(&rows("lost"), &[other], &[], &lines).again.count,
                expect
            );
        }
        let both = [killed[0].clone(), fault("server", 60, Fault::Killed)];
        let found = of_runs(&rows("lost"), &both, &[], &lines);
        assert_eq!((found.again.count, found.alone.count), (1, 0));
    }

    #[test]
    fn work_after_a_storm_is_told_apart_from_that_of_a_broken_server() {
        let second = 1_000_000_000;
        let storm = |what, at, until| Storm {
            what,
            at: at * second,
            until: until * second,
        };
        let storms = [storm("cut", 10, 11), storm("killed", 30, 32)];
        let lines = [
            start(1, 5 * second),
            start(1, 14 * second),
            start(2, 33 * second),
        ];
        let server = Entry {
            at: 13 * second,
            role: Role::Server,
            name: "server".into(),
            fault: Fault::Killed,
        };
        let found = of_broker(&storms, &[server], &lines);
        assert_eq!((found.all.count, found.all.max), (2, 3 * second));
        assert_eq!((found.alone.count, found.alone.max), (1, second));
        assert_eq!(found.slowest, [(second, "killed")]);
    }

    #[test]
    fn a_spread_is_of_values_that_were_measured() {
        let spread = Spread::of((1..=200).rev().collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (100, 198, 200));
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert_eq!(Spread::of(vec![7]).p99, 7);
    }
}

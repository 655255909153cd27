//! Explores the protocol further than the tests do: single faults with failures, pairs, some triples. One line a run.

// In a program that a person calls, the terminal is the answer.
#![allow(clippy::print_stdout, clippy::print_stderr)]

// The tests plant faults in it; nothing is planted here.
#[allow(dead_code)]
#[path = "../tests/protocol/model.rs"]
mod model;

use model::{Fault, Mode, Plan, Report, check};
use std::process::ExitCode;

const USAGE: &str = "check [--faults 0..3] [--mode claim|direct|fast] [--cap STATES]

  --faults N   only sets of N faults (of three, a choice); without it none, singles and pairs
  --mode M     only this mode
  --cap N      states that a run generates before it gives up, 1500000";

/// Generated states after which a run gives up, unless the call says otherwise.
const CAP: usize = 1_500_000;

/// Triples that reach what no pair does: a third loss, a second restart, a cancel in the middle of a recovery.
const TRIPLES: &[[Fault; 3]] = &[
    [Fault::DeadLetter, Fault::DeadLetter, Fault::DeadLetter],
    [Fault::AgentCrash, Fault::AgentCrash, Fault::AgentCrash],
    [Fault::AgentCrash, Fault::ServerCrash, Fault::MessageLost],
    [
        Fault::ConnectionLost,
        Fault::MessageDoubled,
        Fault::DeadLetter,
    ],
    [
        Fault::ConnectionLost,
        Fault::EarlyOverdue,
        Fault::EarlyClaim,
    ],
    [
        Fault::ConnectionLost,
        Fault::EarlyOutcome,
        Fault::MessageLost,
    ],
    [Fault::BrokerLost, Fault::ServerCrash, Fault::Unconfirmed],
    [Fault::Cancel, Fault::Retry, Fault::MessageDoubled],
    [Fault::Cancel, Fault::Retry, Fault::ConnectionLost],
    [Fault::Release, Fault::Cancel, Fault::MessageDoubled],
    [Fault::Reassign, Fault::EarlyLost, Fault::EarlyOutcome],
    [Fault::EarlyLost, Fault::EarlyLost, Fault::MessageDoubled],
];

/// What the call asks for.
struct Ask {
    faults: Vec<usize>,
    modes: Vec<Mode>,
    cap: usize,
}

fn main() -> ExitCode {
    let ask = match asked(std::env::args().skip(1)) {
        Ok(ask) => ask,
        Err(problem) => {
            eprintln!("{problem}\nusage: {USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("{}", Report::HEAD);
    let mut bad = 0;
    for plan in plans(&ask) {
        let report = check(&plan);
        println!("{report}");
        for failure in &report.failures {
            println!("{failure}");
        }
        bad += usize::from(!report.failures.is_empty());
    }
    if bad == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{bad} runs found something that does not hold");
        ExitCode::FAILURE
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Ask, String> {
    let mut ask = Ask {
        faults: vec![0, 1, 2],
        modes: vec![Mode::Claim, Mode::Direct, Mode::Fast],
        cap: CAP,
    };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or(format!("{flag} needs a value"))?;
        let number = || {
            let number = value.parse::<usize>();
            number.map_err(|e| format!("{flag} {value}: {e}"))
        };
        match (flag.as_str(), value.as_str()) {
            ("--faults", _) => ask.faults = vec![number()?],
            ("--cap", _) => ask.cap = number()?,
            ("--mode", "claim") => ask.modes = vec![Mode::Claim],
            ("--mode", "direct") => ask.modes = vec![Mode::Direct],
            ("--mode", "fast") => ask.modes = vec![Mode::Fast],
            _ => return Err(format!("unknown: {flag} {value}")),
        }
    }
    Ok(ask)
}

/// As many as are asked for. What a stall adds to a pair is explored with one server too, where it ends.
fn plans(ask: &Ask) -> Vec<Plan> {
    let mut plans = vec![];
    for mode in &ask.modes {
        let known = Fault::of(*mode);
        let sets = ask.faults.iter().flat_map(|size| sets(&known, *size));
        for faults in sets {
            let plan = Plan {
                cap: ask.cap,
                threads: 2,
                ..bounds(*mode, &faults)
            };
            if faults.len() > 1 && faults.contains(&Fault::Stall) {
                plans.push(Plan {
                    servers: 1,
                    ..plan.clone()
                });
            }
            plans.push(plan);
        }
    }
    plans
}

/// Every set of so many of these faults, the same one twice among them; of three only some.
fn sets(known: &[Fault], size: usize) -> Vec<Vec<Fault>> {
    let from = |at: usize| known[at..].iter().copied();
    match size {
        0 => vec![vec![]],
        1 => from(0).map(|fault| vec![fault]).collect(),
        2 => (0..known.len())
            .flat_map(|at| from(at).map(move |other| vec![known[at], other]))
            .collect(),
        _ => TRIPLES
            .iter()
            .filter(|triple| triple.iter().all(|fault| known.contains(fault)))
            .map(|triple| triple.to_vec())
            .collect(),
    }
}

/// The fewer faults, the more attempts and failures beside them.
fn bounds(mode: Mode, faults: &[Fault]) -> Plan {
    let plan = Plan::new(mode, faults);
    let (attempts, failures) = match faults {
        [] => (4, 4),
        [Fault::Stall] => (2, 0),
        [_] => (2, 2),
        // There must be something to retry.
        _ if faults.contains(&Fault::Retry) && !faults.contains(&Fault::Cancel) => (1, 1),
        _ => (2, 0),
    };
    Plan {
        attempts,
        failures,
        ..plan
    }
}

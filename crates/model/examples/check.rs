//! Explores the protocol further than the tests do: single faults with failures, pairs, some triples. One line a run.

// In a program that a person calls, the terminal is the answer.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/protocol/model.rs"]
mod model;

use model::{Fault, Mode, Plan, Report, check};
use std::process::ExitCode;

const USAGE: &str = "check [--faults 0..3] [--mode claim|direct] [--cap STATES]";

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
    faults: usize,
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
        faults: 2,
        modes: vec![Mode::Claim, Mode::Direct],
        cap: CAP,
    };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or(format!("{flag} needs a value"))?;
        let number = || value.parse().map_err(|e| format!("{flag} {value}: {e}"));
        match (flag.as_str(), value.as_str()) {
            ("--faults", _) => ask.faults = number()?,
            ("--cap", _) => ask.cap = number()?,
            ("--mode", "claim") => ask.modes = vec![Mode::Claim],
            ("--mode", "direct") => ask.modes = vec![Mode::Direct],
            _ => return Err(format!("unknown: {flag} {value}")),
        }
    }
    Ok(ask)
}

/// No fault, singles, pairs, triples: as many as are asked for.
fn plans(ask: &Ask) -> Vec<Plan> {
    let mut plans = vec![];
    for mode in &ask.modes {
        let known = Fault::of(*mode);
        for faults in sets(&known, ask.faults) {
            plans.push(Plan {
                cap: ask.cap,
                threads: 2,
                ..bounds(*mode, &faults)
            });
        }
    }
    plans
}

/// Every set of these faults up to the size, the same one twice among them; of three only some.
fn sets(known: &[Fault], most: usize) -> Vec<Vec<Fault>> {
    let mut sets = vec![vec![]];
    if most >= 1 {
        sets.extend(known.iter().map(|fault| vec![*fault]));
    }
    if most >= 2 {
        for (at, one) in known.iter().enumerate() {
            sets.extend(known[at..].iter().map(|two| vec![*one, *two]));
        }
    }
    if most >= 3 {
        let triples = TRIPLES.iter().map(|triple| triple.to_vec());
        sets.extend(triples.filter(|triple| triple.iter().all(|fault| known.contains(fault))));
    }
    sets
}

/// The fewer faults, the more attempts and failures beside them.
fn bounds(mode: Mode, faults: &[Fault]) -> Plan {
    let plan = Plan::new(mode, faults);
    let (attempts, failures) = match faults {
        [] => (4, 4),
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

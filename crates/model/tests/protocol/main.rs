//! The protocol, explored: no fault and each single fault, in both modes, to the last state; and decisions with a
//! planted fault, to see that the checker sees. `cargo run --release -p warrener-model --example check` goes further.

mod planted;
mod rows;

// By path, so that the example can take the same file, with its parts beside it.
#[path = "model.rs"]
mod model;

use model::{Fault, Habit, Mode, Plan, Report, check};

/// Without a fault: three attempts, each of which may fail.
fn undisturbed(mode: Mode) -> Plan {
    Plan {
        attempts: 3,
        failures: 3,
        ..Plan::new(mode, &[])
    }
}

/// With one fault, and the less beside it the more states it makes.
fn disturbed(mode: Mode, fault: Fault) -> Plan {
    let plan = Plan::new(mode, &[fault]);
    // In a fast lane a run may claim or end at any moment of its offer: one server is enough for a test.
    let wide = [
        Fault::MessageDoubled,
        Fault::EarlyOverdue,
        Fault::Unconfirmed,
        Fault::ConnectionLost,
    ];
    match fault {
        Fault::Stall => Plan { servers: 1, ..plan },
        _ if mode == Mode::Fast && wide.contains(&fault) => Plan { servers: 1, ..plan },
        Fault::MessageLost
        | Fault::MessageDoubled
        | Fault::DeadLetter
        | Fault::Cancel
        | Fault::EarlyOverdue
        | Fault::EarlyClaim
        | Fault::OldGrant
        | Fault::EarlyOutcome
        | Fault::NoSlot => Plan {
            failures: 1,
            ..plan
        },
        // There must be something to retry.
        Fault::Retry => Plan {
            attempts: 1,
            failures: 1,
            ..plan
        },
        _ => plan,
    }
}

/// Everything was explored, and everything held.
#[track_caller]
fn holds(report: &Report) {
    let failures = report.failures.join("\n");
    let head = Report::HEAD;
    assert!(failures.is_empty(), "{head}\n{report}\n{failures}");
    assert!(report.is_complete(), "{head}\n{report}");
}

#[test]
fn without_a_fault_a_claimed_task_starts_once_per_attempt_and_ends() {
    holds(&check(&undisturbed(Mode::Claim)));
}

#[test]
fn without_a_fault_an_assigned_task_starts_once_per_attempt_and_ends() {
    holds(&check(&undisturbed(Mode::Direct)));
}

#[test]
fn a_claimed_task_survives_each_single_fault() {
    for fault in Fault::of(Mode::Claim) {
        holds(&check(&disturbed(Mode::Claim, fault)));
    }
}

#[test]
fn an_assigned_task_survives_each_single_fault() {
    for fault in Fault::of(Mode::Direct) {
        holds(&check(&disturbed(Mode::Direct, fault)));
    }
}

#[test]
fn without_a_fault_a_task_of_a_fast_lane_starts_once_per_attempt_and_ends() {
    holds(&check(&undisturbed(Mode::Fast)));
}

#[test]
fn a_task_of_a_fast_lane_survives_each_single_fault() {
    for fault in Fault::of(Mode::Fast) {
        holds(&check(&disturbed(Mode::Fast, fault)));
    }
}

#[test]
fn a_planted_fault_is_found_whatever_it_breaks() {
    for planted in planted::ALL {
        let plan = Plan {
            apply: planted.apply,
            failures: 1,
            ..Plan::new(planted.mode, planted.faults)
        };
        let report = check(&plan);
        let found = report
            .failures
            .iter()
            .any(|failure| failure.starts_with(planted.breaks));
        assert!(found, "{}: {:#?}", planted.what, report.failures);
    }
}

#[test]
fn an_agent_that_takes_every_grant_for_a_question_never_comes_to_rest() {
    let plan = Plan {
        habit: Habit::Echoes,
        ..Plan::new(Mode::Claim, &[Fault::EarlyClaim])
    };
    let report = check(&plan);
    let circles = report.failures.iter().any(|f| f.starts_with("I3: Circles"));
    assert!(circles, "{:?}", report.failures);
}

#[test]
fn every_row_of_the_protocol_is_taken_while_it_is_explored() {
    for (mode, faults, attempts) in rows::PLANS {
        let plan = Plan {
            apply: rows::watched,
            failures: 1,
            attempts: *attempts,
            ..Plan::new(*mode, faults)
        };
        holds(&check(&plan));
    }
    assert_eq!(rows::missing(), [], "these were never taken");
}

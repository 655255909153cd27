//! Which rows of protocol.md section 3 an exploration takes: a checker that never gets there proves nothing.

use crate::model::{Fault, Mode};
use std::collections::BTreeSet;
use std::sync::Mutex;
use warrener_model::event::EventKind;
use warrener_model::life::{Context, Event, Life, Refused, Step, apply};

/// An event, and the row of history that it makes.
type Row = (&'static str, Option<&'static str>);

/// Explorations that take every row together.
pub(crate) const PLANS: &[(Mode, &[Fault], u32)] = &[
    (Mode::Claim, &[Fault::AgentCrash], 1),
    (Mode::Claim, &[Fault::MessageDoubled], 1),
    (
        Mode::Claim,
        &[Fault::DeadLetter, Fault::DeadLetter, Fault::DeadLetter],
        1,
    ),
    (Mode::Claim, &[Fault::Cancel, Fault::Retry], 1),
    (Mode::Claim, &[Fault::NoSlot], 2),
    (Mode::Direct, &[Fault::AgentCrash], 1),
    (Mode::Claim, &[Fault::Deadline], 2),
    (Mode::Claim, &[Fault::Reassign], 1),
    (Mode::Claim, &[Fault::Release], 1),
    (Mode::Fast, &[Fault::AgentCrash], 1),
];

/// Every row, and both ends of those that have two.
const ROWS: &[Row] = &[
    ("offer", Some("offered")),
    ("offer fast", Some("offered")),
    ("claim", Some("superseded")),
    ("unoffer", Some("unoffered")),
    ("dead letter", Some("unoffered")),
    ("dead letter", Some("dead")),
    ("assign", Some("started")),
    ("claim", Some("started")),
    ("claim", None),
    ("supersede", Some("superseded")),
    ("supersede", Some("dead")),
    ("lost", Some("lost")),
    ("lost", Some("dead")),
    ("renew", None),
    ("outcome", Some("succeeded")),
    ("outcome", Some("retrying")),
    ("outcome", Some("released")),
    ("outcome", Some("dead")),
    ("due", Some("ready")),
    ("due", Some("expired")),
    ("cancel", Some("cancelled")),
    ("retry", Some("retried")),
    ("reassign", Some("reassigned")),
];

static TAKEN: Mutex<BTreeSet<Row>> = Mutex::new(BTreeSet::new());

/// The product's decision, and a note of it.
pub(crate) fn watched(life: &Life, event: &Event, at: &Context<'_>) -> Result<Step, Refused> {
    let step = apply(life, event, at)?;
    let row = (name(event), step.record.map(EventKind::as_str));
    TAKEN.lock().expect("no holder panics").insert(row);
    Ok(step)
}

/// The rows that no exploration took.
pub(crate) fn missing() -> Vec<Row> {
    let taken = TAKEN.lock().expect("no holder panics");
    let rows = ROWS.iter().copied();
    rows.filter(|row| !taken.contains(row)).collect()
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Offer => "offer",
        Event::OfferFast => "offer fast",
        Event::Unoffer { .. } => "unoffer",
        Event::DeadLetter { .. } => "dead letter",
        Event::Assign { .. } => "assign",
        Event::Claim(_) => "claim",
        Event::Supersede { .. } => "supersede",
        Event::Lost { .. } => "lost",
        Event::Renew { .. } => "renew",
        Event::Outcome { .. } => "outcome",
        Event::Due => "due",
        Event::Cancel => "cancel",
        Event::Retry { .. } | Event::Requeue { .. } => "retry",
        Event::Reassign { .. } => "reassign",
        Event::DependenciesMet
        | Event::Decompose { .. }
        | Event::PartsOver { .. }
        | Event::Park(_)
        | Event::Unpark(_)
        | Event::Reject
        | Event::Discard => "outside",
    }
}

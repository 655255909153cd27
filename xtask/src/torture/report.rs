//! The report of a run: tables in Markdown, one row for each property, the history of what broke one.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use crate::machine::{commit, cores, processor};

use super::check::{Evidence, Finding, runs};
use super::diary::{Diary, Entry, Fault, Storm};
use super::figures::{self, Broken};
use super::launch::SLOTS;
use super::points::{self, Role};
use super::recovery::{self, Spread};
use super::rows::Rows;
use super::witness::What;

/// Findings shown of one property, and tasks whose history is shown.
const SHOWN: usize = 5;

/// A property and what broke it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) findings: Vec<Finding>,
}

/// What a run was.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) span: Duration,
    pub(crate) agents: usize,
    pub(crate) broker: String,
    pub(crate) spared: Option<Role>,
    pub(crate) again: u64,
}

/// The whole report but its closing line.
pub(crate) fn report(
    run: &Run,
    evidence: &Evidence,
    diary: &Diary,
    verdicts: &[Verdict],
) -> String {
    let faults = diary.faults();
    let mut text = conditions(run, evidence);
    text += &verdicts_table(verdicts);
    text += &costs(evidence, diary, &faults);
    text += &faults_table(&faults, &diary.storms());
    text += &points_table(&faults);
    text += &offenders(verdicts, &evidence.rows);
    text
}

/// A table of two columns.
struct Table(String);

impl Table {
    fn new(head: &str) -> Table {
        Table(format!("| {head} | |\n|---|---|\n"))
    }

    fn row(&mut self, name: &str, value: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "| {name} | {value} |");
    }

    fn end(self) -> String {
        self.0 + "\n"
    }
}

/// What was tested, with what, and where.
fn conditions(run: &Run, evidence: &Evidence) -> String {
    let accepted = evidence.accepted.len();
    // Nothing seen in N trials: with 95 % certainty it is rarer than 3 / N.
    let bound = 3_000.0 / accepted.max(1) as f64;
    let mut table = Table::new("condition");
    table.row("commit", commit());
    table.row("seed", run.seed);
    table.row("time under faults", format!("{} s", run.span.as_secs()));
    table.row("machine", format!("{} cores, {}", cores(), processor()));
    table.row("broker", &run.broker);
    if let Some(role) = run.spared {
        table.row("left alone", role.as_str());
    }
    table.row("agents", format!("{} x {SLOTS} programs", run.agents));
    table.row("submissions said again", run.again);
    table.row("cancels and retries answered", evidence.acts.len());
    table.row("accepted", accepted);
    let (steps, joins) = runs::counts(evidence);
    table.row("runs", evidence.begun.len());
    table.row("steps", steps);
    table.row("joins", joins);
    table.row("fan-outs", runs::fans(evidence));
    table.row("runs ended as", words(figures::run_states(&evidence.rows)));
    let sessions = &evidence.rows.sessions;
    table.row(
        "sessions ended as",
        words(figures::session_states(&evidence.rows)),
    );
    let voices: usize = sessions.values().map(|one| one.voices.len()).sum();
    table.row("voices", voices);
    table.row("ended as", words(figures::states(&evidence.rows)));
    table.row(
        "0 lost in so many means (95 %)",
        format!("under {bound:.2} in 1,000"),
    );
    table.end()
}

/// So many of each.
fn words(states: BTreeMap<&str, usize>) -> String {
    let states = states.into_iter();
    let states: Vec<String> = states.map(|(state, n)| format!("{n} {state}")).collect();
    states.join(", ")
}

/// What the faults cost.
fn costs(evidence: &Evidence, diary: &Diary, faults: &[Entry]) -> String {
    let (rows, lines) = (&evidence.rows, &evidence.lines);
    let kills = faults.iter().filter(|entry| entry.fault.is_kill()).count();
    let extra = figures::extra_starts(rows, lines);
    let per_kills = extra as f64 * 1_000.0 / kills.max(1) as f64;
    let starts = lines.iter().filter(|line| line.what == What::Start).count();
    let (backs, storms) = (diary.backs(), diary.storms());
    let steals = figures::steals(rows, lines, &Broken::new(faults, &backs, &storms));
    let refusals = diary.refusals();
    let refused = |what: &str| -> u64 {
        let some = refusals.iter().filter(|(name, _)| name.starts_with(what));
        some.map(|(_, n)| n).sum()
    };
    let (zombies, all) = (refused("outcome/stale"), refused("outcome/"));
    let runs = recovery::of_runs(rows, faults, &storms, lines);
    let mut table = Table::new("figure");
    table.row("kills", kills);
    table.row("starts seen by the witness", starts);
    table.row(
        "extra starts",
        format!("{extra}, {per_kills:.0} per 1,000 kills"),
    );
    table.row("leases taken from an agent that was fine", steals);
    table.row("outcomes of zombies refused (at least)", zombies);
    table.row(
        "outcomes refused of tasks that had ended (at least)",
        all - zombies,
    );
    table.row(
        "heartbeats of zombies refused (at least)",
        refused("heartbeat/"),
    );
    table.row("lost run noticed after", spread(&runs.noticed));
    table.row("lost run started again after", spread(&runs.again));
    table.row(
        "the same, server and broker not broken",
        spread(&runs.alone),
    );
    table.row(
        "server answers again after",
        spread(&Spread::of(diary.outages())),
    );
    let work = recovery::of_server(faults, lines);
    table.row("server starts work again after", spread(&work));
    if !storms.is_empty() {
        let work = recovery::of_broker(&storms, faults, lines);
        let whole = "work starts again after the broker is whole";
        table.row(whole, spread(&work.all));
        table.row("the same, server not broken", spread(&work.alone));
        let slow = work.slowest.iter();
        let slow: Vec<String> = slow
            .map(|(ns, what)| format!("{} ms ({what})", ns / 1_000_000))
            .collect();
        table.row("slowest of them", slow.join(", "));
    }
    table.end()
}

/// What was tested, as far as git knows.
fn spread(spread: &Spread) -> String {
    let ms = |ns: u64| ns / 1_000_000;
    let Spread {
        count,
        p50,
        p99,
        max,
    } = *spread;
    format!(
        "p50 {} ms, p99 {} ms, max {} ms (N = {count})",
        ms(p50),
        ms(p99),
        ms(max)
    )
}

fn verdicts_table(verdicts: &[Verdict]) -> String {
    let mut table = Table::new("must be 0");
    for verdict in verdicts {
        table.row(verdict.name, verdict.findings.len());
    }
    table.end()
}

fn faults_table(faults: &[Entry], storms: &[Storm]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in faults {
        let what = match entry.fault {
            Fault::Killed => "SIGKILL at any moment",
            Fault::Point(_) => "SIGKILL at a named point",
            Fault::Stopped(_) => "SIGSTOP at any moment, then SIGCONT",
            Fault::StoppedAt(..) => "SIGSTOP at a named point, then SIGCONT",
            Fault::Asked => "SIGTERM",
        };
        *counts
            .entry(format!("{}: {what}", entry.role.as_str()))
            .or_default() += 1;
    }
    for storm in storms {
        *counts.entry(format!("broker: {}", storm.what)).or_default() += 1;
    }
    let mut table = Table::new("fault");
    for (what, n) in counts {
        table.row(&what, n);
    }
    table.end()
}

fn points_table(faults: &[Entry]) -> String {
    let mut text = String::from(
        "| named point | killed before | killed after | stopped before | stopped after |\n\
         |---|---|---|---|---|\n",
    );
    for role in [Role::Server, Role::Agent] {
        let own = faults.iter().filter(|entry| entry.role == role);
        let hits: Vec<(&str, bool)> = own
            .filter_map(|entry| match &entry.fault {
                Fault::Point(name) => Some((name.as_str(), false)),
                Fault::StoppedAt(name, _) => Some((name.as_str(), true)),
                Fault::Killed | Fault::Stopped(_) | Fault::Asked => None,
            })
            .collect();
        for point in points::of(role) {
            let row = [
                (false, "before"),
                (false, "after"),
                (true, "before"),
                (true, "after"),
            ];
            let cells = row.map(|(stops, side)| {
                let name = format!("{point}:{side}");
                let hit = |hit: &&(&str, bool)| **hit == (name.as_str(), stops);
                hits.iter().filter(hit).count().to_string()
            });
            let _ = writeln!(
                text,
                "| {} {point} | {} |",
                role.as_str(),
                cells.join(" | ")
            );
        }
    }
    text + "\n"
}

/// What broke each property, and the history of the first tasks concerned.
fn offenders(verdicts: &[Verdict], rows: &Rows) -> String {
    let mut text = String::new();
    let mut tasks: Vec<&str> = vec![];
    for verdict in verdicts
        .iter()
        .filter(|verdict| !verdict.findings.is_empty())
    {
        let _ = writeln!(text, "{}:", verdict.name);
        for finding in verdict.findings.iter().take(SHOWN) {
            let task = finding.task.as_deref().unwrap_or("-");
            let _ = writeln!(text, "  {task} {}", finding.text);
            if tasks.len() < SHOWN && !tasks.contains(&task) {
                tasks.push(task);
            }
        }
        let more = verdict.findings.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
    }
    for id in tasks {
        let Some(task) = rows.tasks.get(id) else {
            continue;
        };
        let _ = writeln!(text, "\nhistory of {id}, {} now:", task.state);
        for e in &task.history {
            let agent = e.agent.as_deref().unwrap_or("-");
            let _ = writeln!(
                text,
                "  {} at {} {} -> {} attempt {} epoch {} agent {agent} by {} {}",
                e.n, e.at, e.kind, e.state, e.attempt, e.epoch, e.actor, e.detail
            );
        }
    }
    text
}

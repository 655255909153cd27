//! `cargo xtask torture`: a server and agents as processes, killed and stopped under load, and a checker
//! that reads the store and an independent witness afterwards. See docs/torture.md.
//!
//! ```text
//! main thread   chaos ── fleet ── child      starts, kills, stops processes; from a seed
//! load x 3      submits, cancels, retries    ──► ledger     what was answered
//! flow          starts runs of workflows     ──► ledger
//! watch         asks the server how it is    ──► diary      faults, outages, refusals
//! bus           kills and cuts off the broker, where it is RabbitMQ
//! programs      step                         ──► witness    what really started and ended
//! afterwards    rows + witness + ledger ──► check ──► report
//! ```

mod bus;
mod chaos;
mod check;
pub(crate) mod child;
mod diary;
mod figures;
mod fleet;
mod flow;
mod ground;
mod http;
mod launch;
mod load;
mod points;
mod recovery;
mod report;
mod rows;
mod run_rows;
mod session_rows;
pub(crate) mod step;
mod watch;
mod witness;

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;

use bus::Bus;
use chaos::Chaos;
use check::{Evidence, Finding, PROPERTIES};
use diary::{Diary, Fault};
use fleet::Stage;
use ground::Ground;
use http::Http;
use load::{Ledger, Load};
use points::Role;
use report::{Run, Verdict};
use rows::Rows;
use watch::Signs;

/// Threads of the load.
const THREADS: u32 = 3;
/// A run of this length that broke nothing tested nothing.
const LONG: Duration = Duration::from_secs(30);
/// How long what is left of programs may take to go after everything was ended.
const CLEAN: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long things are broken
    #[arg(long, value_name = "N", default_value = "2")]
    minutes: u64,
    /// The same in seconds
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// Repeats the choices of an earlier run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Agents, each with 3 programs at once
    #[arg(long, value_name = "N", default_value = "5")]
    agents: usize,
    /// Submissions a second
    #[arg(long, value_name = "N", default_value = "20")]
    rate: u32,
    /// What carries offers and answers
    #[arg(long, value_enum, value_name = "KIND", default_value = "embedded")]
    broker: bus::Kind,
    /// Leave these processes alone, so that what the others and the broker cost is seen by itself
    #[arg(long, value_enum, value_name = "ROLE")]
    spare: Option<Role>,
    /// Use the binary that is there
    #[arg(long)]
    no_build: bool,
    /// Keep the folder of the run even if all went well
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Args) -> io::Result<bool> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut rng = Rng::with_seed(seed);
    let warrener = ground::build(!args.no_build)?;
    let bus = Bus::start(args.broker)?;
    let broker = bus.as_ref().map(Bus::url);
    let ground = Ground::make(&warrener, broker, &mut rng)?;
    let span = Duration::from_secs(args.seconds.unwrap_or(args.minutes * 60));
    println!(
        "torture: seed {seed}, {} s in {}",
        span.as_secs(),
        ground.path().display()
    );

    let diary = Diary::open(&ground.path().join("diary"))?;
    let ledger = Ledger::open(&ground.path().join("ledger"))?;
    let done = torture(args, span, &ground, &diary, &ledger, bus.as_ref(), rng);
    if let Err(error) = &done {
        diary.problem(format!("the harness gave up: {error}"));
    }
    let rows = rows::read(&ground.store()).unwrap_or_else(|error| {
        diary.problem(format!("the store cannot be read: {error}"));
        Rows::default()
    });
    let evidence = Evidence {
        rows,
        lines: witness::read(&ground.witness())?,
        accepted: ledger.accepted(),
        acts: ledger.acts(),
        begun: ledger.begun(),
    };
    let mut verdicts = judge(&evidence);
    verdicts.push(of_words("unexpected answers", ledger.problems()));
    verdicts.push(of_words("processes that failed", diary.problems()));
    verdicts.push(of_words("processes left behind", left_behind(&ground)));
    verdicts.push(of_words(
        "nothing was tested",
        idle(&evidence, &diary, span, args, bus.is_some()),
    ));

    let run = Run {
        seed,
        span,
        agents: args.agents,
        broker: bus.as_ref().map_or("embedded".into(), Bus::describe),
        spared: args.spare,
        again: ledger.again(),
    };
    println!("\n{}", report::report(&run, &evidence, &diary, &verdicts));
    let failed = verdicts.iter().filter(|v| !v.findings.is_empty()).count();
    if failed > 0 || args.keep {
        println!("kept: {}", ground.keep().display());
    }
    println!(
        "torture: {} passed, {failed} failed",
        verdicts.len() - failed
    );
    Ok(failed == 0)
}

/// Everything from the first process to the end of the last.
fn torture(
    args: &Args,
    span: Duration,
    ground: &Ground,
    diary: &Diary,
    ledger: &Ledger,
    bus: Option<&Bus>,
    mut rng: Rng,
) -> io::Result<()> {
    let (signs, over) = (Signs::default(), AtomicBool::new(false));
    let http = Http::new(ground.url(), &ground.token);
    let every = Duration::from_secs(1) * THREADS / args.rate.max(1);
    let stage = Stage {
        ground,
        diary,
        lives: &signs.lives,
    };
    let mut chaos = Chaos::new(stage, rng.fork(), args.agents, args.spare);
    scope(|threads| {
        threads.spawn(|| watch::run(&http, diary, &signs, &over));
        let begun = chaos.calm(|| http.text("/readyz").is_some());
        let mut load = |name: String, every| Load {
            http: http.clone(),
            ledger,
            signs: &signs,
            rng: rng.fork(),
            name,
            every,
        };
        let singles: Vec<Load<'_>> = (1..=THREADS)
            .map(|n| load(format!("load{n}"), every))
            .collect();
        let flows = load("flow".into(), flow::EVERY);
        let mut loads = vec![threads.spawn(move || flows.flows())];
        loads.extend(
            singles
                .into_iter()
                .map(|load| threads.spawn(move || load.run())),
        );
        let storm = bus.map(|bus| {
            let rng = rng.fork();
            threads.spawn(|| bus.storm(diary, rng, &signs.stop))
        });
        let done = begun.and_then(|()| chaos.rage(span));
        signs.stop.store(true, Ordering::Release);
        let still = |storm: &_| !ScopedJoinHandle::is_finished(storm);
        let weather = chaos.calm(|| !storm.as_ref().is_some_and(still));
        // What was said and not answered is said until it is: the server is up from here on.
        let calm = chaos.calm(|| loads.iter().all(|load| load.is_finished()));
        let settled = chaos.settle();
        let ended = chaos.end();
        over.store(true, Ordering::Release);
        done.and(weather)
            .and(calm)
            .and(settled.map(drop))
            .and(ended)
    })
}

fn judge(evidence: &Evidence) -> Vec<Verdict> {
    let verdict = |(name, broken): &(&'static str, fn(&Evidence) -> Vec<Finding>)| Verdict {
        name,
        findings: broken(evidence),
    };
    PROPERTIES.iter().map(verdict).collect()
}

fn of_words(name: &'static str, words: Vec<String>) -> Verdict {
    let findings = words.into_iter().map(Finding::general).collect();
    Verdict { name, findings }
}

/// Processes that still name the folder of the run in their command line.
fn left_behind(ground: &Ground) -> Vec<String> {
    let until = Instant::now() + CLEAN;
    loop {
        let left = processes(&ground.path().to_string_lossy());
        if left.is_empty() || Instant::now() > until {
            return left;
        }
        sleep(Duration::from_millis(50));
    }
}

/// Command lines with this word in them; none where there is no /proc.
fn processes(word: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = all.filter(|entry| *entry.file_name() != *own);
    let lines = others.filter_map(|entry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let id = entry.file_name().to_string_lossy().into_owned();
        line.contains(word)
            .then(|| format!("{id} {}", line.replace('\0', " ")))
    });
    lines.collect()
}

/// Why a run proves nothing, if it does.
fn idle(
    evidence: &Evidence,
    diary: &Diary,
    span: Duration,
    args: &Args,
    broken_broker: bool,
) -> Vec<String> {
    let faults = diary.faults();
    let some = |wanted: fn(&diary::Entry) -> bool| faults.iter().any(wanted);
    let mut why = vec![];
    if !evidence
        .rows
        .tasks
        .values()
        .any(|task| task.state == "succeeded")
    {
        why.push("no task succeeded".to_owned());
    }
    if span >= LONG {
        let (_, joins) = check::runs::counts(evidence);
        if joins == 0 || check::runs::fans(evidence) == 0 {
            why.push("no run had a fan-out and a join".into());
        }
        let killed = |role| {
            faults
                .iter()
                .any(|f| f.role == role && f.fault == Fault::Killed)
        };
        for role in [Role::Server, Role::Agent] {
            if args.spare != Some(role) && !killed(role) {
                why.push(format!("no {} was killed", role.as_str()));
            }
        }
        if broken_broker && diary.storms().is_empty() {
            why.push("nothing was done to the broker".into());
        }
        if !some(|entry| matches!(entry.fault, Fault::Point(_))) {
            why.push("nobody died at a named point".into());
        }
        if !some(|entry| matches!(entry.fault, Fault::Stopped(_))) {
            why.push("nobody was stopped".into());
        }
    }
    why
}

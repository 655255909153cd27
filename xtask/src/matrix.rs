//! `cargo xtask matrix`: the suites that need a RabbitMQ, on each version there is to be had, and a page of what came out.
//!
//! A version is the machine's own package or that of another Debian release, in a root folder below `target/`.
//! Both tables below are data: a release more, or a suite more, is a line.

mod page;
mod root;

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use crate::cargo::{cannot_start, cargo, root as workspace};
use crate::needs;
use crate::tally::{self, Tally};
use crate::test::count;

/// The variable by which testkit is told a root; its own name for it is `rabbit::ROOT`.
const ROOT: &str = "WARRENER_TEST_RABBITMQ_ROOT";

/// Where roots are kept, from the workspace's root.
const ROOTS: &str = "target/rabbitmq-roots";

/// Where the results are written.
const PAGE: &str = "docs/matrix.md";

/// Releases of Debian whose RabbitMQ is wanted beside the machine's own.
const RELEASES: &[&str] = &["trixie", "sid"];

/// Tests that mean something on each version.
const SUITES: &[Suite] = &[
    Suite {
        name: "test nodes",
        args: &["-p", "warrener-testkit", "--test", "nodes"],
    },
    Suite {
        name: "rabbitmq",
        args: &[
            "-p",
            "warrener-rabbitmq",
            "--lib",
            "--test=check",
            "--test=cluster",
            "--test=conformance",
            "--test=connections",
            "--test=failures",
            "--test=owner",
            "--test=returns",
            "--test=tls",
        ],
    },
    Suite {
        name: "stories",
        args: &["-p", "warrener-rabbitmq", "--test=stories"],
    },
    Suite {
        name: "e2e_rabbit",
        args: &["-p", "warrener", "--test=e2e_rabbit"],
    },
];

/// What `cargo test` is asked.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    args: &'static [&'static str],
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only make the roots that are missing
    #[arg(long)]
    prepare: bool,
}

/// One RabbitMQ, and how the suites did on it, in the order of [`SUITES`].
#[derive(Debug)]
struct Column {
    from: String,
    rabbitmq: String,
    erlang: String,
    results: Vec<Tally>,
}

pub(crate) fn run(args: &Args) -> io::Result<bool> {
    if !needs::prepare(needs::NEEDS)? || !needs::prepare(needs::MATRIX)? {
        return Ok(false);
    }
    let mut places: Vec<Option<PathBuf>> = vec![None];
    for release in RELEASES {
        let folder = workspace().join(ROOTS).join(release);
        root::make(release, &folder)?;
        places.push(Some(folder));
    }
    if args.prepare {
        return Ok(true);
    }

    let mut columns = Vec::new();
    for place in places {
        columns.push(column(place)?);
    }
    let page = workspace().join(PAGE);
    let rows: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    std::fs::write(&page, page::text(&rows, &columns))?;
    println!("\n{}written to {PAGE}", page::table(&rows, &columns));
    let mut results = columns.iter().flat_map(|column| &column.results);
    Ok(results.all(|tally| tally.failed == 0))
}

fn column(place: Option<PathBuf>) -> io::Result<Column> {
    let from = match &place {
        Some(folder) => folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => "the machine's own".to_owned(),
    };
    let (rabbitmq, erlang) = root::versions(place.as_deref())?;
    let mut results = Vec::new();
    for suite in SUITES {
        println!("== {} on {rabbitmq}", suite.name);
        results.push(run_suite(suite, place.as_ref())?);
    }
    Ok(Column {
        from,
        rabbitmq,
        erlang,
        results,
    })
}

fn run_suite(suite: &Suite, place: Option<&PathBuf>) -> io::Result<Tally> {
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(suite.args);
    command
        .env_remove(ROOT)
        .envs(place.map(|folder| (ROOT, folder)));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(&command, &error))?;
    let seen = match child.stdout.take() {
        Some(stdout) => count(stdout, &mut io::stdout().lock())?,
        None => Tally::default(),
    };
    let (tally, reason) = tally::settle(seen, child.wait()?.success(), true);
    if let Some(reason) = reason {
        eprintln!("{}: {reason}", suite.name);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_of_the_back_end_is_in_a_suite() {
        let args: Vec<&str> = SUITES
            .iter()
            .flat_map(|suite| suite.args)
            .copied()
            .collect();
        let folder = workspace().join("crates/rabbitmq/tests");
        let no_tests = ["stage", "data"];
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let named = args.contains(&format!("--test={name}").as_str());
            assert!(
                named || no_tests.contains(&name),
                "{name} runs on no other version"
            );
        }
    }
}

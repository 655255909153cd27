//! `cargo xtask lint`: format, clippy, dependencies. All are run, so that one call shows all.

use std::env;
use std::io;

use crate::cargo::{cargo, holds, succeeds};

/// One check: what it is called and what cargo is asked.
struct Check {
    name: &'static str,
    args: &'static [&'static str],
}

const CHECKS: &[Check] = &[
    Check {
        name: "fmt",
        args: &["fmt", "--all", "--check", "--", "--color=never"],
    },
    // With the kill points, which add code and take none away.
    Check {
        name: "clippy",
        args: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "warrener/kill-points",
            "--",
            "-D",
            "warnings",
        ],
    },
    // Advisories are left out: their database comes from the network, and this check must give
    // the same answer on a machine without it.
    Check {
        name: "deny",
        args: &[
            "deny",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ],
    },
];

const INSTALL_DENY: &[&str] = &["install", "--locked", "cargo-deny"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install cargo-deny where it is missing; the default where CI is set
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args) -> io::Result<bool> {
    let install = args.install || env::var_os("CI").is_some();
    let mut failed = Vec::new();
    for check in CHECKS {
        println!("== {}", check.name);
        if check.name == "deny" && !deny_is_there(install)? {
            failed.push(check.name);
            continue;
        }
        if !succeeds(cargo().args(check.args))? {
            failed.push(check.name);
        }
    }
    if failed.is_empty() {
        println!("lint: ok");
    } else {
        println!("lint: failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn deny_is_there(install: bool) -> io::Result<bool> {
    if holds(cargo().args(["deny", "--version"])) {
        return Ok(true);
    }
    if install {
        return succeeds(cargo().args(INSTALL_DENY));
    }
    eprintln!(
        "cargo-deny is not here; install it with: cargo {}",
        INSTALL_DENY.join(" ")
    );
    Ok(false)
}

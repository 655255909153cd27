//! Where something was measured, and of which commit: what a figure means nothing without.

use std::fs;

use crate::cargo::program;

/// The commit that is checked out, `-dirty` behind it if something was changed since.
pub(crate) fn commit() -> String {
    answer("git", &["describe", "--always", "--dirty", "--abbrev=12"])
}

/// The compiler.
pub(crate) fn rust() -> String {
    answer("rustc", &["--version"])
}

/// The system and its version.
pub(crate) fn kernel() -> String {
    answer("uname", &["-sr"])
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line
        .and_then(|line| line.split_once(':'))
        .map_or("", |(_, name)| name.trim());
    name.to_owned()
}

/// How busy it was over the last minute: a figure taken beside other work is worth less.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn answer(name: &str, args: &[&str]) -> String {
    let output = program(name).args(args).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_nothing_or_is_not_there_leaves_unknown() {
        assert_eq!(answer("true", &[]), "unknown");
        assert_eq!(answer("no-such-program-anywhere", &[]), "unknown");
        assert_eq!(answer("echo", &["it"]), "it");
    }

    #[test]
    fn the_compiler_and_the_machine_are_named() {
        assert!(rust().starts_with("rustc "), "{}", rust());
        assert!(cores() > 0);
    }
}

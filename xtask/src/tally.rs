//! Counting what test programs report: the `test result:` lines of Rust's own harness, summed.
//!
//! Invariant: a suite that did not end well has `failed > 0`, so that the counts and the exit code
//! cannot tell different stories.

use std::fmt;
use std::ops::AddAssign;

/// What came of some tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`;
    /// any other line is none of ours.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let plain = without_escapes(line);
        let counts = plain.trim().strip_prefix("test result: ")?;
        let (_verdict, counts) = counts.split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => tally.passed = number,
                "failed" => tally.failed = number,
                "ignored" => tally.skipped = number,
                _ => {}
            }
        }
        Some(tally)
    }

    /// One thing that is no test program: it went well or it did not.
    pub(crate) fn of_step(ok: bool) -> Self {
        Self {
            passed: u64::from(ok),
            failed: u64::from(!ok),
            skipped: 0,
        }
    }

    /// No test ran, whatever was skipped.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The counts of a suite once its program has ended. What the lines did not show (a build error, a
/// test program that was killed, tests that vanished) becomes one failure, with its reason.
pub(crate) fn settle(
    mut seen: Tally,
    exited_well: bool,
    must_have: bool,
) -> (Tally, Option<&'static str>) {
    let reason = if !exited_well && seen.failed == 0 {
        Some("did not build, or a test program died")
    } else if exited_well && must_have && seen.is_empty() {
        Some("ran no test")
    } else {
        None
    };
    seen.failed += u64::from(reason.is_some());
    (seen, reason)
}

/// The line without terminal colours (`ESC [ … letter`).
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn a_result_line_is_read() {
        for (line, expect) in [
            (
                "test result: ok. 25 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
                Some(tally(25, 0, 0)),
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1.20s",
                Some(tally(3, 2, 1)),
            ),
            (
                "test result: \u{1b}[32mok\u{1b}[0m. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                Some(tally(1, 0, 0)),
            ),
            ("test result_is_kept ... ok", None),
            ("test a::b ... ok", None),
            ("", None),
        ] {
            assert_eq!(Tally::of_line(line), expect, "{line}");
        }
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = tally(1, 2, 3);
        sum += tally(10, 20, 30);
        assert_eq!(sum.to_string(), "11 passed, 22 failed, 33 skipped");
    }

    #[test]
    fn a_bad_end_is_never_without_a_failure() {
        assert_eq!(settle(tally(3, 0, 0), false, true).0, tally(3, 1, 0));
        assert_eq!(settle(tally(3, 2, 0), false, true), (tally(3, 2, 0), None));
    }

    #[test]
    fn no_test_is_a_failure_where_tests_must_be() {
        assert_eq!(
            settle(tally(0, 0, 2), true, true),
            (tally(0, 1, 2), Some("ran no test"))
        );
        assert_eq!(settle(tally(0, 0, 0), true, false), (tally(0, 0, 0), None));
    }

    #[test]
    fn a_step_counts_as_one() {
        assert_eq!(Tally::of_step(true), tally(1, 0, 0));
        assert_eq!(Tally::of_step(false), tally(0, 1, 0));
    }
}

//! How far a run is: on a terminal a bar for each step, which stays where it is, as far as they all have room; elsewhere a
//! line for each change.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use warrener_api::run::{RunObject, RunStep};

/// Characters of a bar.
const WIDTH: usize = 24;
/// Bars at once, so that they fit on any terminal: what has left its top cannot be drawn over.
const BARS: usize = 20;

/// Shows a run as it goes on, on stderr.
#[derive(Debug)]
pub(super) struct Progress {
    on: bool,
    bars: bool,
    /// Lines that are drawn over next time.
    drawn: usize,
    /// What was said of each step.
    said: BTreeMap<String, String>,
}

impl Progress {
    pub(super) fn new(on: bool) -> Self {
        Progress {
            on,
            bars: stderr().is_terminal(),
            drawn: 0,
            said: BTreeMap::new(),
        }
    }

    pub(super) fn show(&mut self, run: &RunObject) {
        if !self.on {
            return;
        }
        let steps = &run.steps.0;
        let text = match self.bars {
            true => {
                let mut text = match self.drawn {
                    0 => String::new(),
                    // Up to where the last drawing began, and away with it.
                    lines => format!("\x1b[{lines}A\x1b[J"),
                };
                let lines = bars(steps);
                lines.iter().for_each(|line| text += &format!("{line}\n"));
                self.drawn = lines.len();
                text
            }
            false => {
                let news = steps.iter().filter_map(|(id, step)| {
                    let said = plain(id, step);
                    let before = self.said.insert(id.clone(), said.clone());
                    let new = step.state != "pending" && before.as_ref() != Some(&said);
                    new.then_some(said + "\n")
                });
                news.collect()
            }
        };
        // Nobody reads it: no reason to stop following.
        let _ = stderr().write_all(text.as_bytes());
    }

    /// What comes next does not draw over it.
    pub(super) fn end(&mut self) {
        self.drawn = 0;
    }
}

/// A bar for each step; of too many, for those that are running, and one for all.
fn bars(steps: &[(String, RunStep)]) -> Vec<String> {
    let line = |(id, step): &(String, RunStep)| line(id, step);
    if steps.len() <= BARS {
        return steps.iter().map(line).collect();
    }
    let is = |words: &'static [&'static str]| {
        move |(_, step): &&(String, RunStep)| words.contains(&&*step.state)
    };
    let count = |one: &(String, RunStep)| u32::from(!is(&["pending", "blocked", "running"])(&one));
    let whole = RunStep {
        state: "over".into(),
        done: steps.iter().map(count).sum(),
        failed: u32::try_from(steps.iter().filter(is(&["failed"])).count()).unwrap_or(u32::MAX),
        total: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        error: None,
    };
    let running = steps.iter().filter(is(&["running"])).take(BARS - 1);
    let all = ("all".to_owned(), whole);
    running.chain([&all]).map(line).collect()
}

/// A bar for a step.
pub(super) fn line(id: &str, step: &RunStep) -> String {
    let share = match (&*step.state, step.total) {
        ("succeeded" | "skipped", _) => WIDTH,
        (_, 0) => 0,
        (_, total) => {
            let done = u64::from(step.done) * WIDTH as u64 / u64::from(total);
            usize::try_from(done).unwrap_or(WIDTH)
        }
    };
    let bar = "█".repeat(share) + &"░".repeat(WIDTH - share);
    format!("{bar} {}", plain(id, step))
}

fn plain(id: &str, step: &RunStep) -> String {
    let RunStep {
        state,
        done,
        failed,
        total,
        ..
    } = step;
    let failed = match failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    match total {
        0 | 1 => format!("{id} {state}{failed}"),
        _ => format!("{id} {state} {done}/{total}{failed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(state: &'static str, done: u32, failed: u32, total: u32) -> RunStep {
        RunStep {
            state: state.into(),
            done,
            failed,
            total,
            error: None,
        }
    }

    #[test]
    fn more_steps_than_have_room_are_those_that_run_and_a_sum() {
        let steps = |states: &[(&'static str, usize)]| -> Vec<(String, RunStep)> {
            let all = states.iter().flat_map(|(state, n)| vec![*state; *n]);
            let all = all.enumerate();
            all.map(|(n, state)| (format!("s{n}"), step(state, 0, 0, 1)))
                .collect()
        };
        assert_eq!(bars(&steps(&[("succeeded", BARS)])).len(), BARS);
        let many = [
            ("succeeded", 60),
            ("failed", 5),
            ("running", 2),
            ("pending", 33),
        ];
        let lines = bars(&steps(&many));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].ends_with(" s65 running") && lines[1].ends_with(" s66 running"));
        assert!(
            lines[2].ends_with(" all over 65/100, 5 failed"),
            "{lines:?}"
        );
        assert_eq!(bars(&steps(&[("running", 100)])).len(), BARS);
    }

    #[test]
    fn a_bar_is_as_long_as_what_is_done() {
        let full = line("a", &step("succeeded", 1, 0, 1));
        assert!(full.starts_with(&"█".repeat(WIDTH)) && full.ends_with(" a succeeded"));
        let half = line("b", &step("running", 5, 2, 10));
        assert_eq!(half.matches('█').count(), WIDTH / 2);
        assert!(half.ends_with("b running 5/10, 2 failed"));
        assert_eq!(line("c", &step("pending", 0, 0, 0)).matches('█').count(), 0);
        assert_eq!(line("d", &step("skipped", 0, 0, 0)).matches('░').count(), 0);
    }
}

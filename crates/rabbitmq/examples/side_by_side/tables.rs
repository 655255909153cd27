//! What the turns come to, as tables of Markdown. Pure.

use crate::load::Turn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Raw,
    Claim,
    Fast,
    Embedded,
}

impl Way {
    /// In the order they take turns.
    pub(crate) const ALL: [Way; 4] = [Way::Raw, Way::Claim, Way::Fast, Way::Embedded];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Raw => "raw client, no store",
            Way::Claim => "Warrener, claim lane",
            Way::Fast => "Warrener, fast lane",
            Way::Embedded => "Warrener, embedded",
        }
    }
}

type Turns = [(Way, Vec<Turn>)];

/// The middle of some figures, and the least and the most of them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    middle: f64,
    most: f64,
}

fn spread(figures: impl IntoIterator<Item = f64>) -> Spread {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let at = |n: usize| figures.get(n).copied().unwrap_or_default();
    let (half, last) = (figures.len() / 2, figures.len().saturating_sub(1));
    let middle = match figures.len() % 2 {
        1 => at(half),
        _ => f64::midpoint(at(half.saturating_sub(1)), at(half)),
    };
    Spread {
        least: at(0),
        middle,
        most: at(last),
    }
}

impl Spread {
    fn shown(self, decimals: usize) -> String {
        let Spread {
            least,
            middle,
            most,
        } = self;
        format!("{middle:.decimals$} ({least:.decimals$} to {most:.decimals$})")
    }
}

/// A part of some times, in milliseconds: of 100 that many are not longer.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(0.0, |t| t.as_secs_f64() * 1_000.0)
}

/// How long one task takes alone, and how many end in a second.
pub(crate) fn times(turns: &Turns) -> String {
    let mut text = table(&[
        "median of the turns (least to most)",
        "idle: to handler start, p50 ms",
        "p99 ms",
        "idle: to recorded result, p50 ms",
        "end to end/s",
        "of the raw client",
        "1,000 and a join, ms",
    ]);
    for (way, own) in turns {
        let part = |of: fn(&Turn) -> &[Duration], percent| {
            spread(own.iter().map(|turn| percentile(of(turn), percent))).shown(2)
        };
        let ratio = spread(ratios(turns, own));
        let cells = [
            part(|turn| &turn.start, 50),
            part(|turn| &turn.start, 99),
            part(|turn| &turn.recorded, 50),
            spread(own.iter().map(Turn::rate)).shown(0),
            ratio.shown(2),
            spread(own.iter().map(|turn| turn.fan.as_secs_f64() * 1_000.0)).shown(0),
        ];
        row(&mut text, way.name(), &cells);
    }
    text
}

/// Each turn against the raw client's turn of the same round: what the machine did then is in both.
fn ratios(turns: &Turns, own: &[Turn]) -> Vec<f64> {
    let raw = turns.iter().find(|(way, _)| *way == Way::Raw);
    let raw = raw.map_or(&[] as &[Turn], |(_, raw)| raw);
    let pairs = own.iter().zip(raw);
    pairs.map(|(own, raw)| own.rate() / raw.rate()).collect()
}

/// What a task costs while all are worked on.
pub(crate) fn costs(turns: &Turns) -> String {
    let mut text = table(&[
        "all at once, for each task",
        "clock us",
        "CPU us: this process",
        "broker",
        "other programs",
        "confirmed messages",
        "publish calls",
        "commits",
        "reads",
    ]);
    for (way, own) in turns {
        let micros = |of: fn(&Turn) -> Duration| {
            let each = own.iter().map(|turn| per_task(of(turn), turn));
            format!("{:.0}", spread(each).middle)
        };
        let calls = |names: &[&str]| {
            let each = own.iter().map(|turn| {
                let calls = names.iter().filter_map(|name| turn.calls.get(name));
                calls.sum::<u64>() as f64 / turn.tasks as f64
            });
            format!("{:.3}", spread(each).middle)
        };
        let sent = own
            .iter()
            .map(|turn| turn.messages.values().sum::<u64>() as f64 / turn.tasks as f64);
        let cells = [
            micros(|turn| turn.wall),
            micros(|turn| turn.cpu.own),
            micros(|turn| turn.cpu.broker),
            micros(|turn| turn.cpu.others()),
            format!("{:.2}", spread(sent).middle),
            calls(&["publish"]),
            calls(&["commit"]),
            calls(&["tasks", "query"]),
        ];
        row(&mut text, way.name(), &cells);
    }
    text
}

/// Which threads of this process used the processor.
pub(crate) fn threads(turns: &Turns) -> String {
    let mut text = table(&["CPU us for each task", "by thread"]);
    for (way, own) in turns {
        let used = own.iter().map(|turn| {
            let threads = turn.cpu.threads.iter();
            threads
                .map(|(name, used)| (name.as_str(), per_task(*used, turn)))
                .collect()
        });
        row(&mut text, way.name(), &[most_first(used.collect(), 0, 0.5)]);
    }
    text
}

/// Which messages were sent.
pub(crate) fn messages(turns: &Turns) -> String {
    let mut text = table(&["messages for each task", "by type"]);
    for (way, own) in turns {
        let sent = own.iter().map(|turn| {
            let messages = turn.messages.iter();
            messages
                .map(|(name, count)| (name.as_str(), *count as f64 / turn.tasks as f64))
                .collect()
        });
        row(
            &mut text,
            way.name(),
            &[most_first(sent.collect(), 2, 0.005)],
        );
    }
    text
}

/// The medians of named figures, largest first, without those below `floor`.
fn most_first(turns: Vec<BTreeMap<&str, f64>>, decimals: usize, floor: f64) -> String {
    let names: BTreeSet<&str> = turns.iter().flat_map(BTreeMap::keys).copied().collect();
    let middle = |name: &str| {
        let figures = turns.iter().map(|turn| turn.get(name).copied());
        spread(figures.map(Option::unwrap_or_default)).middle
    };
    let mut named: Vec<(&str, f64)> = names.iter().map(|name| (*name, middle(name))).collect();
    named.retain(|(_, figure)| *figure >= floor);
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown = named
        .iter()
        .map(|(name, figure)| format!("{name} {figure:.decimals$}"));
    shown.collect::<Vec<_>>().join(", ")
}

/// Microseconds.
fn per_task(span: Duration, turn: &Turn) -> f64 {
    span.as_secs_f64() * 1e6 / turn.tasks as f64
}

fn table(heads: &[&str]) -> String {
    let rule = "|---".repeat(heads.len());
    format!("| {} |\n{rule}|\n", heads.join(" | "))
}

fn row(text: &mut String, name: &str, cells: &[String]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(ms: u64) -> Turn {
        Turn {
            start: (1..=100).map(Duration::from_millis).collect(),
            tasks: 10,
            wall: Duration::from_millis(ms),
            messages: [("task".to_owned(), 10), ("claim".to_owned(), 25)].into(),
            ..Turn::default()
        }
    }

    #[test]
    fn the_middle_is_between_two_of_an_even_number() {
        let shown = |figures: &[f64]| spread(figures.iter().copied()).shown(1);
        assert_eq!(shown(&[3.0, 1.0, 2.0]), "2.0 (1.0 to 3.0)");
        assert_eq!(shown(&[4.0, 1.0]), "2.5 (1.0 to 4.0)");
        assert_eq!(shown(&[]), "0.0 (0.0 to 0.0)");
    }

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = turn(1).start;
        assert!((percentile(&times, 50) - 51.0).abs() < 1e-9);
        assert!((percentile(&times, 99) - 100.0).abs() < 1e-9);
        assert!(percentile(&[], 50).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_is_of_the_same_round() {
        let raw = vec![turn(10), turn(100)];
        let ours = vec![turn(20), turn(100)];
        let turns = [(Way::Raw, raw), (Way::Fast, ours.clone())];
        assert_eq!(ratios(&turns, &ours), [0.5, 1.0]);
        let text = times(&turns);
        assert!(text.contains("| 0.75 (0.50 to 1.00) |"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn what_there_is_most_of_comes_first() {
        let text = messages(&[(Way::Claim, vec![turn(1)])]);
        assert!(text.contains("| claim 2.50, task 1.00 |"), "{text}");
    }
}

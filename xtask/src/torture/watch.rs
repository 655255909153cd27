//! Watches the server from outside while things are broken: when it answers again, what it has
//! refused (for information; the checker asks the store), and whether the load should wait.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::diary::Diary;
use super::http::Http;
use super::witness::now;

const TICK: Duration = Duration::from_millis(5);
const SCRAPE: Duration = Duration::from_millis(250);
/// With more open tasks than this the load waits: a run must come to its end within the patience.
const OPEN: u64 = 300;
const FINAL: [&str; 5] = ["succeeded", "failed", "dead", "cancelled", "expired"];

/// What the threads share.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// Nothing more is begun.
    pub(crate) stop: AtomicBool,
    /// Enough is open.
    pub(crate) full: AtomicBool,
    /// Which life of the server it is.
    pub(crate) lives: AtomicU32,
}

/// Runs until `over`.
pub(crate) fn run(http: &Http, diary: &Diary, signs: &Signs, over: &AtomicBool) {
    let mut next = Instant::now();
    while !over.load(Ordering::Acquire) {
        sleep(TICK);
        if diary.is_away() {
            let asked = now();
            if http.text("/readyz").is_some() {
                diary.answers(asked);
            }
        } else if next <= Instant::now() {
            next = Instant::now() + SCRAPE;
            scrape(http, diary, signs);
        }
    }
}

fn scrape(http: &Http, diary: &Diary, signs: &Signs) {
    let life = signs.lives.load(Ordering::Acquire);
    let Some(text) = http.text("/metrics") else {
        return;
    };
    if life != signs.lives.load(Ordering::Acquire) {
        // Whose numbers they are cannot be said.
        return;
    }
    let mut open = 0;
    for line in text.lines() {
        let Some((name, labels, value)) = sample(line) else {
            continue;
        };
        match name {
            "warrener_refused_total" => {
                let what = label(labels, "what").unwrap_or("?");
                let reason = label(labels, "reason").unwrap_or("?");
                diary.refused(life, format!("{what}/{reason}"), value);
            }
            "warrener_tasks" if !label(labels, "state").is_some_and(|s| FINAL.contains(&s)) => {
                open += value;
            }
            _ => {}
        }
    }
    signs.full.store(open > OPEN, Ordering::Release);
}

fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{')?;
    Some((name, labels, value.parse().ok()?))
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_metrics_is_read() {
        let line = "warrener_refused_total{what=\"outcome\",reason=\"stale\"} 7";
        let (name, labels, value) = sample(line).unwrap();
        assert_eq!((name, value), ("warrener_refused_total", 7));
        assert_eq!(label(labels, "what"), Some("outcome"));
        assert_eq!(label(labels, "reason"), Some("stale"));
        assert_eq!(sample("# TYPE warrener_tasks gauge"), None);
    }
}

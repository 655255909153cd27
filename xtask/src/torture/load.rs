//! The load: submits over HTTP at a steady rate with idempotency keys, one by one and in batches, cancels
//! some tasks and retries some, and writes down what was answered.
//!
//! A submission is said again, with the same key, until it is answered; accepted is what got 200 or 201.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::flow::Begun;
use super::http::{Answer, Http};
use super::step::Manner;
use super::watch::Signs;

/// The longest wait before something is said again.
const AGAIN: Duration = Duration::from_millis(200);
/// When the server is back for good, an answer must come within this.
const PATIENCE: Duration = Duration::from_secs(40);
/// Cancels are of one of the newest so many tasks: later most have ended.
const RECENT: usize = 8;

/// A task that the server said yes to.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) manner: Manner,
    /// It asks agents before it starts.
    pub(crate) asks: bool,
}

/// What is asked for.
struct Request {
    body: Value,
    manner: Manner,
    asks: bool,
}

/// An act that the server said yes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Cancel(String),
    Retry(String),
}

#[derive(Debug, Default)]
struct Pages {
    accepted: Vec<Accepted>,
    begun: Vec<Begun>,
    acts: Vec<Act>,
    problems: Vec<String>,
    again: u64,
}

/// What was answered; shared by the threads of the load.
#[derive(Debug)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
    file: Mutex<File>,
}

impl Ledger {
    pub(crate) fn open(file: &Path) -> io::Result<Ledger> {
        let file = OpenOptions::new().append(true).create(true).open(file)?;
        let pages = Mutex::default();
        let file = Mutex::new(file);
        Ok(Ledger { pages, file })
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, id: &str, key: &str, request: &Request) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // For people only; the run keeps it in memory.
        let _ = writeln!(file, "{id} {key} {}", request.manner.as_str());
        self.pages().accepted.push(Accepted {
            id: id.into(),
            key: key.into(),
            manner: request.manner,
            asks: request.asks,
        });
    }

    pub(crate) fn begin(&self, begun: Begun) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(file, "{} {} run", begun.id, begun.key);
        self.pages().begun.push(begun);
    }

    fn problem(&self, text: String) {
        self.pages().problems.push(text);
    }

    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.pages().accepted.clone()
    }

    pub(crate) fn begun(&self) -> Vec<Begun> {
        self.pages().begun.clone()
    }

    pub(crate) fn acts(&self) -> Vec<Act> {
        self.pages().acts.clone()
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.pages().problems.clone()
    }

    /// Submissions that were said again because no answer came.
    pub(crate) fn again(&self) -> u64 {
        self.pages().again
    }
}

/// One thread of the load.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) http: Http,
    pub(crate) ledger: &'a Ledger,
    pub(crate) signs: &'a Signs,
    pub(crate) rng: Rng,
    /// Tells its keys from those of other threads.
    pub(crate) name: String,
    /// Between two questions.
    pub(crate) every: Duration,
}

impl Load<'_> {
    /// Until told to stop.
    pub(crate) fn run(mut self) {
        let mut n = 0_u64;
        let mut next = Instant::now();
        while !self.is_over() {
            sleep(next.saturating_duration_since(Instant::now()));
            // After an outage the rate is as it was, not higher.
            next = Instant::now() + self.every;
            if self.is_full() {
                continue;
            }
            n += 1;
            match self.rng.u32(0..100) {
                0..=5 => self.cancel(),
                6..=8 => self.retry(),
                9..=12 => self.batch(n),
                _ => self.single(n),
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.signs.stop.load(Ordering::Acquire)
    }

    /// Enough is open.
    pub(crate) fn is_full(&self) -> bool {
        self.signs.full.load(Ordering::Acquire)
    }

    fn single(&mut self, n: u64) {
        let key = format!("{}-{n}", self.name);
        let request = self.request();
        let asked = self.until_answered("/api/v1/tasks", Some(&key), &request.body);
        let Some((status, answer)) = asked else {
            return;
        };
        match answer["id"].as_str() {
            Some(id) if status == 200 || status == 201 => self.ledger.accept(id, &key, &request),
            _ => self.unexpected("submit", status, &answer),
        }
    }

    fn batch(&mut self, n: u64) {
        let size = self.rng.usize(2..=8);
        let mut items = vec![];
        let mut requests = vec![];
        for i in 0..size {
            let mut request = self.request();
            let key = format!("{}-{n}.{i}", self.name);
            request.body["idempotency_key"] = key.as_str().into();
            items.push(request.body.clone());
            requests.push((key, request));
        }
        let body = Value::Array(items);
        let Some((status, answer)) = self.until_answered("/api/v1/tasks/batch", None, &body) else {
            return;
        };
        let answers = answer["items"].as_array().cloned().unwrap_or_default();
        if status != 201 && status != 200 || answers.len() != size {
            return self.unexpected("batch", status, &answer);
        }
        for (item, (key, request)) in answers.iter().zip(&requests) {
            let id = item["id"].as_str().unwrap_or_default();
            self.ledger.accept(id, key, request);
        }
    }

    /// What a task asks for: mostly short work that goes well.
    fn request(&mut self) -> Request {
        let mut body = json!({ "kind": "torture.step", "title": "a task of a torture run" });
        let mut ms = self.rng.u64(5..=150);
        let manner = match self.rng.u32(0..100) {
            0..=2 => Manner::NetworkOnce,
            3..=4 => Manner::CrashOnce,
            5..=6 => Manner::TimeoutOnce,
            7 => Manner::No,
            8..=15 => {
                // As long as a lease and longer: heartbeats have to keep it, and a zombie finds its
                // successor at work.
                ms = self.rng.u64(800..=3_000);
                Manner::Well
            }
            _ => Manner::Well,
        };
        body["input"] = json!({ "manner": manner.as_str(), "ms": ms });
        if manner == Manner::TimeoutOnce {
            body["timeout_ms"] = 400.into();
        }
        match self.rng.u32(0..100) {
            0..=9 => body["delay_ms"] = self.rng.u64(50..=1_500).into(),
            10..=13 => body["deadline_ms"] = self.rng.u64(100..=1_500).into(),
            _ => {}
        }
        let priorities = ["low", "normal", "high", "critical"];
        if let Some(priority) = self.rng.choice(priorities) {
            body["priority"] = priority.into();
        }
        let asks = self.rng.u32(0..100) < 4;
        if asks {
            body["collaboration"] =
                json!({ "question": "which?", "options": ["one", "other"], "deadline_ms": 1_000 });
        }
        Request { body, manner, asks }
    }

    /// A status and a body that are an answer; nothing when it gave up.
    pub(crate) fn until_answered(
        &mut self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let mut wait = Duration::from_millis(10);
        let mut until = None;
        loop {
            match self.http.post(path, key, body) {
                // Not now: nothing was accepted, or it is not known.
                Answer::Said(500..=599 | 429, _) | Answer::Nothing => {}
                Answer::Said(status, answer) => return Some((status, answer)),
            }
            self.ledger.pages().again += 1;
            if self.is_over() {
                let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Instant::now() > until {
                    let text = format!("{path} was not answered for {} s", PATIENCE.as_secs());
                    self.ledger.problem(text);
                    return None;
                }
            }
            sleep(wait + Duration::from_millis(self.rng.u64(0..20)));
            wait = (wait * 2).min(AGAIN);
        }
    }

    fn cancel(&mut self) {
        let Some(id) = self.recent() else { return };
        let path = format!("/api/v1/tasks/{id}/cancel");
        let body = json!({ "reason": "torture" });
        self.act("cancel", &path, &body, Act::Cancel(id));
    }

    fn retry(&mut self) {
        let Some(id) = self.ended_badly() else { return };
        let path = format!("/api/v1/tasks/{id}/retry");
        let body = json!({ "reset_attempts": self.rng.bool() });
        self.act("retry", &path, &body, Act::Retry(id));
    }

    /// Said once: without an answer nobody knows whether it happened.
    fn act(&mut self, what: &str, path: &str, body: &Value, act: Act) {
        match self.http.post(path, None, body) {
            Answer::Said(200, _) => self.ledger.pages().acts.push(act),
            // Final, or not final yet; not now.
            Answer::Said(409 | 429 | 500..=599, _) | Answer::Nothing => {}
            Answer::Said(status, answer) => self.unexpected(what, status, &answer),
        }
    }

    /// One of the tasks that were cancelled, or that fail by themselves.
    fn ended_badly(&mut self) -> Option<String> {
        let pages = self.ledger.pages();
        let cancelled = pages.acts.iter().filter_map(|act| match act {
            Act::Cancel(id) => Some(id),
            Act::Retry(_) => None,
        });
        let failed = pages
            .accepted
            .iter()
            .filter(|task| task.manner == Manner::No);
        let all: Vec<&String> = cancelled.chain(failed.map(|task| &task.id)).collect();
        self.rng.choice(all).cloned()
    }

    fn recent(&mut self) -> Option<String> {
        let pages = self.ledger.pages();
        let all = &pages.accepted;
        let from = all.len().saturating_sub(RECENT);
        (!all.is_empty()).then(|| all[self.rng.usize(from..all.len())].id.clone())
    }

    pub(crate) fn unexpected(&self, what: &str, status: u16, answer: &Value) {
        self.ledger
            .problem(format!("{what} was answered with {status}: {answer}"));
    }
}

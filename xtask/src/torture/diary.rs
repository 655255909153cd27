//! What the harness did, and when: every fault, every process that ended otherwise, and how long the
//! server did not answer. Kept in memory for the report and in a file for people.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::points::Role;
use super::witness::now;

/// What was done to a process, or what it did to itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// SIGKILL at any moment.
    Killed,
    /// It killed itself at this point.
    Point(String),
    /// SIGSTOP at any moment, for so many milliseconds.
    Stopped(u64),
    /// It stopped itself at this point, for so many milliseconds.
    StoppedAt(String, u64),
    /// SIGTERM.
    Asked,
}

impl Fault {
    pub(crate) fn is_kill(&self) -> bool {
        matches!(self, Fault::Killed | Fault::Point(_))
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: u64,
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) fault: Fault,
}

/// One fault of the broker, or of the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Storm {
    pub(crate) what: &'static str,
    pub(crate) at: u64,
    /// When all was well again, as far as the harness can say.
    pub(crate) until: u64,
}

#[derive(Debug, Default)]
struct Pages {
    faults: Vec<Entry>,
    storms: Vec<Storm>,
    /// When somebody went on, or started again.
    backs: Vec<(u64, String)>,
    problems: Vec<String>,
    /// When the server was killed, until it answers.
    away: Option<u64>,
    outages: Vec<u64>,
    /// Refusals by sort and reason, of each life of the server.
    refused: BTreeMap<(u32, String), u64>,
}

/// See the module; shared by the thread that breaks things and the one that watches.
#[derive(Debug)]
pub(crate) struct Diary {
    pages: Mutex<Pages>,
    file: Mutex<File>,
}

impl Diary {
    pub(crate) fn open(file: &Path) -> io::Result<Diary> {
        let file = OpenOptions::new().append(true).create(true).open(file)?;
        Ok(Diary {
            pages: Mutex::default(),
            file: Mutex::new(file),
        })
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line for people.
    pub(crate) fn say(&self, text: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // The run does not depend on it.
        let _ = writeln!(file, "{} {text}", now());
    }

    pub(crate) fn fault(&self, role: Role, name: &str, fault: Fault) {
        self.say(&format!("{} {name}: {fault:?}", role.as_str()));
        let at = now();
        let mut pages = self.pages();
        if role == Role::Server && fault.is_kill() {
            pages.away.get_or_insert(at);
        }
        pages.faults.push(Entry {
            at,
            role,
            name: name.into(),
            fault,
        });
    }

    /// Something was wrong with the broker from then until now.
    pub(crate) fn storm(&self, what: &'static str, at: u64) {
        let until = now();
        self.say(&format!(
            "broker: {what}, over after {} ms",
            (until - at) / 1_000_000
        ));
        self.pages().storms.push(Storm { what, at, until });
    }

    pub(crate) fn storms(&self) -> Vec<Storm> {
        self.pages().storms.clone()
    }

    /// It is there again.
    pub(crate) fn back(&self, name: &str, how: &str) {
        self.say(&format!("{name} {how}"));
        self.pages().backs.push((now(), name.into()));
    }

    /// Something that no fault explains.
    pub(crate) fn problem(&self, text: String) {
        self.say(&format!("PROBLEM {text}"));
        self.pages().problems.push(text);
    }

    /// Whether a killed server has not answered yet.
    pub(crate) fn is_away(&self) -> bool {
        self.pages().away.is_some()
    }

    /// The server answers a question that was asked at this time.
    pub(crate) fn answers(&self, asked: u64) {
        let mut pages = self.pages();
        // An answer to a question from before the kill says nothing.
        if let Some(since) = pages.away.take_if(|since| *since < asked) {
            pages.outages.push(now() - since);
        }
    }

    /// What this life of the server refused so far.
    pub(crate) fn refused(&self, life: u32, what: String, count: u64) {
        self.pages().refused.insert((life, what), count);
    }

    pub(crate) fn faults(&self) -> Vec<Entry> {
        self.pages().faults.clone()
    }

    pub(crate) fn backs(&self) -> Vec<(u64, String)> {
        self.pages().backs.clone()
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.pages().problems.clone()
    }

    /// Nanoseconds from each kill of the server to its first answer.
    pub(crate) fn outages(&self) -> Vec<u64> {
        self.pages().outages.clone()
    }

    /// Refusals by sort and reason, over all lives of the server.
    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for ((_, what), count) in &self.pages().refused {
            *sums.entry(what.clone()).or_default() += count;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_first_kill_to_an_answer_that_was_asked_for_later() {
        let dir = tempfile::tempdir().unwrap();
        let diary = Diary::open(&dir.path().join("diary")).unwrap();
        let before = now();
        diary.fault(Role::Server, "server", Fault::Killed);
        diary.answers(before);
        assert!(diary.is_away());
        diary.fault(Role::Server, "server", Fault::Point("commit:after".into()));
        diary.answers(now());
        assert!(!diary.is_away());
        assert_eq!(diary.outages().len(), 1);
        diary.fault(Role::Agent, "a1", Fault::Killed);
        assert!(!diary.is_away());
    }
}

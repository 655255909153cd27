//! A process of the built binary that goes on running, and what a command came to.

use crate::harness::{PATIENCE, Place, until_within};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A process of the binary with a group of its own.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    pub(crate) fn start(place: &Place, name: &str, mut command: Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let said = place.path("said").join(format!("{name}-{count}"));
        let file = |end: &str| fs::File::create(said.with_extension(end)).unwrap();
        command.stdout(file("out")).stderr(file("err"));
        let child = command
            .process_group(0)
            .spawn()
            .expect("the process starts");
        Process { child, said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// To this process alone.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("the process is there");
    }

    /// As an accident would.
    pub(crate) fn kill_9(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself; its exit code, if it was not killed.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> Option<i32> {
        self.ends_within(PATIENCE)
    }

    #[track_caller]
    pub(crate) fn ends_within(&mut self, patience: Duration) -> Option<i32> {
        let what = format!("the end of {}", self.said.display());
        let status = until_within(&what, patience, || self.child.try_wait().unwrap());
        status.code()
    }

    pub(crate) fn out(&self) -> String {
        fs::read_to_string(self.said.with_extension("out")).unwrap_or_default()
    }

    pub(crate) fn err(&self) -> String {
        fs::read_to_string(self.said.with_extension("err")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = kill_process_group(self.id(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Ran {
            exit: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "out: {} err: {}", self.out, self.err);
        self
    }

    /// What it printed, if all went well.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        self.exits(0).out
    }

    /// Failed with this code, said so on stderr with these words, and nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) {
        let ran = self.exits(code);
        assert_eq!(ran.out, "", "stdout is for data");
        for word in words {
            assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
        }
    }

    /// Stdout as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Stdout as one word.
    #[track_caller]
    pub(crate) fn word(self) -> String {
        let text = self.fine();
        let mut words = text.split_whitespace();
        let word = words.next().expect("a word on stdout").to_owned();
        assert_eq!(words.next(), None, "{text}");
        word
    }
}

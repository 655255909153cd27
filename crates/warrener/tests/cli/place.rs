//! A folder of its own for one test, the binary in it without anybody's environment, and what came of a run.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A task's id.
pub(crate) const ID: &str = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";

/// A folder of its own for one test, and the binary in it without anybody's environment.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a folder for the test");
        Place { dir }
    }

    pub(crate) fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.dir.join(file), text).expect("a file for the test");
        self
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrener"));
        command
            .args(line.split_whitespace())
            .current_dir(&self.dir)
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(&self.command(line).output().expect("the binary runs"))
    }
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Ran {
            exit: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Failed with this exit code, said it on stderr only, and said all of these.
    #[track_caller]
    pub(crate) fn failed(&self, exit: i32, parts: &[&str]) {
        assert_eq!(self.exit, Some(exit), "stderr: {}", self.err);
        assert_eq!(self.out, "", "stdout must be empty");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
    }

    #[track_caller]
    pub(crate) fn fine(&self) -> &str {
        assert_eq!(self.exit, Some(0), "stderr: {}", self.err);
        assert_eq!(self.err, "", "stderr must be empty");
        &self.out
    }

    #[track_caller]
    pub(crate) fn problem(&self) -> serde_json::Value {
        let lines: Vec<&str> = self.err.lines().collect();
        assert_eq!(lines.len(), 1, "one object on one line: {}", self.err);
        serde_json::from_str(lines[0]).expect("the problem is JSON")
    }
}

//! Runs one program for one attempt of a task (contracts.md section 4): the task on stdin, the result on stdout, the
//! log on stderr, progress and errors on file descriptor 3. Whatever happens, when [`run`] returns nothing is left of
//! the program: no process, no zombie, no folder.
//!
//! ```text
//! run ─┬─ running::watch   the process group: exit, timeout, stop
//!      └─ Heard::listen    the pipes: output, log, control ──► Signal
//! ```

mod control;
mod folder;
mod guard;
mod heard;
mod log;
mod os;
mod output;
mod running;
mod text;
mod verdict;

pub use guard::{Guard, INSTANCE, guard};

use heard::Heard;
use running::{Cause, SETTLE};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warrener_model::json::Json;
use warrener_model::{failure::Class, limits};

/// The variable that marks every process of one run.
pub const RUN: &str = "WARRENER_RUN";
/// The variable that names the folder in which the agent was started.
pub const AGENT_DIR: &str = "WARRENER_AGENT_DIR";
/// The file descriptor for control lines.
const FD: i32 = 3;

/// What to run: fixed per agent.
#[derive(Debug, Clone)]
pub struct Program {
    /// The command. Words that name a file in `base` mean that file; a first word without `/` is found on PATH.
    pub argv: Vec<OsString>,
    /// The folder in which the agent was started.
    pub base: PathBuf,
    /// Where the working folders of runs are made, and removed again.
    pub work_root: PathBuf,
    /// Run here instead of in an own folder; relative to `base`.
    pub cwd: Option<PathBuf>,
    /// Variables of the agent's own environment that are withheld from runs, beside `WARRENER_…`.
    pub withheld: &'static [&'static str],
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Bytes of stderr that are kept, half from the start and half from the end.
    pub log_limit: usize,
    /// Bytes that stdout may have.
    pub output_limit: usize,
}

impl Program {
    /// A program with the product's limits and a grace of ten seconds.
    pub fn new(argv: Vec<OsString>, base: PathBuf, work_root: PathBuf) -> Self {
        Self {
            argv,
            base,
            work_root,
            cwd: None,
            withheld: &[],
            grace: Duration::from_secs(10),
            log_limit: limits::LOG_BYTES,
            output_limit: limits::OUTPUT_BYTES,
        }
    }
}

/// One start.
#[derive(Clone, Default)]
pub struct Start {
    /// The task object as JSON.
    pub stdin: Vec<u8>,
    /// Added to the agent's own environment, without that one's `WARRENER_…` and what the program withholds.
    pub env: Vec<(String, String)>,
    /// Unique per run: by it the run's processes are found, wherever they went.
    pub marker: String,
    /// The longest that the program may take.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for Start {
    /// Without stdin and environment: there are secrets in both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("marker", &self.marker)
            .finish_non_exhaustive()
    }
}

/// What is heard of a program while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A piece of its log, at most 32 KiB, cut at line ends where there are any.
    Log {
        /// `stderr`, or `warrener` for remarks of this module.
        stream: &'static str,
        /// The text.
        text: String,
    },
    /// How far it says it is. Only the newest waits for a slow receiver.
    Progress {
        /// From 0 to 1.
        fraction: Option<f64>,
        /// What it is doing.
        message: Option<String>,
    },
}

impl Signal {
    fn note(text: String) -> Self {
        Signal::Log {
            stream: "warrener",
            text,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// With exit code 0 and no reported error: the result.
    Succeeded(Json),
    /// In any other way.
    Failed {
        /// Decides what happens next.
        class: Class,
        /// One line for people.
        message: String,
        /// `{"exit_code":N}`, `{"signal":"SIGKILL"}` or `{"timeout_ms":N}`; null if the program did not start.
        detail: Value,
        /// How long the program asked to wait until the next attempt.
        retry_after_ms: Option<u64>,
    },
    /// Because `stop` fired.
    Stopped,
}

/// Runs the program to its end and clears away what it left. Does not fail: what goes wrong is a failed attempt.
///
/// A slow receiver of `signals` slows the program down, never its end; one that takes nothing for five seconds after
/// the end loses the rest of the log. Needs a tokio runtime with IO and time.
///
/// # Cancel safety
/// When dropped, the program and its group are killed, but not waited for.
pub async fn run(
    program: &Program,
    start: Start,
    signals: Sender<Signal>,
    stop: CancellationToken,
) -> Ended {
    if stop.is_cancelled() {
        return Ended::Stopped;
    }
    // Inline: a hop to a thread that may block costs more than making a folder and a process does.
    let (mut running, pipes) = match running::start(program, &start) {
        Ok(started) => started,
        Err(refused) => return verdict::not_started(program, refused),
    };
    let mut heard = Heard::new(program);
    let over = CancellationToken::new();
    let (cause, status) = {
        let mut ears = std::pin::pin!(heard.listen(pipes, &start.stdin, &signals, &over));
        let mut heard_all = false;
        let (cause, settle) = {
            let mut watch = std::pin::pin!(running.watch(start.timeout, program.grace, &stop));
            loop {
                tokio::select! {
                    ended = &mut watch => break ended,
                    () = &mut ears, if !heard_all => heard_all = true,
                }
            }
        };
        // From here on nothing waits for the receiver. Open pipes mean that somebody is still at work.
        over.cancel();
        heard_all = heard_all || timeout(settle, &mut ears).await.is_ok();
        let status = running.clear().await;
        if !heard_all {
            // An error means that something out of reach holds a pipe; what was heard so far is all there is.
            let _ = timeout(SETTLE, &mut ears).await;
        }
        (cause, status)
    };
    heard.tell_rest(&signals).await;
    match cause {
        Cause::Stop => Ended::Stopped,
        Cause::Timeout => verdict::timed_out(start.timeout.unwrap_or_default()),
        Cause::Itself => verdict::ended(program, status, heard),
    }
}

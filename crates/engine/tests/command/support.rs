//! A place on disk per test, short ways to run a script, and waiting for events.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warrener_engine::command::{self, Ended, Program, Signal, Start};
use warrener_model::failure::Class;

/// A folder of its own for a test, gone when the test ends.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("warrener-command-{}", unique()));
        std::fs::create_dir_all(path.join("base")).unwrap();
        Place(path)
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.0.join("base")
    }

    pub(crate) fn work_root(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Writes a file below the base.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.base().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn program(&self, argv: &[&str]) -> Program {
        let argv = argv.iter().map(Into::into).collect();
        let mut program = Program::new(argv, self.base(), self.work_root());
        program.grace = Duration::from_millis(300);
        program
    }

    pub(crate) fn sh(&self, script: &str) -> Program {
        self.program(&["sh", "-c", script])
    }

    /// The process id that a script wrote with `echo $$ > "$WARRENER_AGENT_DIR/NAME"`.
    pub(crate) async fn pid(&self, name: &str) -> u32 {
        let path = self.base().join(name);
        let read = || std::fs::read_to_string(&path).ok()?.trim().parse().ok();
        until(|| read().is_some()).await;
        read().unwrap()
    }

    /// Whether no working folder is left.
    pub(crate) fn is_tidy(&self) -> bool {
        std::fs::read_dir(self.work_root()).map_or(true, |mut list| list.next().is_none())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn start() -> Start {
    Start {
        stdin: b"{}".to_vec(),
        marker: unique(),
        ..Start::default()
    }
}

pub(crate) fn start_with_timeout(ms: u64) -> Start {
    Start {
        timeout: Some(Duration::from_millis(ms)),
        ..start()
    }
}

/// How a run ended and all it told.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    /// Of a success, read.
    value: Option<Value>,
    pub(crate) signals: Vec<Signal>,
}

impl Ran {
    /// The text of one stream of the log.
    pub(crate) fn log(&self, wanted: &str) -> String {
        let text = |signal: &Signal| match signal {
            Signal::Log { stream, text } if *stream == wanted => Some(text.clone()),
            Signal::Log { .. } | Signal::Progress { .. } => None,
        };
        self.signals.iter().filter_map(text).collect()
    }

    #[track_caller]
    pub(crate) fn output(&self) -> &Value {
        match &self.ended {
            Ended::Succeeded(_) => self.value.as_ref().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn failure(&self) -> (Class, &str, &Value, Option<u64>) {
        match &self.ended {
            Ended::Failed {
                class,
                message,
                detail,
                retry_after_ms,
            } => (*class, message, detail, *retry_after_ms),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn run(program: &Program, start: Start) -> Ran {
    run_until(program, start, CancellationToken::new()).await
}

pub(crate) async fn run_until(program: &Program, start: Start, stop: CancellationToken) -> Ran {
    let (tell, mut told) = mpsc::channel(4);
    let listen = async {
        let mut signals = Vec::new();
        while let Some(signal) = told.recv().await {
            signals.push(signal);
        }
        signals
    };
    let (ended, signals) = tokio::join!(command::run(program, start, tell, stop), listen);
    let value = match &ended {
        Ended::Succeeded(output) => Some(output.value()),
        Ended::Failed { .. } | Ended::Stopped => None,
    };
    Ran {
        ended,
        value,
        signals,
    }
}

/// Waits for something that is sure to happen; a test that waits in vain fails.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen");
}

/// Whether a process is there, be it as a zombie.
pub(crate) fn exists(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

/// Whether a process is there and not a zombie. Knows zombies only where there is /proc.
pub(crate) fn is_alive(pid: u32) -> bool {
    let zombie = || {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        stat.is_ok_and(|stat| {
            stat.rsplit_once(')')
                .is_some_and(|(_, it)| it.starts_with(" Z"))
        })
    };
    exists(pid) && !zombie()
}

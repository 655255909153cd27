//! The guard: a small process that outlives the agent, even by `kill -9`, and then ends what the agent was running.
//! It knows that the agent is gone because a pipe that only the agent holds comes to its end.

use super::{folder, os};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The variable that marks every program of one agent. Who starts programs puts it into [`super::Start::env`].
pub const INSTANCE: &str = "WARRENER_INSTANCE";

/// Between two looks: long enough for a program that was just being started to show its environment.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks at most; what is still there then cannot be killed.
const LOOKS: usize = 600;

/// The agent's handle of its guard. Dropping it lets the guard do its work and end.
#[derive(Debug)]
pub struct Guard {
    pipe: ChildStdin,
    child: Child,
}

/// How long a guard may take to end: more than a look at every process of a large machine.
const PATIENCE: Duration = Duration::from_secs(5);

impl Guard {
    /// Starts `exe args…`, which must call [`guard`].
    ///
    /// # Errors
    /// What starting a process may give.
    pub fn spawn(exe: &Path, args: &[&str]) -> io::Result<Guard> {
        let mut command = Command::new(folder::absolute(exe));
        command.args(args).current_dir("/").stdin(Stdio::piped());
        // With the agent's own stdout or stderr it would keep the readers of those waiting.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that Ctrl-C does not reach it even before it has begun.
        command.process_group(0);
        // An agent can itself be a program of an agent: that one's cleaning must not hit this guard.
        command.env_remove(INSTANCE).env_remove(super::RUN);
        let mut child = command.spawn()?;
        let pipe = child.stdin.take().expect("stdin was asked to be a pipe");
        Ok(Guard { pipe, child })
    }

    /// Lets it do its work, and waits for its end.
    pub fn end(mut self) {
        drop(self.pipe);
        let until = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The guard's own main: waits until stdin ends, then kills every process with `WARRENER_INSTANCE=<marker>` in its
/// environment. On systems without /proc it finds none.
///
/// # Errors
/// If the signals that would end it early cannot be caught.
pub fn guard(instance_marker: &str) -> io::Result<()> {
    os::leave_session();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    // A caught signal no longer ends the process; nobody needs to hear that it came.
    let _caught = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ]
    .into_iter()
    .map(signal)
    .collect::<io::Result<Vec<_>>>()?;
    wait_for_end(io::stdin().lock());
    let entry = format!("{INSTANCE}={instance_marker}");
    let mut clean = 0;
    for _ in 0..LOOKS {
        clean = if os::kill_marked(&entry) == 0 {
            clean + 1
        } else {
            0
        };
        if clean == 2 {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Reads to the end; an error is an end too, since the agent writes nothing that could be lost.
fn wait_for_end(mut pipe: impl Read) {
    let mut ignored = [0; 64];
    loop {
        match pipe.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

//! The life of one process group: started, watched, stopped, and cleared away with all that it left behind.

use super::folder::{self, Folder};
use super::os::{self, Bell};
use super::{AGENT_DIR, FD, Program, RUN, Start};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long the pipes may stay open after the program ended, held by something it started.
pub(super) const SETTLE: Duration = Duration::from_millis(200);
/// How often to look without being told: no wait depends on a signal alone.
const TICK: Duration = Duration::from_secs(1);
/// How long a killed process may take to go; longer and it hangs in the kernel.
const UNKILLABLE: Duration = Duration::from_secs(10);
/// Rounds of the search for leftovers, and the pause between them.
const ROUNDS: usize = 500;
const PAUSE: Duration = Duration::from_millis(4);

/// Why the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Itself,
    Timeout,
    Stop,
}

/// The ends of the pipes on our side.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    pub(super) control: pipe::Receiver,
}

/// What could not be done, before the program ran.
#[derive(Debug)]
pub(super) enum Refused {
    Folder(io::Error),
    Pipes(io::Error),
    Program(io::Error),
}

/// A running program. If it is dropped before [`Running::clear`], it and its group are killed.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    leader: Pid,
    marker: String,
    bell: Bell,
    /// Until then the group can be signalled by the leader's number.
    reaped: bool,
    swept: bool,
    // The last field: the folder goes when nobody works in it any more.
    folder: Option<Folder>,
}

/// Starts the program in a folder of its own.
pub(super) fn start(program: &Program, start: &Start) -> Result<(Running, Pipes), Refused> {
    os::adopt_orphans();
    let folder = Folder::open(program).map_err(Refused::Folder)?;
    let (control_end, control) = pipe::pipe().map_err(Refused::Pipes)?;
    let control_end = control_end.into_blocking_fd().map_err(Refused::Pipes)?;
    let mut command = command(program, start, &folder)?;
    command
        .fd_mappings(vec![FdMapping {
            parent_fd: control_end,
            child_fd: FD,
        }])
        .expect("one mapping cannot collide");
    let mut child = command.spawn().map_err(Refused::Program)?;
    let piped = "asked to be a pipe";
    let pipes = Pipes {
        stdin: child.stdin.take().expect(piped),
        stdout: child.stdout.take().expect(piped),
        stderr: child.stderr.take().expect(piped),
        control,
    };
    let leader = child
        .id()
        .and_then(os::pid)
        .expect("a child that nobody waited for has an id");
    let bell = Bell::new(leader).map_err(|error| {
        os::signal_group(leader, Signal::KILL);
        Refused::Pipes(error)
    })?;
    let marker = start.marker.clone();
    let folder = Some(folder);
    Ok((
        Running {
            child,
            leader,
            marker,
            bell,
            reaped: false,
            swept: false,
            folder,
        },
        pipes,
    ))
}

fn command(program: &Program, start: &Start, folder: &Folder) -> Result<Command, Refused> {
    let mut words = folder::words(program, folder.path()).into_iter();
    let first = words.next().ok_or_else(|| {
        Refused::Program(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the command has no words",
        ))
    })?;
    let mut command = Command::new(first);
    command
        .args(words)
        .current_dir(folder.path())
        .process_group(0)
        .kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // The agent's own settings stay with the agent: they hold the passwords of its broker and store.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"WARRENER_") {
            command.env_remove(name);
        }
    }
    for name in program.withheld {
        command.env_remove(name);
    }
    command.envs(start.env.iter().map(|(name, value)| (name, value)));
    command
        .env("WARRENER_FD", FD.to_string())
        .env(RUN, &start.marker);
    command.env(AGENT_DIR, folder::absolute(&program.base));
    Ok(command)
}

impl Running {
    /// Waits for the end of the program, and brings it about when its time is up or `stop` fires: SIGTERM, after
    /// the grace SIGKILL, both to the group. Also tells how long the rest of the group may still take.
    pub(super) async fn watch(
        &mut self,
        limit: Option<Duration>,
        grace: Duration,
        stop: &CancellationToken,
    ) -> (Cause, Duration) {
        let time_is_up = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let cause = tokio::select! {
            biased;
            () = self.ended() => return (Cause::Itself, SETTLE),
            () = stop.cancelled() => Cause::Stop,
            () = time_is_up => Cause::Timeout,
        };
        os::signal_group(self.leader, Signal::TERM);
        let deadline = Instant::now() + grace;
        if timeout_at(deadline, self.ended()).await.is_err() {
            os::signal_group(self.leader, Signal::KILL);
            if timeout(UNKILLABLE, self.ended()).await.is_err() {
                tracing::error!(pid = ?self.leader, "a program does not go, even killed");
            }
        }
        (
            cause,
            deadline
                .saturating_duration_since(Instant::now())
                .max(SETTLE),
        )
    }

    /// # Cancel safety
    /// Nothing is lost: the process stays as it is until [`Running::clear`] reaps it.
    async fn ended(&mut self) {
        while !os::has_ended(self.leader) {
            // An elapsed tick only means: look again.
            let _ = timeout(TICK, self.bell.rings()).await;
            os::reap_strays();
        }
    }

    /// Kills and reaps whatever is left of the run, and removes its folder. The exit status, if the program ended.
    pub(super) async fn clear(mut self) -> Option<ExitStatus> {
        // In this order: as long as the leader is not reaped, its group's number belongs to nobody else.
        os::signal_group(self.leader, Signal::KILL);
        let status = self.child.try_wait().ok().flatten();
        self.reaped = true;
        if !os::has_no_orphans() {
            self.sweep().await;
        }
        self.swept = true;
        if let Some(mut folder) = self.folder.take()
            && !folder.remove_if_empty()
        {
            // A panic in there has been reported; the run's result does not depend on it.
            let _ = tokio::task::spawn_blocking(move || drop(folder)).await;
        }
        status
    }

    async fn sweep(&self) {
        let mut sweep = os::Sweep::new(RUN, &self.marker, self.leader);
        for _ in 0..ROUNDS {
            let round = tokio::task::spawn_blocking(move || (sweep.round(), sweep));
            match round.await {
                Ok((true, same)) => sweep = same,
                Ok((false, _)) | Err(_) => return os::reap_strays(),
            }
            sleep(PAUSE).await;
        }
        tracing::warn!(marker = %self.marker, "some processes of a run do not go");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            os::signal_group(self.leader, Signal::KILL);
        }
        if !self.swept {
            os::kill_marked(&format!("{RUN}={}", self.marker));
        }
    }
}

/// How the process ended, in words of the contract: the exit code, or the name of the signal.
pub(super) fn exit(status: ExitStatus) -> Result<i32, String> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(code),
        (None, Some(signal)) => Err(os::signal_name(signal)),
        (None, None) => Err("an unknown signal".into()),
    }
}

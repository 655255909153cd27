//! A process that is watched, signalled, and never left behind.
//!
//! Two ropes hold it: dropping [`Child`] kills its group, and on Linux the kernel kills it when the
//! harness dies in whatever way (`torture-child` asks for that, then becomes the program).

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the program, tied to the life of who started it.
pub(crate) fn become_it(args: &Args) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let (program, rest) = args
        .command
        .split_first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Err(Command::new(program).args(rest).exec())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(i32),
    Signal(i32),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Child {
    inner: process::Child,
    pid: Pid,
    ended: Option<Ending>,
}

impl Child {
    /// Starts it in a process group of its own. The thread that calls this must outlive the process:
    /// the kernel counts threads as parents.
    pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
        let inner = command.process_group(0).spawn()?;
        let raw = i32::try_from(inner.id()).map_err(io::Error::other)?;
        let pid = Pid::from_raw(raw).ok_or_else(|| io::Error::other("a process without an id"))?;
        Ok(Child {
            inner,
            pid,
            ended: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.inner.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // It may have ended by itself this moment; until it is waited for its id is nobody else's.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<Ending>> {
        if self.ended.is_none() {
            self.ended = self.inner.try_wait()?.map(|status| match status.signal() {
                Some(signal) => Ending::Signal(signal),
                None => Ending::Code(status.code().unwrap_or(-1)),
            });
        }
        Ok(self.ended)
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL);
        while self.ended()?.is_none() {
            self.inner.wait()?;
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Its own children die with its group, or by the guard that outlives an agent.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.inner.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Child::start(Command::new("sleep").arg("600")).unwrap()
    }

    #[test]
    fn a_killed_child_says_by_what() {
        let mut child = sleeper();
        assert_eq!(child.ended().unwrap(), None);
        child.kill().unwrap();
        assert_eq!(child.ended().unwrap(), Some(Ending::Signal(9)));
    }

    #[test]
    fn nothing_outlives_its_handle_even_when_it_is_stopped() {
        let child = sleeper();
        let pid = child.pid;
        child.signal(Signal::STOP);
        drop(child);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}

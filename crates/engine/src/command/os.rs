//! What commands need from the operating system: process groups, exits seen without reaping, and the search for
//! processes that left their group. The only file here with `cfg`. Linux finds runaways by their environment in
//! /proc and adopts orphans; elsewhere the process group is all there is.

use rustix::process::{self, Pid, Signal, WaitId, WaitIdOptions};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{Interest, unix::AsyncFd};
use tokio::signal::unix::{self, SignalKind};

/// The pid of a child, as the system calls want it.
pub(super) fn pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// Sends a signal to a whole group. Only while its leader is not reaped yet: until then nobody else gets its number.
pub(super) fn signal_group(leader: Pid, signal: Signal) {
    if let Err(error) = process::kill_process_group(leader, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::debug!(%error, ?leader, "cannot signal a process group");
    }
}

/// Whether a child has ended. It stays a zombie, so that its group can still be signalled by number.
pub(super) fn has_ended(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match process::waitid(WaitId::Pid(child), options) {
        Ok(status) => status.is_some(),
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

/// Rings when a child may have ended: its own descriptor where there is such a thing, else the signal for all children.
#[derive(Debug)]
pub(super) enum Bell {
    /// Wakes nobody else, however many programs run.
    Descriptor(AsyncFd<OwnedFd>),
    /// Wakes everybody for each child.
    Signal(unix::Signal),
}

impl Bell {
    /// For a child that is not reaped. Whoever asks [`has_ended`] after this and then waits misses nothing.
    pub(super) fn new(child: Pid) -> io::Result<Bell> {
        match runaway::descriptor(child).and_then(watch) {
            Ok(descriptor) => Ok(Bell::Descriptor(descriptor)),
            Err(_) => unix::signal(SignalKind::child()).map(Bell::Signal),
        }
    }

    /// Waits for the next ring.
    pub(super) async fn rings(&mut self) {
        match self {
            Bell::Descriptor(descriptor) => {
                // An error rings too: the caller looks for itself.
                let _ = descriptor.readable().await;
            }
            Bell::Signal(signal) => {
                signal.recv().await;
            }
        }
    }
}

#[allow(
    deprecated,
    reason = "its fault is with types that may change their descriptor, and what replaces it is unsafe"
)]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

/// Leaves the session of the terminal, and with it Ctrl-C and the hang-up; a group leader may not, and need not.
pub(super) fn leave_session() {
    if let Err(error) = process::setsid() {
        tracing::debug!(%error, "stays in its session");
    }
}

/// The name of a signal, such as `SIGKILL`; numbers differ between systems, so the system's own are compared.
pub(super) fn signal_name(raw: i32) -> String {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    match names.iter().find(|(signal, _)| signal.as_raw() == raw) {
        Some((_, name)) => (*name).into(),
        None => format!("signal {raw}"),
    }
}

pub(super) use runaway::{Sweep, adopt_orphans, has_no_orphans, kill_marked, reap_strays};

#[cfg(target_os = "linux")]
mod runaway;

#[cfg(not(target_os = "linux"))]
mod runaway {
    use rustix::process::Pid;
    use std::io;
    use std::os::fd::OwnedFd;

    /// There is no such thing here.
    pub(super) fn descriptor(_child: Pid) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is no such thing here.
    pub(in crate::command) fn adopt_orphans() {}

    /// Orphans go to process 1.
    pub(in crate::command) fn has_no_orphans() -> bool {
        true
    }

    /// Other processes' environments are not readable here.
    pub(in crate::command) fn kill_marked(_entry: &str) -> usize {
        0
    }

    /// Nothing is adopted, so nothing is to be reaped.
    pub(in crate::command) fn reap_strays() {}

    /// The search that is not possible here.
    #[derive(Debug)]
    pub(in crate::command) struct Sweep;

    impl Sweep {
        /// Finds nothing.
        pub(in crate::command) fn new(_name: &'static str, _marker: &str, _leader: Pid) -> Self {
            Self
        }

        /// Finds nothing.
        pub(in crate::command) fn round(&mut self) -> bool {
            false
        }
    }
}

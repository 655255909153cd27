//! Runaways on Linux: what left its process group is found by its environment in /proc, and orphans are adopted, so that
//! whatever is left of a dead program is our child or below one.

use rustix::process::{self, Pid, PidfdFlags, Signal, WaitOptions};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// A descriptor that becomes readable when the child ends.
pub(super) fn descriptor(child: Pid) -> io::Result<OwnedFd> {
    Ok(process::pidfd_open(child, PidfdFlags::empty())?)
}

/// Makes this process the parent of every descendant whose own parent dies, so that none gets out of sight.
pub(in crate::command) fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = process::set_child_subreaper(Some(process::getpid())) {
            tracing::warn!(%error, "cannot adopt orphans of commands");
        }
    });
}

/// The children that the kernel keeps with the main thread: all the adopted ones (it hands orphans to the first
/// living thread), and of our own at most some. `None` where the kernel does not tell (CONFIG_PROC_CHILDREN).
fn children() -> Option<Vec<Pid>> {
    let mut before = read_children()?;
    // The kernel walks the list by position and skips one when one before it is reaped meanwhile. That one is
    // still in the first answer and no more in the second: two equal answers are complete, and so is none.
    for _ in 0..LISTINGS {
        let now = if before.is_empty() {
            String::new()
        } else {
            read_children()?
        };
        if now == before {
            return Some(now.split_ascii_whitespace().filter_map(parse_pid).collect());
        }
        before = now;
    }
    None
}

/// Tries to get the same list twice.
const LISTINGS: usize = 50;

fn read_children() -> Option<String> {
    let me = process::getpid().as_raw_nonzero();
    fs::read_to_string(format!("/proc/self/task/{me}/children")).ok()
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

/// Whether it is certain that nothing was adopted. The cheap question that nearly every run ends with.
pub(in crate::command) fn has_no_orphans() -> bool {
    children().is_some_and(|list| list.is_empty())
}

/// What /proc/PID/stat says about a process.
struct Stat {
    zombie: bool,
    group: i32,
    session: i32,
}

fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name in brackets may hold anything, brackets and spaces too.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    Some(Stat {
        zombie,
        group,
        session,
    })
}

/// A file that /proc has about a process; empty for zombies, other users' processes, and those that are gone.
fn read(pid: Pid, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default()
}

/// Whether an environment, as /proc gives it, has the entry.
fn has(environ: &[u8], entry: &str) -> bool {
    environ
        .split(|byte| *byte == 0)
        .any(|it| it == entry.as_bytes())
}

/// Kills a process that was seen with the entry in its environment; true if a signal was sent.
fn kill_if_still(pid: Pid, entry: &str) -> bool {
    match process::pidfd_open(pid, PidfdFlags::empty()) {
        // The number may have a new owner since the first look; what the descriptor holds cannot change.
        Ok(held) => {
            has(&read(pid, "environ"), entry)
                && process::pidfd_send_signal(held, Signal::KILL).is_ok()
        }
        Err(rustix::io::Errno::NOSYS) => process::kill_process(pid, Signal::KILL).is_ok(),
        Err(_) => false,
    }
}

/// Kills every process of this user whose environment has the entry (`NAME=value`); tells how many it saw.
pub(in crate::command) fn kill_marked(entry: &str) -> usize {
    let Ok(list) = fs::read_dir("/proc") else {
        return 0;
    };
    list.flatten()
        .filter_map(|found| parse_pid(found.file_name().to_str()?))
        .filter(|pid| *pid != process::getpid() && has(&read(*pid, "environ"), entry))
        .inspect(|pid| _ = kill_if_still(*pid, entry))
        .count()
}

/// Takes the zombie of an adopted process off the process table. By its number only: "any child" would steal
/// the exit codes that tokio waits for.
fn reap(pid: Pid) -> bool {
    matches!(
        process::waitpid(Some(pid), WaitOptions::NOHANG),
        Ok(Some(_))
    )
}

/// The search for what one run left behind, after its leader was killed with its group and reaped.
#[derive(Debug)]
pub(in crate::command) struct Sweep {
    name: &'static str,
    entry: String,
    leader: Pid,
    /// Children that are known to belong to the run: found with its marker, or in its group.
    known: HashSet<Pid>,
    /// Zombies that were seen, and children that showed nothing of themselves, with the number of looks.
    seen: HashMap<Pid, u32>,
}

/// Looks at a child that has a command line but no environment: it may be filling them in.
const BLANK_LOOKS: u32 = 5;

impl Sweep {
    /// A search for processes with this entry in their environment, and for the rest of the leader's group.
    pub(in crate::command) fn new(name: &'static str, marker: &str, leader: Pid) -> Self {
        let (known, seen) = (HashSet::new(), HashMap::new());
        Self {
            name,
            entry: format!("{name}={marker}"),
            leader,
            known,
            seen,
        }
    }

    /// Kills and reaps what it finds; true if there may be more to find.
    ///
    /// Complete, because the run's leader is dead: whatever is left of the run is our child by adoption, or
    /// below one. The children of what a round kills, or sees die, come to light in the next.
    pub(in crate::command) fn round(&mut self) -> bool {
        let Some(children) = children() else {
            return kill_marked(&self.entry) > 0;
        };
        let (mut more, mut strangers) = (false, false);
        for pid in children {
            let Some(stat) = stat(pid) else {
                // Somebody else reaped it just now, so its children are ours since a moment ago.
                more = true;
                continue;
            };
            if pid != self.leader && stat.group == self.leader.as_raw_nonzero().get() {
                self.known.insert(pid);
            }
            if stat.zombie {
                more |= self.meet_zombie(pid, &stat);
                continue;
            }
            // Looked at once: it may change between two looks, and then be taken for what it never was.
            let environ = read(pid, "environ");
            if has(&environ, &self.entry) {
                kill_if_still(pid, &self.entry);
                self.known.insert(pid);
            }
            if self.known.contains(&pid) {
                more = true;
            } else if environ.is_empty() {
                more |= self.may_change(pid);
                strangers = true;
            } else {
                strangers |= !self.names_a_run(&environ);
            }
        }
        // A child that does not tell its run may hide one of ours below it.
        more | (strangers && kill_marked(&self.entry) > 0)
    }

    /// Reaps what is ours; true if this is the first look at it, since its children may be ours only since.
    fn meet_zombie(&mut self, pid: Pid, stat: &Stat) -> bool {
        let looks = self.look(pid);
        // One that fled just before it was killed is known by nothing; in the second look it is nobody else's.
        if self.known.contains(&pid) || (looks > 1 && is_adopted(pid, stat)) {
            return reap(pid) && looks == 1;
        }
        looks == 1
    }

    /// Whether a child without an environment may yet get one, or die: while a program is loaded, and while
    /// a process ends, both environment and command line are empty.
    fn may_change(&mut self, pid: Pid) -> bool {
        let looks = self.look(pid);
        looks < BLANK_LOOKS || read(pid, "cmdline").is_empty()
    }

    fn look(&mut self, pid: Pid) -> u32 {
        let looks = self.seen.entry(pid).or_default();
        *looks += 1;
        *looks
    }

    fn names_a_run(&self, environ: &[u8]) -> bool {
        environ.split(|byte| *byte == 0).any(|entry| {
            let rest = entry.strip_prefix(self.name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}

/// How long a zombie must have been there until [`reap_strays`] takes it.
const STRAY_AGE: Duration = Duration::from_millis(500);

/// Reaps adopted processes that ended by themselves. Cheap to call often.
///
/// A zombie does not tell whether it was adopted or started by another part of this program. Taken are only
/// those that no ordinary child looks like (another session, or a group that is neither ours nor its own), and
/// only in the second look at them: what somebody waits for is gone by then.
pub(in crate::command) fn reap_strays() {
    static SEEN: Mutex<Option<(Instant, HashSet<Pid>)>> = Mutex::new(None);
    let Ok(mut seen) = SEEN.try_lock() else {
        return;
    };
    let now = Instant::now();
    let before = match seen.take() {
        Some((at, pids)) if now.duration_since(at) < STRAY_AGE => {
            *seen = Some((at, pids));
            return;
        }
        Some((_, pids)) => pids,
        None => HashSet::new(),
    };
    let zombies: HashSet<Pid> = children()
        .unwrap_or_default()
        .into_iter()
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.zombie && is_adopted(*pid, &stat)))
        .collect();
    for pid in zombies.intersection(&before) {
        reap(*pid);
    }
    *seen = Some((now, zombies));
}

/// Whether no ordinary child of ours looks like this. Asked of /proc, which says 0 for a session or group that
/// began outside our PID namespace, as in a container entered from outside: there it is a number like any other.
fn is_adopted(pid: Pid, stat: &Stat) -> bool {
    let Some(ours) = self::stat(process::getpid()) else {
        return false;
    };
    let group = stat.group;
    stat.session != ours.session || (group != pid.as_raw_nonzero().get() && group != ours.group)
}

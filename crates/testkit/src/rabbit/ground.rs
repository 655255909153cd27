//! The ground nodes stand on: a folder, and a guard that clears it. The guard is a small shell that knows by
//! the end of a pipe that the test is over, also when the test was killed with -9; then it kills every process
//! with the ground's mark in its environment (the broker, its port mapper, their children) and removes the folder.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The variable that marks every process of a ground.
const MARK: &str = "WARRENER_TEST_GROUND";

/// Kills may find new children, so it looks until nothing is found. The folder may have a file more for
/// a moment, so its removal is tried again.
const GUARD: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
while :; do
    found=$(grep -lsF -- "$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || break
    for each in $found; do
        each=${each#/proc/}
        kill -9 "${each%/environ}" 2>/dev/null
    done
done
for each in 1 2 3 4 5; do
    rm -rf -- "$2" && break
    sleep 0.1
done
"#;

/// See the module. Dropping it clears it, and waits until that is done.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
    guard: Child,
}

impl Ground {
    pub(crate) fn new(parent: &Path) -> io::Result<Ground> {
        let folder = tempfile::Builder::new()
            .prefix("warrener-rabbit-")
            .tempdir_in(parent)?
            .keep();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]);
        command
            .arg(format!("{MARK}={}", folder.display()))
            .arg(&folder);
        command.current_dir("/").stdin(Stdio::piped());
        // With the test's own stdout it would keep those waiting who read it to its end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, out of the reach of Ctrl-C.
        let guard = command.process_group(0).spawn()?;
        Ok(Ground { folder, guard })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes what the command starts part of the ground.
    pub(crate) fn mark(&self, command: &mut Command) {
        command.env(MARK, &self.folder);
        command.process_group(0);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // There is nobody to tell; what it left is in the temporary folder.
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_ends_what_forked_away_and_removes_the_folder() {
        let ground = Ground::new(&std::env::temp_dir()).unwrap();
        let folder = ground.folder().to_owned();
        // Leaves its session, as a daemon does.
        let mut command = Command::new("sh");
        command.args(["-c", "setsid sleep 600 & echo $! > pid; wait"]);
        command.current_dir(&folder).stdout(Stdio::null());
        ground.mark(&mut command);
        let mut child = command.spawn().unwrap();
        let pid = loop {
            let text = std::fs::read_to_string(folder.join("pid")).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                break rustix::process::Pid::from_raw(pid).unwrap();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        drop(ground);
        assert!(!folder.exists());
        assert!(!child.wait().unwrap().success());
        // It was adopted; whoever adopted it may not have buried it yet.
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        assert!(state.is_err() || state.unwrap().contains(") Z "));
    }
}

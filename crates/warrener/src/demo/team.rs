//! The demo's team: five `warrener agent run` as child processes, found and ended by their process ids.

use super::Broker;
use crate::compose::Running;
use crate::error::CliError;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long an agent may take to leave before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the team.
struct Member {
    name: &'static str,
    lane: &'static str,
    slots: &'static str,
    /// What it looks for when it is asked, and what its word is worth.
    eye: Option<(&'static str, &'static str)>,
}

/// Two read files; the others have an opinion each, beside their errands.
const MEMBERS: [Member; 5] = [
    Member::new("reader-1", "files", "3", None),
    Member::new("reader-2", "files", "3", None),
    Member::new("courier", "errands", "2", Some(("links", "0.9"))),
    Member::new("clerk", "desk", "1", Some(("size", "0.6"))),
    Member::new("critic", "desk", "1", Some(("ease", "0.5"))),
];

impl Member {
    const fn new(
        name: &'static str,
        lane: &'static str,
        slots: &'static str,
        eye: Option<(&'static str, &'static str)>,
    ) -> Self {
        Member {
            name,
            lane,
            slots,
            eye,
        }
    }
}

#[derive(Debug)]
pub(super) struct Team {
    members: BTreeMap<String, Child>,
    pids: Vec<u32>,
}

impl Team {
    pub(super) fn start(
        server: &Running,
        broker: Option<&Broker>,
        folder: &Path,
    ) -> Result<Team, CliError> {
        let mut team = Team {
            members: BTreeMap::new(),
            pids: vec![],
        };
        // A password must not be on a command line.
        let way = match broker {
            Some(broker) => broker.environment.clone(),
            None => vec![("WARRENER_BROKER__URL", "embedded".into())],
        };
        let server = [("WARRENER_SERVER", OsString::from(&server.url))];
        let environment: Vec<_> = server.into_iter().chain(way).collect();
        for member in &MEMBERS {
            team.add(&environment, folder, member)?;
        }
        Ok(team)
    }

    fn add(
        &mut self,
        environment: &[(&'static str, OsString)],
        folder: &Path,
        member: &Member,
    ) -> Result<(), CliError> {
        let name = member.name;
        let failed = |e: std::io::Error| CliError::new("internal", format!("agent {name}: {e}"));
        let exe = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(&exe);
        command
            .args(["agent", "run", "--quiet", "--follow-stdin"])
            .args(["--name", name, "--lane", member.lane])
            .args(["--concurrency", member.slots, "--data-dir"])
            .arg(folder.join("data"));
        match member.eye {
            None => command.arg("--").arg(&exe).arg("demo-step"),
            Some((eye, judging)) => command
                .args(["--role", "collaborator", "--capability"])
                .arg(format!("judging={judging}"))
                .arg("--")
                .arg(&exe)
                .args(["demo-step", "--eye", eye]),
        };
        let child = command
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            // A Ctrl-C of the terminal is for the demo alone, which then asks everybody to leave.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        self.pids.extend(child.id());
        self.members.insert(name.into(), child);
        Ok(())
    }

    /// Kills one at once, as an accident would. Gives back its process id.
    pub(super) fn kill(&mut self, name: &str) -> Result<u32, CliError> {
        let gone = || CliError::new("internal", format!("no agent {name} to kill"));
        let child = self.members.get_mut(name).ok_or_else(gone)?;
        let pid = child.id().ok_or_else(gone)?;
        child
            .start_kill()
            .map_err(|e| CliError::new("internal", e.to_string()))?;
        Ok(pid)
    }

    /// Asks everybody to leave, and waits for it.
    pub(super) async fn stop(&mut self) {
        for child in self.members.values() {
            if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for child in self.members.values_mut() {
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }

    /// The process ids of ours that still run: none, if all went well.
    pub(super) fn left(&self) -> Vec<u32> {
        let runs = |pid: &u32| {
            let pid = i32::try_from(*pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
        };
        self.pids.iter().copied().filter(runs).collect()
    }
}

//! The team of `up` and `run`: one `warrener agent run` process for each `[[agent]]`, started again when it ends unasked.

use crate::config::AgentConfig;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first and the longest wait before an agent is started again.
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];
/// An agent that ran this long starts over with the first wait.
const STEADY: Duration = Duration::from_secs(60);
/// How long an agent may take to drain before it is killed: more than it gives itself.
const DRAIN: Duration = Duration::from_secs(45);

/// How members are started.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) exe: PathBuf,
    pub(crate) server: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) config: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    /// Settings that members get in their environment: a password must not be on a command line.
    pub(crate) environment: Vec<(String, OsString)>,
    /// Only what is wrong is said; nothing on stdout.
    pub(crate) quiet: bool,
    /// Where a member runs that does not say.
    pub(crate) folder: PathBuf,
}

/// Runs all members until `stop`, then drains them.
pub(crate) async fn run(base: Base, agents: Vec<AgentConfig>, stop: CancellationToken) {
    let mut members = JoinSet::new();
    for agent in agents {
        members.spawn(member(base.clone(), agent, stop.clone()));
    }
    while members.join_next().await.is_some() {}
}

async fn member(base: Base, agent: AgentConfig, stop: CancellationToken) {
    let mut wait = BACKOFF[0];
    while !stop.is_cancelled() {
        let since = Instant::now();
        match command(&base, &agent).spawn() {
            Ok(child) => watch(child, &agent, &stop).await,
            Err(error) => tracing::error!(%error, agent = %agent.name, "agent not started"),
        }
        if stop.is_cancelled() {
            return;
        }
        if since.elapsed() >= STEADY {
            wait = BACKOFF[0];
        }
        tracing::warn!(agent = %agent.name, wait_ms = wait.as_millis(), "agent ended; starting it again");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
        wait = (wait * 2).min(BACKOFF[1]);
    }
}

/// Waits for the end of one process; when told to stop, asks it to drain and waits for that.
async fn watch(mut child: Child, agent: &AgentConfig, stop: &CancellationToken) {
    // Held open as long as we live: its end tells the agent that we are gone. Waiting would close it.
    let _pipe = child.stdin.take();
    tokio::select! {
        status = child.wait() => {
            tracing::info!(agent = %agent.name, status = ?status.ok(), "agent process ended");
            return;
        }
        () = stop.cancelled() => {}
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        // It may have ended by itself this moment.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(DRAIN, child.wait()).await.is_err() {
        tracing::warn!(agent = %agent.name, "agent did not drain in time; killed");
        let _ = child.kill().await;
    }
}

fn command(base: &Base, agent: &AgentConfig) -> Command {
    let mut words: Vec<OsString> = vec!["agent".into(), "run".into(), "--follow-stdin".into()];
    let mut say = |flag: &str, value: OsString| words.extend([flag.into(), value]);
    if base.environment.is_empty() {
        say("--server", base.server.clone().into());
    }
    say("--data-dir", base.data_dir.clone().into());
    if let Some(config) = &base.config {
        say("--config", config.clone().into());
    }
    if let Some(ca) = &base.ca {
        say("--ca", ca.clone().into());
    }
    say("--name", agent.name.as_str().into());
    say("--role", agent.role.as_str().into());
    say("--concurrency", agent.concurrency.to_string().into());
    for lane in &agent.lanes {
        say("--lane", lane.as_str().into());
    }
    for kind in &agent.kinds {
        say("--kind", kind.as_str().into());
    }
    for (capability, level) in &agent.capabilities {
        say("--capability", format!("{capability}={level}").into());
    }
    if let Some(cwd) = &agent.cwd {
        say("--cwd", cwd.clone().into());
    }
    if base.quiet {
        words.push("--quiet".into());
    }
    words.push("--".into());
    words.extend(agent.run.iter().map(OsString::from));
    let mut command = Command::new(&base.exe);
    command
        .args(words)
        .envs(base.environment.iter().cloned())
        .current_dir(&base.folder)
        .stdin(Stdio::piped())
        .kill_on_drop(true);
    if base.quiet {
        command.stdout(Stdio::null());
    }
    command
}

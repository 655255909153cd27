//! One agent of programs: what `agent run` is, whoever starts it.

use crate::config::environment;
use crate::shutdown;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_api::problem::Problem;
use warrener_engine::agent::{CommandExecutor, Stopped};
use warrener_engine::command::{Guard, Program};
use warrener_engine::{Agent, AgentOptions, Timers};
use warrener_model::agent::{Role, Who};
use warrener_model::name::Capability;
use warrener_model::{AgentId, InstanceId, Lane};

mod way;

pub(crate) use way::Way;

/// What an agent is started with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: AgentId,
    pub(crate) role: Role,
    pub(crate) lanes: Vec<Lane>,
    /// Empty is any.
    pub(crate) kinds: Vec<String>,
    pub(crate) capabilities: BTreeMap<Capability, f64>,
    pub(crate) concurrency: u32,
    /// Run the program here instead of in a folder of its own.
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) command: Vec<OsString>,
    pub(crate) way: Way,
    /// What programs are told of where the server is; nothing where this agent was not told.
    pub(crate) server: Option<String>,
    /// Authorities to trust, for programs that speak to the server.
    pub(crate) ca: Option<PathBuf>,
    /// Where work folders are made.
    pub(crate) work: PathBuf,
    pub(crate) timers: Timers,
    /// Leave when stdin ends.
    pub(crate) follow_stdin: bool,
}

/// Works until told to stop, then drains. Gives back how it ended.
pub(crate) async fn run(setup: Setup) -> Result<Stopped, Problem> {
    let stop = shutdown::on_signal().map_err(|e| Problem::new("internal", e.to_string()))?;
    if setup.follow_stdin {
        follow_stdin(stop.clone()).map_err(|e| Problem::new("internal", e.to_string()))?;
    }
    let instance = InstanceId::random(fastrand::u32(..));
    let who = Who {
        agent: setup.name.clone(),
        instance: instance.clone(),
    };
    let work = setup.work.join(format!("{}-{instance}", setup.name));
    let guard = guard(&instance, &work)?;
    // Well below the grace: a server that comes back must hear of our runs before it gives them away.
    let again = setup.timers.hello.min(Duration::from_secs(1));
    let line = setup.way.connect(who, setup.role, again)?;
    let base = std::env::current_dir().map_err(|e| Problem::new("internal", e.to_string()))?;
    let program = Program {
        cwd: setup.cwd.clone(),
        withheld: environment::RABBITMQ,
        ..Program::new(setup.command, base, work.clone())
    };
    let ca = setup
        .ca
        .as_ref()
        .map(|file| ("WARRENER_CA".to_owned(), file.display().to_string()));
    let executor = CommandExecutor::new(program, setup.server.clone(), ca.into_iter().collect());
    let options = AgentOptions {
        name: setup.name.to_string(),
        role: setup.role,
        lanes: setup.lanes,
        kinds: if setup.kinds.is_empty() {
            vec!["*".into()]
        } else {
            setup.kinds
        },
        capabilities: setup.capabilities,
        slots: setup.concurrency,
        timers: setup.timers,
        host: host(),
        instance: Some(instance),
        ..AgentOptions::default()
    };
    let broker = line.broker();
    #[cfg(feature = "kill-points")]
    let broker = crate::kill_points::broker(broker);
    let agent = Agent::new(broker, Arc::new(executor), options);
    let stopped = tokio::select! {
        stopped = agent.run(stop) => stopped,
        problem = line.refused() => return Err(problem),
    };
    line.close().await;
    // Nothing of this agent is left when it is: nobody else waits for this thread.
    guard.end();
    // What is left of it (nothing, after a clean end) is no reason to fail.
    let _ = std::fs::remove_dir_all(&work);
    Ok(stopped)
}

/// Asks for the end when stdin ends: its other end is held by the process that started this one.
fn follow_stdin(stop: CancellationToken) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("parent".into());
    thread.spawn(move || {
        // Nothing is expected on it; an error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.cancel();
    })?;
    Ok(())
}

/// A process that outlives this one by a moment: whatever this agent started and did not end, it ends.
fn guard(instance: &InstanceId, work: &std::path::Path) -> Result<Guard, Problem> {
    let failed = |e: std::io::Error| Problem::new("internal", format!("the guard: {e}"));
    let exe = std::env::current_exe().map_err(failed)?;
    let work = work.to_string_lossy();
    Guard::spawn(&exe, &["guard", instance.as_str(), &work]).map_err(failed)
}

/// The guard's own main (hidden subcommand `guard INSTANCE FOLDER`).
pub(crate) fn be_guard(instance: &str, work: &std::path::Path) -> std::io::Result<()> {
    warrener_engine::command::guard(instance)?;
    // The folder may never have been made.
    let _ = std::fs::remove_dir_all(work);
    Ok(())
}

fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

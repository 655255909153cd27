//! How the processes of a run are started: by way of `torture-child`, with nothing of the caller's own
//! settings, and their output in a log of their own.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::child::Child;
use super::ground::Ground;
use super::points::{Point, Role};

/// Programs that an agent runs at once.
pub(crate) const SLOTS: u32 = 3;

/// Starts a server, or the agent of this name.
pub(crate) fn start(
    ground: &Ground,
    role: Role,
    name: &str,
    point: Option<&Point>,
) -> io::Result<Child> {
    let mut command = Command::new(ground.xtask());
    command.args(["torture-child", "--"]).arg(ground.warrener());
    command.args(arguments(ground, role, name));
    command.current_dir(ground.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARRENER_") {
            command.env_remove(name);
        }
    }
    if let Some(broker) = &ground.broker {
        command.env("WARRENER_BROKER__URL", broker);
    }
    if let Some(point) = point {
        command.env("WARRENER_KILL_AT", point.word());
        command.env("WARRENER_KILL_LOG", ground.deaths());
    }
    let log = ground.logs().join(format!("{name}.log"));
    let log = OpenOptions::new().append(true).create(true).open(log)?;
    command.stdout(log.try_clone()?).stderr(log);
    Child::start(&mut command)
}

fn arguments(ground: &Ground, role: Role, name: &str) -> Vec<String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let settings = [
        "--config".into(),
        text(ground.config()),
        "--data-dir".into(),
        text(ground.data()),
    ];
    match role {
        Role::Server => {
            let listen = format!("127.0.0.1:{}", ground.port);
            let verb = ["server".into(), "run".into(), "--listen".into(), listen];
            verb.into_iter().chain(settings).collect()
        }
        Role::Agent => {
            let verb = ["agent", "run", "--name", name, "--concurrency"].map(String::from);
            let server = [SLOTS.to_string(), "--server".into(), ground.url()];
            let step = ["--".into(), text(ground.xtask()), "torture-step".into()];
            let all = verb.into_iter().chain(server).chain(settings).chain(step);
            all.chain([text(ground.witness())]).collect()
        }
    }
}

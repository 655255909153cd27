//! A place for one test: a folder, a configuration with short timers, and processes of the built binary in it, which
//! all carry the place's mark and are gone when it goes.

use crate::http::Http;
pub(crate) use crate::process::{Process, Ran};
use crate::stage::Stage;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Short timers. The lease is long enough for a machine that is busy with other tests; tests about
/// leases set their own.
const TIMERS: &str = "
[timers]
heartbeat = \"100ms\"
lease = \"LEASE\"
grace = \"300ms\"
sweep = \"50ms\"
hello = \"100ms\"
claim_repeat = \"200ms\"
outcome_again = \"500ms\"
offer_overdue = \"3s\"
";

/// A program that runs the script named like the task's kind: `KIND.sh` in the place, with the task on stdin.
pub(crate) const BY_KIND: &str = r#"
    cat > task.json
    kind=$(sed 's/.*"kind":"\([^"]*\)".*/\1/' task.json)
    exec sh "$WARRENER_AGENT_DIR/$kind.sh" < task.json"#;

/// See above.
#[derive(Debug)]
pub(crate) struct Place {
    dir: TempDir,
    mark: String,
    pub(crate) stage: Stage,
}

impl Place {
    /// With nothing set but the timers.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With this in its `warrener.toml`, too.
    pub(crate) fn with(settings: &str) -> Self {
        Self::of("6s", settings)
    }

    /// With another lease.
    pub(crate) fn of(lease: &str, settings: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::Builder::new().prefix("warrener-e2e-").tempdir();
        let place = Place {
            dir: dir.expect("a temporary folder"),
            mark: format!(
                "{}-{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ),
            stage: Stage::new(),
        };
        let timers = TIMERS.replace("LEASE", lease);
        place.write("warrener.toml", &format!("{settings}\n{timers}"));
        for folder in ["said", "tmp", "home"] {
            fs::create_dir(place.path(folder)).unwrap();
        }
        place
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path(".warrener")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// What a file holds; nothing if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read(self.path(name)).map_or(String::new(), |bytes| {
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(Into::into).collect()
    }

    /// Waits until a program wrote a whole first line into this file; gives it back.
    #[track_caller]
    pub(crate) fn said(&self, name: &str) -> String {
        until(name, || {
            let text = self.read(name);
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    }

    /// The binary in this place, without anybody's environment.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrener"));
        command.args(args);
        self.dress(&mut command);
        command
    }

    /// Any program in this place: folder, environment, mark, nothing on stdin.
    pub(crate) fn dress(&self, command: &mut Command) {
        command.current_dir(self.root()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home"));
        command.env("TMPDIR", self.path("tmp"));
        command.env("E2E_MARK", &self.mark);
        command.envs(self.stage.variables());
        command.stdin(Stdio::null());
    }

    /// Runs a command of the CLI; words are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a command of the CLI.
    pub(crate) fn call(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("the binary runs"))
    }

    /// Runs a command of the CLI with this on its stdin.
    pub(crate) fn feed(&self, line: &str, stdin: &str) -> Ran {
        use std::io::Write;
        let mut command = self.command(&line.split_whitespace().collect::<Vec<_>>());
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        let text = stdin.to_owned();
        // A command that refuses before it has read everything closes the pipe.
        let feeding = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
        let output = child.wait_with_output().expect("the binary ends");
        feeding.join().expect("the feeder ends");
        Ran::of(output)
    }

    /// A process of the binary that goes on running; what it says goes to files.
    pub(crate) fn start(&self, name: &str, args: &[&str]) -> Process {
        Process::start(self, name, self.command(args))
    }

    /// A server on a port of its own that answers.
    pub(crate) fn server(&self) -> Process {
        self.server_on(0)
    }

    /// A server on this port that answers.
    pub(crate) fn server_on(&self, port: u16) -> Process {
        let listen = format!("127.0.0.1:{port}");
        self.ready(self.start("server", &["server", "run", "--listen", &listen]))
    }

    /// Waits until this server says it is ready.
    #[track_caller]
    pub(crate) fn ready(&self, mut server: Process) -> Process {
        let pid = server.pid();
        until("a server that is ready", || {
            assert!(server.is_running(), "the server ended: {}", server.err());
            let found: Value = serde_json::from_str(&self.read(".warrener/server.json")).ok()?;
            (found["pid"] == pid).then_some(())?;
            let reply = self.http().try_get("/readyz").ok()?;
            (reply.status == 200).then_some(())
        });
        server
    }

    /// The server's HTTP, with the token of the data folder, and trust in the authority of the place's `ca.pem`.
    pub(crate) fn http(&self) -> Http {
        let found: Value = serde_json::from_str(&self.read(".warrener/server.json")).unwrap();
        let token = self.read(".warrener/token").trim().to_owned();
        Http::new(found["url"].as_str().unwrap(), &token, &self.read("ca.pem"))
    }

    /// An agent that runs a script of sh for each task; comes back once it has joined.
    pub(crate) fn agent(&self, name: &str, flags: &str, script: &str) -> Process {
        let agent = self.agent_alone(name, flags, script);
        self.http().until_presence(name, "up");
        agent
    }

    /// The same without waiting for anything.
    pub(crate) fn agent_alone(&self, name: &str, flags: &str, script: &str) -> Process {
        Process::start(self, name, self.agent_command(name, flags, script))
    }

    /// What starts such an agent.
    pub(crate) fn agent_command(&self, name: &str, flags: &str, script: &str) -> Command {
        let mut args = vec!["agent", "run", "--name", name];
        args.extend(flags.split_whitespace());
        args.extend(["--", "sh", "-c", script]);
        self.command(&args)
    }

    /// The processes of this place that run, whoever started them: id and command line, without the program's folder.
    pub(crate) fn running(&self) -> Vec<(u32, String)> {
        let mark = format!("E2E_MARK={}", self.mark);
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        pids.filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let variables = fs::read(entry.path().join("environ")).ok()?;
            let mut variables = variables.split(|byte| *byte == 0);
            variables.find(|variable| *variable == mark.as_bytes())?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let (program, _) = words.split_once(' ')?;
            let folder = program.rfind('/').map_or(0, |at| at + 1);
            Some((pid, words[folder..].to_owned()))
        })
        .collect()
    }

    /// Whether a process of this place has a command line that starts like this.
    pub(crate) fn runs(&self, start: &str) -> bool {
        self.running()
            .iter()
            .any(|(_, words)| words.starts_with(start))
    }

    /// Waits until a process of this place has a command line that starts like this.
    #[track_caller]
    pub(crate) fn until_runs(&self, start: &str) {
        until(start, || self.runs(start).then_some(()));
    }

    /// Waits until no process of this place has a command line that starts like this.
    #[track_caller]
    pub(crate) fn until_gone(&self, start: &str) {
        until(&format!("the end of {start}"), || {
            (!self.runs(start)).then_some(())
        });
    }
}

impl Drop for Place {
    /// Ends whatever is left, so that a test that failed disturbs no other.
    fn drop(&mut self) {
        for _ in 0..50 {
            let left = self.running();
            if left.is_empty() {
                return;
            }
            for (pid, _) in left {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                // It may have ended by itself.
                let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(what, PATIENCE, look)
}

#[track_caller]
pub(crate) fn until_within<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

/// A port for a server that comes back to it: outside of those that the system gives to others meanwhile.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 8_000).unwrap_or(0);
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

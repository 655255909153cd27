//! One server and its agents as processes: starts them, breaks them, notices how they end, starts
//! them again. Never two servers at once: the next one starts when the last one was waited for.

use std::fs::{self, OpenOptions};
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::child::{Child, Ending};
use super::diary::{Diary, Fault};
use super::ground::Ground;
use super::points::{Point, Role};

/// Programs that an agent runs at once.
pub(crate) const SLOTS: u32 = 3;
/// How long a process may take to end after SIGTERM: an agent's drain and its last words.
const GOODBYE: Duration = Duration::from_secs(45);
/// How long a process that is armed is given to come to its point.
const ARMED: Duration = Duration::from_secs(6);

#[derive(Debug)]
enum State {
    Up(Child),
    /// Until then.
    Stopped(Child, Instant),
    /// Told to go, at this time.
    Leaving(Child, Instant),
    /// Starts again then; never, without a time.
    Down(Option<Instant>),
}

/// One process that is started again and again.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) name: String,
    state: State,
    armed: Option<Point>,
    /// How long the file of deaths was when it started: what is beyond may be its own.
    deaths: usize,
    came_down: bool,
    started: Instant,
}

/// What the members share.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) diary: &'a Diary,
    /// Counts the lives of the server.
    pub(crate) lives: &'a AtomicU32,
}

impl Member {
    pub(crate) fn new(role: Role, name: String) -> Member {
        Member {
            role,
            name,
            state: State::Down(Some(Instant::now())),
            armed: None,
            deaths: 0,
            came_down: false,
            started: Instant::now(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Whether it may be killed: not while it is on its way to a point of its own.
    pub(crate) fn is_fair_game(&self) -> bool {
        self.is_up() && (self.armed.is_none() || self.started.elapsed() > ARMED)
    }

    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }

    /// Whether it has come down since this was asked last.
    pub(crate) fn came_down(&mut self) -> bool {
        std::mem::take(&mut self.came_down)
    }

    /// Its next life ends at this point, if it comes to it.
    pub(crate) fn arm(&mut self, point: Point) {
        self.armed = Some(point);
    }

    /// `kill -9`; it starts again after a while.
    pub(crate) fn kill(&mut self, stage: &Stage<'_>, down: Duration) -> io::Result<()> {
        let State::Up(child) = &mut self.state else {
            return Ok(());
        };
        // It may have come to its point this moment: then that is how it ended.
        if child.ended()?.is_some() {
            return Ok(());
        }
        child.kill()?;
        let point = point_of(stage.ground, child.id(), self.deaths);
        let fault = point.map_or(Fault::Killed, Fault::Point);
        stage.diary.fault(self.role, &self.name, fault);
        self.down(down);
        Ok(())
    }

    pub(crate) fn stop(&mut self, stage: &Stage<'_>, span: Duration) {
        self.state = match self.take() {
            State::Up(child) => {
                child.signal(Signal::STOP);
                let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                stage.diary.fault(self.role, &self.name, Fault::Stopped(ms));
                State::Stopped(child, Instant::now() + span)
            }
            other => other,
        };
    }

    /// SIGTERM.
    pub(crate) fn ask(&mut self, stage: &Stage<'_>) {
        self.state = match self.take() {
            State::Up(child) => {
                child.signal(Signal::TERM);
                stage.diary.say(&format!("{} is asked to end", self.name));
                State::Leaving(child, Instant::now())
            }
            other => other,
        };
    }

    /// What is due: goes on, starts again, is noticed to have ended.
    pub(crate) fn tick(&mut self, stage: &Stage<'_>, down: Duration) -> io::Result<()> {
        let (child, leaving) = match &mut self.state {
            State::Up(child) => (child, None),
            State::Leaving(child, since) => (child, Some(*since)),
            State::Stopped(child, until) => {
                if *until > Instant::now() {
                    return Ok(());
                }
                child.signal(Signal::CONT);
                stage.diary.back(&self.name, "goes on");
                if let State::Stopped(child, _) = self.take() {
                    self.state = State::Up(child);
                }
                return Ok(());
            }
            State::Down(Some(at)) if *at <= Instant::now() => return self.start(stage),
            State::Down(_) => return Ok(()),
        };
        match child.ended()? {
            Some(ending) => {
                let id = child.id();
                self.ended(stage, id, ending, leaving.is_some());
                self.down(down);
            }
            None if leaving.is_some_and(|since| since.elapsed() > GOODBYE) => {
                let name = &self.name;
                let after = GOODBYE.as_secs();
                let text = format!("{name} did not end {after} s after SIGTERM");
                stage.diary.problem(text);
                child.kill()?;
                self.down(down);
            }
            None => {}
        }
        Ok(())
    }

    /// From now on it does not start again.
    pub(crate) fn retire(&mut self) {
        if let State::Down(at) = &mut self.state {
            *at = None;
        }
    }

    fn ended(&mut self, stage: &Stage<'_>, id: u32, ending: Ending, leaving: bool) {
        let point = point_of(stage.ground, id, self.deaths);
        match (ending, point) {
            (Ending::Signal(9), Some(point)) => {
                stage
                    .diary
                    .fault(self.role, &self.name, Fault::Point(point));
            }
            (Ending::Code(0), None) if leaving => stage.diary.say(&format!("{} left", self.name)),
            (ending, _) => {
                let how = if leaving {
                    "after SIGTERM"
                } else {
                    "by itself"
                };
                let text = format!("{} (pid {id}) ended {how}: {ending:?}", self.name);
                stage.diary.problem(text);
            }
        }
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Down(None))
    }

    fn down(&mut self, span: Duration) {
        self.state = State::Down(Some(Instant::now() + span));
        self.armed = None;
        self.came_down = true;
    }

    fn start(&mut self, stage: &Stage<'_>) -> io::Result<()> {
        let ground = stage.ground;
        let mut command = Command::new(ground.xtask());
        command
            .arg("torture-child")
            .arg("--")
            .arg(ground.warrener());
        command.args(self.arguments(ground));
        command.current_dir(ground.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WARRENER_") {
                command.env_remove(name);
            }
        }
        if let Some(point) = &self.armed {
            command.env("WARRENER_KILL_AT", point.word());
            command.env("WARRENER_KILL_LOG", ground.deaths());
        }
        let log = ground.logs().join(format!("{}.log", self.name));
        let log = OpenOptions::new().append(true).create(true).open(log)?;
        command.stdout(log.try_clone()?).stderr(log);
        if self.role == Role::Server {
            stage.lives.fetch_add(1, Ordering::AcqRel);
        }
        self.deaths = deaths(ground).len();
        let child = Child::start(&mut command)?;
        let point = self.armed.as_ref().map(Point::word).unwrap_or_default();
        let (name, id) = (&self.name, child.id());
        let how = format!("starts as {id} {point}");
        stage.diary.back(name, &how);
        self.started = Instant::now();
        self.state = State::Up(child);
        Ok(())
    }

    fn arguments(&self, ground: &Ground) -> Vec<String> {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let mut words: Vec<String> = match self.role {
            Role::Server => ["server", "run", "--listen"].map(String::from).into(),
            Role::Agent => ["agent", "run", "--name"].map(String::from).into(),
        };
        match self.role {
            Role::Server => words.push(format!("127.0.0.1:{}", ground.port)),
            Role::Agent => words.extend([
                self.name.clone(),
                "--concurrency".into(),
                SLOTS.to_string(),
                "--server".into(),
                ground.url(),
            ]),
        }
        words.extend(["--config".into(), text(ground.config())]);
        words.extend(["--data-dir".into(), text(ground.data())]);
        if self.role == Role::Agent {
            let step = ["--".into(), text(ground.xtask()), "torture-step".into()];
            words.extend(step);
            words.push(text(ground.witness()));
        }
        words
    }
}

fn deaths(ground: &Ground) -> String {
    // No file: nobody died at a point yet.
    fs::read_to_string(ground.deaths()).unwrap_or_default()
}

/// The point at which this process killed itself, if it says so beyond the first so many bytes.
fn point_of(ground: &Ground, id: u32, from: usize) -> Option<String> {
    let said = deaths(ground);
    let mut lines = said.get(from..)?.lines().rev();
    let own = format!("{id} ");
    lines.find_map(|line| line.strip_prefix(&own).map(String::from))
}

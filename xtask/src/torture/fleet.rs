//! One server and its agents as processes: starts them, breaks them, notices how they end, starts
//! them again. Never two servers at once: the next one starts when the last one was waited for.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::child::{Child, Ending};
use super::diary::{Diary, Fault};
use super::ground::Ground;
use super::launch;
use super::points::{Point, Role};

/// Until then a process may not have got to listening for SIGTERM, on a busy machine.
const STARTING: Duration = Duration::from_secs(1);
/// How long a process may take to end after SIGTERM: an agent's drain and its last words.
const GOODBYE: Duration = Duration::from_secs(45);
/// How long a process that is armed is given to come to its point.
const ARMED: Duration = Duration::from_secs(6);

#[derive(Debug)]
enum State {
    Alive(Alive),
    /// Starts again then; never, without a time.
    Down(Option<Instant>),
}

#[derive(Debug)]
struct Alive {
    child: Child,
    since: Instant,
    /// Until then.
    stopped: Option<Instant>,
    /// Told to go, at this time.
    leaving: Option<Instant>,
    /// Where it will kill or stop itself.
    armed: Option<Point>,
    /// How long the file of deaths was when it started: what is beyond may be its own.
    deaths: usize,
}

/// One process that is started again and again.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) name: String,
    state: State,
    /// Of its next life.
    point: Option<Point>,
    came_down: bool,
}

/// What the members share.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) diary: &'a Diary,
    /// Counts the lives of the server.
    pub(crate) lives: &'a AtomicU32,
}

/// How long a member that ends now stays away, and one that stops itself now stays stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans {
    pub(crate) down: Duration,
    pub(crate) stop: Duration,
}

impl Member {
    pub(crate) fn new(role: Role, name: String) -> Member {
        Member {
            role,
            name,
            state: State::Down(Some(Instant::now())),
            point: None,
            came_down: false,
        }
    }

    /// It, if it is up and nothing has been done to it yet.
    fn up(&mut self) -> Option<&mut Alive> {
        match &mut self.state {
            State::Alive(alive) if alive.is_whole() => Some(alive),
            State::Alive(_) | State::Down(_) => None,
        }
    }

    /// Whether it may be stopped.
    pub(crate) fn is_up(&self) -> bool {
        matches!(&self.state, State::Alive(alive) if alive.is_whole())
    }

    /// Whether it may be killed: not while it is on its way to a point of its own.
    pub(crate) fn is_fair_game(&self) -> bool {
        let on_its_way = |alive: &Alive| alive.armed.is_some() && alive.since.elapsed() < ARMED;
        matches!(&self.state, State::Alive(alive) if alive.is_whole() && !on_its_way(alive))
    }

    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }

    /// Whether it has come down since this was asked last.
    pub(crate) fn came_down(&mut self) -> bool {
        std::mem::take(&mut self.came_down)
    }

    /// Its next life comes to this point, if it lives long enough.
    pub(crate) fn arm(&mut self, point: Point) {
        self.point = Some(point);
    }

    /// `kill -9`; it starts again after a while.
    pub(crate) fn kill(&mut self, stage: &Stage<'_>, down: Duration) -> io::Result<()> {
        let Some(alive) = self.up() else {
            return Ok(());
        };
        // It may have come to its point this moment: the next tick finds out.
        if alive.child.ended()?.is_some() {
            return Ok(());
        }
        alive.child.kill()?;
        let fault = alive.died_at(stage).map_or(Fault::Killed, Fault::Point);
        stage.diary.fault(self.role, &self.name, fault);
        self.down(down);
        Ok(())
    }

    pub(crate) fn stop(&mut self, stage: &Stage<'_>, span: Duration) {
        if let Some(alive) = self.up() {
            alive.child.signal(Signal::STOP);
            alive.stopped = Some(Instant::now() + span);
            let fault = Fault::Stopped(millis(span));
            stage.diary.fault(self.role, &self.name, fault);
        }
    }

    /// SIGTERM.
    pub(crate) fn ask(&mut self, stage: &Stage<'_>) {
        if let Some(alive) = self.up() {
            alive.child.signal(Signal::TERM);
            alive.leaving = Some(Instant::now());
            stage.diary.say(&format!("{} is asked to end", self.name));
        }
    }

    /// From now on it does not start again.
    pub(crate) fn retire(&mut self) {
        if let State::Down(at) = &mut self.state {
            *at = None;
        }
    }

    /// What is due: goes on, starts again, is noticed to have ended or to have stopped itself.
    pub(crate) fn tick(&mut self, stage: &Stage<'_>, spans: Spans) -> io::Result<()> {
        let alive = match &mut self.state {
            State::Alive(alive) => alive,
            State::Down(Some(at)) if *at <= Instant::now() => return self.start(stage),
            State::Down(_) => return Ok(()),
        };
        if let Some(until) = alive.stopped {
            if until <= Instant::now() {
                alive.child.signal(Signal::CONT);
                alive.stopped = None;
                stage.diary.back(&self.name, "goes on");
            }
            return Ok(());
        }
        if let Some(ending) = alive.child.ended()? {
            self.ended(stage, ending);
            self.down(spans.down);
        } else if let Some(point) = alive.stopped_at(stage) {
            alive.armed = None;
            alive.stopped = Some(Instant::now() + spans.stop);
            let fault = Fault::StoppedAt(point, millis(spans.stop));
            stage.diary.fault(self.role, &self.name, fault);
        } else if alive.leaving.is_some_and(|at| at.elapsed() > GOODBYE) {
            let (name, after) = (&self.name, GOODBYE.as_secs());
            let text = format!("{name} did not end {after} s after SIGTERM");
            stage.diary.problem(text);
            alive.child.kill()?;
            self.down(spans.down);
        }
        Ok(())
    }

    fn ended(&mut self, stage: &Stage<'_>, ending: Ending) {
        let State::Alive(alive) = &self.state else {
            return;
        };
        let leaving = alive.leaving.is_some();
        match (ending, alive.died_at(stage)) {
            (Ending::Signal(9), Some(point)) => {
                let fault = Fault::Point(point);
                stage.diary.fault(self.role, &self.name, fault);
            }
            (Ending::Code(0), None) if leaving => stage.diary.say(&format!("{} left", self.name)),
            // Asked before it could listen, it ends as any program does.
            (Ending::Signal(15), None) if alive.was_young() => {
                stage
                    .diary
                    .say(&format!("{} left before it listened", self.name));
            }
            (ending, _) => {
                let how = match leaving {
                    true => "after SIGTERM",
                    false => "by itself",
                };
                let (name, id) = (&self.name, alive.child.id());
                let text = format!("{name} (pid {id}) ended {how}: {ending:?}");
                stage.diary.problem(text);
            }
        }
    }

    fn down(&mut self, span: Duration) {
        self.state = State::Down(Some(Instant::now() + span));
        self.came_down = true;
    }

    fn start(&mut self, stage: &Stage<'_>) -> io::Result<()> {
        if self.role == Role::Server {
            stage.lives.fetch_add(1, Ordering::AcqRel);
        }
        let armed = self.point.take();
        let deaths = said(stage).len();
        let child = launch::start(stage.ground, self.role, &self.name, armed.as_ref())?;
        let word = armed.as_ref().map(Point::word).unwrap_or_default();
        let how = format!("starts as {} {word}", child.id());
        stage.diary.back(&self.name, &how);
        self.state = State::Alive(Alive {
            child,
            since: Instant::now(),
            stopped: None,
            leaving: None,
            armed,
            deaths,
        });
        Ok(())
    }
}

impl Alive {
    /// Whether it was told to leave while it was still starting.
    fn was_young(&self) -> bool {
        self.leaving
            .is_some_and(|asked| asked.duration_since(self.since) < STARTING)
    }

    fn is_whole(&self) -> bool {
        self.stopped.is_none() && self.leaving.is_none()
    }

    /// The point at which it killed itself, if it did.
    fn died_at(&self, stage: &Stage<'_>) -> Option<String> {
        self.last_word(stage).filter(|word| !word.ends_with(STOP))
    }

    /// The point at which it stopped itself, if that is what it was armed for.
    fn stopped_at(&self, stage: &Stage<'_>) -> Option<String> {
        if !self.armed.as_ref().is_some_and(|point| point.stops) {
            return None;
        }
        self.last_word(stage)?.strip_suffix(STOP).map(String::from)
    }

    fn last_word(&self, stage: &Stage<'_>) -> Option<String> {
        let said = said(stage);
        let own = format!("{} ", self.child.id());
        let mut lines = said.get(self.deaths..)?.lines().rev();
        lines.find_map(|line| line.strip_prefix(&own).map(String::from))
    }
}

/// What follows the name of a point that stops a process.
const STOP: &str = " stop";

/// What all processes said at their points.
fn said(stage: &Stage<'_>) -> String {
    // No file: nobody has come to a point yet.
    fs::read_to_string(stage.ground.deaths()).unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

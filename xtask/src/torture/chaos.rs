//! Breaks things at random moments, from a seed: one fault every 100 to 800 ms (half as often where processes have a
//! broker to connect to, which is broken as well) until the time is over;
//! then lets everything run, waits until no task is open, and ends every process by SIGTERM.
//!
//! Runs on the main thread: the processes are tied to the life of the thread that starts them.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::diary::Fault;
use super::fleet::{Member, Spans, Stage};
use super::points::{Deck, Role};
use super::rows;

const TICK: Duration = Duration::from_millis(10);
/// How long tasks may stay open when nothing is broken any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long processes may take to end.
const GOODBYE: Duration = Duration::from_secs(60);
/// How often the store is asked whether anything is open.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
enum Act {
    Kill(Role),
    /// Kill, and start with a point armed.
    Arm(Role),
    Stop(Role),
    Ask(Role),
}

/// What happens how often.
const ACTS: &[(Act, u32)] = &[
    (Act::Kill(Role::Agent), 26),
    (Act::Arm(Role::Agent), 18),
    (Act::Stop(Role::Agent), 20),
    (Act::Ask(Role::Agent), 6),
    (Act::Kill(Role::Server), 6),
    (Act::Arm(Role::Server), 14),
    (Act::Stop(Role::Server), 7),
    (Act::Ask(Role::Server), 3),
];
/// Of those that come back by themselves, so many in a hundred are armed.
const ARMED: u32 = 75;

/// At the end of a run.
const SOON: Spans = Spans {
    down: Duration::ZERO,
    stop: Duration::from_millis(100),
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Chaos<'a> {
    stage: Stage<'a>,
    rng: Rng,
    server: Member,
    agents: Vec<Member>,
    server_deck: Deck,
    agent_deck: Deck,
    spared: Option<Role>,
}

impl<'a> Chaos<'a> {
    pub(crate) fn new(
        stage: Stage<'a>,
        rng: Rng,
        agents: usize,
        spared: Option<Role>,
    ) -> Chaos<'a> {
        let agent = |n: usize| Member::new(Role::Agent, format!("a{n}"));
        Chaos {
            stage,
            rng,
            server: Member::new(Role::Server, "server".into()),
            agents: (1..=agents).map(agent).collect(),
            server_deck: Deck::of(Role::Server),
            agent_deck: Deck::of(Role::Agent),
            spared,
        }
    }

    /// Runs without faults until `ready` says so.
    pub(crate) fn calm(&mut self, ready: impl Fn() -> bool) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !ready() {
            if Instant::now() > until {
                let log = self.stage.ground.logs().join("server.log");
                let log = fs::read_to_string(log).unwrap_or_default();
                let last = log.lines().last().unwrap_or("nothing");
                let text = format!(
                    "no answer for {} s; its log ends: {last}",
                    PATIENCE.as_secs()
                );
                return Err(io::Error::other(text));
            }
            self.tick(0)?;
            sleep(TICK);
        }
        Ok(())
    }

    /// Breaks things for this long.
    pub(crate) fn rage(&mut self, span: Duration) -> io::Result<()> {
        let until = Instant::now() + span;
        let mut next = Instant::now();
        while Instant::now() < until {
            self.tick(ARMED)?;
            if next <= Instant::now() {
                self.act()?;
                let slower = 1 + u32::from(self.stage.ground.broker.is_some());
                next = Instant::now() + self.between(100, 800) * slower;
            }
            sleep(TICK);
        }
        Ok(())
    }

    /// Waits until no task is open. What is armed still may die; nothing new is armed.
    pub(crate) fn settle(&mut self) -> io::Result<bool> {
        let until = Instant::now() + PATIENCE;
        let mut look = Instant::now();
        while Instant::now() < until {
            self.tick(0)?;
            if look <= Instant::now() {
                look = Instant::now() + LOOK;
                // A store that is being opened by a new server is asked again.
                if rows::open(&self.stage.ground.store()).is_ok_and(|open| open == 0) {
                    return Ok(true);
                }
            }
            sleep(TICK);
        }
        Ok(false)
    }

    /// Ends every process as an operator would: the agents, then the server.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        for roles in [Role::Agent, Role::Server] {
            let until = Instant::now() + GOODBYE;
            loop {
                let stage = &self.stage;
                let members = self.agents.iter_mut().chain([&mut self.server]);
                let mut left = 0;
                for member in members.filter(|member| member.role == roles) {
                    // One that was stopped is asked once it goes on.
                    member.ask(stage);
                    member.retire();
                    member.tick(stage, SOON)?;
                    member.retire();
                    left += usize::from(!member.is_down());
                }
                if roles == Role::Agent {
                    self.server.tick(&self.stage, SOON)?;
                }
                if left == 0 || Instant::now() > until {
                    break;
                }
                sleep(TICK);
            }
        }
        Ok(())
    }

    fn tick(&mut self, armed: u32) -> io::Result<()> {
        let spans: Vec<Spans> = (0..=self.agents.len())
            .map(|n| Spans {
                down: self.between(0, 500),
                // An agent long enough to lose its leases, and to come back while they are new ones.
                stop: match n {
                    0 => self.between(100, 3_000),
                    _ => self.between(1_400, 2_400),
                },
            })
            .collect();
        let members = [&mut self.server].into_iter().chain(&mut self.agents);
        for (member, spans) in members.zip(spans) {
            member.tick(&self.stage, spans)?;
            let spared = self.spared == Some(member.role);
            if member.came_down() && !spared && self.rng.u32(0..100) < armed {
                let deck = match member.role {
                    Role::Server => &mut self.server_deck,
                    Role::Agent => &mut self.agent_deck,
                };
                member.arm(deck.deal(&mut self.rng));
            }
        }
        Ok(())
    }

    fn act(&mut self) -> io::Result<()> {
        let act = self.choose();
        let role = match act {
            Act::Kill(role) | Act::Arm(role) | Act::Stop(role) | Act::Ask(role) => role,
        };
        if self.spared == Some(role) {
            return Ok(());
        }
        let span = match (act, role) {
            (Act::Stop(_), Role::Agent) => self.between(200, 3_500),
            (Act::Stop(_), Role::Server) => self.between(100, 3_000),
            (_, Role::Agent) => self.between(0, 500),
            // Half of the time at once.
            (_, Role::Server) => self.between(0, 1_000) * u32::from(self.rng.bool()),
        };
        let ends = !matches!(act, Act::Stop(_));
        let allowed = |member: &Member| match ends {
            true => member.is_fair_game(),
            false => member.is_up(),
        };
        let member = match role {
            Role::Server => Some(&mut self.server).filter(|server| allowed(server)),
            Role::Agent => {
                let up = self.agents.iter_mut().filter(|agent| allowed(agent));
                let mut up: Vec<&mut Member> = up.collect();
                let one = self.rng.usize(0..up.len().max(1));
                (one < up.len()).then(|| up.swap_remove(one))
            }
        };
        let Some(member) = member else {
            return Ok(());
        };
        match act {
            Act::Kill(_) | Act::Arm(_) => member.kill(&self.stage, span)?,
            Act::Stop(_) => member.stop(&self.stage, span),
            Act::Ask(_) => {
                self.stage.diary.fault(role, &member.name, Fault::Asked);
                member.ask(&self.stage);
            }
        }
        // Whoever ended by itself just now is not down yet, and drawn for by the next tick.
        if member.came_down() && matches!(act, Act::Arm(_)) {
            let deck = match role {
                Role::Server => &mut self.server_deck,
                Role::Agent => &mut self.agent_deck,
            };
            member.arm(deck.deal(&mut self.rng));
        }
        Ok(())
    }

    fn choose(&mut self) -> Act {
        let all: u32 = ACTS.iter().map(|(_, weight)| weight).sum();
        let mut left = self.rng.u32(0..all);
        let hit = ACTS.iter().find(|(_, weight)| {
            let hit = left < *weight;
            left = left.wrapping_sub(*weight);
            hit
        });
        hit.map_or(Act::Kill(Role::Agent), |(act, _)| *act)
    }

    fn between(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.rng.u64(low..=high))
    }
}

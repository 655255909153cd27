//! One state of the checker: the row, every message on its way, two agents with one slot each, two servers, the
//! faults that may still come. Small numbers stand for ids; [`World::settle`] makes equal what only differs in names.

use super::fault::{Budget, Fault};
use super::row::Broken;
use std::sync::LazyLock;
use warrener_model::agent::Who;
use warrener_model::id::{ClaimId, InstanceId};
use warrener_model::life::Life;
use warrener_model::name::AgentId;

/// A run: one start of a handler, by the number of its claim.
pub(crate) type Run = u8;

/// An agent, and which boot of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    pub(crate) agent: u8,
    pub(crate) instance: u8,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Done,
    Failed,
    Released,
    Refused,
}

/// A claim, as it travels and as a server keeps it over a grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ask {
    pub(crate) from: Seat,
    pub(crate) run: Run,
    pub(crate) offer: u64,
    pub(crate) redelivered: bool,
    pub(crate) started: bool,
}

/// What comes to the servers. `run` of a heartbeat and of an outcome is not on the wire: the checker compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Note {
    Claim(Ask),
    Beat {
        from: Seat,
        run: Run,
        epoch: u64,
    },
    Outcome {
        from: Seat,
        run: Run,
        epoch: u64,
        end: End,
    },
    DeadLetter {
        offer: u64,
    },
}

/// What comes to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Word {
    Granted {
        run: Run,
        epoch: u64,
    },
    Refused {
        run: Run,
    },
    Revoke {
        epoch: u64,
    },
    Recorded {
        epoch: u64,
    },
    /// The delivery that is the claim.
    Task {
        run: Run,
        epoch: u64,
    },
}

/// A copy of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Delivery {
    pub(crate) offer: u64,
    /// Under which it starts at once, in a fast lane; else 0.
    pub(crate) epoch: u64,
    pub(crate) redelivered: bool,
}

impl Delivery {
    /// Starts without being claimed.
    pub(crate) fn is_fast(&self) -> bool {
        self.epoch > 0 && !self.redelivered
    }
}

/// A run that an agent has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) run: Run,
    pub(crate) epoch: u64,
    pub(crate) delivery: Delivery,
    /// The delivery is not acknowledged yet.
    pub(crate) tag: bool,
    /// It claims as `started`: the connection it began on is gone, or, in a fast lane, it takes long.
    pub(crate) back: bool,
    /// Its last claim is not answered yet.
    pub(crate) asks: bool,
    pub(crate) end: Option<End>,
}

impl Held {
    /// The servers know of it, or will: its lease is granted, or its outcome is confirmed.
    pub(crate) fn is_known(&self) -> bool {
        (self.back && !self.asks) || self.end.is_some()
    }
}

/// The one slot of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    Free,
    /// A delivery in the buffer of an agent that stands still.
    Unseen(Delivery),
    /// Claimed, not answered.
    Asked(Run, Delivery),
    Runs(Held),
}

/// How an agent is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Line {
    Up,
    /// It stands still.
    Still,
    /// It stands still, and the other side has given the connection up.
    StillCut,
    /// It goes on, and has not noticed yet that the connection is gone.
    Cut,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Agent {
    pub(crate) line: Line,
    pub(crate) slot: Slot,
    pub(crate) instance: u8,
    /// Its control queue.
    pub(crate) control: Vec<Word>,
}

/// A look at a lease. `renewed` is the checker's own knowledge, beside the number that the code compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Look {
    pub(crate) seen: u64,
    pub(crate) renewed: bool,
}

/// A grace that runs: for a redelivered claim (row 5), or for a link that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Grace {
    pub(crate) look: Look,
    pub(crate) claimant: Option<Ask>,
}

/// What a server acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Input {
    Note(Note),
    /// A claim that finds no slot, by the server's count.
    Full(Ask),
    Offer,
    OfferFast,
    Overdue(u64),
    Unconfirmed(u64),
    Assign(Seat, Run),
    Due,
    Expire(Look),
    Graced(Grace),
    Cancel,
    Retry,
    Deadline,
    Reassign(Seat),
}

/// What a server sends after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Out {
    Offer(Delivery),
    Word(Seat, Word),
    /// The answer to whoever cancelled, and how often the task was retried by then.
    Stopped(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// The row is read and the decision made. `fresh`: the row still has the version that was read; the version
    /// only ever grows and is only ever compared, so this bit is all of it.
    Read { fresh: bool },
    /// Committed, or refused; these messages are still to be sent, then the input is acknowledged.
    Tell(Vec<Out>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Work {
    pub(crate) input: Input,
    pub(crate) stage: Stage,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Server {
    pub(crate) work: Option<Work>,
    pub(crate) look: Option<Look>,
    pub(crate) grace: Option<Grace>,
}

/// What an agent makes of a grant for a run that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Habit {
    /// After its own claim it is the answer; any other is a question, and is answered with the run's claim.
    Listens,
    /// Every one is a question.
    Echoes,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) life: Life,
    /// Copies of offers that wait in the broker.
    pub(crate) queue: Vec<Delivery>,
    /// The servers' inbox.
    pub(crate) inbox: Vec<Note>,
    pub(crate) agents: [Agent; 2],
    pub(crate) servers: Vec<Server>,
    pub(crate) budget: Budget,
    pub(crate) habit: Habit,
    /// Runs whose handler may still fail; no fault of ours.
    pub(crate) failures: u8,
    /// A cancel was answered, and no retry came since.
    pub(crate) stopped: bool,
    /// Handlers started; counted in runs without a fault only.
    pub(crate) starts: Option<u8>,
    pub(crate) broken: Option<Broken>,
}

static NAMES: LazyLock<([AgentId; 2], [InstanceId; 8])> = LazyLock::new(|| {
    let agent = |name| AgentId::new(name).expect("a plain name");
    (
        [agent("a"), agent("b")],
        std::array::from_fn(|n| InstanceId::random(n as u32)),
    )
});

impl Seat {
    /// Its name in the row.
    pub(crate) fn who(self) -> Who {
        Who {
            agent: NAMES.0[usize::from(self.agent)].clone(),
            instance: NAMES.1[usize::from(self.instance)].clone(),
        }
    }

    /// Back from its name.
    pub(crate) fn of(agent: &AgentId, instance: &InstanceId) -> Self {
        let place = |at: Option<usize>| at.expect("only these names are used") as u8;
        Seat {
            agent: place(NAMES.0.iter().position(|name| name == agent)),
            instance: place(NAMES.1.iter().position(|name| name == instance)),
        }
    }
}

/// The id of a run in the row.
pub(crate) fn claim_id(run: Run) -> ClaimId {
    ClaimId::from_bytes([run; 16])
}

/// Back from its id.
pub(crate) fn run_of(claim: ClaimId) -> Run {
    claim.as_bytes()[0]
}

/// Puts a message into a bag: the order of arrival means nothing.
pub(crate) fn put<T: Ord>(bag: &mut Vec<T>, item: T) {
    let at = bag.partition_point(|other| *other < item);
    bag.insert(at, item);
}

impl Agent {
    /// The grant under which it runs something.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match &self.slot {
            Slot::Runs(held) => Some(held.epoch),
            Slot::Free | Slot::Unseen(_) | Slot::Asked(..) => None,
        }
    }
}

impl World {
    pub(crate) fn new(life: Life, budget: Budget, servers: u8) -> Self {
        let agent = Agent {
            line: Line::Up,
            slot: Slot::Free,
            instance: 0,
            control: vec![],
        };
        World {
            life,
            queue: vec![],
            inbox: vec![],
            agents: [agent.clone(), agent],
            servers: vec![Server::default(); usize::from(servers)],
            budget,
            habit: Habit::Listens,
            failures: 0,
            stopped: false,
            starts: (budget.left() == 0).then_some(0),
            broken: None,
        }
    }

    pub(crate) fn agent(&mut self, agent: u8) -> &mut Agent {
        &mut self.agents[usize::from(agent)]
    }

    pub(crate) fn server_count(&self) -> u8 {
        self.servers.len() as u8
    }

    pub(crate) fn server(&mut self, server: u8) -> &mut Server {
        &mut self.servers[usize::from(server)]
    }

    /// The agent as it is now.
    pub(crate) fn seat(&self, agent: u8) -> Seat {
        Seat {
            agent,
            instance: self.agents[usize::from(agent)].instance,
        }
    }

    /// Who holds the lease, by the row: seat and run.
    pub(crate) fn holder(&self) -> Option<(Seat, Run)> {
        let lease = self.life.lease.as_ref()?;
        Some((Seat::of(&lease.agent, &lease.instance), run_of(lease.claim)))
    }

    /// Puts a message into an agent's control queue, if this boot of it still has one.
    pub(crate) fn tell(&mut self, to: Seat, word: Word) {
        let agent = self.agent(to.agent);
        if agent.instance == to.instance && matches!(agent.line, Line::Up | Line::Still) {
            put(&mut agent.control, word);
        }
    }

    /// Sends to the servers, if the agent's connection still carries anything.
    pub(crate) fn note(&mut self, from: u8, note: Note) {
        if self.agent(from).line == Line::Up {
            put(&mut self.inbox, note);
        }
    }

    /// Whether nothing can come between a commit and this message that would make a difference: then it is sent in
    /// one step with the commit, since a message that is not sent and one that is not read yet are the same.
    pub(crate) fn is_prompt(&self, out: &Out) -> bool {
        let has = |fault| self.budget.has(fault);
        let server = has(Fault::ServerCrash);
        match out {
            Out::Offer(_) => !server && !has(Fault::BrokerLost) && !has(Fault::Unconfirmed),
            Out::Word(seat, _) => !server && self.is_steady(seat.agent),
            Out::Stopped(_) => !server,
        }
    }

    /// Whether nothing will end the agent's connection any more.
    pub(crate) fn is_steady(&self, agent: u8) -> bool {
        let ends = [
            Fault::AgentCrash,
            Fault::ConnectionLost,
            Fault::Stall,
            Fault::BrokerLost,
        ];
        ends.into_iter().all(|fault| !self.budget.has(fault))
            && self.agents[usize::from(agent)].line == Line::Up
    }

    /// Nothing is left to be done, and nobody is left who believes otherwise.
    pub(crate) fn is_over(&self) -> bool {
        let agents = self.agents.iter().all(|agent| {
            agent.slot == Slot::Free && agent.line == Line::Up && agent.control.is_empty()
        });
        let servers = self.servers.iter().all(|s| *s == Server::default());
        let bags = self.queue.is_empty() && self.inbox.is_empty();
        self.life.state.is_final() && agents && servers && bags
    }
}

//! Faults: what is done to agents, servers and messages.

use super::agent::NO_DELIVERY;
use super::row::Rules;
use super::server::Act;
use super::world::{Delivery, End, Grace, Input, Line, Look, Note, Out, Seat, Slot, Stage, Word};
use super::world::{World, put};

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Queue(Delivery),
    Inbox(Note),
    Control(u8, Word),
}

/// One fault as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The agent's process ends. `watch`: the server that sees its link end.
    Kill { agent: u8, watch: Option<u8> },
    /// The agent's connection ends; what it had sent last may be gone with it.
    Drop {
        agent: u8,
        watch: Option<u8>,
        unsent: bool,
    },
    /// The agent stands still.
    Still(u8),
    /// Part of a stall, not a fault of its own: the other side gives the connection up. `buffered`: the agent had
    /// received what was in its control queue.
    Cut {
        agent: u8,
        watch: Option<u8>,
        buffered: bool,
    },
    /// The server's process ends, and in direct mode the links of these agents with it.
    Fall { server: u8, links: [bool; 2] },
    /// The message is gone.
    Lose(Place),
    /// There are two of it.
    Double(Place),
    /// The broker is empty, and every connection to it gone.
    Empty,
    /// The copy becomes a dead letter.
    DeadLetter(Delivery),
    /// The confirm of an offer does not come; the copy may have arrived.
    Unconfirmed { server: u8, arrived: bool },
    /// A server acts when it should not, or because a person says so.
    Act { server: u8, act: Act },
    /// A server finds no slot for the claim.
    Full { server: u8, note: Note },
    /// An agent reads a grant too late to start on it.
    OldGrant { agent: u8, word: Word },
    /// An agent claims again.
    Claim(u8),
    /// An agent reports again.
    Report(u8),
    /// An agent's run ends without a result.
    End(u8, End),
}

impl World {
    /// The fault comes.
    pub(crate) fn suffer(&mut self, blow: Blow, rules: &Rules) {
        match blow {
            Blow::Kill { agent, watch } => {
                self.link_ends(agent, watch);
                let me = self.agent(agent);
                me.instance += 1;
                (me.line, me.slot) = (Line::Up, Slot::Free);
                me.control.clear();
            }
            Blow::Drop {
                agent,
                watch,
                unsent,
            } => {
                self.link_ends(agent, watch);
                let seat = self.seat(agent);
                self.inbox.retain(|note| !(unsent && is_from(note, seat)));
                self.reconnect(agent);
            }
            Blow::Still(agent) => self.agent(agent).line = Line::Still,
            Blow::Cut {
                agent,
                watch,
                buffered,
            } => {
                self.link_ends(agent, watch);
                let me = self.agent(agent);
                me.line = Line::StillCut;
                if !buffered {
                    me.control.clear();
                }
            }
            Blow::Fall { server, links } => self.fall(server, links),
            Blow::Lose(place) => self.lose(place),
            Blow::Double(place) => self.double(place),
            Blow::Empty => self.empty(),
            Blow::DeadLetter(delivery) => {
                self.lose(Place::Queue(delivery));
                let offer = delivery.offer;
                put(&mut self.inbox, Note::DeadLetter { offer });
            }
            Blow::Unconfirmed { server, arrived } => {
                let copy = self.unsent(server);
                if arrived {
                    put(&mut self.queue, copy);
                }
                self.decide(server, Input::Unconfirmed(copy.offer), rules);
            }
            Blow::Act { server, act } => self.act(server, act, rules),
            Blow::Full { server, note } => {
                self.lose(Place::Inbox(note));
                if let Note::Claim(ask) = note {
                    self.decide(server, Input::Full(ask), rules);
                }
            }
            Blow::OldGrant { agent, word } => {
                self.lose(Place::Control(agent, word));
                if let Word::Task { run, .. } = word {
                    self.agent(agent).slot = Slot::Asked(run, NO_DELIVERY);
                }
                self.claim(agent);
            }
            Blow::Claim(agent) => self.claim(agent),
            Blow::Report(agent) => self.report(agent),
            Blow::End(agent, end) => {
                if let Slot::Runs(held) = &mut self.agent(agent).slot {
                    held.end = Some(end);
                }
                self.report(agent);
            }
        }
    }

    /// The offer that this server was about to publish.
    fn unsent(&mut self, server: u8) -> Delivery {
        match self.server(server).work.take().map(|work| work.stage) {
            Some(Stage::Tell(outs)) => match outs.first() {
                Some(Out::Offer(copy)) => *copy,
                other => unreachable!("an offer is next, not {other:?}"),
            },
            other => unreachable!("it publishes, not {other:?}"),
        }
    }

    /// The other side of the connection notices: the broker gives deliveries back, a server starts the grace.
    fn link_ends(&mut self, agent: u8, watch: Option<u8>) {
        if matches!(self.agent(agent).line, Line::Up | Line::Still) {
            self.give_back(agent);
        }
        let seen = self.life.lease_seq;
        if let Some(server) = watch {
            let look = Look {
                seen,
                renewed: false,
            };
            let claimant = None;
            self.server(server).grace = Some(Grace { look, claimant });
        }
    }

    /// What the server had not acknowledged comes back; what it knew is gone.
    fn fall(&mut self, server: u8, links: [bool; 2]) {
        let me = std::mem::take(self.server(server));
        match me.work.map(|work| work.input) {
            Some(Input::Note(note)) => put(&mut self.inbox, note),
            Some(Input::Full(ask)) => put(&mut self.inbox, Note::Claim(ask)),
            _ => {}
        }
        for agent in (0..2u8).filter(|agent| links[usize::from(*agent)]) {
            match self.agent(agent).line {
                Line::Up => self.reconnect(agent),
                Line::Still => self.agent(agent).line = Line::StillCut,
                Line::StillCut | Line::Cut => {}
            }
        }
    }

    /// The broker forgets all: queues, what was delivered and not acknowledged, connections.
    fn empty(&mut self) {
        self.queue.clear();
        self.inbox.clear();
        for agent in 0..2u8 {
            let me = self.agent(agent);
            me.control.clear();
            match me.line {
                Line::Up | Line::Cut => self.reconnect(agent),
                Line::Still | Line::StillCut => me.line = Line::StillCut,
            }
        }
    }

    fn lose(&mut self, place: Place) {
        match place {
            Place::Queue(delivery) => take(&mut self.queue, &delivery),
            Place::Inbox(note) => take(&mut self.inbox, &note),
            Place::Control(agent, word) => take(&mut self.agent(agent).control, &word),
        }
    }

    fn double(&mut self, place: Place) {
        match place {
            Place::Queue(delivery) => put(&mut self.queue, delivery),
            Place::Inbox(note) => put(&mut self.inbox, note),
            Place::Control(agent, word) => put(&mut self.agent(agent).control, word),
        }
    }
}

fn is_from(note: &Note, seat: Seat) -> bool {
    match note {
        Note::Claim(ask) => ask.from == seat,
        Note::Beat { from, .. } | Note::Outcome { from, .. } => *from == seat,
        Note::DeadLetter { .. } => false,
    }
}

fn take<T: PartialEq>(bag: &mut Vec<T>, item: &T) {
    let at = bag.iter().position(|other| other == item);
    bag.remove(at.expect("it was found there"));
}

//! Which faults can come now, as far as the budget allows.

use super::blow::{Blow, Place};
use super::fault::{Fault, Mode};
use super::server::Act;
use super::world::{Delivery, End, Input, Line, Note, Out, Server, Slot, Stage, Word, Work, World};
use warrener_model::State;

/// Faults that can come, each with what it costs: the cut that belongs to a stall costs nothing more.
pub(crate) type Chances = Vec<(Option<Fault>, Blow)>;

impl World {
    /// Every fault that can come now.
    pub(crate) fn blows(&self, mode: Mode, blows: &mut Chances) {
        for agent in 0..2u8 {
            let line = self.agents[usize::from(agent)].line;
            if line == Line::Still {
                for watch in self.watchers(agent, mode) {
                    blows.push((
                        None,
                        Blow::Cut {
                            agent,
                            watch,
                            buffered: true,
                        },
                    ));
                    blows.push((
                        None,
                        Blow::Cut {
                            agent,
                            watch,
                            buffered: false,
                        },
                    ));
                }
            }
        }
        self.early_looks(blows);
        for fault in self.budget.kinds() {
            let mut found = vec![];
            for agent in 0..2u8 {
                self.blows_to_agent(fault, agent, mode, &mut found);
            }
            for server in 0..self.server_count() {
                self.blows_to_server(fault, server, mode, &mut found);
            }
            self.blows_to_messages(fault, &mut found);
            blows.extend(found.into_iter().map(|blow| (Some(fault), blow)));
        }
    }

    fn blows_to_agent(&self, fault: Fault, agent: u8, mode: Mode, blows: &mut Vec<Blow>) {
        let me = &self.agents[usize::from(agent)];
        let seat = self.seat(agent);
        let claims = self
            .inbox
            .iter()
            .any(|n| matches!(n, Note::Claim(a) if a.from == seat));
        let reports = self
            .inbox
            .iter()
            .any(|n| matches!(n, Note::Outcome { from, .. } if *from == seat));
        let up = me.line == Line::Up;
        match (fault, &me.slot) {
            (Fault::AgentCrash, _) => {
                let watchers = self.watchers(agent, mode);
                blows.extend(
                    watchers
                        .into_iter()
                        .map(|watch| Blow::Kill { agent, watch }),
                );
            }
            (Fault::ConnectionLost, _) if up => {
                for watch in self.watchers(agent, mode) {
                    blows.push(Blow::Drop {
                        agent,
                        watch,
                        unsent: false,
                    });
                    if mode == Mode::Direct {
                        blows.push(Blow::Drop {
                            agent,
                            watch,
                            unsent: true,
                        });
                    }
                }
            }
            (Fault::Stall, _) if up => blows.push(Blow::Still(agent)),
            (Fault::OldGrant, Slot::Asked(mine, _)) if up => {
                let grants = me
                    .control
                    .iter()
                    .filter(|word| matches!(word, Word::Granted { run, .. } if run == mine));
                blows.extend(grants.map(|word| Blow::OldGrant { agent, word: *word }));
            }
            // Where the delivery is the claim: the agent stood still while its grant waited.
            (Fault::OldGrant, Slot::Free) if up => {
                let tasks = me.control.iter();
                let tasks = tasks.filter(|word| matches!(word, Word::Task { .. }));
                blows.extend(tasks.map(|word| Blow::OldGrant { agent, word: *word }));
            }
            (Fault::EarlyClaim, Slot::Asked(..)) if up && !claims => blows.push(Blow::Claim(agent)),
            (Fault::EarlyClaim, Slot::Runs(held)) if up && held.asks && !claims => {
                blows.push(Blow::Claim(agent));
            }
            (Fault::EarlyOutcome, Slot::Runs(held)) if up && held.end.is_some() && !reports => {
                blows.push(Blow::Report(agent));
            }
            (Fault::Release, Slot::Runs(held)) if up && held.end.is_none() => {
                blows.push(Blow::End(agent, End::Released));
                blows.push(Blow::End(agent, End::Refused));
            }
            _ => {}
        }
    }

    fn blows_to_server(&self, fault: Fault, server: u8, mode: Mode, blows: &mut Vec<Blow>) {
        let me = &self.servers[usize::from(server)];
        let busy = me.work.is_some();
        let mut act = |act| blows.push(Blow::Act { server, act });
        let over = self.life.state.is_final();
        match fault {
            Fault::ServerCrash if *me != Server::default() || mode == Mode::Direct => {
                let links: &[[bool; 2]] = match mode {
                    Mode::Claim | Mode::Fast => &[[false, false]],
                    Mode::Direct => &[[false, false], [true, false], [false, true], [true, true]],
                };
                blows.extend(links.iter().map(|links| Blow::Fall {
                    server,
                    links: *links,
                }));
            }
            Fault::EarlyLost => {
                if let (Some(look), false) = (me.look, busy) {
                    act(Act::Start(Input::Expire(look)));
                }
                if let (Some(grace), false) = (me.grace, busy) {
                    act(Act::Start(Input::Graced(grace)));
                }
            }
            Fault::Cancel if !busy && !over => act(Act::Start(Input::Cancel)),
            Fault::Deadline if !busy && !over => act(Act::Start(Input::Deadline)),
            Fault::Reassign if !busy && !over => {
                act(Act::Start(Input::Reassign(self.seat(0))));
                act(Act::Start(Input::Reassign(self.seat(1))));
            }
            Fault::Retry if !busy && over && self.life.state != State::Succeeded => {
                act(Act::Start(Input::Retry));
            }
            Fault::EarlyOverdue
                if !busy && self.life.offered_at.is_some() && !self.offer_is_gone() =>
            {
                act(Act::Start(Input::Overdue(self.life.offer)));
            }
            Fault::NoSlot if !busy => {
                let claims = self.inbox.iter().filter(|note| {
                    matches!(note, Note::Claim(ask) if ask.offer == self.life.offer && !ask.started)
                });
                blows.extend(claims.map(|note| Blow::Full {
                    server,
                    note: *note,
                }));
            }
            Fault::Unconfirmed => {
                if let Some(Work {
                    stage: Stage::Tell(outs),
                    ..
                }) = &me.work
                    && matches!(outs.as_slice(), [Out::Offer(_)])
                {
                    blows.push(Blow::Unconfirmed {
                        server,
                        arrived: true,
                    });
                    blows.push(Blow::Unconfirmed {
                        server,
                        arrived: false,
                    });
                }
            }
            _ => {}
        }
    }

    /// To look costs nothing; to act on it although the holder is well is the fault.
    fn early_looks(&self, blows: &mut Chances) {
        let looks = self.life.lease.is_some() && !self.is_silent();
        if !looks || !self.budget.has(Fault::EarlyLost) {
            return;
        }
        for server in
            (0..self.server_count()).filter(|s| self.servers[usize::from(*s)].look.is_none())
        {
            blows.push((
                None,
                Blow::Act {
                    server,
                    act: Act::Look,
                },
            ));
        }
    }

    fn blows_to_messages(&self, fault: Fault, blows: &mut Vec<Blow>) {
        match fault {
            Fault::MessageLost => blows.extend(self.places().into_iter().map(Blow::Lose)),
            Fault::MessageDoubled => {
                // A second copy of an offer may say that it is one, or not.
                let copies = self.queue.iter().map(|copy| Delivery {
                    redelivered: true,
                    ..*copy
                });
                let mut places: Vec<Place> = copies.map(Place::Queue).collect();
                places.extend(self.places());
                places.dedup();
                blows.extend(places.into_iter().map(Blow::Double));
            }
            Fault::BrokerLost => blows.push(Blow::Empty),
            Fault::DeadLetter => {
                let mut copies = self.queue.clone();
                copies.dedup();
                blows.extend(copies.into_iter().map(Blow::DeadLetter));
            }
            _ => {}
        }
    }

    /// Every message that waits somewhere, once.
    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.queue.iter().copied().map(Place::Queue).collect();
        places.extend(self.inbox.iter().copied().map(Place::Inbox));
        for (agent, it) in (0..).zip(&self.agents) {
            places.extend(it.control.iter().map(|word| Place::Control(agent, *word)));
        }
        places.dedup();
        places
    }

    /// Which server may notice the end of this agent's link: none where there is a broker, or when nothing runs behind it.
    fn watchers(&self, agent: u8, mode: Mode) -> Vec<Option<u8>> {
        let holds = self
            .holder()
            .is_some_and(|(seat, _)| seat == self.seat(agent));
        let alive = self.agents[usize::from(agent)].line != Line::StillCut;
        if mode != Mode::Direct || !holds || !alive {
            return vec![None];
        }
        let free = (0..self.server_count())
            .filter(|server| self.servers[usize::from(*server)].grace.is_none());
        let watchers: Vec<_> = free.map(Some).collect();
        if watchers.is_empty() {
            vec![None]
        } else {
            watchers
        }
    }
}

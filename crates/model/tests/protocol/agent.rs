//! What an agent does, by the paragraph **Agent** of protocol.md section 3. Nothing here decides about the task.

use super::world::{
    Agent, Ask, Delivery, End, Habit, Held, Line, Note, Seat, Slot, Word, World, put,
};

/// Where the delivery is the claim, no copy of an offer stands behind a run.
pub(crate) const NO_DELIVERY: Delivery = Delivery {
    offer: 0,
    epoch: 0,
    redelivered: false,
};

/// A step of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The broker gives it a copy of an offer.
    Deliver(Delivery),
    /// It claims what it has in its slot: again, or at last; the first copy of a fast offer it starts.
    Claim,
    /// A run of a fast offer takes long: it claims as started.
    HandOver,
    /// It reads a message of its control queue.
    Read(Word),
    /// Its handler ends.
    End(End),
    /// It publishes its outcome again.
    Report,
    /// It acknowledges the delivery behind its run.
    Ack,
    /// It sends a heartbeat.
    Beat,
    /// It goes on after a stall.
    Wake,
    /// It notices that its connection is gone.
    Notice,
}

impl World {
    /// Every step that this agent can take of itself.
    pub(crate) fn moves(&self, agent: u8, moves: &mut Vec<Move>) {
        let seat = self.seat(agent);
        let me = &self.agents[usize::from(agent)];
        match me.line {
            Line::Still | Line::StillCut => moves.push(Move::Wake),
            Line::Cut => moves.push(Move::Notice),
            Line::Up => self.claims_and_reports(seat, me, moves),
        }
        let can_receive = matches!(me.line, Line::Up | Line::Still) && me.slot == Slot::Free;
        if can_receive {
            let mut copies = self.queue.clone();
            copies.dedup();
            moves.extend(copies.into_iter().map(Move::Deliver));
        }
        if matches!(me.line, Line::Up | Line::Cut) {
            let mut words = me.control.clone();
            words.dedup();
            words.retain(|word| !matches!(word, Word::Task { .. }) || me.slot == Slot::Free);
            moves.extend(words.into_iter().map(Move::Read));
            if let Slot::Runs(held) = me.slot
                && held.end.is_none()
            {
                moves.push(Move::End(End::Done));
                if self.failures > 0 {
                    moves.push(Move::End(End::Failed));
                }
            }
        }
        if let Slot::Runs(held) = me.slot
            && held.tag
            && me.line == Line::Up
            && (!held.delivery.is_fast() || held.is_known())
        {
            moves.push(Move::Ack);
        }
        if me.line == Line::Cut && matches!(me.slot, Slot::Unseen(copy) if copy.is_fast()) {
            // Nothing tells it that the copy is not its own any more.
            moves.push(Move::Claim);
        }
    }

    fn claims_and_reports(&self, seat: Seat, me: &Agent, moves: &mut Vec<Move>) {
        match me.slot {
            Slot::Free => {}
            Slot::Unseen(_) => moves.push(Move::Claim),
            Slot::Asked(run, _) => {
                if self.claim_is_lost(seat, run) {
                    moves.push(Move::Claim);
                }
            }
            Slot::Runs(held) => {
                if held.delivery.is_fast() && !held.back && held.end.is_none() {
                    moves.push(Move::HandOver);
                }
                if held.asks && self.claim_is_lost(seat, held.run) {
                    moves.push(Move::Claim);
                }
                if held.end.is_some() && self.outcome_is_lost(seat, held.run, held.epoch) {
                    moves.push(Move::Report);
                }
                if self.beat_matters(seat, held.run, held.epoch) {
                    moves.push(Move::Beat);
                }
            }
        }
    }

    /// Takes a step.
    pub(crate) fn step(&mut self, agent: u8, step: Move) {
        match step {
            Move::Deliver(delivery) => {
                let at = self.queue.iter().position(|copy| *copy == delivery);
                self.queue
                    .remove(at.expect("it was offered from the queue"));
                self.agent(agent).slot = Slot::Unseen(delivery);
                if self.agent(agent).line == Line::Up {
                    self.take_up(agent);
                }
            }
            Move::Claim => self.take_up(agent),
            Move::HandOver => {
                if let Slot::Runs(held) = &mut self.agent(agent).slot {
                    held.back = true;
                }
                self.claim(agent);
            }
            Move::Read(word) => {
                let control = &mut self.agent(agent).control;
                let at = control.iter().position(|other| *other == word);
                control.remove(at.expect("it was offered from the queue"));
                self.read(agent, word);
            }
            Move::End(end) => {
                self.failures -= u8::from(end == End::Failed);
                if let Slot::Runs(held) = &mut self.agent(agent).slot {
                    held.end = Some(end);
                }
                self.report(agent);
            }
            Move::Report => self.report(agent),
            Move::Ack => {
                if let Slot::Runs(held) = &mut self.agent(agent).slot {
                    held.tag = false;
                }
            }
            Move::Beat => {
                let from = self.seat(agent);
                if let Slot::Runs(Held { run, epoch, .. }) = self.agent(agent).slot {
                    self.note(agent, Note::Beat { from, run, epoch });
                }
            }
            Move::Wake => {
                let line = &mut self.agent(agent).line;
                *line = match line {
                    Line::StillCut => Line::Cut,
                    _ => Line::Up,
                };
            }
            Move::Notice => self.reconnect(agent),
        }
    }

    /// The first copy of a fast offer starts at once; all else is claimed.
    fn take_up(&mut self, agent: u8) {
        let copy = match self.agent(agent).slot {
            Slot::Unseen(copy) if copy.is_fast() => copy,
            _ => return self.claim(agent),
        };
        let run = self.fresh_run();
        let tag = !self.is_steady(agent);
        self.agent(agent).slot = Slot::Runs(Held {
            run,
            epoch: copy.epoch,
            delivery: copy,
            tag,
            back: false,
            asks: false,
            end: None,
        });
        self.started();
    }

    /// Claims for what is in the slot; the claim id is made once for each start.
    pub(crate) fn claim(&mut self, agent: u8) {
        let run = self.fresh_run();
        let from = self.seat(agent);
        let slot = &mut self.agent(agent).slot;
        if let Slot::Unseen(delivery) = *slot {
            *slot = Slot::Asked(run, delivery);
        }
        let (run, delivery, started) = match slot {
            Slot::Asked(run, delivery) => (*run, *delivery, false),
            Slot::Runs(held) => {
                held.asks = true;
                (held.run, held.delivery, held.back)
            }
            Slot::Free | Slot::Unseen(_) => return,
        };
        let Delivery {
            offer, redelivered, ..
        } = delivery;
        self.note(
            agent,
            Note::Claim(Ask {
                from,
                run,
                offer,
                redelivered,
                started,
            }),
        );
    }

    /// Publishes the outcome of its run.
    pub(crate) fn report(&mut self, agent: u8) {
        let from = self.seat(agent);
        if let Slot::Runs(Held {
            run,
            epoch,
            end: Some(end),
            ..
        }) = self.agent(agent).slot
        {
            self.note(
                agent,
                Note::Outcome {
                    from,
                    run,
                    epoch,
                    end,
                },
            );
        }
    }

    fn read(&mut self, agent: u8, word: Word) {
        // Without anything that ends a connection, it does not matter when the delivery is acknowledged.
        let keeps_tag = !self.is_steady(agent);
        let listens = self.habit == Habit::Listens;
        let slot = &mut self.agent(agent).slot;
        match (word, *slot) {
            (Word::Granted { run, epoch }, Slot::Asked(asked, delivery)) if run == asked => {
                *slot = Slot::Runs(Held {
                    run,
                    epoch,
                    delivery,
                    tag: keeps_tag,
                    back: false,
                    asks: false,
                    end: None,
                });
                self.started();
            }
            (Word::Granted { run, .. }, Slot::Runs(held)) if run == held.run => {
                if held.asks && listens {
                    *slot = Slot::Runs(Held {
                        asks: false,
                        ..held
                    });
                } else {
                    self.claim(agent);
                }
            }
            (Word::Task { run, epoch }, Slot::Free) => {
                *slot = Slot::Runs(Held {
                    run,
                    epoch,
                    delivery: NO_DELIVERY,
                    tag: false,
                    back: false,
                    asks: false,
                    end: None,
                });
                self.started();
            }
            (Word::Refused { run }, Slot::Asked(mine, _)) if run == mine => *slot = Slot::Free,
            (Word::Refused { run }, Slot::Runs(held)) if run == held.run => *slot = Slot::Free,
            (Word::Revoke { epoch }, Slot::Runs(held)) if epoch == held.epoch => {
                *slot = Slot::Free;
            }
            (Word::Recorded { epoch }, Slot::Runs(held))
                if epoch == held.epoch && held.end.is_some() =>
            {
                *slot = Slot::Free;
            }
            // About a run that it dropped, or never had.
            _ => {}
        }
    }

    fn started(&mut self) {
        self.starts = self.starts.map(|starts| starts + 1);
    }

    /// A new connection: tags and what had not started are forgotten, runs are claimed as `started`.
    pub(crate) fn reconnect(&mut self, agent: u8) {
        let me = self.agent(agent);
        me.line = Line::Up;
        me.control.clear();
        match &mut me.slot {
            Slot::Runs(held) => {
                (held.tag, held.back, held.asks) = (false, true, true);
                self.claim(agent);
                self.report(agent);
            }
            slot => *slot = Slot::Free,
        }
    }

    /// What the broker does when a connection ends: what was not acknowledged waits again, marked as redelivered.
    pub(crate) fn give_back(&mut self, agent: u8) {
        let copy = match self.agent(agent).slot {
            Slot::Unseen(delivery) | Slot::Asked(_, delivery) => Some(delivery),
            Slot::Runs(Held {
                tag: true,
                delivery,
                ..
            }) => Some(delivery),
            Slot::Runs(_) | Slot::Free => None,
        };
        if let Some(copy) = copy.filter(|copy| *copy != NO_DELIVERY) {
            let redelivered = true;
            put(
                &mut self.queue,
                Delivery {
                    redelivered,
                    ..copy
                },
            );
        }
    }
}

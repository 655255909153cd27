//! What a server does: it takes an input and reads the row, commits if the row still is as it was read, sends what
//! follows, and acknowledges last. Two of them do so at once, on one row.

use super::fault::{Fault, Mode};
use super::row::{Broken, Rules};
use super::world::{Ask, Delivery, End, Grace, Input, Line, Look, Note, Out, Seat, Slot};
use super::world::{Stage, Word, Work, World, put, run_of};
use warrener_model::State;
use warrener_model::life::{Effect, Step};

/// A step of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It takes a message from the inbox, reads the row and decides.
    Take(Note),
    /// A timer, a dispatcher or a person asks it to act; it reads the row and decides.
    Start(Input),
    /// The row has changed since: it reads again.
    Reread,
    /// It commits.
    Commit,
    /// It sends the first message of those that follow.
    Tell,
    /// It acknowledges the input.
    Acknowledge,
    /// It remembers how the lease looks now.
    Look,
}

impl World {
    /// Every step that this server can take of itself.
    pub(crate) fn acts(&self, server: u8, mode: Mode, acts: &mut Vec<Act>) {
        let me = &self.servers[usize::from(server)];
        match me.work.as_ref().map(|work| &work.stage) {
            Some(Stage::Read { fresh: true }) => acts.push(Act::Commit),
            Some(Stage::Read { fresh: false }) => acts.push(Act::Reread),
            Some(Stage::Tell(outs)) if outs.is_empty() => acts.push(Act::Acknowledge),
            Some(Stage::Tell(_)) => acts.push(Act::Tell),
            None => self.begins(server, mode, acts),
        }
        if me.look.is_none() && self.is_silent() {
            acts.push(Act::Look);
        }
    }

    fn begins(&self, server: u8, mode: Mode, acts: &mut Vec<Act>) {
        let me = &self.servers[usize::from(server)];
        let mut notes = self.inbox.clone();
        notes.dedup();
        notes.retain(|note| self.can_take(server, note));
        acts.extend(notes.into_iter().map(Act::Take));
        let mut start = |input| acts.push(Act::Start(input));
        if let Some(grace) = me.grace
            && self.grace_is_over(&grace)
        {
            start(Input::Graced(grace));
        }
        if let Some(look) = me.look
            && (look.seen != self.life.lease_seq || self.life.lease.is_none() || self.is_silent())
        {
            start(Input::Expire(look));
        }
        match self.life.state {
            State::Retrying => start(Input::Due),
            State::Ready if mode == Mode::Direct => self.assigns(&mut start),
            State::Ready if self.life.offered_at.is_none() => start(match mode {
                Mode::Fast => Input::OfferFast,
                Mode::Claim | Mode::Direct => Input::Offer,
            }),
            State::Ready if self.offer_is_gone() => start(Input::Overdue(self.life.offer)),
            _ => {}
        }
    }

    /// A server that waits a grace for one claim leaves the other claims that would start one to the other server.
    fn can_take(&self, server: u8, note: &Note) -> bool {
        let waits = self.servers[usize::from(server)].grace;
        let (Note::Claim(ask), Some(grace), Some((_, holder))) = (note, waits, self.holder())
        else {
            return true;
        };
        let questions = ask.redelivered && !ask.started && ask.run != holder;
        !questions || grace.claimant.is_some_and(|waits| waits.run == ask.run)
    }

    /// Every agent whose slot is free as far as anybody can know.
    fn assigns(&self, start: &mut impl FnMut(Input)) {
        let run = self.clone().fresh_run();
        for agent in 0..2u8 {
            let it = &self.agents[usize::from(agent)];
            let comes = it.control.iter().any(|w| matches!(w, Word::Task { .. }));
            let reachable = matches!(it.line, Line::Up | Line::Still);
            if reachable && it.slot == Slot::Free && !comes {
                start(Input::Assign(self.seat(agent), run));
            }
        }
    }

    /// Takes a step.
    pub(crate) fn act(&mut self, server: u8, act: Act, rules: &Rules) {
        match act {
            Act::Take(note) => {
                let at = self.inbox.iter().position(|other| *other == note);
                self.inbox
                    .remove(at.expect("it was offered from the inbox"));
                self.decide(server, Input::Note(note), rules);
            }
            Act::Start(input) => {
                let me = self.server(server);
                match input {
                    Input::Expire(_) => me.look = None,
                    Input::Graced(_) => me.grace = None,
                    _ => {}
                }
                self.decide(server, input, rules);
            }
            Act::Reread => {
                let work = self.server(server).work.take();
                self.decide(server, work.expect("it had read before").input, rules);
            }
            Act::Commit => self.commit(server, rules),
            Act::Tell => {
                self.send(server);
                self.go_on(server);
            }
            Act::Acknowledge => self.server(server).work = None,
            Act::Look => {
                let seen = self.life.lease_seq;
                self.server(server).look = Some(Look {
                    seen,
                    renewed: false,
                });
            }
        }
    }

    /// Reads the row and decides. What is refused needs no commit; a question to the holder needs none either.
    pub(crate) fn decide(&mut self, server: u8, input: Input, rules: &Rules) {
        let stage = match rules.decide(&self.life, &input) {
            Err(_) => {
                self.check_refusal(&input);
                Stage::Tell(refusal(&input))
            }
            Ok(step) if step.effects == [Effect::Ask] => Stage::Tell(self.question(server, &input)),
            Ok(_) => Stage::Read { fresh: true },
        };
        self.server(server).work = Some(Work { input, stage });
        self.go_on(server);
    }

    /// I7: without a fault no success is refused.
    fn check_refusal(&mut self, input: &Input) {
        let refused = matches!(input, Input::Note(Note::Outcome { end: End::Done, .. }));
        if refused && self.starts.is_some() {
            self.broken = self.broken.or(Some(Broken::I7));
        }
    }

    /// Row 5: the grace begins, and the holder gets its grant again.
    fn question(&mut self, server: u8, input: &Input) -> Vec<Out> {
        let Input::Note(Note::Claim(ask)) = *input else {
            return vec![];
        };
        let (seen, epoch) = (self.life.lease_seq, self.life.epoch);
        let (seat, run) = self.holder().expect("only a holder is asked");
        let me = self.server(server);
        if me.grace.is_some() {
            // A repeat: it does not start the grace again.
            return vec![];
        }
        let look = Look {
            seen,
            renewed: false,
        };
        let claimant = Some(ask);
        me.grace = Some(Grace { look, claimant });
        vec![Out::Word(seat, Word::Granted { run, epoch })]
    }

    fn commit(&mut self, server: u8, rules: &Rules) {
        let work = self.server(server).work.take();
        let input = work.expect("it has read before").input;
        let step = rules
            .decide(&self.life, &input)
            .expect("the row is as it was when this was decided");
        rules.commit(self, &input, &step);
        for other in &mut self.servers {
            if let Some(Stage::Read { fresh }) = other.work.as_mut().map(|work| &mut work.stage) {
                *fresh = false;
            }
        }
        let stage = Stage::Tell(answers(&input, &step));
        self.server(server).work = Some(Work { input, stage });
        self.go_on(server);
    }

    /// Ends the work if nothing is left of it, and takes in one step what nothing can come between.
    fn go_on(&mut self, server: u8) {
        while let Some(Stage::Tell(outs)) = self.stage(server)
            && let Some(out) = outs.first()
            && self.is_prompt(out)
        {
            self.send(server);
        }
        let crashes = self.budget.has(Fault::ServerCrash);
        let me = self.server(server);
        if let Some(Work { input, stage }) = &me.work {
            let is_message = matches!(input, Input::Note(_) | Input::Full(_));
            if *stage == Stage::Tell(vec![]) && !(is_message && crashes) {
                me.work = None;
            }
        }
    }

    fn stage(&self, server: u8) -> Option<&Stage> {
        let work = self.servers[usize::from(server)].work.as_ref();
        work.map(|work| &work.stage)
    }

    /// Sends one message.
    fn send(&mut self, server: u8) {
        let Some(Work {
            stage: Stage::Tell(outs),
            ..
        }) = &mut self.server(server).work
        else {
            return;
        };
        match outs.remove(0) {
            Out::Offer(copy) => put(&mut self.queue, copy),
            Out::Word(seat, word) => self.tell(seat, word),
            // Unless somebody was quicker to retry it than the server to answer.
            Out::Stopped(replays) => self.stopped = self.life.replays == replays,
        }
    }
}

/// The answer to what changes nothing.
fn refusal(input: &Input) -> Vec<Out> {
    let word = match *input {
        Input::Note(Note::Claim(ask))
        | Input::Full(ask)
        | Input::Graced(Grace {
            claimant: Some(ask),
            ..
        }) => (ask.from, Word::Refused { run: ask.run }),
        Input::Note(Note::Beat { from, epoch, .. }) => (from, Word::Revoke { epoch }),
        Input::Note(Note::Outcome { from, epoch, .. }) => (from, Word::Recorded { epoch }),
        _ => return vec![],
    };
    vec![Out::Word(word.0, word.1)]
}

/// What follows a commit: the effects, and the answer to who asked.
fn answers(input: &Input, step: &Step) -> Vec<Out> {
    let epoch = step.life.epoch;
    let is_delivery = matches!(input, Input::Assign(..));
    let mut outs: Vec<Out> = step
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Grant { claim, who } => {
                let run = run_of(*claim);
                let seat = Seat::of(&who.agent, &who.instance);
                let word = if is_delivery {
                    Word::Task { run, epoch }
                } else {
                    Word::Granted { run, epoch }
                };
                Some(Out::Word(seat, word))
            }
            Effect::Revoke { who, epoch, .. } => {
                let seat = Seat::of(&who.agent, &who.instance);
                Some(Out::Word(seat, Word::Revoke { epoch: *epoch }))
            }
            Effect::Ask | Effect::Ready | Effect::Alert | Effect::ScaleUp => None,
        })
        .collect();
    let granted = step.life.state == State::Running;
    match *input {
        Input::Offer | Input::OfferFast => outs.push(Out::Offer(Delivery {
            offer: step.life.offer,
            epoch: if *input == Input::OfferFast { epoch } else { 0 },
            redelivered: false,
        })),
        Input::Cancel => outs.push(Out::Stopped(step.life.replays)),
        Input::Note(Note::Outcome { from, epoch, .. }) => {
            outs.push(Out::Word(from, Word::Recorded { epoch }));
        }
        Input::Full(Ask { from, run, .. }) => outs.push(Out::Word(from, Word::Refused { run })),
        Input::Graced(Grace {
            claimant: Some(ask),
            ..
        }) if !granted => outs.push(Out::Word(ask.from, Word::Refused { run: ask.run })),
        _ => {}
    }
    outs
}

//! When a timer that works may fire: when what it waits for cannot come any more. The checker has no clock; a timer
//! that fires earlier than this is a fault with a budget, so every timer fires both on time and too early.

use super::world::{Grace, Input, Line, Note, Out, Run, Seat, Slot, Stage, Word, World};
use warrener_model::State;

impl World {
    /// Messages to the servers that are not decided yet.
    fn notes(&self) -> impl Iterator<Item = &Note> {
        let works = self.servers.iter().filter_map(|server| {
            let work = server.work.as_ref()?;
            match (&work.input, &work.stage) {
                (Input::Note(note), Stage::Read { .. }) => Some(note),
                _ => None,
            }
        });
        self.inbox.iter().chain(works)
    }

    /// What a server has committed and not sent yet.
    fn outs(&self) -> impl Iterator<Item = &Out> {
        self.servers.iter().flat_map(
            |server| match server.work.as_ref().map(|work| &work.stage) {
                Some(Stage::Tell(outs)) => outs.as_slice(),
                _ => &[],
            },
        )
    }

    /// Whether a message like this is on its way to the agent, or waits for it.
    fn is_told(&self, to: Seat, word: impl Fn(&Word) -> bool) -> bool {
        let waits = self.agents[usize::from(to.agent)].control.iter().any(&word);
        waits
            || self
                .outs()
                .any(|out| matches!(out, Out::Word(seat, w) if *seat == to && word(w)))
    }

    fn claim_travels(&self, run: Run) -> bool {
        self.notes()
            .any(|note| matches!(note, Note::Claim(ask) if ask.run == run))
            || self.servers.iter().any(|server| {
                let full = matches!(server.work.as_ref().map(|work| (&work.input, &work.stage)),
                    Some((Input::Full(ask), Stage::Read { .. })) if ask.run == run);
                full || asks(server.grace, run) || server.work.as_ref().is_some_and(|work| {
                    matches!((&work.input, &work.stage), (Input::Graced(grace), Stage::Read { .. })
                        if asks(Some(*grace), run))
                })
            })
    }

    /// A sign of life of this run is on its way: a recorder that is caught up has read it.
    fn sign_travels(&self, of: Run) -> bool {
        self.notes().any(|note| match note {
            Note::Claim(ask) => ask.run == of,
            Note::Beat { run, .. } | Note::Outcome { run, .. } => *run == of,
            Note::DeadLetter { .. } => false,
        })
    }

    /// The holder is not there to give a sign, and none is on its way.
    pub(crate) fn is_silent(&self) -> bool {
        self.holder()
            .is_some_and(|(seat, run)| !self.is_well(seat, run) && !self.sign_travels(run))
    }

    /// The agent is there and has this run, or soon will have.
    fn is_well(&self, seat: Seat, run: Run) -> bool {
        let agent = &self.agents[usize::from(seat.agent)];
        let has = match &agent.slot {
            Slot::Asked(asked, _) => *asked == run,
            Slot::Runs(held) => held.run == run,
            Slot::Free | Slot::Unseen(_) => false,
        };
        let comes = |word: &Word| matches!(word, Word::Task { run: r, .. } if *r == run);
        agent.instance == seat.instance
            && agent.line == Line::Up
            && (has || self.is_told(seat, comes))
    }

    /// The grace ends: the row has moved on, or nothing that was asked for can still come.
    pub(crate) fn grace_is_over(&self, grace: &Grace) -> bool {
        let Some((seat, run)) = self.holder() else {
            return true;
        };
        if grace.look.seen != self.life.lease_seq {
            return true;
        }
        let question = |word: &Word| matches!(word, Word::Granted { run: r, .. } if *r == run);
        let asked = grace.claimant.is_some() && self.is_told(seat, question);
        let answers = self.is_well(seat, run) && asked;
        !answers && !self.sign_travels(run)
    }

    /// No copy of the current offer can be claimed any more.
    pub(crate) fn offer_is_gone(&self) -> bool {
        let offer = self.life.offer;
        // Of a fast offer a run lives, or the word of one is on its way.
        let fast = self.life.is_fast().then_some(self.life.epoch);
        let buffered = self.agents.iter().any(|agent| {
            let has = match &agent.slot {
                Slot::Unseen(delivery) | Slot::Asked(_, delivery) => delivery.offer == offer,
                Slot::Runs(held) => fast == Some(held.epoch),
                Slot::Free => false,
            };
            has && agent.line == Line::Up
        });
        let travels = self.notes().any(|note| match note {
            Note::Claim(ask) => ask.offer == offer && (!ask.started || fast.is_some()),
            Note::DeadLetter { offer: dead } => *dead == offer,
            Note::Outcome { epoch, .. } => fast == Some(*epoch),
            Note::Beat { .. } => false,
        });
        let published = self
            .outs()
            .any(|out| matches!(out, Out::Offer(copy) if copy.offer == offer));
        let unconfirmed = self.servers.iter().any(|server| {
            let input = server.work.as_ref().map(|work| work.input);
            matches!(input, Some(Input::Unconfirmed(_) | Input::Full(_)))
        });
        let waits = self.queue.iter().any(|delivery| delivery.offer == offer);
        !(buffered || travels || published || unconfirmed || waits)
    }

    /// The claim of this run is neither on its way nor answered.
    pub(crate) fn claim_is_lost(&self, from: Seat, run: Run) -> bool {
        let answer = |word: &Word| matches!(word, Word::Granted { run: r, .. } | Word::Refused { run: r } if *r == run);
        !self.claim_travels(run) && !self.is_told(from, answer)
    }

    /// The outcome of this run is neither on its way nor answered.
    pub(crate) fn outcome_is_lost(&self, from: Seat, run: Run, epoch: u64) -> bool {
        let travels = self
            .notes()
            .any(|note| matches!(note, Note::Outcome { run: r, .. } if *r == run));
        !travels && !self.is_told(from, |word| ends(word, epoch))
    }

    /// A heartbeat would change something: it renews a lease that somebody looks at or that was never renewed, or it
    /// shows the servers a run that lost the task. All other heartbeats lead back to the same state.
    pub(crate) fn beat_matters(&self, from: Seat, run: Run, epoch: u64) -> bool {
        let travels = self
            .notes()
            .any(|note| matches!(note, Note::Beat { run: r, .. } if *r == run));
        // While the fast offer of this run is out, nothing of it is stored that a heartbeat could renew.
        let unheld = self.life.is_fast() && self.life.epoch == epoch;
        if travels || unheld || self.is_told(from, |word| ends(word, epoch)) {
            return false;
        }
        let now = self.life.lease_seq;
        let is_entitled = self.life.state == State::Running && self.life.epoch == epoch;
        let watched = self.servers.iter().any(|server| {
            let looks = [server.look, server.grace.map(|grace| grace.look)];
            looks.into_iter().flatten().any(|look| look.seen == now)
        });
        let confirmed = self.life.lease.as_ref().is_some_and(|l| l.confirmed);
        if is_entitled {
            let may_be_lost = self.budget.left() > 0
                || self.starts.is_some()
                || (0..2).any(|agent| !self.is_steady(agent));
            watched || (!confirmed && may_be_lost)
        } else {
            self.outcome_is_lost(from, run, epoch)
        }
    }
}

fn asks(grace: Option<Grace>, run: Run) -> bool {
    grace
        .and_then(|grace| grace.claimant)
        .is_some_and(|ask| ask.run == run)
}

/// Whether this message ends the run of that epoch at its agent.
fn ends(word: &Word, of: u64) -> bool {
    matches!(word, Word::Revoke { epoch } | Word::Recorded { epoch } if *epoch == of)
}

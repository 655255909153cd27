//! States that differ in names only are one state: agents and servers are put in order, runs are counted anew, and of
//! `lease_seq` only what can be compared is kept. Times and wishes play no part in the protocol and are left out.

use super::world::{Grace, Input, Look, Note, Out, Run, Seat, Slot, Stage, Word, Work, World};
use super::world::{claim_id, run_of};
use warrener_model::Timestamp;

impl World {
    /// Gives the state its one form.
    pub(crate) fn settle(&mut self) {
        self.forget();
        if self.agents[1] < self.agents[0] {
            self.swap_agents();
        }
        self.level();
        self.servers.sort();
        self.count_runs();
    }

    /// The next number for a run.
    pub(crate) fn fresh_run(&mut self) -> Run {
        let used = self.runs_used();
        (u64::BITS - used.leading_zeros()) as Run
    }

    /// What the row keeps for people and for the choice of an agent.
    fn forget(&mut self) {
        let life = &mut self.life;
        (life.prefer, life.avoid, life.last) = (None, None, None);
        (life.ready_at, life.started_at, life.finished_at) = (None, None, None);
        life.since = Timestamp::default();
    }

    fn swap_agents(&mut self) {
        self.agents.swap(0, 1);
        if let Some((holder, _)) = self.holder() {
            let who = Seat {
                agent: 1 - holder.agent,
                ..holder
            }
            .who();
            let lease = self.life.lease.as_mut().expect("it was there above");
            lease.agent = who.agent;
        }
        self.each_name(&mut |seat, _| {
            if let Some(seat) = seat {
                seat.agent = 1 - seat.agent;
            }
        });
        self.inbox.sort_unstable();
    }

    /// `lease_seq` is compared with what was seen, no more: now it is 1, and every older number 0.
    fn level(&mut self) {
        let now = self.life.lease_seq;
        self.each_look(&mut |look| look.seen = u64::from(look.seen == now));
        self.life.lease_seq = 1;
    }

    fn runs_used(&mut self) -> u64 {
        let mut used = 0u64;
        self.each_name(&mut |_, run| used |= run.map_or(0, |run| 1 << *run));
        if let Some(lease) = &self.life.lease {
            used |= 1 << run_of(lease.claim);
        }
        used
    }

    fn count_runs(&mut self) {
        let used = self.runs_used();
        if (used & (used + 1)) == 0 {
            return;
        }
        let rank = |run: Run| (used & ((1 << run) - 1)).count_ones() as Run;
        self.each_name(&mut |_, run| {
            if let Some(run) = run {
                *run = rank(*run);
            }
        });
        if let Some(lease) = &mut self.life.lease {
            lease.claim = claim_id(rank(run_of(lease.claim)));
        }
    }

    /// Every name of an agent and of a run, but those of the lease.
    fn each_name(&mut self, change: &mut impl FnMut(Option<&mut Seat>, Option<&mut Run>)) {
        for note in &mut self.inbox {
            note.names(change);
        }
        for agent in &mut self.agents {
            match &mut agent.slot {
                Slot::Asked(run, _) => change(None, Some(run)),
                Slot::Runs(held) => change(None, Some(&mut held.run)),
                Slot::Free | Slot::Unseen(_) => {}
            }
            for word in &mut agent.control {
                change(None, word.run());
            }
        }
        for server in &mut self.servers {
            if let Some(ask) = server.grace.as_mut().and_then(|g| g.claimant.as_mut()) {
                change(Some(&mut ask.from), Some(&mut ask.run));
            }
            if let Some(work) = &mut server.work {
                work.names(change);
            }
        }
    }

    /// Every look at the lease that somebody still remembers.
    pub(crate) fn each_look(&mut self, change: &mut impl FnMut(&mut Look)) {
        for server in &mut self.servers {
            server.look.as_mut().map(&mut *change);
            if let Some(grace) = &mut server.grace {
                change(&mut grace.look);
            }
            match server.work.as_mut().map(|work| &mut work.input) {
                Some(Input::Expire(look)) => change(look),
                Some(Input::Graced(grace)) => change(&mut grace.look),
                _ => {}
            }
        }
    }
}

impl Work {
    fn names(&mut self, change: &mut impl FnMut(Option<&mut Seat>, Option<&mut Run>)) {
        match &mut self.input {
            Input::Note(note) => note.names(change),
            Input::Assign(seat, run) => change(Some(seat), Some(run)),
            Input::Reassign(seat) => change(Some(seat), None),
            Input::Full(ask)
            | Input::Graced(Grace {
                claimant: Some(ask),
                ..
            }) => change(Some(&mut ask.from), Some(&mut ask.run)),
            _ => {}
        }
        if let Stage::Tell(outs) = &mut self.stage {
            for out in outs {
                if let Out::Word(seat, word) = out {
                    change(Some(seat), word.run());
                }
            }
        }
    }
}

impl Note {
    fn names(&mut self, change: &mut impl FnMut(Option<&mut Seat>, Option<&mut Run>)) {
        match self {
            Note::Claim(ask) => change(Some(&mut ask.from), Some(&mut ask.run)),
            Note::Beat { from, run, .. } | Note::Outcome { from, run, .. } => {
                change(Some(from), Some(run));
            }
            Note::DeadLetter { .. } => {}
        }
    }
}

impl Word {
    fn run(&mut self) -> Option<&mut Run> {
        match self {
            Word::Granted { run, .. } | Word::Refused { run } | Word::Task { run, .. } => Some(run),
            Word::Revoke { .. } | Word::Recorded { .. } => None,
        }
    }
}

//! Random workflows: what is asked of the server, and what the checker knows about it without asking anybody.

use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::http::Answer;
use super::load::{Ledger, Load};
use super::step::Manner;

/// Between two runs: two hundred in ten minutes.
pub(crate) const EVERY: Duration = Duration::from_secs(3);
/// Items of a fan-out, at most.
const WIDE: usize = 5;
/// Of a hundred runs so many are cancelled.
const DOOMED: u32 = 15;

/// A run that the server said yes to.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) id: String,
    /// The idempotency key, and the name of the workflow.
    pub(crate) key: String,
    pub(crate) steps: Vec<Step>,
    /// Somebody tries to cancel it.
    pub(crate) doomed: bool,
}

/// One step; its place is its number.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Earlier steps.
    pub(crate) needs: Vec<usize>,
    pub(crate) work: Work,
    /// What its `when` says.
    pub(crate) when: bool,
    pub(crate) manner: Manner,
    /// `on_failure: continue`.
    pub(crate) continues: bool,
    ms: u64,
}

/// How many tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    One,
    Each(usize),
    /// None: it collects the outputs of this step.
    Collect(usize),
}

impl Step {
    /// Tasks that it has if it begins.
    pub(crate) fn tasks(&self) -> usize {
        match (self.when, self.work) {
            (false, _) | (_, Work::Collect(_)) => 0,
            (true, Work::One) => 1,
            (true, Work::Each(n)) => n,
        }
    }

    /// One task that waits for several, or for all of a fan-out.
    pub(crate) fn is_join(&self, all: &[Step]) -> bool {
        let fans = |n: &usize| matches!(all[*n].work, Work::Each(_));
        self.work == Work::One && (self.needs.len() > 1 || self.needs.iter().any(fans))
    }

    #[cfg(test)]
    pub(crate) fn plain(needs: &[usize], work: Work) -> Step {
        Step {
            needs: needs.to_vec(),
            work,
            when: true,
            manner: Manner::Well,
            continues: false,
            ms: 0,
        }
    }
}

pub(crate) fn id(n: usize) -> String {
    format!("s{n}")
}

/// 3 to 12 steps over earlier ones.
pub(crate) fn deal(rng: &mut Rng) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    for n in 0..rng.usize(3..=12) {
        let most = n.min(3);
        let mut needs: Vec<usize> = (0..rng.usize(0..=most)).map(|_| rng.usize(0..n)).collect();
        needs.sort_unstable();
        needs.dedup();
        let fans: Vec<usize> = needs
            .iter()
            .copied()
            .filter(|n| is_fan(&steps, *n))
            .collect();
        let work = match rng.u32(0..100) {
            0..=29 => Work::Each(rng.usize(0..=WIDE)),
            30..=59 if !fans.is_empty() => Work::Collect(fans[rng.usize(0..fans.len())]),
            _ => Work::One,
        };
        let manner = match rng.u32(0..100) {
            0..=3 => Manner::NetworkOnce,
            4..=6 => Manner::CrashOnce,
            7..=14 => Manner::No,
            _ => Manner::Well,
        };
        steps.push(Step {
            needs,
            work,
            when: rng.u32(0..100) >= 10,
            manner,
            continues: rng.u32(0..100) < 60,
            ms: rng.u64(5..=150),
        });
    }
    steps
}

fn is_fan(steps: &[Step], n: usize) -> bool {
    matches!(steps[n].work, Work::Each(_))
}

/// The workflow file; what a step needs is also what it is given, so that templates are filled in.
pub(crate) fn file(name: &str, steps: &[Step]) -> String {
    let one = |(n, step): (usize, &Step)| {
        let mut made = json!({ "id": id(n) });
        if !step.when {
            made["when"] = "{{ 1 > 2 }}".into();
        }
        let needs: Vec<String> = step.needs.iter().map(|n| id(*n)).collect();
        if !needs.is_empty() {
            made["needs"] = json!(needs);
        }
        if let Work::Collect(of) = step.work {
            made["aggregate"] = json!({ "of": id(of), "how": "collect" });
            return made;
        }
        made["kind"] = "torture.step".into();
        let mut input = json!({ "manner": step.manner.as_str(), "ms": step.ms });
        if let Work::Each(items) = step.work {
            made["for_each"] = match n % 2 {
                0 => json!((0..items).collect::<Vec<_>>()),
                _ => format!("{{{{ range({items}) }}}}").into(),
            };
            if step.manner == Manner::No {
                // One of them fails: its siblings go on.
                input["manner"] = "{{ 'no' if item == 0 else 'well' }}".into();
            }
        }
        for need in &step.needs {
            let what = match steps[*need].work {
                Work::Each(_) => "outputs",
                Work::One | Work::Collect(_) => "output",
            };
            let id = id(*need);
            input[&id] = format!("{{{{ steps.{id}.{what} }}}}").into();
        }
        made["input"] = input;
        if step.continues {
            made["on_failure"] = "continue".into();
        }
        made
    };
    let all: Vec<Value> = steps.iter().enumerate().map(one).collect();
    json!({ "name": name, "steps": all }).to_string()
}

impl Load<'_> {
    /// Starts runs until told to stop.
    pub(crate) fn flows(mut self) {
        let mut next = Instant::now();
        let mut n = 0_u64;
        let mut doomed: Option<(Instant, String)> = None;
        while !self.is_over() {
            // Short looks: what waits for the end of the load must not wait for this.
            sleep(Duration::from_millis(50));
            if let Some((_, id)) = doomed.take_if(|(at, _)| *at <= Instant::now()) {
                self.call_off(&id);
            }
            if Instant::now() < next || self.is_full() {
                continue;
            }
            next = Instant::now() + self.every;
            n += 1;
            let id = self.flow(n);
            let after = Duration::from_millis(self.rng.u64(0..2_000));
            doomed = id.map(|id| (Instant::now() + after, id)).or(doomed);
        }
    }

    /// Said once, like other acts: without an answer nobody knows whether it happened.
    fn call_off(&mut self, id: &str) {
        let path = format!("/api/v1/runs/{id}/cancel");
        match self.http.post(&path, None, &json!({ "reason": "torture" })) {
            Answer::Said(200 | 409 | 429 | 500..=599, _) | Answer::Nothing => {}
            Answer::Said(status, answer) => self.unexpected("cancel of a run", status, &answer),
        }
    }

    /// Starts one; gives its id if it is to be cancelled.
    fn flow(&mut self, n: u64) -> Option<String> {
        let key = format!("{}-{n}", self.name);
        let steps = deal(&mut self.rng);
        let body = json!({ "workflow": file(&key, &steps) });
        let doomed = self.rng.u32(0..100) < DOOMED;
        let (status, answer) = self.until_answered("/api/v1/runs", Some(&key), &body)?;
        match answer["id"].as_str() {
            Some(id) if status == 200 || status == 201 => {
                let ledger: &Ledger = self.ledger;
                ledger.begin(Begun {
                    id: id.into(),
                    key,
                    steps,
                    doomed,
                });
                doomed.then(|| id.to_owned())
            }
            _ => {
                self.unexpected("run", status, &answer);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dealt_has_all_sorts_of_steps_and_needs_earlier_ones_only() {
        let mut rng = Rng::with_seed(5);
        let all: Vec<Vec<Step>> = (0..200).map(|_| deal(&mut rng)).collect();
        for steps in &all {
            assert!((3..=12).contains(&steps.len()));
            let early = |(n, step): (usize, &Step)| step.needs.iter().all(|need| *need < n);
            assert!(steps.iter().enumerate().all(early));
            let text = file("n", steps);
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
        let some = |wanted: fn(&Step) -> bool| all.iter().flatten().any(wanted);
        assert!(some(|step| step.work == Work::Each(0)));
        assert!(some(|step| step.work == Work::Each(1)));
        assert!(some(|step| step.tasks() > 1));
        assert!(some(|step| matches!(step.work, Work::Collect(_))));
        assert!(some(|step| !step.when));
        assert!(some(|step| step.manner == Manner::No && step.continues));
        assert!(some(|step| step.manner == Manner::No && !step.continues));
        let join = |steps: &Vec<Step>| steps.iter().any(|step| step.is_join(steps));
        assert!(all.iter().any(join));
    }
}

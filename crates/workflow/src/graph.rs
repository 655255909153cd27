//! Steps as a graph: what must come before what, in which stages, and where it goes in circles.

use crate::workflow::Workflow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The needs of each step that exist, by places in the list of steps.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) needs: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn of(workflow: &Workflow) -> Self {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, step) in workflow.steps.iter().enumerate() {
            places.entry(&step.id).or_insert(place);
        }
        let needs = workflow.steps.iter().map(|step| {
            let found = step
                .needs
                .iter()
                .filter_map(|(id, _)| places.get(id.as_str()));
            found.copied().collect()
        });
        Self {
            needs: needs.collect(),
        }
    }

    /// The stage of each step: 0 needs nothing, each other one more than the last it needs. Nothing for what is on a
    /// circle or behind one.
    pub(crate) fn stages(&self) -> Vec<Option<usize>> {
        let mut stages: Vec<Option<usize>> = vec![None; self.needs.len()];
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); self.needs.len()];
        let mut open: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        for (step, needs) in self.needs.iter().enumerate() {
            needs.iter().for_each(|need| behind[*need].push(step));
        }
        let mut free: Vec<usize> = (0..open.len()).filter(|step| open[*step] == 0).collect();
        while let Some(step) = free.pop() {
            let before = self.needs[step].iter().filter_map(|need| stages[*need]);
            stages[step] = Some(before.max().map_or(0, |stage| stage + 1));
            for next in &behind[step] {
                open[*next] -= 1;
                if open[*next] == 0 {
                    free.push(*next);
                }
            }
        }
        stages
    }

    /// One circle for each group of steps that all wait for each other, a shortest one through its first step: each needs
    /// the next, the last needs the first.
    pub(crate) fn circles(&self) -> Vec<Vec<usize>> {
        let stages = self.stages();
        let stuck = (0..stages.len()).filter(|step| stages[*step].is_none());
        let before: BTreeMap<usize, BTreeSet<usize>> =
            stuck.map(|step| (step, self.before(step))).collect();
        let (mut seen, mut circles) = (BTreeSet::new(), Vec::new());
        for (start, needed) in &before {
            if !needed.contains(start) || seen.contains(start) {
                continue;
            }
            let group = needed.iter().copied();
            let waits = |step: &usize| before.get(step).is_some_and(|all| all.contains(start));
            seen.extend(group.filter(waits));
            circles.extend(self.circle(*start));
        }
        circles
    }

    /// The shortest way from a step over what it needs back to it.
    fn circle(&self, start: usize) -> Option<Vec<usize>> {
        let (mut came, mut open) = (BTreeMap::new(), VecDeque::from([start]));
        while let Some(step) = open.pop_front() {
            for need in &self.needs[step] {
                if *need == start {
                    let mut path = vec![step];
                    while let Some(from) = path.last().and_then(|last| came.get(last)) {
                        path.push(*from);
                    }
                    path.reverse();
                    return Some(path);
                }
                if !came.contains_key(need) {
                    came.insert(*need, step);
                    open.push_back(*need);
                }
            }
        }
        None
    }

    /// All steps that must have ended before this one begins.
    pub(crate) fn before(&self, step: usize) -> BTreeSet<usize> {
        let (mut before, mut open) = (BTreeSet::new(), self.needs[step].clone());
        while let Some(need) = open.pop() {
            if before.insert(need) {
                open.extend(&self.needs[need]);
            }
        }
        before
    }
}

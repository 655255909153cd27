//! Steps as a graph: what must come before what, in which stages, and where it goes in circles.

use crate::workflow::Workflow;
use std::collections::{BTreeMap, BTreeSet};

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

    /// One circle for each group of steps that wait for each other: every step of it once, each needing the next, the
    /// last needing the first.
    pub(crate) fn circles(&self) -> Vec<Vec<usize>> {
        let stages = self.stages();
        let stuck: BTreeSet<usize> = (0..stages.len()).filter(|s| stages[*s].is_none()).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in &stuck {
            let (mut path, mut step) = (Vec::new(), *start);
            // Everything stuck needs something stuck: walking on ends where the path was before.
            while seen.insert(step) {
                path.push(step);
                let Some(next) = self.needs[step].iter().find(|need| stuck.contains(need)) else {
                    break;
                };
                step = *next;
            }
            if let Some(first) = path.iter().position(|known| *known == step) {
                let mut circle = path.split_off(first);
                let least = circle.iter().enumerate().min_by_key(|(_, step)| **step);
                let turn = least.map_or(0, |(turn, _)| turn);
                circle.rotate_left(turn);
                circles.push(circle);
            }
        }
        circles
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

//! I3 over the whole graph: every way that takes no further fault ends, and ends well. While the checker explores, the
//! steps that are no faults are written down; afterwards the states are taken away from the ends, each when all its
//! ways are gone. What remains is a circle. So this holds of every way, without any promise of fairness.

use std::collections::HashMap;
use std::sync::Mutex;

/// What was written down.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: Mutex<Vec<(u64, u64)>>,
    ends: Mutex<Vec<(u64, bool)>>,
}

/// What the graph says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every way ends in a state where all is over.
    Ends,
    /// This many states end where something is left to do.
    Stuck(usize),
    /// This many states have a way that comes back to them, or leads to one that has.
    Circles(usize),
}

impl Graph {
    pub(crate) fn edge(&self, from: u64, to: u64) {
        let mut edges = self.edges.lock().expect("no holder panics");
        edges.push((from, to));
    }

    /// A state without a step of its own, and whether all is over there.
    pub(crate) fn end(&self, at: u64, over: bool) {
        let mut ends = self.ends.lock().expect("no holder panics");
        ends.push((at, over));
    }

    /// Takes the states away from the ends.
    pub(crate) fn verdict(&self) -> Verdict {
        let edges = self.edges.lock().expect("no holder panics");
        let ends = self.ends.lock().expect("no holder panics");
        let stuck = ends.iter().filter(|(_, over)| !over).count();
        if stuck > 0 {
            return Verdict::Stuck(stuck);
        }
        let mut places: HashMap<u64, u32> = HashMap::new();
        let mut place = |key: u64| {
            let next = u32::try_from(places.len()).expect("fewer states than that");
            *places.entry(key).or_insert(next)
        };
        let mut last: Vec<u32> = ends.iter().map(|(key, _)| place(*key)).collect();
        let edges: Vec<(u32, u32)> = edges.iter().map(|(a, b)| (place(*a), place(*b))).collect();
        let count = places.len();
        let mut ways = vec![0u32; count];
        let mut starts = vec![0usize; count + 1];
        for (from, to) in &edges {
            ways[*from as usize] += 1;
            starts[*to as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let mut filled = starts.clone();
        let mut back = vec![0u32; edges.len()];
        for (from, to) in &edges {
            let at = &mut filled[*to as usize];
            back[*at] = *from;
            *at += 1;
        }
        let mut gone = 0;
        last.sort_unstable();
        last.dedup();
        while let Some(at) = last.pop() {
            gone += 1;
            let at = at as usize;
            for from in &back[starts[at]..starts[at + 1]] {
                ways[*from as usize] -= 1;
                if ways[*from as usize] == 0 {
                    last.push(*from);
                }
            }
        }
        match count - gone {
            0 => Verdict::Ends,
            left => Verdict::Circles(left),
        }
    }
}

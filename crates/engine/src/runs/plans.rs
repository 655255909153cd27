//! Workflows that are kept read: one plan for all runs of the same file, and what is a run's own, the oldest use going first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use warrener_model::TaskId;
use warrener_model::id::RunId;
use warrener_workflow::{Mistake, Plan};

/// Runs that are kept at most.
const RUNS: usize = 4_096;
/// Bytes of their files and inputs, together.
const BYTES: usize = 32 * 1024 * 1024;

/// The workflows of runs that were looked at last, so that each is read once.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<RunId, Kept>,
    bytes: usize,
    /// Grows with every use.
    uses: u64,
    /// By the text of the file. A plan lives as long as a run that is kept has it.
    files: HashMap<String, Weak<Plan>>,
}

#[derive(Debug)]
struct Kept {
    known: Arc<Known>,
    used: u64,
}

/// What never changes of a run.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) plan: Arc<Plan>,
    pub(crate) inputs: serde_json::Value,
    /// The task in whose place it is done.
    pub(crate) parent: Option<TaskId>,
    /// Of its file and inputs.
    pub(crate) bytes: usize,
}

impl Plans {
    pub(super) fn get(&self, run: RunId) -> Option<Arc<Known>> {
        let mut inner = self.0.lock().expect("a map does not panic");
        inner.uses += 1;
        let used = inner.uses;
        let kept = inner.runs.get_mut(&run)?;
        kept.used = used;
        Some(kept.known.clone())
    }

    pub(crate) fn put(&self, run: RunId, known: Arc<Known>) {
        let mut inner = self.0.lock().expect("a map does not panic");
        inner.uses += 1;
        let used = inner.uses;
        inner.bytes += known.bytes;
        if let Some(before) = inner.runs.insert(run, Kept { known, used }) {
            inner.bytes -= before.known.bytes;
        }
        while inner.runs.len() > RUNS || (inner.bytes > BYTES && inner.runs.len() > 1) {
            let oldest = inner.runs.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(run, _)| *run) else {
                return;
            };
            if let Some(gone) = inner.runs.remove(&oldest) {
                inner.bytes -= gone.known.bytes;
            }
        }
    }

    /// The plan of this file, read if no run that is kept has it.
    ///
    /// # Errors
    /// Every mistake of the file.
    pub(crate) fn plan(&self, file: &str) -> Result<Arc<Plan>, Vec<Mistake>> {
        let known = {
            let inner = self.0.lock().expect("a map does not panic");
            inner.files.get(file).and_then(Weak::upgrade)
        };
        if let Some(plan) = known {
            return Ok(plan);
        }
        let plan = Arc::new(Plan::of(warrener_workflow::read(file)?));
        let mut inner = self.0.lock().expect("a map does not panic");
        inner.files.retain(|_, plan| plan.strong_count() > 0);
        inner.files.insert(file.to_owned(), Arc::downgrade(&plan));
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Timestamp;

    const FILE: &str = "{ name: n, steps: [{ id: a, kind: k }] }";

    fn run(n: u8) -> RunId {
        RunId::new(Timestamp::from_millis(i64::from(n)), [n; 10])
    }

    fn known(plans: &Plans, bytes: usize) -> Arc<Known> {
        Arc::new(Known {
            plan: plans.plan(FILE).unwrap(),
            inputs: serde_json::Value::Null,
            parent: None,
            bytes,
        })
    }

    #[test]
    fn runs_of_one_file_have_one_plan_and_what_was_used_last_is_kept() {
        let plans = Plans::default();
        let part = BYTES / 2;
        plans.put(run(1), known(&plans, part));
        plans.put(run(2), known(&plans, part));
        let first = plans.get(run(1)).unwrap();
        assert!(Arc::ptr_eq(&first.plan, &plans.plan(FILE).unwrap()));
        plans.put(run(3), known(&plans, 1));
        assert!(plans.get(run(2)).is_none(), "used longest ago");
        assert!(plans.get(run(1)).is_some() && plans.get(run(3)).is_some());
        // One alone may be over the limit.
        plans.put(run(4), known(&plans, 3 * BYTES));
        assert!(plans.get(run(4)).is_some() && plans.get(run(3)).is_none());
        drop(first);
        plans.put(run(4), known(&plans, 1));
        assert_eq!(plans.0.lock().unwrap().bytes, 1);
        assert!(plans.plan("{ name: n }").is_err());
    }
}

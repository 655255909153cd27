//! Runs of workflows as they lie on the disk: their rows, those of their steps, and which tasks say that they are theirs.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result, Row};

use super::rows::id;

/// A row of `run`, with all that belongs to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) active: i64,
    pub(crate) ended: bool,
    /// In the order of the file.
    pub(crate) steps: Vec<Step>,
}

/// A row of `step`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) total: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
    /// Rows of `child`: the item, and its task.
    pub(crate) children: Vec<(usize, String)>,
    /// Tasks that name this run and this step.
    pub(crate) tasks: Vec<String>,
}

/// Every run, by its id; and what belongs to none.
pub(crate) fn read(db: &Connection) -> Result<(BTreeMap<String, Run>, Vec<String>)> {
    let (mut runs, mut strays) = (BTreeMap::new(), vec![]);
    let sql = "SELECT id, name, state, active, finished_at IS NOT NULL FROM run";
    each(db, sql, |row| {
        let run = Run {
            name: row.get(1)?,
            state: row.get(2)?,
            active: row.get(3)?,
            ended: row.get(4)?,
            steps: vec![],
        };
        runs.insert(id(row.get_ref(0)?), run);
        Ok(())
    })?;
    let sql = "SELECT run, id, state, total, done, failed FROM step ORDER BY run, n";
    each(db, sql, |row| {
        let step = Step {
            id: row.get(1)?,
            state: row.get(2)?,
            total: count(row, 3)?,
            done: count(row, 4)?,
            failed: count(row, 5)?,
            ..Step::default()
        };
        match runs.get_mut(&id(row.get_ref(0)?)) {
            Some(run) => run.steps.push(step),
            None => strays.push(format!("the step {} of no run", step.id)),
        }
        Ok(())
    })?;
    let sql = "SELECT run, step, item, task FROM child ORDER BY run, step, item";
    each(db, sql, |row| {
        let (n, task) = (count(row, 1)?, id(row.get_ref(3)?));
        let run = runs.get_mut(&id(row.get_ref(0)?));
        match run.and_then(|run| run.steps.get_mut(n)) {
            Some(step) => step.children.push((count(row, 2)?, task)),
            None => strays.push(format!("the child {task} of no step")),
        }
        Ok(())
    })?;
    let sql = "SELECT t.run, s.step, t.id FROM task t LEFT JOIN spec s ON s.task = t.n WHERE t.run IS NOT NULL";
    each(db, sql, |row| {
        let (run, step): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let task = id(row.get_ref(2)?);
        let mut steps = runs
            .get_mut(&run)
            .into_iter()
            .flat_map(|run| &mut run.steps);
        match steps.find(|known| Some(&known.id) == step.as_ref()) {
            Some(step) => step.tasks.push(task),
            None => strays.push(format!("the task {task} of no step")),
        }
        Ok(())
    })?;
    Ok((runs, strays))
}

fn each(db: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut found = db.prepare(sql)?;
    let mut found = found.query([])?;
    while let Some(row) = found.next()? {
        take(row)?;
    }
    Ok(())
}

/// No count of ours is negative; one that is would be found as one that is too high.
fn count(row: &Row<'_>, column: usize) -> Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or(usize::MAX))
}

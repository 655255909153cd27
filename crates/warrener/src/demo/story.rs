//! Tells what happens, as the store's events say it.

use crate::error::CliError;
use crate::output::Output;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use warrener_engine::Orchestrator;
use warrener_model::TaskId;
use warrener_model::event::{Cursor, EventKind, TaskEvent};

pub(super) struct Story<'a> {
    orchestrator: Orchestrator,
    output: &'a Output,
    names: BTreeMap<TaskId, String>,
    cursor: Cursor,
    /// Who started each task last.
    started: BTreeMap<TaskId, String>,
    ended: BTreeMap<TaskId, EventKind>,
    /// Plain successes are counted, not told one by one.
    quiet: usize,
}

impl<'a> Story<'a> {
    pub(super) fn new(orchestrator: Orchestrator, output: &'a Output) -> Self {
        Story {
            orchestrator,
            output,
            names: BTreeMap::new(),
            cursor: Cursor(0),
            started: BTreeMap::new(),
            ended: BTreeMap::new(),
            quiet: 0,
        }
    }

    /// Gives a task a name for people.
    pub(super) fn know(&mut self, id: TaskId, name: &str) {
        self.names.insert(id, name.into());
    }

    /// A line of the teller's own.
    pub(super) fn say(&mut self, text: &str) -> Result<(), CliError> {
        self.output.line(text)
    }

    /// Reads on until this task was started; says by whom.
    pub(super) async fn until_started(
        &mut self,
        id: TaskId,
        within: Duration,
    ) -> Result<String, CliError> {
        self.read_until(within, |story| story.started.contains_key(&id))
            .await?;
        Ok(self.started[&id].clone())
    }

    /// Reads on until all of these have ended.
    pub(super) async fn until_final(
        &mut self,
        ids: &[TaskId],
        within: Duration,
    ) -> Result<(), CliError> {
        self.read_until(within, |story| {
            ids.iter().all(|id| story.ended.contains_key(id))
        })
        .await
    }

    async fn read_until(
        &mut self,
        within: Duration,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<(), CliError> {
        let until = Instant::now() + within;
        let mut changed = self.orchestrator.changed();
        loop {
            changed.mark_unchanged();
            let events = self.orchestrator.events(self.cursor, None, 500).await;
            for row in events.map_err(super::internal)? {
                self.cursor = row.cursor;
                self.tell(&row)?;
            }
            if enough(self) {
                return Ok(());
            }
            if Instant::now() >= until {
                let detail = "the demo did not get on within its time";
                return Err(CliError::new("internal", detail));
            }
            // A wake-up that never comes is made up for by the next look.
            let _ = tokio::time::timeout(Duration::from_secs(1), changed.changed()).await;
        }
    }

    fn tell(&mut self, row: &TaskEvent) -> Result<(), CliError> {
        let event = &row.event;
        let agent = event.agent.as_ref().map_or("", |a| a.as_str()).to_owned();
        if event.kind == EventKind::Started {
            self.started.insert(row.task, agent.clone());
            self.ended.remove(&row.task);
        }
        if event.state.is_final() {
            self.ended.insert(row.task, event.kind);
        } else {
            self.ended.remove(&row.task);
        }
        let word = |key: &str| event.detail[key].as_str().unwrap_or_default().to_owned();
        let text = match event.kind {
            EventKind::Started if event.attempt > 1 => {
                format!("attempt {} on {agent}", event.attempt)
            }
            EventKind::Lost => format!("lost with {agent}; goes to somebody else"),
            EventKind::Retrying => {
                format!(
                    "failed ({}: {}); again at {}",
                    word("class"),
                    word("message"),
                    word("retry_at")
                )
            }
            EventKind::Dead => format!("dead ({}): {}", word("dead_reason"), word("message")),
            EventKind::Retried => "tried again by hand".to_owned(),
            EventKind::Succeeded if event.attempt > 1 => {
                format!("succeeded at attempt {}", event.attempt)
            }
            EventKind::Succeeded => {
                self.quiet += 1;
                return Ok(());
            }
            EventKind::Failed | EventKind::Cancelled | EventKind::Expired => {
                event.kind.as_str().to_owned()
            }
            _ => return Ok(()),
        };
        let name = self
            .names
            .get(&row.task)
            .cloned()
            .unwrap_or_else(|| row.task.to_string());
        let time = event.at.to_string();
        let clock = time.get(11..23).unwrap_or(&time);
        self.output.line(&format!("{clock}  {name}: {text}"))
    }
}

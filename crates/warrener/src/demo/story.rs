//! Tells what happens, as the store's events say it.

use crate::error::CliError;
use crate::output::{Form, Output};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use warrener_engine::Orchestrator;
use warrener_model::TaskId;
use warrener_model::event::{Cursor, EventKind, TaskEvent};
use warrener_model::session::Session;

/// Rows of history read at once.
const PAGE: usize = 500;

/// The story is for people: where something else is asked for it stands beside the data, or is left out.
pub(super) fn tell(output: &Output, text: &str) -> Result<(), CliError> {
    match output.form {
        Form::Table if output.quiet => Ok(()),
        Form::Table => output.line(text),
        Form::Json | Form::Jsonl => {
            output.note(text);
            Ok(())
        }
    }
}

pub(super) struct Story<'a> {
    orchestrator: Orchestrator,
    output: &'a Output,
    titles: BTreeMap<TaskId, String>,
    cursor: Cursor,
    /// Who started each task last, by its title.
    started: BTreeMap<String, String>,
    ended: BTreeMap<TaskId, EventKind>,
    /// Plain successes are counted, not told one by one.
    quiet: usize,
}

impl<'a> Story<'a> {
    pub(super) fn new(orchestrator: Orchestrator, output: &'a Output) -> Self {
        Story {
            orchestrator,
            output,
            titles: BTreeMap::new(),
            cursor: Cursor(0),
            started: BTreeMap::new(),
            ended: BTreeMap::new(),
            quiet: 0,
        }
    }

    /// A line of the teller's own.
    pub(super) fn say(&mut self, text: &str) -> Result<(), CliError> {
        tell(self.output, text)
    }

    /// Reads on until the task with this title was started; says by whom.
    pub(super) async fn until_started(
        &mut self,
        title: &str,
        within: Duration,
    ) -> Result<String, CliError> {
        self.read_until(within, |story| story.started.contains_key(title))
            .await?;
        Ok(self.started[title].clone())
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

    /// Reads on to what is the newest now.
    pub(super) async fn catch_up(&mut self) -> Result<(), CliError> {
        self.read_until(Duration::ZERO, |_| true).await
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
            let events = self.orchestrator.events(self.cursor, None, PAGE).await;
            let events = events.map_err(super::internal)?;
            let more = events.len() == PAGE;
            for row in events {
                self.cursor = row.cursor;
                self.tell(&row).await?;
            }
            if more {
                continue;
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

    async fn tell(&mut self, row: &TaskEvent) -> Result<(), CliError> {
        let event = &row.event;
        let title = self.title(row.task).await?;
        let agent = event.agent.as_ref().map_or("", |a| a.as_str()).to_owned();
        if event.kind == EventKind::Started {
            self.started.insert(title.clone(), agent.clone());
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
        let time = event.at.to_string();
        let clock = time.get(11..23).unwrap_or(&time);
        tell(self.output, &format!("{clock}  {title}: {text}"))
    }

    /// What people call a task.
    async fn title(&mut self, id: TaskId) -> Result<String, CliError> {
        if let Some(title) = self.titles.get(&id) {
            return Ok(title.clone());
        }
        let view = self.orchestrator.task(id).await.map_err(super::internal)?;
        let title = view.task.spec.title;
        self.titles.insert(id, title.clone());
        Ok(title)
    }

    /// What was asked, what each said in the end, and what came of it.
    pub(super) fn tell_session(&self, session: &Session) -> Result<(), CliError> {
        tell(
            self.output,
            &format!("asked {}: {}", session.members.len(), session.question),
        )?;
        let ideas = session.contributions.iter().filter(|one| one.round == 1);
        for idea in ideas {
            let words = |text: &Option<String>| text.clone().unwrap_or_default();
            tell(
                self.output,
                &format!(
                    "  {}: {} ({})",
                    idea.agent,
                    words(&idea.answer.suggestion),
                    words(&idea.answer.rationale)
                ),
            )?;
        }
        let votes = session.contributions.iter().filter(|one| one.round > 1);
        for vote in votes {
            let choice = vote.answer.choice.clone().unwrap_or_default();
            tell(
                self.output,
                &format!("  {} votes for: {choice}", vote.agent),
            )?;
        }
        match &session.verdict.decision {
            Some(decision) => tell(self.output, &format!("decided: {decision}")),
            None => {
                let reason = session.reason.clone().unwrap_or_default();
                tell(self.output, &format!("nothing decided: {reason}"))
            }
        }
    }
}

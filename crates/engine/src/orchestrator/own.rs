//! What a run says and asks by its task token (contracts.md section 4): which run it is, how far it is, its log, and which
//! tasks it may read. An operator may say it for whichever run is there.

use super::Orchestrator;
use crate::error::{Error, Result};
use crate::token::TaskRight;
use warrener_backend::store::{Change, LogChunk, Op};
use warrener_model::name::LogStream;
use warrener_model::task::{Progress, Task};
use warrener_model::{Mistake, State, TaskId, limits};

/// The stream of what the server itself has to say in a log.
const OURS: &str = "warrener";
/// Bytes of one piece of log: as much as an agent sends at once, so that the newest half of a log is kept evenly.
const PIECE: usize = 32 * 1024;

impl Orchestrator {
    /// The rights of a task token; `None` if this server did not make it.
    ///
    /// # Errors
    /// `AttemptOver` when it was for a run that is over, `Backend`.
    pub async fn task_right(&self, token: &str) -> Result<Option<TaskRight>> {
        let Some(right) = self.core.options.tokens.read(token) else {
            return Ok(None);
        };
        self.held(right).await.map(|_| Some(right))
    }

    /// A run may read its own task and the tasks that it opened.
    ///
    /// # Errors
    /// `NotAllowed` for all others, whether there are such tasks or not, `Backend`.
    pub async fn may_read(&self, right: TaskRight, tasks: &[TaskId]) -> Result<()> {
        let found = self.core.store.tasks(tasks).await?;
        for (id, task) in tasks.iter().zip(found) {
            let child = task.is_some_and(|task| task.spec.parent == Some(right.task));
            if *id != right.task && !child {
                return Err(Error::NotAllowed {
                    what: format!(
                        "this token is of task {}: it may read that task and its children, not {id}",
                        right.task
                    ),
                    hint: "use the operator's token for other tasks".into(),
                });
            }
        }
        Ok(())
    }

    /// Writes how far the running attempt of a task is; with a right, only that run's.
    ///
    /// # Errors
    /// `Invalid`, `AttemptOver`, `IllegalState` (nothing runs), `NotFound`, `Backend`.
    pub async fn progress(
        &self,
        task: TaskId,
        right: Option<TaskRight>,
        progress: Progress,
    ) -> Result<()> {
        check(&progress)?;
        let run = self.run_of(task, right, "progress").await?;
        let change = Change::from(Op::Progress {
            task,
            epoch: run.life.epoch,
            progress,
        });
        self.core.store.commit(vec![change]).await?;
        Ok(())
    }

    /// Appends to the log of the running attempt of a task; with a right, only that run's. What came before over any
    /// way stands before it, and the limit of an attempt is the same for all.
    ///
    /// # Errors
    /// `Invalid`, `AttemptOver`, `IllegalState` (nothing runs), `NotFound`, `Backend`.
    pub async fn log(
        &self,
        task: TaskId,
        right: Option<TaskRight>,
        stream: LogStream,
        text: &str,
    ) -> Result<()> {
        if stream.as_str() == OURS {
            let message = "warrener is the server's own stream; choose another name";
            return Err(Error::Invalid(vec![Mistake::at("/stream", message)]));
        }
        let run = self.run_of(task, right, "log").await?;
        let at = self.core.now().await?;
        let ops = pieces(text).map(|text| {
            Op::Log(LogChunk {
                task,
                attempt: run.life.attempt,
                at,
                stream: stream.as_str().into(),
                text: text.into(),
            })
        });
        let change = Change { ops: ops.collect() };
        if !change.ops.is_empty() {
            self.core.store.commit(vec![change]).await?;
        }
        Ok(())
    }

    /// The task of a right, if its run still holds it.
    pub(super) async fn held(&self, right: TaskRight) -> Result<Task> {
        let over = |why: String| Error::AttemptOver {
            task: right.task,
            epoch: right.epoch,
            why,
        };
        let task = self.core.store.tasks(&[right.task]).await?.pop().flatten();
        let task = task.ok_or_else(|| over("there is no such task any more".into()))?;
        match (task.life.state, task.life.epoch) {
            _ if task.life.may_run(right.epoch) => Ok(task),
            (State::Running, epoch) => Err(over(format!("it runs under epoch {epoch} now"))),
            (state, _) => Err(over(format!("it is {state}"))),
        }
    }

    async fn run_of(
        &self,
        task: TaskId,
        right: Option<TaskRight>,
        action: &'static str,
    ) -> Result<Task> {
        if let Some(right) = right {
            return self.held(right).await;
        }
        let found = self.task(task).await?.task;
        match found.life.state {
            State::Running => Ok(found),
            state => Err(Error::IllegalState {
                task,
                state,
                action,
            }),
        }
    }
}

fn check(progress: &Progress) -> Result<()> {
    let mut mistakes = vec![];
    if progress.fraction.is_none() && progress.message.is_none() {
        mistakes.push(Mistake::at("", "give a fraction, a message, or both"));
    }
    if progress.fraction.is_some_and(|f| !(0.0..=1.0).contains(&f)) {
        mistakes.push(Mistake::at("/fraction", "must be from 0 to 1"));
    }
    let size = progress.message.as_ref().map_or(0, String::len);
    if size > limits::PROGRESS_MESSAGE_BYTES {
        let limit = limits::PROGRESS_MESSAGE_BYTES;
        let message = format!("has {size} bytes; the limit is {limit}");
        mistakes.push(Mistake::at("/message", message));
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(mistakes))
    }
}

/// Cuts a text behind line ends where it can, never within a character.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let most = text.floor_char_boundary(PIECE);
        let line_end = text[..most].rfind('\n').map(|at| at + 1);
        let cut = match line_end {
            Some(cut) if text.len() > most => cut,
            _ => most,
        };
        let (piece, rest) = text.split_at(cut);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_behind_line_ends_and_never_within_a_character() {
        assert_eq!(pieces("").count(), 0);
        assert_eq!(pieces("a\nb").collect::<Vec<_>>(), ["a\nb"]);
        let lines = format!("{}\n", "x".repeat(1_000)).repeat(100);
        let cut: Vec<&str> = pieces(&lines).collect();
        assert_eq!(cut.concat(), lines);
        assert!(cut.len() > 3 && cut.iter().all(|piece| piece.ends_with('\n')));
        let one = "ä".repeat(PIECE);
        let cut: Vec<&str> = pieces(&one).collect();
        assert_eq!(cut.concat(), one);
        assert!(cut.iter().all(|piece| piece.len() <= PIECE));
    }
}

//! What is to be done with a task and the run that is done in its place, decided without I/O.

use warrener_model::State;
use warrener_model::run::RunState;

/// What is to be done with a task and its run, of which one is over and the other is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The task comes to what its run came to.
    Over { well: bool },
    /// Nobody waits for the run any more.
    Stop,
    /// The run goes on, and the task waits for it again.
    Again,
}

/// The next step for such a pair; none while both go on or both are over.
pub(super) fn next(task: State, run: RunState) -> Option<Next> {
    match (task, run) {
        (State::Blocked, RunState::Succeeded) => Some(Next::Over { well: true }),
        (State::Blocked, RunState::Failed | RunState::Cancelled) => {
            Some(Next::Over { well: false })
        }
        (State::Cancelled | State::Expired, RunState::Running) => Some(Next::Stop),
        (State::Failed | State::Dead, RunState::Running) => Some(Next::Again),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_task_and_its_run_one_follows_the_other() {
        for run in RunState::ALL {
            for task in State::ALL {
                let expected = match (task.is_final(), run.is_final()) {
                    // Both go on, or both are over.
                    (false, false) | (true, true) => None,
                    (false, true) if task == State::Blocked => Some(Next::Over {
                        well: *run == RunState::Succeeded,
                    }),
                    // Granted or given to others meanwhile.
                    (false, true) => None,
                    (true, false) => match task {
                        State::Cancelled | State::Expired => Some(Next::Stop),
                        State::Succeeded => None,
                        _ => Some(Next::Again),
                    },
                };
                assert_eq!(next(task, *run), expected, "{task} {run}");
            }
        }
    }
}

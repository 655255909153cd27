//! What an agent may do, by its role: the one table, which the server asks for everything that arrives from an agent.

use crate::failure::UnknownWord;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What an agent is there for; it says so in its hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Assigns, decides, cancels.
    Leader,
    /// Drives workflows.
    Coordinator,
    /// Does tasks.
    #[default]
    Worker,
    /// Answers invitations.
    Collaborator,
    /// Watches.
    Monitor,
}

/// What an agent may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Submit tasks of its own, and cancel them.
    Submit,
    /// Take tasks, report on them, and open children while one runs.
    Execute,
    /// Be asked in sessions, and answer.
    Answer,
    /// Change shared state.
    WriteState,
    /// Read shared state and status.
    Read,
}

impl Operation {
    /// All of them, in the order of the page.
    pub const ALL: [Operation; 5] = [
        Operation::Submit,
        Operation::Execute,
        Operation::Answer,
        Operation::WriteState,
        Operation::Read,
    ];

    /// In words, after "may" and "may not".
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Submit => "submit",
            Operation::Execute => "execute tasks",
            Operation::Answer => "answer in sessions",
            Operation::WriteState => "write shared state",
            Operation::Read => "read",
        }
    }
}

impl Role {
    /// All of them, in the order of the page.
    pub const ALL: [Role; 5] = [
        Role::Leader,
        Role::Coordinator,
        Role::Worker,
        Role::Collaborator,
        Role::Monitor,
    ];

    /// The name used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Coordinator => "coordinator",
            Role::Worker => "worker",
            Role::Collaborator => "collaborator",
            Role::Monitor => "monitor",
        }
    }

    /// The table.
    pub fn may(self, operation: Operation) -> bool {
        let [submit, execute, answer, write, read] = match self {
            Role::Leader => [true, true, true, true, true],
            Role::Coordinator => [false, true, true, true, true],
            Role::Worker => [false, true, true, true, true],
            Role::Collaborator => [false, true, true, true, true],
            Role::Monitor => [false, false, false, false, true],
        };
        match operation {
            Operation::Submit => submit,
            Operation::Execute => execute,
            Operation::Answer => answer,
            Operation::WriteState => write,
            Operation::Read => read,
        }
    }
}

impl FromStr for Role {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let mut all = Role::ALL.into_iter();
        all.find(|role| role.as_str() == s)
            .ok_or_else(|| UnknownWord {
                what: "role",
                word: s.into(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of docs/roles.md, line by line.
    #[test]
    fn the_page_has_this_table() {
        let page = include_str!("../../../docs/roles.md");
        for operation in Operation::ALL {
            let cells = Role::ALL.map(|role| match role.may(operation) {
                true => "yes",
                false => "",
            });
            let line = format!("| {} | {} |", operation.as_str(), cells.join(" | "));
            assert!(page.lines().any(|one| one.starts_with(&line)), "{line}");
        }
        let head = Role::ALL.map(|role| format!("`{}`", role.as_str()));
        assert!(page.contains(&format!("| {} |", head.join(" | "))));
    }
}

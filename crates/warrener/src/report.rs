//! Everything that goes to stderr: problems and notes. For people in lines, with `-o json` as an object.

use crate::error::CliError;
use std::io::{IsTerminal, Write};
use warrener_api::Problem;

/// How problems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Lines for people, in colour or not.
    People {
        /// With colour.
        colour: bool,
    },
    /// One JSON object.
    Programs,
}

impl Voice {
    /// The voice for this output form; colour only on a terminal that wants it.
    pub(crate) fn of(json: bool, no_color: bool) -> Self {
        if json {
            return Voice::Programs;
        }
        Voice::People {
            colour: !no_color && wants_colour() && std::io::stderr().is_terminal(),
        }
    }
}

/// Whether the user has not switched colour off for all programs.
pub(crate) fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Tells a problem. A closed stderr is nobody's problem.
pub(crate) fn problem(error: &CliError, voice: Voice) {
    let Some(problem) = &error.problem else {
        return;
    };
    let text = match voice {
        Voice::Programs => serde_json::to_string(problem).unwrap_or_default() + "\n",
        Voice::People { colour } => lines(problem, colour),
    };
    _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Tells something that is neither data nor a problem.
pub(crate) fn note(text: &str) {
    _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn lines(problem: &Problem, colour: bool) -> String {
    let (red, bold, end) = if colour {
        ("\x1b[31;1m", "\x1b[1m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    let what = if problem.detail.is_empty() {
        &problem.title
    } else {
        &problem.detail
    };
    let mut text = format!("{red}error{end}: {}\n", plain(what));
    // The one mistake of a request is often the detail, too.
    let told = |message: &str| problem.errors.len() == 1 && what.contains(message);
    for error in problem.errors.iter().filter(|error| !told(&error.message)) {
        let message = plain(&error.message);
        text += &match error.pointer.as_str() {
            "" => format!("  - {message}\n"),
            pointer => format!("  - {}: {message}\n", plain(pointer)),
        };
    }
    if let Some(task) = problem.task_id {
        text += &format!("  {bold}task{end}: {task}\n");
    }
    if !problem.hint.is_empty() {
        text += &format!("  {bold}help{end}: {}\n", plain(&problem.hint));
    }
    text += &format!(
        "  {bold}code{end}: {} ({})\n",
        plain(&problem.code),
        plain(&problem.page)
    );
    if let Some(request) = &problem.request_id {
        text += &format!("  {bold}request{end}: {}\n", plain(request));
    }
    text
}

/// A text on one line that cannot steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Mistake;

    #[test]
    fn people_read_what_where_and_what_to_do() {
        let problem = Problem::new("invalid", "the request has 1 mistake\x1b[2J")
            .mistakes([Mistake::at("/kind", "must not be empty")])
            .hint("correct it");
        let wanted = "error: the request has 1 mistake [2J\n  - /kind: must not be empty\n  help: correct it\n  \
            code: invalid (https://warrener.dev/errors/invalid)\n";
        assert_eq!(lines(&problem, false), wanted);
        assert!(lines(&problem, true).starts_with("\x1b[31;1merror\x1b[0m:"));
    }
}

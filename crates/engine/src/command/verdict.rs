//! From how a program ended and what it said to the outcome of the attempt. Decisions only.

use super::running::{self, Refused};
use super::{Ended, Heard, Program, control::Reported, folder};
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::time::Duration;
use warrener_model::{failure::Class, time};

/// The program ended by itself: what it reported counts most, then how it ended, then its result.
pub(super) fn ended(program: &Program, status: Option<ExitStatus>, mut heard: Heard) -> Ended {
    let exit = match status {
        Some(status) => running::exit(status),
        None => Err("a signal that nobody saw".into()),
    };
    let (class, message, detail) = match exit {
        Ok(code) => {
            let message = heard
                .log
                .last_line()
                .unwrap_or_else(|| format!("exit code {code}"));
            (
                Class::from_exit_code(code),
                message,
                json!({ "exit_code": code }),
            )
        }
        Err(signal) => (
            Some(Class::Crash),
            format!("killed by {signal}"),
            json!({ "signal": signal }),
        ),
    };
    if let Some(Reported {
        class,
        message: said,
        retry_after_ms,
    }) = heard.control.take_error()
    {
        return Ended::Failed {
            class,
            message: said.unwrap_or(message),
            detail,
            retry_after_ms,
        };
    }
    if let Some(class) = class {
        return failed(class, message, detail);
    }
    match heard.output.into_json() {
        Some(json) => Ended::Succeeded(json),
        None => {
            let limit = program.output_limit;
            failed(
                Class::Invalid,
                format!("the output is over its limit of {limit} bytes"),
                detail,
            )
        }
    }
}

/// The program took too long.
pub(super) fn timed_out(limit: Duration) -> Ended {
    let detail = json!({ "timeout_ms": u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) });
    let message = format!(
        "ran longer than its timeout of {}",
        time::format_span(limit)
    );
    failed(Class::Timeout, message, detail)
}

/// The program did not run at all. What a person has to change is invalid; what may pass is resource.
pub(super) fn not_started(program: &Program, refused: Refused) -> Ended {
    let (class, message) = match refused {
        Refused::Program(error) => why_not_started(program, &error),
        Refused::Folder(error) => {
            let root = program.work_root.display();
            (
                Class::Resource,
                format!("cannot make a working folder in {root}: {error}"),
            )
        }
        Refused::Pipes(error) => (Class::Resource, format!("cannot make a pipe: {error}")),
    };
    failed(class, message, Value::Null)
}

fn why_not_started(program: &Program, error: &io::Error) -> (Class, String) {
    let Some(first) = program.argv.first() else {
        return (
            Class::Invalid,
            "the agent has no command: give it one behind --".into(),
        );
    };
    let name = first.display();
    // A missing folder and a missing program are the same error to the system.
    if let Some(cwd) = &program.cwd
        && !program.base.join(cwd).is_dir()
    {
        let cwd = cwd.display();
        return (
            Class::Invalid,
            format!("cannot run \"{name}\": {cwd} is not a folder: make it"),
        );
    }
    let what_to_do = match error.kind() {
        ErrorKind::NotFound if folder::has_slash(first) => {
            "is it there, and the program that its first line names?"
        }
        ErrorKind::NotFound => "install it, put it on PATH, or give its path",
        ErrorKind::PermissionDenied => "make it an executable file (chmod +x)",
        ErrorKind::NotADirectory | ErrorKind::InvalidInput | ErrorKind::ArgumentListTooLong => {
            "correct the command"
        }
        // ENOEXEC has no kind of its own.
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            "it is not a program for this system"
        }
        _ => return (Class::Resource, format!("cannot start \"{name}\": {error}")),
    };
    (
        Class::Invalid,
        format!("cannot start \"{name}\": {error}: {what_to_do}"),
    )
}

fn failed(class: Class, message: String, detail: Value) -> Ended {
    Ended::Failed {
        class,
        message,
        detail,
        retry_after_ms: None,
    }
}

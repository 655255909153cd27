//! Starting other programs, cargo above all: always from the workspace's root, with plain output
//! where nobody watches a terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cargo that started us, so that both use one toolchain.
pub(crate) fn cargo() -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Any program, started in the root of the workspace.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    if !io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "never");
    }
    command
}

/// Runs to the end with our own stdout and stderr; true if it exited with 0.
pub(crate) fn succeeds(command: &mut Command) -> io::Result<bool> {
    match command.status() {
        Ok(status) => Ok(status.success()),
        Err(error) => Err(cannot_start(command, &error)),
    }
}

/// The same without any output: a question, not a step.
pub(crate) fn holds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> io::Error {
    let name = command.get_program().to_string_lossy();
    io::Error::new(error.kind(), format!("cannot start {name}: {error}"))
}

/// The folder above this package. Cargo names it at run time too, which stays right when a build
/// folder is carried to another clone.
pub(crate) fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_path_buf).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = succeeds(&mut program("no-such-program-anywhere")).unwrap_err();
        assert!(
            error.to_string().contains("no-such-program-anywhere"),
            "{error}"
        );
        assert!(!holds(&mut program("no-such-program-anywhere")));
    }
}

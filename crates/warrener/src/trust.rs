//! Whose commands a configuration runs: one that is new, or not the user's own, is shown and confirmed once.

use crate::error::CliError;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Makes sure that the user knows what this file would run. `trust` says yes beforehand.
pub(crate) fn confirm(file: &Path, commands: &[String], trust: bool) -> Result<(), CliError> {
    if commands.is_empty() {
        return Ok(());
    }
    let content = std::fs::read(file)
        .map_err(|e| CliError::new("config_invalid", format!("{}: {e}", file.display())))?;
    let line = fingerprint(file, &content);
    let known = list();
    if known.as_deref().is_some_and(|list| contains(list, &line)) {
        return Ok(());
    }
    if !trust && !ask(file, commands)? {
        let detail = format!(
            "{} would run commands that nobody has confirmed",
            file.display()
        );
        return Err(CliError::new("usage", detail)
            .hint("read the file, then run this again with --trust, once"));
    }
    if let Some(list) = known {
        remember(&list, &line)
            .map_err(|e| CliError::new("data_dir_unusable", format!("{}: {e}", list.display())))?;
    }
    Ok(())
}

/// A line that names the file and what is in it now.
fn fingerprint(file: &Path, content: &[u8]) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let hash: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{hash} {}", path.display())
}

/// Where confirmed files are remembered; none without a home.
fn list() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("warrener").join("trusted"))
}

fn contains(list: &Path, line: &str) -> bool {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    text.lines().any(|known| known == line)
}

fn remember(list: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = list.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)?;
    writeln!(file, "{line}")
}

/// Shows the commands and asks; without a terminal the answer is no.
fn ask(file: &Path, commands: &[String]) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let mut text = format!("{} is new here. It would run:\n", file.display());
    for command in commands {
        // Escaped: a terminal must show what would run, not what the file wants it to show.
        text.push_str(&format!("  {}\n", command.escape_debug()));
    }
    text.push_str("Run these commands? [y/N] ");
    let failed = |e: io::Error| CliError::new("output_failed", e.to_string());
    let mut out = io::stderr().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

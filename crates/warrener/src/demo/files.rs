//! The demo's input: the text files below a folder, the largest first.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// At most so many files: the demo is about half a minute.
const FILES: usize = 60;
/// Larger files are left alone.
const BYTES: u64 = 1024 * 1024;
/// Folders looked into at most, so that a home folder does not take an evening.
const FOLDERS: usize = 400;
/// What is no work of a person.
const SKIPPED: [&str; 4] = ["target", "node_modules", "venv", "__pycache__"];

/// What was found.
#[derive(Debug)]
pub(super) struct Files {
    /// Where, in words.
    pub(super) place: String,
    /// Absolute paths.
    pub(super) paths: Vec<PathBuf>,
    /// Their names for people, in the same order.
    pub(super) names: Vec<String>,
}

/// Finds the text files below `root`; in a folder without any, three samples are made in `spare`.
pub(super) fn find(root: &Path, spare: &Path) -> io::Result<Files> {
    let root = root.canonicalize()?;
    let mut found = walk(&root);
    let mut place = root.display().to_string();
    let mut base = root;
    if found.is_empty() {
        base = spare.join("samples");
        samples(&base)?;
        place = format!("{} (the current folder has none)", base.display());
        found = walk(&base);
    }
    found.sort_by_key(|(size, path)| (std::cmp::Reverse(*size), path.clone()));
    found.truncate(FILES);
    let name = |path: &PathBuf| {
        path.strip_prefix(&base)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let paths: Vec<PathBuf> = found.into_iter().map(|(_, path)| path).collect();
    Ok(Files {
        place,
        names: paths.iter().map(name).collect(),
        paths,
    })
}

fn walk(root: &Path) -> Vec<(u64, PathBuf)> {
    let mut folders = vec![root.to_owned()];
    let mut found = vec![];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > FOLDERS {
            break;
        }
        // What cannot be read is not our work.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let size = entry.metadata().map_or(0, |m| m.len());
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && size > 0 && size <= BYTES && is_text(&entry.path()) {
                found.push((size, entry.path()));
            }
        }
    }
    found
}

/// No NUL byte in the beginning, and valid UTF-8 up to a cut character.
fn is_text(path: &Path) -> bool {
    let mut start = vec![];
    let read = File::open(path).and_then(|file| file.take(4_096).read_to_end(&mut start));
    if read.is_err() || start.contains(&0) {
        return false;
    }
    match std::str::from_utf8(&start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

fn samples(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(
        folder.join("a.md"),
        "# A\n\nSee [b](b.md) and [c](missing.md).\n",
    )?;
    std::fs::write(folder.join("b.md"), "# B\n\nBack to [a](a.md).\n")?;
    std::fs::write(folder.join("c.txt"), "plain text\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_gets_samples_and_binary_files_are_left_alone() {
        let folder = std::env::temp_dir().join(format!("warrener-files-{}", std::process::id()));
        let empty = folder.join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        std::fs::write(empty.join("binary"), [0, 1, 2]).unwrap();
        let files = find(&empty, &folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(files.names, ["a.md", "b.md", "c.txt"]);
    }
}

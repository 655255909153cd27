//! Where a program runs: its own fresh folder, or the one that was asked for; and what its words mean from there.

use super::Program;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often the root is made for one run: somebody may clear it away just then.
const ROOTS: u32 = 3;

/// The working folder of one run. An own one goes away with this value.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    own: bool,
}

impl Folder {
    /// The program's `cwd`, or a new folder below its `work_root`.
    pub(super) fn open(program: &Program) -> io::Result<Folder> {
        if let Some(cwd) = &program.cwd {
            return Ok(Folder {
                path: absolute(&program.base).join(cwd),
                own: false,
            });
        }
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let root = absolute(&program.work_root);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        let mut roots = 0..ROOTS;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = root.join(format!("run-{}-{count}", std::process::id()));
            match builder.create(&path) {
                Ok(()) => return Ok(Folder { path, own: true }),
                // Left by an agent that was killed and had our process id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another run may make the root meanwhile: whether it is there now says nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound && roots.next().is_some() => {
                    DirBuilder::new()
                        .recursive(true)
                        .mode(0o700)
                        .create(&root)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The folder, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it if nothing is in it: one quick call, and all there is to do for most programs. False if there is
    /// more to do, which dropping it does.
    pub(super) fn remove_if_empty(&mut self) -> bool {
        self.own = self.own && fs::remove_dir(&self.path).is_err();
        !self.own
    }
}

impl Drop for Folder {
    /// Blocks for as long as there are files to remove.
    fn drop(&mut self) {
        if self.own
            && let Err(error) = remove(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.path.display(), "cannot remove a working folder");
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder).or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Err(error);
        }
        // Caches of several build tools make their folders read-only.
        make_writable(folder)?;
        fs::remove_dir_all(folder)
    })
}

/// Lets the owner list and change every folder below; symbolic links are not followed.
fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

/// The words of the command as they are passed on from `folder`: those that name a file of the base are made
/// absolute, because the program does not run there.
pub(super) fn words(program: &Program, folder: &Path) -> Vec<OsString> {
    let base = absolute(&program.base);
    if folder == base {
        return program.argv.clone();
    }
    let place = |(at, word): (usize, &OsString)| {
        let path = base.join(word);
        let names_file = !word.is_empty() && path.is_file();
        // A first word without a slash is looked for on PATH, whatever lies in the base.
        let moved = if at == 0 { has_slash(word) } else { names_file };
        if moved {
            path.into_os_string()
        } else {
            word.clone()
        }
    };
    program.argv.iter().enumerate().map(place).collect()
}

/// Whether the word is a path and not a name to look for.
pub(super) fn has_slash(word: &OsStr) -> bool {
    word.as_encoded_bytes().contains(&b'/')
}

/// Made absolute without looking at the disk; as it is where that fails (it is empty).
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    /// Found by `cargo xtask torture`: the first runs of an agent start at the same time, and one of them failed.
    #[test]
    fn runs_that_start_together_make_their_root_once() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let root = dir.path().join(round.to_string());
            let program = Program::new(vec![], dir.path().into(), root);
            let start = Barrier::new(4);
            let open = || {
                start.wait();
                Folder::open(&program).map(drop)
            };
            thread::scope(|threads| {
                let all: Vec<_> = (0..4).map(|_| threads.spawn(open)).collect();
                for one in all {
                    one.join().unwrap().unwrap();
                }
            });
        }
    }
}

//! What several tests of this crate share: opening, and mounting a small file system where that is allowed.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use warrener_backend::{Error, Store as _};
use warrener_sqlite::{Options, SqliteStore};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the store in a folder.
pub(crate) fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(Options::new(dir)).unwrap()
}

/// The error of a folder that cannot be opened.
pub(crate) fn refused(dir: &Path) -> Error {
    SqliteStore::open(Options::new(dir)).unwrap_err()
}

/// Closes a store in time.
pub(crate) async fn close(store: SqliteStore) {
    store.close(PATIENCE).await.unwrap();
}

/// A file system of its own; gone with this.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts so many MiB of memory on a folder; `None` where this is not permitted.
    pub(crate) fn new(dir: &Path, mebibytes: u32) -> Option<Mounted> {
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir);
        succeeds(&mut mount).then(|| Mounted(dir.to_owned()))
    }

    /// From now on nobody can write there.
    pub(crate) fn make_read_only(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,ro"]).arg(&self.0);
        assert!(succeeds(&mut mount), "what was mounted can be remounted");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a store that was dropped may still be closing.
        succeeds(Command::new("umount").arg("-l").arg(&self.0));
    }
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

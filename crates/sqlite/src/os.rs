//! Everything that asks the operating system: the folder, the lock of its one owner, the sort of file system, the time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use warrener_backend::{Error, Result};
use warrener_model::Timestamp;

/// Name of the lock file within the folder of a store.
const LOCK: &str = "owner.lock";

/// The right to a folder; as long as this lives, no other process opens the store in it.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Never read: the lock goes with the descriptor.
    _file: File,
}

/// Makes the folder if it is not there, and takes it for this process.
///
/// # Errors
/// `NoRoom` when nothing can be written there, `Invalid` for a network file system, `Taken` by another process.
pub(crate) fn own(dir: &Path) -> Result<Owner> {
    make(dir).map_err(|error| unwritable(dir, &error))?;
    if let Some(name) = network(dir) {
        return Err(Error::Invalid(format!(
            "{} is on a network file system ({name}), where locks and shared memory cannot be relied on; \
             choose a folder on a local disk",
            dir.display()
        )));
    }
    let path = dir.join(LOCK);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| unwritable(dir, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(dir, &mut file)),
        Err(TryLockError::Error(error)) => return Err(unwritable(dir, &error)),
    }
    // For people only: whoever finds the folder taken is told by whom. A full disk is no reason not to start.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Owner { _file: file })
}

/// Bytes of a file; none when it is not there. By its name, since closing a second descriptor would drop SQLite's locks.
pub(crate) fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}

/// The time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "the store's clock is where stored times come from; Options::clock replaces it in tests"
)]
pub(crate) fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::default().plus(since)
}

fn make(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let missing: Vec<_> = dir.ancestors().take_while(|part| !part.exists()).collect();
    builder.create(dir)?;
    // What is accepted a moment later must not go with the name of its folder when the power does.
    for parent in missing.iter().filter_map(|part| part.parent()) {
        sync(parent)?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)?.sync_all()
}

/// Only Unix has folders that can be flushed.
#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

fn unwritable(dir: &Path, error: &io::Error) -> Error {
    Error::NoRoom {
        what: dir.display().to_string(),
        reason: format!("{error}; choose a folder that this user can write to, or make room there"),
    }
}

fn taken(dir: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    // The owner may be writing it just now.
    let _ = file.take(20).read_to_string(&mut text);
    let who = match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".into(),
    };
    Error::Taken {
        what: dir.display().to_string(),
        reason: format!("{who} has it open; stop that process, or choose another folder"),
    }
}

#[cfg(target_os = "linux")]
fn network(dir: &Path) -> Option<&'static str> {
    // Magic numbers have 32 bits; the type of the field differs from platform to platform.
    rustix::fs::statfs(dir)
        .ok()
        .and_then(|stat| network_name(stat.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
fn network(_: &Path) -> Option<&'static str> {
    None
}

/// The network file systems that can be told apart (FUSE hides what is behind it).
#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B => Some("SMB"),
        0xFF53_4D42 => Some("CIFS"),
        0xFE53_4D42 => Some("SMB2"),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xFF53_4D42), Some("CIFS"));
        // ext4, tmpfs, and 9p, which virtual machines use for folders of their host.
        for local in [0xEF53, 0x0102_1994, 0x0102_1997] {
            assert_eq!(network_name(local), None);
        }
        assert_eq!(network(Path::new("/")), None);
    }
}

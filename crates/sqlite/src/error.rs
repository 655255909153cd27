//! From what SQLite and the system say to what the port says, by what the caller can do.

use rusqlite::ErrorCode;
use std::path::Path;
use warrener_backend::Error;

const WHAT: &str = "the store";
/// A flush failed: what was written may or may not be on the disk.
const IOERR_FSYNC: i32 = rusqlite::ffi::SQLITE_IOERR_FSYNC;

/// What a failed write means. The caller has rolled back: nothing of it happened, unless a flush failed.
pub(crate) fn writing(error: &rusqlite::Error) -> Error {
    let Some(code) = error.sqlite_error() else {
        return damaged(error);
    };
    match code.code {
        ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => no_room(error),
        ErrorCode::SystemIoFailure if code.extended_code != IOERR_FSYNC => no_room(error),
        ErrorCode::TooBig => Error::Invalid(format!("too large for the store: {error}")),
        _ => other(error),
    }
}

/// What a failed read means.
pub(crate) fn reading(error: &rusqlite::Error) -> Error {
    match error.sqlite_error() {
        Some(_) => other(error),
        None => damaged(error),
    }
}

/// What it means that the database in this file cannot be opened.
pub(crate) fn opening(error: &rusqlite::Error, file: &Path) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => no_room(error),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => not_a_database(file, error),
        _ => writing(error),
    }
}

/// Something is in the file that is no store of ours.
pub(crate) fn not_a_database(file: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Damaged {
        what: file.display().to_string(),
        reason: format!("{reason}; {ADVICE}"),
    }
}

/// The store has ended, or is ending.
pub(crate) fn closed() -> Error {
    Error::unavailable(WHAT, "it is closed")
}

/// More of these wait than it makes sense to keep waiting.
pub(crate) fn crowded(what: &str) -> Error {
    Error::Overloaded(format!("{WHAT} ({what})"))
}

/// The thread that should have answered did not.
pub(crate) fn unanswered(reason: impl ToString) -> Error {
    Error::unavailable(WHAT, reason)
}

const ADVICE: &str = "nothing was changed; restore this file from a backup, or move it away to start with an empty store";

fn other(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => damaged(error),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::unavailable(
            WHAT,
            format!("another program holds the database ({error}); end that program"),
        ),
        _ => Error::unavailable(WHAT, error),
    }
}

fn damaged(error: &rusqlite::Error) -> Error {
    Error::Damaged {
        what: WHAT.into(),
        reason: format!("{error}; {ADVICE}"),
    }
}

fn no_room(error: &rusqlite::Error) -> Error {
    Error::NoRoom {
        what: WHAT.into(),
        reason: format!("{error}; make room on its disk, or make its folder writable"),
    }
}

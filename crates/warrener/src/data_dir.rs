//! The data folder: made with mode 0700 and its own `.gitignore`; holds the store, the token, the secret, and where the
//! server is found.

use crate::connect::{SERVER_FILE, ServerFile, TOKEN_FILE};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use warrener_api::problem::Problem;

const SECRET_FILE: &str = "secret";

/// A data folder that exists and can be written.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Makes the folder if it is not there.
    pub(crate) fn prepare(path: &Path) -> Result<DataDir, Problem> {
        let failed = |what: &Path, error: io::Error| unusable(what, &error);
        if !path.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|e| failed(path, e))?;
        }
        own(path)?;
        let ignore = path.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(|e| failed(&ignore, e))?;
        }
        let path = path.canonicalize().map_err(|e| failed(path, e))?;
        Ok(DataDir { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The bearer token of this folder; made on first use.
    pub(crate) fn token(&self) -> Result<String, Problem> {
        let file = self.path.join(TOKEN_FILE);
        let text = self.secret_text(&file)?;
        Ok(text.trim().to_owned())
    }

    /// The secret that task tokens are made from; made on first use.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Problem> {
        let file = self.path.join(SECRET_FILE);
        let text = self.secret_text(&file)?;
        let bytes: Vec<u8> = (0..text.trim().len() / 2)
            .filter_map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
            .collect();
        bytes.try_into().map_err(|_| {
            let detail = format!("{} does not hold 64 hexadecimal digits", file.display());
            Problem::new("data_dir_unusable", detail)
                .hint("remove the file; running programs lose their task tokens")
        })
    }

    fn secret_text(&self, file: &Path) -> Result<String, Problem> {
        match fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => Ok(text),
            Ok(_) => self.make_secret(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_secret(file),
            Err(error) => Err(unusable(file, &error)),
        }
    }

    /// 256 random bits as text, written so that no other user can read them at any moment.
    fn make_secret(&self, file: &Path) -> Result<String, Problem> {
        let text = format!(
            "{}{}\n",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        write_private(file, text.as_bytes()).map_err(|error| unusable(file, &error))?;
        Ok(text)
    }

    /// Says where the server is, until the answer is dropped.
    pub(crate) fn announce(&self, url: &str) -> Result<Announced, Problem> {
        let file = self.path.join(SERVER_FILE);
        let token_file = self.path.join(TOKEN_FILE);
        let content = ServerFile {
            url: url.into(),
            pid: std::process::id(),
            token_file,
        };
        let text = serde_json::to_vec_pretty(&content).expect("plain fields");
        write_private(&file, &text).map_err(|error| unusable(&file, &error))?;
        Ok(Announced { file })
    }
}

/// Removes the announcement when the server ends; after a kill -9 it stays, and clients find nobody there.
#[derive(Debug)]
pub(crate) struct Announced {
    file: PathBuf,
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.file);
    }
}

/// A folder that others own, or may write to, could hold a token that others know.
fn own(path: &Path) -> Result<(), Problem> {
    let meta = fs::metadata(path).map_err(|error| unusable(path, &error))?;
    let whose =
        (meta.uid() != rustix::process::geteuid().as_raw()).then_some("belongs to another user");
    let open = (meta.mode() & 0o022 != 0).then_some("may be written to by other users");
    match whose.or(open) {
        None => Ok(()),
        Some(what) => {
            let hint = format!(
                "make it yours alone (chmod 700 {0}), or name another with --data-dir",
                path.display()
            );
            Err(Problem::new("data_dir_unusable", format!("{} {what}", path.display())).hint(hint))
        }
    }
}

/// Written beside it, then renamed: a reader sees the old or the new content, never a part.
fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let beside = file.with_extension(format!("new-{}", uuid::Uuid::new_v4().simple()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&beside).and_then(|mut out| {
        out.write_all(content)?;
        out.sync_all()
    });
    written
        .and_then(|()| fs::rename(&beside, file))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}

fn unusable(what: &Path, error: &io::Error) -> Problem {
    Problem::new("data_dir_unusable", format!("{}: {error}", what.display()))
}

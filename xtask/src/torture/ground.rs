//! Where a torture run takes place: a private folder with copies of the programs, the configuration,
//! the data folder and the records; and a port that nobody else uses.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use tempfile::TempDir;

use crate::cargo::{cargo, succeeds};

/// What a binary with kill points contains, and no other does.
const MARK: &[u8] = b"WARRENER_KILL_AT";
/// Ports below what systems hand out to outgoing connections: one of those could take the server's
/// port while the server is down, or even connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const PORT_TRIES: usize = 100;

/// Retries by class, as the configuration says and the checker knows.
pub(crate) const RETRIES: &[(&str, usize)] =
    &[("network", 5), ("timeout", 3), ("crash", 3), ("lost", 3)];
/// How long a retry waits, in milliseconds, whatever the class (but for lost runs, which wait for nothing).
pub(crate) const RETRY_MS: i64 = 150;
/// The lease, in milliseconds.
pub(crate) const LEASE_MS: u64 = 1_500;

/// See the module. The folder goes when this is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) token: String,
    /// Where the broker is, if it is not in the server.
    pub(crate) broker: Option<String>,
}

impl Ground {
    /// Makes the folder and puts everything into it.
    pub(crate) fn make(
        warrener: &Path,
        broker: Option<String>,
        rng: &mut Rng,
    ) -> io::Result<Ground> {
        let folder = tempfile::Builder::new()
            .prefix("warrener-torture-")
            .tempdir()?;
        let ground = Ground {
            folder,
            port: free_port(rng)?,
            token: (0..64).map(|_| rng.digit(16)).collect(),
            broker,
        };
        fs::create_dir_all(ground.logs())?;
        fs::create_dir_all(ground.data())?;
        fs::set_permissions(ground.data(), fs::Permissions::from_mode(0o700))?;
        // Copies: a build that goes on beside us must not change what is tested half way.
        fs::copy(warrener, ground.warrener())?;
        fs::copy(std::env::current_exe()?, ground.xtask())?;
        if !contains(&fs::read(ground.warrener())?, MARK) {
            return Err(io::Error::other(
                "this warrener has no kill points; leave out --no-build",
            ));
        }
        let token = ground.data().join("token");
        fs::write(&token, format!("{}\n", ground.token))?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        fs::write(ground.config(), configuration())?;
        Ok(ground)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.data().join("store.db")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("warrener.toml")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// Written by programs.
    pub(crate) fn witness(&self) -> PathBuf {
        self.path().join("witness")
    }

    /// Written by kill points.
    pub(crate) fn deaths(&self) -> PathBuf {
        self.path().join("deaths")
    }

    pub(crate) fn warrener(&self) -> PathBuf {
        self.path().join("warrener")
    }

    pub(crate) fn xtask(&self) -> PathBuf {
        self.path().join("xtask")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Leaves the folder behind, for a person to look at.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Builds the binary with its kill points, if asked to, and says where it is.
pub(crate) fn build(build: bool) -> io::Result<PathBuf> {
    if build {
        let built = succeeds(cargo().args([
            "build",
            "--quiet",
            "-p",
            "warrener",
            "--features",
            "warrener/kill-points",
        ]))?;
        if !built {
            return Err(io::Error::other("warrener with kill points does not build"));
        }
    }
    let mut command: Command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_slice(&command.output()?.stdout)?;
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    Ok(Path::new(target).join("debug").join("warrener"))
}

/// Short timers, in the proportions of the defaults, and retries that do not make a run wait.
fn configuration() -> String {
    let mut text = format!(
        "[timers]\nclaim_repeat = \"100ms\"\nclaim_ttl = \"1s\"\ngrant_fresh = \"400ms\"\n\
         grace = \"300ms\"\noutcome_again = \"300ms\"\noffer_overdue = \"500ms\"\n\
         handoff = \"1s\"\nheartbeat = \"100ms\"\nlease = \"{LEASE_MS}ms\"\nconfirm = \"1s\"\n\
         caught_up = \"200ms\"\nsweep = \"50ms\"\nhello = \"100ms\"\n\n\
         [broker]\nheartbeat = \"1s\"\n"
    );
    for (class, retries) in RETRIES {
        text += &format!("\n[retry.{class}]\nretries = {retries}\n");
        if *class != "lost" {
            text += &format!("backoff = \"fixed\"\nbase = \"{RETRY_MS}ms\"\njitter = \"none\"\n");
        }
    }
    text
}

fn free_port(rng: &mut Rng) -> io::Result<u16> {
    let mut ports = (0..PORT_TRIES).map(|_| rng.u16(PORTS));
    ports
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| io::Error::other("no free port"))
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_without_kill_points_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("warrener");
        fs::write(&plain, "a program").unwrap();
        let mut rng = Rng::with_seed(1);
        assert!(Ground::make(&plain, None, &mut rng).is_err());
        fs::write(&plain, [b"a program ".as_slice(), MARK].concat()).unwrap();
        let ground = Ground::make(&plain, None, &mut rng).unwrap();
        assert!(PORTS.contains(&ground.port));
        assert_eq!(ground.token.len(), 64);
    }
}

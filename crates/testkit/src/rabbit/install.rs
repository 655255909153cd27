//! The RabbitMQ that nodes are started from: the machine's own, or that of a root folder with another version.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names a root folder with a RabbitMQ inside; without it the machine's own is used.
/// Entering such a folder takes root.
pub const ROOT: &str = "WARRENER_TEST_RABBITMQ_ROOT";

const SERVER: &str = "usr/lib/rabbitmq/bin/rabbitmq-server";
const LIBRARY: &str = "usr/lib/rabbitmq/lib";

/// Enters the root given first, in a mount namespace that is gone with the node.
const ENTER: &str =
    r#"mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@""#;

/// One installed RabbitMQ.
#[derive(Clone, Debug)]
pub struct Install {
    root: Option<PathBuf>,
    version: String,
}

impl Install {
    /// The one tests are to use.
    ///
    /// # Panics
    /// If there is none; the text says how to get one.
    #[must_use]
    #[track_caller]
    pub fn find() -> Install {
        let root = env::var_os(ROOT).filter(|root| !root.is_empty());
        Install::at(root.map(PathBuf::from)).unwrap_or_else(|why| panic!("{why}"))
    }

    pub(crate) fn at(root: Option<PathBuf>) -> Result<Install, String> {
        let base = root.as_deref().unwrap_or(Path::new("/"));
        let Some(version) = version_below(&base.join(LIBRARY)) else {
            return Err(missing(root.as_deref()));
        };
        if !base.join(SERVER).exists() {
            return Err(missing(root.as_deref()));
        }
        Ok(Install { root, version })
    }

    /// As `3.10.8`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is this version or a newer one.
    #[must_use]
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        numbers(&self.version) >= (major, minor)
    }

    /// Where folders of nodes are made, so that nodes can see them.
    pub(crate) fn folders(&self) -> PathBuf {
        match &self.root {
            Some(root) => root.join("tmp"),
            None => env::temp_dir(),
        }
    }

    /// How a node calls this path.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => Path::new("/").join(path.strip_prefix(root).unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// `rabbitmq-server` itself, not the wrapper that becomes another user. The process that is started
    /// becomes the broker, so its id is the broker's.
    pub(crate) fn server(&self) -> Command {
        let server = Path::new("/").join(SERVER);
        let Some(root) = &self.root else {
            return Command::new(server);
        };
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER]);
        command.arg(root).arg(server);
        command
    }
}

fn missing(root: Option<&Path>) -> String {
    match root {
        Some(root) => format!(
            "no RabbitMQ in {}, which {ROOT} names; make one with: cargo xtask matrix --prepare",
            root.display()
        ),
        None => format!(
            "no RabbitMQ at /{SERVER}; install it (sudo apt-get install rabbitmq-server), or name a root with one in {ROOT}"
        ),
    }
}

/// The package keeps its code in a folder named after its version.
fn version_below(library: &Path) -> Option<String> {
    fs::read_dir(library).ok()?.find_map(|entry| {
        let name = entry.ok()?.file_name();
        Some(name.to_str()?.strip_prefix("rabbitmq_server-")?.to_owned())
    })
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(numbers("3.10.8"), (3, 10));
        assert!(numbers("4.0.5-beta") > numbers("3.13.7"));
        assert!(numbers("3.9") < numbers("3.10"));
    }

    #[test]
    fn a_root_without_a_rabbitmq_says_how_to_get_one() {
        let root = tempfile::tempdir().unwrap();
        let why = Install::at(Some(root.path().to_owned())).unwrap_err();
        assert!(why.contains("matrix --prepare"), "{why}");
        assert!(why.contains(&root.path().display().to_string()), "{why}");
    }

    #[test]
    fn a_root_is_named_from_inside_as_the_node_sees_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(LIBRARY).join("rabbitmq_server-4.3.6")).unwrap();
        fs::create_dir_all(root.path().join(SERVER)).unwrap();
        let install = Install::at(Some(root.path().to_owned())).unwrap();
        assert_eq!(install.version(), "4.3.6");
        assert!(install.is_at_least(4, 0) && !install.is_at_least(4, 4));
        assert_eq!(
            install.inside(&install.folders().join("x")),
            Path::new("/tmp/x")
        );
    }
}

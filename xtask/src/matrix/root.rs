//! Root folders with a RabbitMQ of another Debian release, made from the mirror that this machine's apt uses.

use std::fs;
use std::io;
use std::path::Path;

use crate::cargo::{program, succeeds};

/// Written last: a root without it was given up half way and is made anew.
const DONE: &str = "warrener-done";

const LIBRARY: &str = "usr/lib/rabbitmq/lib";
const RELEASES: &str = "usr/lib/erlang/releases";

/// Makes the root, if it is not there.
///
/// # Errors
/// If there is no mirror of Debian, or a step fails.
pub(super) fn make(release: &str, folder: &Path) -> io::Result<()> {
    if folder.join(DONE).exists() {
        return Ok(());
    }
    println!("== make a root of {release}");
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mirror = mirror()?;
    let mut base = program("debootstrap");
    base.args(["--variant=minbase", release])
        .arg(folder)
        .arg(mirror);
    done(succeeds(&mut base)?, "debootstrap", folder)?;

    // Its services must not start: they would run on this machine.
    let policy = folder.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&policy, executable)?;
    // Names are resolved as outside.
    for file in ["etc/hosts", "etc/resolv.conf"] {
        fs::copy(Path::new("/").join(file), folder.join(file))?;
    }
    let mut install = program("chroot");
    install.arg(folder).env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["apt-get", "install", "-q", "-y", "--no-install-recommends"]);
    install.arg("rabbitmq-server");
    done(succeeds(&mut install)?, "apt-get install", folder)?;
    fs::write(folder.join(DONE), "")
}

/// RabbitMQ's version and Erlang's, by the names of their folders.
pub(super) fn versions(folder: Option<&Path>) -> io::Result<(String, String)> {
    let base = folder.unwrap_or(Path::new("/"));
    let named = |path: &str, start: &str| -> io::Result<String> {
        let path = base.join(path);
        let names =
            fs::read_dir(&path)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut versions = names.filter_map(|name| Some(name.strip_prefix(start)?.to_owned()));
        versions
            .find(|version| version.starts_with(|first: char| first.is_ascii_digit()))
            .ok_or_else(|| io::Error::other(format!("no version in {}", path.display())))
    };
    Ok((named(LIBRARY, "rabbitmq_server-")?, named(RELEASES, "")?))
}

fn mirror() -> io::Result<String> {
    let format = "$(REPO_URI) $(LABEL)";
    let mut command = program("apt-get");
    command.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let output = command.output()?;
    mirror_in(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        io::Error::other("apt knows no mirror of Debian here; the matrix needs a Debian machine")
    })
}

/// Of the sources that apt knows, the first that is Debian's main archive.
fn mirror_in(sources: &str) -> Option<String> {
    sources.lines().find_map(|line| {
        let (place, label) = line.split_once(' ')?;
        (label == "Debian").then(|| place.to_owned())
    })
}

fn done(well: bool, step: &str, folder: &Path) -> io::Result<()> {
    if well {
        return Ok(());
    }
    let folder = folder.display();
    Err(io::Error::other(format!("{step} failed for {folder}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_main_archive_of_debian() {
        let sources = "http://a.example/other/ Other\nhttp://b.example/s/ Debian-Security\nhttp://c.example/debian/ Debian\n";
        assert_eq!(
            mirror_in(sources).as_deref(),
            Some("http://c.example/debian/")
        );
        assert_eq!(mirror_in("http://u.example/ubuntu Ubuntu\n"), None);
    }

    #[test]
    fn versions_are_read_from_the_names_of_folders() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5",
            "usr/lib/erlang/releases/27",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join(RELEASES).join("RELEASES"), "").unwrap();
        let versions = versions(Some(root.path())).unwrap();
        assert_eq!(versions, ("4.0.5".to_owned(), "27".to_owned()));
    }

    #[test]
    fn a_root_that_is_done_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(DONE), "").unwrap();
        make("no-such-release", root.path()).unwrap();
    }
}
